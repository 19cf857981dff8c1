"""`ate vision`: an encoder of pictures and a policy that sees and listens; sets as it sees them; how well it does."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ate.runs.options import pairs
from ate.runs.tables import table_text

if TYPE_CHECKING:
    from ate.data.episodes import Episodes
    from ate.policies.vision.camera_eyes import CameraEyes

FOLDER = "runs/vision"


@click.group("vision")
def vision() -> None:
    """A small vision-language-action policy: pictures of two cameras, an instruction, the joints."""


@vision.command("train")
@click.option("--out", type=click.Path(path_type=Path), default=FOLDER, show_default=True, help="Folder of its parts.")
@click.option("--option", "options", multiple=True, metavar="NAME=VALUE",
              help="Any field of VisionTraining: tasks, size, encoder_steps, steps, hidden, every, …")  # fmt: skip
def train(out: Path, options: tuple[str, ...]) -> None:
    """Draw the demonstrations, train encoder and policy, and write weights and a card; a stopped one goes on."""
    from ate.experiments.vision_policy import CARD, VisionTraining, train_vision
    from ate.runs.options import typed

    config = VisionTraining(**typed(VisionTraining, pairs(options, "--option"), "ate vision train"))
    file = train_vision(config, out, click.echo)
    click.echo(f"policy: {file}\ncard: {out / CARD}")


@vision.command("see")
@click.argument("data", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--encoder", type=click.Path(path_type=Path), help="encoder.safetensors [default: the shipped one].")
@click.option("--instruction", default="varied", show_default=True, help="As in ate vision rollout, or a sentence.")
@click.option("--camera", "cameras", multiple=True, help="Camera that is believed [default: all].")
@click.option("--recorded", is_flag=True, help="In pictures that DATA has, in place of drawn ones.")
@click.option("--frozen", type=click.Path(path_type=Path), help="Folder of a SigLIP, CLIP or DINO, for --recorded.")
@click.option("--like", type=click.Path(path_type=Path), help="A set whose eyes are taken again, for --recorded.")
def see_command(
    data: Path, out: Path, encoder: Path | None, instruction: str, cameras: tuple[str, ...], recorded: bool,
    frozen: Path | None, like: Path | None,
) -> None:  # fmt: skip
    """Write episodes of DATA into OUT with what the encoder sees in place of the task's state.

    With --recorded DATA may be a folder of sets, a robot each, and the instructions are those of the files.
    """
    from ate.data.loading import load, load_sets
    from ate.experiments.sight import ENCODER, encoder_in
    from ate.policies.vision.eyes import Eyes
    from ate.policies.vision.seen import see, see_recorded, write

    if recorded:
        sets = load_sets(data)
        seeing = _camera_eyes(sets, encoder, cameras, frozen, like)
        for episodes in sets:
            write(see_recorded(episodes, seeing), seeing, out / episodes.robot if len(sets) > 1 else out)
            click.echo(f"{len(episodes)} episodes of {episodes.robot}, as {', '.join(seeing.cameras)} saw them: {out}")
        return
    episodes = load(data)
    eyes = Eyes(encoder_in(encoder or ENCODER), str(episodes.task), instruction)
    eyes = eyes.changed(cameras=cameras) if cameras else eyes
    write(see(episodes, eyes), eyes, out)
    click.echo(f"{len(episodes)} episodes of {episodes.robot}, {episodes.task}, as they are seen: {out}")


def _camera_eyes(
    sets: "Sequence[Episodes]", encoder: Path | None, cameras: tuple[str, ...], frozen: Path | None, like: Path | None
) -> "CameraEyes":
    from ate.errors import InputError
    from ate.experiments.sight import ENCODER, encoder_in
    from ate.policies.vision.camera_eyes import CameraEyes
    from ate.policies.vision.seen import EYES, eyes_from
    from ate.runs import checkpoint

    if like is None:
        own = None if frozen else encoder_in(encoder or ENCODER)
        return CameraEyes.of(sets, str(frozen or ""), own, cameras)
    eyes = eyes_from(checkpoint.load(like / EYES))
    if not isinstance(eyes, CameraEyes):
        raise InputError(
            "eyes of drawn pictures", where=f"--like {like}", expected="a set that was seen in recorded pictures",
            fix="name a set that --recorded wrote, or leave --recorded out",
        )  # fmt: skip
    return eyes


@vision.command("locate")
@click.argument("data", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("--encoder", type=click.Path(path_type=Path), help="encoder.safetensors [default: the shipped one].")
@click.option(
    "--every", type=click.IntRange(1), default=3, show_default=True, help="Rows of an episode, every so many."
)
@click.option(
    "--episodes", type=click.IntRange(1), default=20, show_default=True, help="Of each set, the first so many."
)
def locate(data: tuple[Path, ...], encoder: Path | None, every: int, episodes: int) -> None:
    """How far off object and goal are seen, by camera, in millimetres."""
    from ate.data.loading import load
    from ate.experiments.sight import ENCODER, encoder_in
    from ate.policies.vision.eyes import Eyes
    from ate.policies.vision.localisation import localisation
    from ate.policies.vision.moment import moments

    trained, rows = encoder_in(encoder or ENCODER), []
    for path in data:
        whole = load(path)
        some = whole.select(range(min(episodes, len(whole))))
        eyes = Eyes(trained, str(whole.task))
        rows += [
            {"robot": whole.robot, "task": whole.task, **vars(e)}
            for e in localisation(eyes, moments(eyes, some, every))
        ]
    click.echo(table_text([{name: _short(value) for name, value in row.items()} for row in rows]))


@vision.command("rollout")
@click.option(
    "--policy", type=click.Path(path_type=Path), help="policy.safetensors of `ate vision train` [default: the shipped]."
)
@click.option("--robot", "robots", multiple=True, required=True, help="Robot of the simulator, seen before or not.")
@click.option("--task", default="lift", show_default=True, help="Whose scene is there.")
@click.option(
    "--instruction",
    default="right",
    show_default=True,
    help="right, varied, paraphrase, wrong colour, wrong task, or a sentence of your own ({goal}: its colour).",
)
@click.option("--rollouts", type=click.IntRange(1), default=50, show_default=True, help="Episodes, from seed 0.")
def rollout_command(policy: Path | None, robots: tuple[str, ...], task: str, instruction: str, rollouts: int) -> None:
    """Roll the vision policy out: its successes at a task, and with an instruction."""
    from ate.experiments.sight import POLICY
    from ate.experiments.stats.comparisons import wilson
    from ate.experiments.vision_policy import roll_vision

    for robot in robots:
        outcome = roll_vision(policy or POLICY, robot, task, instruction, rollouts)
        low, high = wilson(outcome.successes, rollouts)
        other = f", {outcome.elsewhere} at the other marker" if outcome.elsewhere is not None else ""
        click.echo(f"{robot}, {task}, instruction {instruction!r}: {outcome.successes} of {rollouts} succeed "
                   f"({100 * low:.0f} to {100 * high:.0f} %){other}")  # fmt: skip


def _short(value: Any) -> Any:
    return "" if value is None else round(value, 1) if isinstance(value, float) else value
