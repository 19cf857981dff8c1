"""All checks of one policy, from the recordings to the weights."""

from dataclasses import replace

import numpy as np
from torch import nn

from ate.data.doctor.finding import FAIL, SKIPPED, WARN, Finding
from ate.data.episodes import Episodes
from ate.data.space import ActionSpace
from ate.diagnose import (
    gripper_timing,
    input_ablation,
    normalization,
    prediction_error,
    replay,
    sight,
    stuck_at_start,
    weights,
)
from ate.diagnose.predictions import ActorPredictions, PolicyPredictions, Predictions
from ate.diagnose.report import Diagnosis
from ate.errors import InputError, unknown
from ate.experiments.seed_run import SeedRun
from ate.experiments.summary import FEW_STEPS
from ate.policies.actor import Actor
from ate.policies.policy import Policy
from ate.policies.vision.eyes import Eyes


def run_checks(
    policy: Policy | Actor,
    episodes: Episodes,
    *,
    space: ActionSpace | None = None,
    start: nn.Module | None = None,
    held_out: Episodes | None = None,
    simulator: bool | str | None = None,
    steps: int | None = None,
    seed: int = 0,
) -> Diagnosis:
    """Run the eight checks on a policy with a low loss and a bad robot; two more on one that sees pictures.

    Args:
        policy: what was trained: a policy of ours, or any callable from an observation to a chunk
            (`ate.policies.actor`).
        episodes: what it was trained on.
        space: the action space a policy of ours acts in; by default its space for this robot, else its first.
        start: the weights it started from, to compare with; None where they are not known.
        held_out: episodes it was not trained on; None skips their check, and gripper events are counted in training.
        simulator: whether to replay in the simulator; None replays where it is possible. The address of a gymnasium
            environment replays there.
        steps: that it was fine-tuned for; below `FEW_STEPS` what it predicts is measured and not judged. None: enough.
        seed: of the noise that chunks are denoised from and of the shuffles.

    Raises:
        InputError: the episodes have other columns than the policy, or lack the task state it needs.
    """
    sets = {"training": episodes} if held_out is None else {"training": episodes, "held out": held_out}
    predictions = _predictions(policy, sets, space)
    training = predictions["training"]
    mean_chunk = training.recorded(np.arange(len(training))).mean(axis=0)
    errors = {name: prediction_error.errors(item, mean_chunk, seed) for name, item in predictions.items()}
    network = policy if isinstance(policy, nn.Module) else getattr(policy, "network", None)
    loaded = weights.check(network, start, episodes.robot) if network is not None else _unseen(episodes.robot)
    normalized = _normalized(training)
    # A cause further down explains a large training error: the finding there refers to it.
    cause = next((finding for finding in (normalized, loaded) if finding.level == FAIL), None)
    training_error = prediction_error.training(episodes.robot, errors["training"], cause)
    predicting: tuple[Finding, ...] = (
        training_error,
        prediction_error.held_out(errors.get("held out"), errors["training"], training_error),
        gripper_timing.check(predictions.get("held out", training), seed),
        stuck_at_start.check(training, seed),
        input_ablation.check(training, seed),
    )
    seeing: tuple[Finding, ...] = ()
    if isinstance(policy, Policy) and isinstance(policy.eyes, Eyes) and simulator is not False:
        assert isinstance(training, PolicyPredictions)
        seeing = sight.check(policy, training.space, seed)
    if steps is not None and steps < FEW_STEPS:
        predicting, seeing = (tuple(_unjudged(item, steps) for item in part) for part in (predicting, seeing))
    checks = (replay.check(episodes, simulator), *predicting, loaded, normalized, *seeing)
    return Diagnosis(episodes.robot, checks, errors)


def diagnose_seed(trained: SeedRun, method: str, seed: int = 0, simulator: str = "") -> Diagnosis:
    """Run the checks on the policy that one method of one training seed trained, and the weights it started from.

    Args:
        trained: the policies of all methods, with the demonstrations and the held-out episodes of the seed.
        method: which method.
        seed: of the noise that chunks are denoised from.
        simulator: address of a gymnasium environment; empty for the simulator of `ate.sim`, where it is known there.

    Raises:
        InputError: no such method.
    """
    if method not in trained.trained:
        raise unknown(method, trained.trained, where="method of the diagnosis")
    policy, start = trained.trained[method].policy, trained.starts[method]
    return run_checks(
        policy, trained.drawn, start=start, held_out=trained.held_out, simulator=simulator or None,
        steps=max((int(row["step"]) for row in trained.trained[method].loss), default=0), seed=seed,
    )  # fmt: skip


def _predictions(
    policy: Policy | Actor, sets: dict[str, Episodes], space: ActionSpace | None
) -> dict[str, Predictions]:
    if not isinstance(policy, Policy):
        return {name: ActorPredictions(item, policy) for name, item in sets.items()}
    robot = next(iter(sets.values())).robot
    space = space or next((own for own in policy.spaces if own.embodiment.name == robot), policy.spaces[0])
    for item in sets.values():
        _require_columns(item, space)
    return {name: PolicyPredictions.of(policy, item, space) for name, item in sets.items()}


def _normalized(training: Predictions) -> Finding:
    if isinstance(training, PolicyPredictions):
        return normalization.check(training)
    assert isinstance(training, ActorPredictions)
    return normalization.check_names(training)


def _unjudged(finding: Finding, steps: int) -> Finding:
    """A finding on predictions of a policy that has hardly been trained: the numbers stay, the verdict goes."""
    if finding.level not in (FAIL, WARN):
        return finding
    return replace(finding, level=SKIPPED, fix=f"not judged after {steps} steps; train at least {FEW_STEPS}")


def _unseen(robot: str) -> Finding:
    fix = "give the policy an attribute `network`, its torch module"
    return Finding(SKIPPED, weights.NAME, robot, "the policy does not show its weights", "", fix)


def _require_columns(episodes: Episodes, space: ActionSpace) -> None:
    """Numbers of columns must agree; other names or units are for the checks to report."""
    columns, wanted = {episodes.dof, episodes[0].series["qpos"].shape[1]}, len(space.embodiment.slots)
    if columns != {wanted}:
        got = f"{' and '.join(map(str, sorted(columns)))} columns"
        where = f"episodes of {episodes.robot} ({episodes[0].path.parent})"
        expected = f"{wanted} columns, as the policy has for {space.embodiment.name}"
        fix = "give recordings of the robot that the policy was trained on, with the same columns in all series"
        raise InputError(got, where=where, expected=expected, fix=fix)
