"""What a study needs before its methods: checks, and alignment and policies, each made once and read back."""

import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from shutil import copyfile
from typing import Any

import joblib
import numpy as np
from tqdm import tqdm

from ate.align.alignment import FILE, Alignment
from ate.align.config import AlignConfig, preset
from ate.align.inputs import why_no_tool_motion
from ate.align.stages import fit
from ate.data.chunks import chunk
from ate.data.episodes import Episodes
from ate.data.tool_space import tool_spaces
from ate.errors import unknown
from ate.experiments.admission import Admitted, admitted
from ate.experiments.executors import Executor
from ate.experiments.observability import blinded, check_observations, is_blind
from ate.experiments.settings import SHIPPED, Settings
from ate.policies.noise import PARAMETERIZATIONS
from ate.policies.policy import build
from ate.policies.vision.seen import eyes_of, seen_marks
from ate.robots import unify
from ate.robots.frames import Placement
from ate.runs.directory import RunDirectory
from ate.runs.files import content_key, write_atomic
from ate.runs.lock import lock
from ate.runs.status import WORKER
from ate.sim.tasks import TASKS
from ate.steer.finetuning import pretrain
from ate.steer.training import OptimConfig

# Pre-training starts from nothing and can take larger steps than fine-tuning, annealed to zero.
PRETRAIN_LEARNING_RATE, PRETRAIN_EMA = 1e-3, 0.998
# What lets a policy of this size do the tasks on its own robots (docs/base-policies.md has what each is worth). In
# joints every robot is another function to learn: the policy is told which one it moves. Tool motion is of no robot.
POLICY_OPTIONS: dict[str, Any] = {"film": True, "anchor": "middle", "fine": True}
JOINT_OPTIONS: dict[str, Any] = {**POLICY_OPTIONS, "named": True, "joint_noise": 0.01}
# Sets, width, parameterisation and placements of a policy: `pretrain_policy` has them.
PolicyArguments = tuple[tuple[Episodes, ...], int, str, Sequence[Placement]]


class OtherTask(UserWarning):
    """Demonstrations are of another task than the rollouts; every study of `make cross` did better without them."""


def preflight(settings: Settings, strict: bool = True) -> Admitted:
    """Check the run directory, read the data, and check every name, length and what the doctor says of the data.

    Nothing is written before all of it is right; then the run directory is bound to these data.

    Args:
        settings: what is about to run.
        strict: refuse sets with bad episodes and what the doctor calls FAIL; inspecting them is what notebook 01 is
            for.

    Returns:
        The data.

    Raises:
        InputError: the first thing that is wrong, with file or parameter, and the way out.
    """
    RunDirectory(settings.directory)
    for name in settings.parameterizations:
        if name not in PARAMETERIZATIONS:
            raise unknown(name, PARAMETERIZATIONS, where="parameter parameterizations")
    Executor.parse(settings.executor, settings.workers)
    align_config(settings)
    sets = settings.pretrain_data.load_sets(strict)
    adapt = settings.adapt_data.load(strict)
    for episodes in (*sets, adapt):
        chunk(episodes, settings.horizon)
    unify([*sets, adapt])
    check_observations(settings, sets, adapt)
    if mixes_tasks(settings, adapt):
        mixed = (
            f"demonstrations of {adapt.task}, rollouts of {settings.task}, and no row of a batch says which it is of"
        )
        warnings.warn(OtherTask(f"{mixed}; demonstrations=0 leaves them out"), stacklevel=2)
    return admitted(settings, sets, adapt, strict)


def mixes_tasks(settings: Settings, adapt: Episodes) -> bool:
    """Whether batches would hold two simulated tasks that nothing in a row tells apart.

    A policy that hears instructions tells them apart; a recorded sentence ("lift the red cube") names no other task.
    """
    asked = {settings.task, adapt.task}
    return bool(settings.demonstrations) and settings.policy != "vision" and len(asked) == 2 and asked <= TASKS.keys()


def align_config(settings: Settings) -> AlignConfig:
    """The configuration of the alignment: its preset, with the run's chunk length and share of held-out episodes."""
    return preset(settings.align).with_options(chunk=settings.horizon, held_out=settings.held_out)


