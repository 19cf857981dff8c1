"""Films of rollouts in notebooks and the report: two methods from one start, and how a cell succeeds and fails."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import joblib
from IPython.display import HTML, display

from ate.errors import InputError
from ate.experiments.answer import leading
from ate.experiments.preparation import in_parallel
from ate.experiments.replay import Replay, replay_in, telling
from ate.experiments.results import RunResult
from ate.experiments.study import Study
from ate.experiments.summary import rolled_out
from ate.viz.display import draw, progress, show_lines
from ate.viz.figures.film import film_strip
from ate.viz.figures.footage import rollout_pictures, side_by_side
from ate.viz.report.captions import Picture
from ate.viz.report.section import Section
from ate.viz.video import Film, video_html

if TYPE_CHECKING:
    from ate.sim.rollout import Rollouts

STRIP = (
    "Line and triangle: path and position of the tool. Dotted line and square: path and position of the object. "
    "Cross: the goal. Metres in the frame of the table; the robot stands at negative x."
)
OWN_STRIP = "From start to end, as the simulator gives them."
FIRST = "The first rollout that succeeded and the first that failed, as far as there are."


@dataclass(frozen=True, eq=False)
class Part:
    """One rollout of a film.

    Attributes:
        rollouts: recorded.
        index: which of them.
        label: what stands above it.
    """

    rollouts: "Rollouts"
    index: int
    label: str

    @property
    def outcome(self) -> str:
        """The label, and whether it succeeded."""
        return f"{self.label}: {'succeeds' if self.rollouts.success[self.index] else 'fails'}"


def show_parts(section: Section, parts: Sequence[Part], name: str, title: str, caption: str) -> None:
    """Keep and display rollouts next to each other as a film; where this machine cannot draw, as film strips.

    Args:
        section: keeps them for the report.
        parts: one or more.
        name: of the file, without number and ending.
        title: above it.
        caption: below it.
    """
    try:
        film = side_by_side([rollout_pictures(part.rollouts, part.index) for part in parts])
    except InputError as error:
        for rollouts in dict.fromkeys(part.rollouts for part in parts):
            which = [part.index for part in parts if part.rollouts is rollouts]
            tracks = rollouts.tracks
            words = STRIP if tracks is not None and tracks.tool.shape[-1] else OWN_STRIP
            labels = "; ".join(part.outcome for part in parts if part.rollouts is rollouts)
            strip = film_strip(rollouts, which)
            section.show(Picture(name, strip, f"{title}: {labels}", f"{caption} {words}"))
        section.lines([f"No film: {error.fix}."])
        return
    section.film(Film(name, film, title, caption, tuple(part.outcome for part in parts)))


def display_parts(parts: Sequence[Part]) -> None:
    """Display rollouts next to each other without keeping them: a film, else a film strip."""
    try:
        data = side_by_side([rollout_pictures(part.rollouts, part.index) for part in parts])
    except InputError as error:
        draw(film_strip(parts[0].rollouts, [part.index for part in parts]))
        show_lines([f"No film: {error.fix}."])
        return
    display(HTML(video_html(data, [part.outcome for part in parts])))


def telling_parts(rollouts: "Rollouts") -> list[Part]:
    """The first rollout that succeeded and the first that failed, as far as there are."""
    return [Part(rollouts, i, f"start {int(rollouts.seeds[i])}") for i in telling(rollouts.success)]


@dataclass(frozen=True, eq=False)
class Contrast:
    """Direct fine-tuning and the best method, on one training seed and from one start.

    Attributes:
        direct, best: runs of the same seed.
        index: the rollout.
    """

    direct: RunResult
    best: RunResult
    index: int


def contrast(results: Sequence[RunResult]) -> Contrast | None:
    """What is worth a film: the start from which direct fine-tuning fails and the best method succeeds.

    The best method is that of the answer (`ate.experiments.answer.leading`), with the first parameterisation; the seed
    is the one where the two differ most. Without such a start it is one where either fails, else the first.

    Returns:
        None without rollouts, or without a method next to direct fine-tuning.
    """
    if not rolled_out(results):
        return None
    own = [run for run in results if run.parameterization == results[0].parameterization]
    direct = {run.seed: run for run in own if run.is_baseline}
    others = [run for run in own if not run.is_baseline and run.seed in direct]
    if not others:
        return None
    method = leading(results)
    best = max((run for run in others if run.method == method),
               key=lambda run: sum(run.success) - sum(direct[run.seed].success))  # fmt: skip
    plain = direct[best.seed]
    pairs = list(zip(plain.success, best.success, strict=True))
    index = next((pairs.index(pair) for pair in ((False, True), (True, False), (False, False)) if pair in pairs), 0)
    return Contrast(plain, best, index)


def show_contrast(study: Study, results: Sequence[RunResult], section: Section) -> None:
    """Keep and display direct fine-tuning and the best method from one start; nothing without rollouts."""
    pair = contrast(results)
    if pair is None:
        return
    jobs = [joblib.delayed(replay_in)(study, run) for run in (pair.direct, pair.best)]
    with progress():
        replays: list[Replay] = in_parallel(study.settings, jobs)
    parts = [Part(done.rollouts, pair.index, done.result.method) for done in replays if done.rollouts is not None]
    if not parts:
        return
    counts = ", ".join(f"{run.method} {sum(run.success)}" for run in (pair.direct, pair.best))
    changed = "" if all(done.faithful for done in replays) else " Rolled out again, they do NOT do what was kept."
    title = f"{pair.direct.method.capitalize()} and {pair.best.method} from one start"
    seed = int(parts[0].rollouts.seeds[pair.index])
    caption = (
        f"Training seed {pair.best.seed}, start {seed}, {pair.best.demonstrations} demonstrations. Of "
        f"{len(pair.best.success)} starts succeed: {counts}.{changed}"
    )
    show_parts(section, parts, "contrast", title, caption)
