"""Vision policy: one encoder and one policy in tool space for three tasks, from pictures and words.

    out/encoder.safetensors    where object and goal are, by picture and instruction
    out/seen/<task>/<robot>    the demonstrations as the encoder sees them
    out/policy.safetensors     acts in tool motion on what is seen and said
    out/card.json              seconds of a core, sizes, settings

Each part is made once: a stopped training goes on with the next missing one.
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ate.data.episodes import Episodes
from ate.data.loading import load, load_sets
from ate.data.tool_space import ToolSpace, tool_spaces
from ate.errors import InputError
from ate.experiments.settings import SHIPPED
from ate.policies.policy import Policy, build
from ate.policies.vision.encoder import Encoder, EncoderConfig
from ate.policies.vision.eyes import Eyes
from ate.policies.vision.fitting import FitConfig, fit_encoder
from ate.policies.vision.instruction import RIGHT
from ate.policies.vision.moment import moments
from ate.policies.vision.seen import see, write
from ate.robots.frames import Placement
from ate.robots.kinematic_table import robot as simulated_robot
from ate.runs.device import one_thread
from ate.runs.files import read_json, write_json
from ate.sim.tasks import TASKS
from ate.steer.finetuning import pretrain
from ate.steer.training import OptimConfig

EXECUTE = 8
# Metres from an object's centre to that of a marker on which it stands.
AT_MARKER = 0.03
ENCODER, POLICY, CARD, SEEN = "encoder.safetensors", "policy.safetensors", "card.json", "seen"
Log = Callable[[str], None]


@dataclass(frozen=True)
class VisionTraining:
    """What is trained.

    Attributes:
        data: folder of `<task>/pretrain/<robot>`; empty for the shipped demonstrations.
        tasks: that one policy learns.
        size: pixels of a picture's side.
        trunk: folder of a frozen vision model for the encoder; empty for convolutions of its own.
        encoder_steps, encoder_batch: of the encoder's optimiser.
        every: rows of an episode that the encoder is trained on, every so many.
        scatter: whether the encoder learns on scattered scenes (`ate.policies.vision.scatter`), or on those recorded.
        jitter: whether it learns on pictures in other light and colours, and on arms in other colours.
        held_out: share of the episodes that the encoder never sees.
        episodes: of each robot and task, the first so many, that the policy is trained on; 0 for all.
        steps, batch: of the policy's optimiser.
        hidden, depth: of the policy's network.
        parameterization: what the policy predicts.
        horizon: S.
        seed: of everything.
    """

    data: str = ""
    tasks: tuple[str, ...] = tuple(TASKS)
    size: int = 64
    trunk: str = ""
    encoder_steps: int = 2400
    encoder_batch: int = 64
    every: int = 4
    scatter: bool = True
    jitter: bool = True
    held_out: float = 0.1
    episodes: int = 0
    steps: int = 20_000
    batch: int = 128
    hidden: int = 256
    depth: int = 3
    parameterization: str = "sample"
    horizon: int = 16
    seed: int = 0

    @property
    def root(self) -> Path:
        """Folder of the demonstrations."""
        return Path(self.data) if self.data else SHIPPED


def train_vision(config: VisionTraining, out: Path, log: Log = lambda _: None) -> Path:
    """Train encoder and policy into a folder; returns the policy's file.

    Args:
        config: what is trained.
        out: a folder; parts that it has are read back.
        log: is given each part as it begins.

    Raises:
        InputError: the folder holds the parts of another training, data that cannot be drawn, or no backend for
            pictures.
    """
    out.mkdir(parents=True, exist_ok=True)
    card = _card(config, out)
    encoder = _encoder(config, out, card, log)
    sets = _seen(config, encoder, out, card, log)
    file = out / POLICY
    if not file.exists():
        log(f"policy: {config.steps} steps")
        with _timed(card, out, "policy"):
            _policy(config, encoder, sets, out).save(file)
    card["megabytes"] = {name: round((out / name).stat().st_size / 1e6, 2) for name in (ENCODER, POLICY)}
    write_json(out / CARD, card)
    return file


def load_vision(file: Path, task: str, instruction: str, robot: str, cameras: Sequence[str] = ()) -> Policy:
    """A vision policy that moves one robot, seen or not, with an instruction.

    Args:
        file: what `train_vision` wrote.
        task: whose scene it looks at.
        instruction: one of `ate.policies.vision.instruction.KINDS`, or a sentence of your own.
        robot: a simulated robot.
        cameras: those that are believed; none for all.

    Raises:
        InputError: a policy without eyes, or one that acts in joints.
    """
    policy = Policy.load(file)
    space = policy.spaces[0]
    if not isinstance(policy.eyes, Eyes) or not isinstance(space, ToolSpace):
        raise InputError(
            "a policy in joints" if isinstance(policy.eyes, Eyes) else "a policy without eyes", where=str(file),
            expected="one of `ate vision train`", fix="name policy.safetensors of its folder",
        )  # fmt: skip
    arm, own = simulated_robot(robot), replace(space.embodiment, name=robot)
    moved = policy.moved_to(replace(space, embodiment=own, placement=Placement.of(robot), columns=arm.joint_names))
    moved.eyes = policy.eyes.changed(task=task, instruction=instruction, cameras=tuple(cameras) or policy.eyes.cameras)
    return moved.eval()


@dataclass(frozen=True)
class Outcome:
    """Rollouts of a vision policy.

    Attributes:
        robot, task, instruction: what was there, and what was asked for.
        successes, rollouts: of the task that was there.
        elsewhere: episodes that ended with the object at the marker that is no goal; None where there is none.
    """

    robot: str
    task: str
    instruction: str
    successes: int
    rollouts: int
    elsewhere: int | None


@one_thread()
def roll_vision(
    file: Path, robot: str, task: str, instruction: str = RIGHT, rollouts: int = 50, cameras: Sequence[str] = ()
) -> Outcome:
    """Roll a vision policy out from seeds 0 on; arguments as `load_vision`, 8 rows of a chunk carried out a picture."""
    from ate.sim.render import other_goal
    from ate.sim.rollout import rollout

    policy = load_vision(file, task, instruction, robot, cameras)
    first: list[np.ndarray] = []
    act = policy.acting(torch.Generator().manual_seed(0))

    def acting(qpos: np.ndarray, state: np.ndarray | None) -> np.ndarray:
        assert state is not None
        if not first:
            first.append(state)
        return act(qpos, state)

    done = rollout(acting, robot, task, range(rollouts), execute=EXECUTE, threads=1, record=True)
    other = other_goal(task, first[0])
    elsewhere = None
    if other is not None and done.tracks is not None:
        apart = np.linalg.norm(done.tracks.object[:, -1, :2] - other[:, :2], axis=1)
        elsewhere = int((apart < AT_MARKER).sum())
    return Outcome(robot, task, instruction, int(done.success.sum()), rollouts, elsewhere)


def _encoder(config: VisionTraining, out: Path, card: dict[str, Any], log: Log) -> Encoder:
    file = out / ENCODER
    if not file.exists():
        encoder = Encoder(EncoderConfig(size=config.size, trunk=config.trunk), config.seed)
        log(f"pictures for the encoder: every {config.every} rows")
        seed = config.seed if config.scatter else None
        with _timed(card, out, "drawing for the encoder"):
            drawn = [
                moments(
                    Eyes(encoder, task),
                    episodes.split(config.held_out, config.seed)[0],
                    config.every,
                    seed,
                    config.jitter,
                )
                for task, episodes in _demonstrations(config)
            ]
        log(f"encoder: {config.encoder_steps} steps on {sum(map(len, drawn))} moments")
        fit = FitConfig(config.encoder_steps, config.encoder_batch, seed=config.seed, jitter=config.jitter)
        with _timed(card, out, "encoder"):
            fit_encoder(encoder, drawn, fit).save(file)
    return Encoder.load(file)


def _seen(config: VisionTraining, encoder: Encoder, out: Path, card: dict[str, Any], log: Log) -> list[Episodes]:
    for task, episodes in _demonstrations(config):
        folder = out / SEEN / task / episodes.robot
        if not folder.exists():
            log(f"drawing and seeing {task}, {episodes.robot}")
            eyes = Eyes(encoder, task)
            some = episodes.select(range(min(len(episodes), config.episodes or len(episodes))))
            with _timed(card, out, "drawing and seeing"):
                write(see(some, eyes), eyes, folder)
    return [load(out / SEEN / task / episodes.robot) for task, episodes in _demonstrations(config)]


def _policy(config: VisionTraining, encoder: Encoder, sets: list[Episodes], out: Path) -> Policy:
    spaces = tool_spaces(sets, [Placement.of(episodes.robot) for episodes in sets])
    policy = build(
        sets, config.horizon, config.seed, acted_in=spaces, parameterization=config.parameterization, film=True,
        anchor="middle", fine=True, hidden=config.hidden, depth=config.depth,
    )  # fmt: skip
    optim = OptimConfig(config.steps, config.batch, 1e-3, lr_schedule="cosine", seed=config.seed, ema=0.998)
    trained = pretrain(policy, tuple(sets), optim, directory=out / "training").policy
    trained.eyes = Eyes(encoder, config.tasks[0])
    return trained


def _demonstrations(config: VisionTraining) -> Iterator[tuple[str, Episodes]]:
    for task in config.tasks:
        for episodes in load_sets(config.root / task / "pretrain"):
            yield task, episodes


def _card(config: VisionTraining, out: Path) -> dict[str, Any]:
    """The card of this training; that of another one is refused."""
    wanted, usual = (json.loads(json.dumps(asdict(training))) for training in (config, VisionTraining()))
    file = out / CARD
    card = read_json(file) if file.exists() else {"training": wanted, "seconds": {}}
    # A card from before an option has no value of it.
    began = {**usual, **card["training"]}
    if began != wanted:
        changed = ", ".join(name for name in wanted if began[name] != wanted[name])
        raise InputError(
            f"another {changed}", where=str(file), expected="the training that began in this folder",
            fix="name another folder with --out, or train as the card says",
        )  # fmt: skip
    write_json(file, card)
    return dict(card)


@contextmanager
def _timed(card: dict[str, Any], out: Path, part: str) -> Iterator[None]:
    """CPU seconds of a part, added to the card."""
    began = time.process_time()
    yield
    card["seconds"][part] = round(card["seconds"].get(part, 0) + time.process_time() - began, 1)
    write_json(out / CARD, card)