@contextmanager
def kept_alignment(
    settings: Settings, config: AlignConfig, sets: tuple[Episodes, ...], adapt: Episodes
) -> Iterator[Path]:
    """The folder that keeps an alignment, for `ate.align.fit`, which reads back what is finished there.

    It is named by data, configuration and seed: other settings train in a folder of their own. Another process that
    wants the same alignment waits here until this one is done.
    """
    folder = alignment_folder(settings, config, sets, adapt)
    RunDirectory(settings.directory).create()
    with lock(folder, "aligning"):
        yield folder


def align_robots(settings: Settings, sets: tuple[Episodes, ...], adapt: Episodes) -> tuple[Alignment, Path]:
    """Align the sets, or read the alignment back; returns it with the folder that keeps it."""
    return _aligned(settings, align_config(settings), sets, adapt)


def align_variants(settings: Settings, sets: tuple[Episodes, ...], adapt: Episodes) -> dict[str, Alignment]:
    """The same sets aligned by tool motion and as published, by name; trained, or read back.

    `"motion"` is missing if `align` does that already, or where a robot's kinematics are not known. The methods of
    notebook 03 take both.
    """
    with aligning_variants(settings, sets, adapt):
        pass
    named = _variants(settings, sets, adapt)
    return {name: _aligned(settings, other, sets, adapt)[0] for name, other in named.items()}


@contextmanager
def aligning_variants(settings: Settings, sets: tuple[Episodes, ...], adapt: Episodes) -> Iterator[None]:
    """Train what `align_variants` gives while the body runs, each in a process of its own; at the end they are kept.

    An alignment trains on one thread, so that the run's own, in the body, leaves the other cores idle. With one worker
    they are trained after the body.
    """
    named = _variants(settings, sets, adapt)
    new = [c for c in named.values() if not (alignment_folder(settings, c, sets, adapt) / FILE).exists()]
    with background(settings, [joblib.delayed(_aligned)(settings, other, sets, adapt) for other in new]):
        yield


def _variants(settings: Settings, sets: tuple[Episodes, ...], adapt: Episodes) -> dict[str, AlignConfig]:
    config = align_config(settings)
    by_joints = config.columns == "tool" or why_no_tool_motion([*sets, adapt])
    return ({} if by_joints else {"motion": config.variant("motion")}) | {"published": config.variant("published")}


def _aligned(
    settings: Settings, config: AlignConfig, sets: tuple[Episodes, ...], adapt: Episodes
) -> tuple[Alignment, Path]:
    with kept_alignment(settings, config, sets, adapt) as folder:
        return fit(sets, adapt, config, directory=folder, seed=settings.seed), folder


def alignment_folder(settings: Settings, config: AlignConfig, sets: tuple[Episodes, ...], adapt: Episodes) -> Path:
    """Where the alignment of these sets by this configuration is kept, named by all that it depends on."""
    parts = [config, settings.seed, [s.digest for s in sets], adapt.digest]
    return settings.directory / "align" / content_key(parts)[:12]


def pretrain_policy(
    settings: Settings,
    sets: tuple[Episodes, ...],
    width: int,
    parameterization: str,
    placements: Sequence[Placement] = (),
    changed: Mapping[str, Any] | None = None,
) -> Path:
    """Pre-train one policy, read it back, or take it from the shipped weights (`make weights`); returns its checkpoint.

    Args:
        settings: horizon, network width, steps, batch and seed.
        sets: the pre-training robots.
        width: columns of the unified vector, wide enough for the adaptation robot too.
        parameterization: what the policy predicts.
        placements: of each robot, for a policy that acts in tool motion; none for one that acts in joints.
        changed: options of `ate.policies.build` that are to differ from the usual ones.
    """
    spaces = tool_spaces(sets, placements) if placements else None
    options = _options(settings, placements, changed)
    folder = _policy_folder(settings, sets, width, parameterization, placements, options)
    if is_blind(settings, sets):
        sets = blinded(sets)
    file, shipped = folder / "policy.safetensors", shipped_weights(folder.name)
    with lock(folder, f"pre-training the {folder.name.rpartition('-')[0]} policy"):
        if not file.exists() and shipped.exists():
            write_atomic(file, lambda temporary: copyfile(shipped, temporary))
        elif not file.exists():
            policy = build(
                sets, settings.horizon, settings.seed, width, acted_in=spaces, parameterization=parameterization,
                **options,
            )  # fmt: skip
            trained = pretrain(policy, sets, _optim(settings), directory=folder).policy
            trained.eyes = eyes_of(sets[0]) if trained.config.state else None
            trained.save(file)
    return file


