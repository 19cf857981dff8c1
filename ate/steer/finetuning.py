"""Fine-tuning: adapt a pre-trained policy to one new robot, with or without guidance."""

import copy
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ate.data.episodes import Episodes
from ate.data.passport import Passport
from ate.data.space import ActionSpace, check_joints, spaces
from ate.errors import InputError
from ate.policies.policy import Policy
from ate.steer.evaluation import Evaluation
from ate.steer.guidance import Guidance
from ate.steer.optim_config import OptimConfig
from ate.steer.trainer import GuidedPolicy
from ate.steer.training import Trained, train_methods


def finetune(
    policy: Policy,
    episodes: Episodes,
    guidance: Guidance | None = None,
    *,
    space: ActionSpace | None = None,
    directory: Path | None = None,
    evaluation: Evaluation | None = None,
    **options: Any,
) -> Trained:
    """Fine-tune a copy of a policy on one robot's episodes (ATE paper, arXiv 2509.02055, section 3.3).

    With λ = 0 the result is bit-equal to `guidance=None`.

    Args:
        policy: pre-trained; left as it is.
        episodes: of the adaptation robot.
        guidance: latent guidance, or None for plain fine-tuning.
        space: action space to act in; by default the guidance's, else one fitted on `episodes`.
        directory: for checkpoints and metrics; an interrupted run resumes from there.
        evaluation: what to ask of the policy while it trains.
        options: of `OptimConfig`: `steps`, `batch`, `learning_rate`, `seed` (methods that share it see the same
            stream), …

    Raises:
        InputError: horizon or action space of policy and guidance differ, or an option is unknown or out of range.
    """
    methods = {"policy": GuidedPolicy(policy, guidance)}
    optim = OptimConfig.of(options)
    return finetune_methods(methods, episodes, optim, space=space, directory=directory, evaluation=evaluation)["policy"]


def finetune_methods(
    methods: Mapping[str, GuidedPolicy],
    episodes: Episodes,
    optim: OptimConfig,
    *,
    space: ActionSpace | None = None,
    directory: Path | None = None,
    label: str = "fine-tune",
    evaluation: Evaluation | None = None,
    stacked: bool | None = None,
) -> dict[str, Trained]:
    """Fine-tune copies of several methods on one shared stream; each equals fine-tuning it alone.

    `evaluation` and `stacked` are those of `train_methods`: stacked methods equal single ones up to rounding.

    Raises:
        InputError: as `finetune`; or methods of different parameterisations.
    """
    kinds = {method.policy.config.parameterization for method in methods.values()}
    if len(kinds) != 1:
        raise InputError(
            f"parameterisations {sorted(kinds)}",
            where="methods that share a stream",
            expected="one",
            fix="fine-tune diffusion and flow policies in two calls",
        )
    width = next(iter(methods.values())).policy.config.features
    given = [
        method.guidance.space
        for method in methods.values()
        if method.guidance is not None and method.guidance.space is not None
    ]
    space = space or (given[0] if given else spaces([episodes], width)[0])
    placed = {name: GuidedPolicy(method.policy, _placed(method.guidance, space)) for name, method in methods.items()}
    check_joints(episodes, space)
    for method in placed.values():
        check_guidance(method.policy, method.guidance, space)
    moved = {name: GuidedPolicy(method.policy.moved_to(space), method.guidance) for name, method in placed.items()}
    return train_methods(
        moved, [episodes], [space], optim, directory=directory, label=label, evaluation=evaluation, stacked=stacked
    )


def pretrain(
    policy: Policy, sets: tuple[Episodes, ...], optim: OptimConfig, *, directory: Path | None = None
) -> Trained:
    """Train a copy of a policy on all pre-training robots at once, each in its own action space."""
    methods = {"policy": GuidedPolicy(copy.deepcopy(policy))}
    label = f"pre-train {policy.config.parameterization}"
    trained = train_methods(methods, sets, policy.spaces, optim, directory=directory, label=label)
    return trained["policy"]


def _placed(guidance: Guidance | None, space: ActionSpace) -> Guidance | None:
    """Guidance that knows its slots: an encoder over the robot's own columns finds them in the unified vector."""
    if guidance is None or guidance.slots is not None:
        return guidance
    own = guidance.vae.config.features == len(space.embodiment.slots) != space.width
    return replace(guidance, slots=space.embodiment.slots) if own else guidance


def check_guidance(policy: Policy, guidance: Guidance | None, space: ActionSpace) -> None:
    """Refuse a policy that does not fit an action space, or a guidance that fits neither.

    Raises:
        InputError: other widths, series, horizon, columns or statistics.
    """
    config = policy.config
    if space.width != config.features:
        raise InputError(
            f"an action space of width {space.width}",
            where=f"fine-tuning to {space.embodiment.name}",
            expected=f"{config.features}, the width of the policy's unified vector",
            fix="build policy and alignment over the same set of robots",
        )
    trained = {known.source for known in policy.spaces}
    if trained != {space.source}:
        raise InputError(
            f"source {space.source!r}",
            where=f"fine-tuning to {space.embodiment.name}",
            expected=f"{' or '.join(map(repr, sorted(trained)))}, what the policy was pre-trained on",
            fix="take the same series for both; measured positions and commands are not on one time base",
        )
    if guidance is None:
        return
    if guidance.horizon is not None and guidance.horizon != config.horizon:
        raise InputError(
            f"chunks of {guidance.horizon} rows",
            where="guidance",
            expected=f"{config.horizon}, the policy's horizon",
            fix="align with the chunk length of the policy's horizon",
        )
    if guidance.slots is None and guidance.vae.config.features != config.features:
        raise InputError(
            f"an encoder of {guidance.vae.config.features} columns",
            where="guidance",
            expected=f"{len(space.embodiment.slots)} columns, the robot's, or {config.features}, the policy's",
            fix="align on episodes of the robot that the policy is fine-tuned to",
        )
    if guidance.space is not None:
        policy_side = Passport.of(space, config.horizon)
        policy_side.check(
            Passport.of(guidance.space, config.horizon), where="guidance, beside the policy's action space"
        )
