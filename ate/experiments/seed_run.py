"""Run: the methods of one training seed, trained and rolled out.

One seed draws its demonstrations, aligns stage 2 on those demonstrations alone (what a user with that few would
have), trains every method on one shared stream, and rolls all of them out from the same fixed seeds. Methods that take
other episodes or more rows into their batches see another stream of the same seed. What a method gives does not depend
on the methods trained with it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from ate.data.episodes import Episodes
from ate.errors import InputError
from ate.experiments.experiment import Experiment
from ate.experiments.materials import Materials
from ate.experiments.methods import MethodSpec
from ate.experiments.results import RunResult
from ate.policies.policy import Policy
from ate.runs.device import one_thread
from ate.sim.simulator import known
from ate.steer.evaluation import open_loop_by_episode, spread
from ate.steer.finetuning import finetune_methods
from ate.steer.training import OptimConfig, Trained

if TYPE_CHECKING:
    from ate.sim.rollout import Rollouts


def simulated(episodes: Episodes, task: str = "") -> bool:
    """Whether there is something to roll out in: a simulator of the user's own, or a robot and a task of `ate.sim`.

    Args:
        episodes: name the robot, and the task where `task` is empty.
        task: as in `Experiment`.
    """
    return known(episodes.robot, task or episodes.task)


@dataclass(frozen=True, eq=False)
class SeedRun:
    """What one training seed trained, before anything is rolled out.

    Attributes:
        trained: by method.
        starts: the policy that each method started from.
        drawn: the demonstrations.
        episodes: all of the robot's episodes.
        held_out: those that were never drawn.
        kept: the policies were read back, and not trained just now.
    """

    trained: dict[str, Trained]
    starts: dict[str, Policy]
    drawn: Episodes
    episodes: Episodes
    held_out: Episodes
    kept: bool = False

    def spread(self) -> dict[str, np.ndarray]:
        """Spread of the chunks that each method samples for one held-out observation (`ate.steer.spread`)."""
        return {method: spread(trained.policy, self.held_out) for method, trained in self.trained.items()}


def run_seed(
    experiment: Experiment, methods: Sequence[MethodSpec], seed: int, aligned: Path | None, stacked: bool = False,
    keep: Callable[[MethodSpec, Policy], None] | None = None,
) -> Iterator[RunResult]:  # fmt: skip
    """All methods of one training seed, trained, then rolled out one after the other.

    Args:
        experiment, methods, seed, aligned, stacked: as `train_seed`.
        keep: is given each method with its policy, before its result comes.
    """
    done = train_seed(experiment, methods, seed, aligned, stacked)
    for method in methods:
        result = _result(experiment, method, seed, done)
        if keep is not None:
            keep(method, done.trained[method.name].policy)
        yield result


@one_thread()
def train_seed(
    experiment: Experiment, methods: Sequence[MethodSpec], seed: int, aligned: Path | None, stacked: bool = False
) -> SeedRun:
    """Train all methods of one training seed, on one thread: the bits do not depend on where it happens.

    Args:
        experiment: what is shared.
        methods: what differs; names tell them apart.
        seed: draws demonstrations, stage 2, batches, times and noise.
        aligned: folder that keeps the stage-2 encoders, one for each alignment and draw, or None.
        stacked: train methods as one batched model (`ate.steer.training.train_methods`): results then depend, up to
            rounding, on which methods there are.
    """
    episodes, drawn, held_out = demonstrations(experiment, seed)
    for method in methods if not len(drawn) else ():
        if method.needs_demonstrations:
            raise InputError(
                "0 demonstrations", where=f"method {method.name!r}", expected="at least one to learn from",
                fix="give demonstrations, or leave the method out",
            )  # fmt: skip
    materials = Materials(experiment, episodes, drawn, seed, aligned)
    built = {method.name: materials.method(method) for method in methods}
    starts = {name: method.policy for name, method in built.items()}
    trained: dict[str, Trained] = {}
    groups: dict[tuple[str, int], list[MethodSpec]] = {}
    for method in methods:
        groups.setdefault((method.space, method.rows), []).append(method)
    for (_, rows), group in groups.items():
        optim = OptimConfig(
            experiment.steps, rows or experiment.batch, experiment.learning_rate, seed=seed,
            lr_schedule=experiment.lr_schedule,
        )  # fmt: skip
        if not len(drawn):
            trained |= {method.name: _without_demonstrations(materials, method, optim) for method in group}
            continue
        own = {method.name: built[method.name] for method in group}
        trained |= finetune_methods(
            own, drawn, optim, space=materials.space(group[0]), label=f"seed {seed}", stacked=stacked
        )
    return SeedRun(trained, starts, drawn, episodes, held_out)


def _without_demonstrations(materials: Materials, method: MethodSpec, optim: OptimConfig) -> Trained:
    """A method trained on retargeted episodes alone, or its policy as it was pre-trained where it has none."""
    built, space = materials.method(method), materials.space(method)
    if method.replay == "none":
        return Trained(built.policy.moved_to(space).eval(), [], [], 0.0)
    alone = {method.name: replace(built, replay=None)}
    return finetune_methods(alone, materials.retargeted, optim, space=space, label="retargeted alone")[method.name]


def demonstrations(experiment: Experiment, seed: int) -> tuple[Episodes, Episodes, Episodes]:
    """All of the robot's episodes, the demonstrations that a training seed draws, and those that are never drawn."""
    episodes = experiment.adapt.load()
    pool, held_out = episodes.split(experiment.held_out, experiment.seed)
    return episodes, draw_demonstrations(pool, experiment.demonstrations, seed), held_out


def draw_demonstrations(pool: Episodes, count: int, seed: int) -> Episodes:
    """`count` episodes drawn without replacement, in file order; all of them where there are fewer."""
    order = np.random.default_rng(seed).permutation(len(pool))
    return pool.select(np.sort(order[:count]))


def roll_out(experiment: Experiment, policy: Policy, episodes: Episodes, seed: int, record: bool = False) -> "Rollouts":
    """A trained policy from the experiment's fixed rollout seeds, with noise drawn by the training seed.

    Args:
        experiment: number of rollouts, actions carried out of each chunk.
        policy: trained.
        episodes: name the robot and the task.
        seed: training seed.
        record: keep trajectories.

    Raises:
        InputError: a robot or task that the simulator does not know.
    """
    # Imported here: data without a simulator need no mujoco.
    from ate.sim.rollout import rollout

    generator = torch.Generator().manual_seed(seed)
    return rollout(
        policy.acting(generator),
        episodes.robot,
        experiment.task or episodes.task or "",
        range(experiment.first_rollout, experiment.first_rollout + experiment.rollouts),
        execute=min(experiment.execute, policy.config.horizon),
        threads=1,
        record=record,
    )


@one_thread()
def _result(experiment: Experiment, method: MethodSpec, seed: int, done: SeedRun) -> RunResult:
    trained, episodes = done.trained[method.name], done.episodes
    outcome = roll_out(experiment, trained.policy, episodes, seed) if simulated(episodes, experiment.task) else None
    error = open_loop_by_episode(trained.policy, done.held_out, seed)
    return RunResult(
        spec=method,
        seed=seed,
        parameterization=trained.policy.config.parameterization,
        demonstrations=len(done.drawn),
        success=() if outcome is None else tuple(map(bool, outcome.success)),
        closest=() if outcome is None else tuple(map(float, outcome.closest)),
        loss=tuple(trained.loss),
        meter=tuple(trained.meter),
        open_loop=error.by_joint,
        open_loop_episodes=error.by_episode,
        seconds=trained.seconds,
        steps=experiment.steps,
    )