def pretrain_policies(settings: Settings, policies: Sequence[PolicyArguments]) -> list[Path]:
    """Checkpoints of several policies, each given by the arguments of `pretrain_policy` after the settings.

    Only those that have to be trained get processes of their own: starting one takes longer than reading a file.
    """
    untrained = []
    for sets, width, parameterization, placements in policies:
        options = _options(settings, placements, None)
        folder = _policy_folder(settings, sets, width, parameterization, placements, options)
        if not (folder / "policy.safetensors").exists() and not shipped_weights(folder.name).exists():
            untrained.append((sets, width, parameterization, placements))
    in_parallel(settings, [joblib.delayed(pretrain_policy)(settings, *given) for given in untrained])
    return [pretrain_policy(settings, *given) for given in policies]


def _optim(settings: Settings) -> OptimConfig:
    return OptimConfig(
        settings.pretrain_steps, settings.pretrain_batch, PRETRAIN_LEARNING_RATE, lr_schedule="cosine",
        seed=settings.seed, ema=PRETRAIN_EMA,
    )  # fmt: skip


def _options(settings: Settings, placements: Sequence[Placement], changed: Mapping[str, Any] | None) -> dict[str, Any]:
    usual = POLICY_OPTIONS if placements else JOINT_OPTIONS
    return {**usual, "hidden": settings.width, **(changed or {})}


def _policy_folder(
    settings: Settings, sets: tuple[Episodes, ...], width: int, parameterization: str,
    placements: Sequence[Placement], options: Mapping[str, Any],
) -> Path:  # fmt: skip
    """Where a pre-trained policy is kept, named by all that it depends on."""
    acted_in = [_placed(placement) for placement in placements] if placements else [width]
    parts = [_optim(settings), settings.horizon, acted_in, options, parameterization, [s.digest for s in sets]]
    if is_blind(settings, sets):
        # The digest of a set says nothing of its state.
        parts.append("blind")
    # Nor of what it holds.
    parts += seen_marks(sets)
    kind = f"tool-{parameterization}" if placements else parameterization
    return settings.directory / "policies" / f"{kind}-{content_key(parts)[:12]}"


def in_parallel(settings: Settings, jobs: Sequence[Any]) -> list[Any]:
    """Results of joblib's delayed jobs, in as many processes as the run has workers, each on one thread."""
    if min(settings.workers, len(jobs)) <= 1:
        return [function(*given, **options) for function, given, options in jobs]
    with background(settings, jobs) as results:
        pass
    return results


@contextmanager
def background(settings: Settings, jobs: Sequence[Any]) -> Iterator[list[Any]]:
    """Run joblib's delayed jobs while the body runs, in as many processes as the run has workers, each on one thread.

    The list has their results after the body. With one worker they run then, in this process.

    One bar counts them: those of several processes would overwrite each other, and stand on red in a notebook.
    """
    results: list[Any] = []
    if settings.workers <= 1 or not jobs:
        yield results
        results += in_parallel(settings, jobs)
        return
    chosen = [joblib.delayed(_as_worker)(*job) for job in jobs]
    # Not fewer than two: one is no process of its own to joblib. They start at once.
    with joblib.parallel_config("loky", n_jobs=max(2, min(settings.workers, len(jobs))), inner_max_num_threads=1):
        done = joblib.Parallel(return_as="generator")(chosen)
        try:
            yield results
        except BaseException:
            # That jobs end with a body that was stopped needs no word.
            with warnings.catch_warnings(action="ignore", category=UserWarning):
                done.close()
            raise
        results += tqdm(done, total=len(jobs), desc="jobs", mininterval=2.0)


def _as_worker(function: Callable[..., Any], arguments: Sequence[Any], options: Mapping[str, Any]) -> Any:
    """A delayed job in a process of its own."""
    os.environ[WORKER] = "1"
    return function(*arguments, **options)


def shipped_weights(name: str) -> Path:
    """Where the weights of a pre-trained policy lie if they are shipped; the name says all that they depend on."""
    return SHIPPED / "weights" / f"{name}.safetensors"


def _placed(placement: Placement) -> list[Any]:
    """A placement as plain values, rounded: machines differ in the last bits of a sine."""
    k = placement.kinematics
    arrays = (k.screws, k.mount, k.coupling, k.zero, k.limits, k.rest, placement.base, placement.tool)
    return [k.name, list(k.joint_names), *((np.round(array, 6) + 0.0).tolist() for array in arrays)]
