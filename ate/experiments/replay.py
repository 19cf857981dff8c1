"""Replay: the policy of a cell, kept by its run or else trained again bit for bit, rolled out again."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ate.experiments.experiment import Experiment
from ate.experiments.kept_policies import seed_run
from ate.experiments.results import RunResult
from ate.experiments.seed_run import roll_out, simulated
from ate.experiments.study import Study
from ate.runs.device import one_thread

if TYPE_CHECKING:
    from ate.sim.rollout import Rollouts


@dataclass(frozen=True, eq=False)
class Replay:
    """A cell, rolled out again.

    Attributes:
        result: what was kept of it.
        rollouts: all of its rollouts, with their tracks; None without a simulator.
        kept: its policy was kept, and not trained again.
        faithful: whether the same rollouts succeed as in the kept result, and come as close.
    """

    result: RunResult
    rollouts: "Rollouts | None"
    kept: bool
    faithful: bool


@one_thread()
def replay(experiment: Experiment, result: RunResult, folder: Path) -> Replay:
    """Roll the policy of one result out again from the same seeds; it is trained again where it was not kept.

    Args:
        experiment: of the study; its demonstrations and steps are replaced by those of the result.
        result: what to repeat.
        folder: `results` of the run directory.
    """
    done = seed_run(experiment, [result], folder)
    trained = done.trained[result.method]
    if not simulated(done.episodes, experiment.task):
        return Replay(result, None, done.kept, list(map(dict, result.loss)) == trained.loss)
    # All of them: the noise that a policy draws for one environment depends on how many there are.
    rollouts = roll_out(experiment, trained.policy, done.episodes, result.seed, record=True)
    same = tuple(map(bool, rollouts.success)) == result.success
    return Replay(result, rollouts, done.kept, same and tuple(map(float, rollouts.closest)) == result.closest)


def replay_in(study: Study, result: RunResult) -> Replay:
    """The same for a result of a study, with the study's files."""
    experiment = study.experiment(result.parameterization, [result.spec])
    return replay(experiment, result, study.settings.directory / "results")


def telling(success: Sequence[bool] | NDArray[np.bool_]) -> list[int]:
    """Rollouts worth seeing: the first that succeeded and the first that failed, as far as there are."""
    outcomes = [bool(value) for value in success]
    return sorted(outcomes.index(outcome) for outcome in (True, False) if outcome in outcomes)
