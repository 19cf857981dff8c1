"""Fine-tuning: adapt a pre-trained policy to one new robot, with or without guidance."""

import copy
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from ate.data.episodes import Episodes
from ate.data.space import ActionSpace, check_joints, spaces
from ate.errors import InputError
from ate.policies.policy import Policy
from ate.runs.files import content_key
from ate.steer.compatibility import check_guidance
from ate.steer.evaluation import Evaluation
from ate.steer.guidance import Guidance
from ate.steer.optim_config import OptimConfig
from ate.steer.replay import Replay
from ate.steer.trainer import GuidedPolicy
from ate.steer.training import Trained, train_methods


def finetune(
    policy: Policy,
    episodes: Episodes,
    guidance: Guidance | None = None,
    *,
    replay: Replay | None = None,
    space: ActionSpace | None = None,
    directory: Path | None = None,
    evaluation: Evaluation | None = None,
    device: torch.device | str | None = None,
    **options: Any,
) -> Trained:
    """Fine-tune a copy of a policy on one robot's episodes (ATE paper, arXiv 2509.02055, section 3.3).

    With λ = 0 the result is bit-equal to `guidance=None`.

    Args:
        policy: pre-trained; left as it is.
        episodes: of the adaptation robot.
        guidance: latent guidance, or None for plain fine-tuning.
        replay: episodes of the pre-training robots that take part, e.g. retargeted ones.
        space: action space to act in; by default the guidance's, else one fitted on `episodes`.
        directory: for checkpoints and metrics; an interrupted run resumes from there.
        evaluation: what to measure of the policy while it trains.
        device: to train on; None: what `ATE_DEVICE` names, else a GPU if there is one.
        options: of `OptimConfig`: `steps`, `batch`, `learning_rate`, `seed` (methods that share it see the same
            batches), …

    Raises:
        InputError: horizon or action space of policy and guidance differ, or an option is unknown or out of range.
    """
    methods, optim = {"policy": GuidedPolicy(policy, guidance, replay)}, OptimConfig.of(options)
    return finetune_methods(
        methods, episodes, optim, space=space, directory=directory, evaluation=evaluation, device=device
    )["policy"]


def finetune_methods(
    methods: Mapping[str, GuidedPolicy],
    episodes: Episodes,
    optim: OptimConfig,
    *,
    space: ActionSpace | None = None,
    directory: Path | None = None,
    label: str = "fine-tune",
    evaluation: Evaluation | None = None,
    stacked: bool = False,
    device: torch.device | str | None = None,
) -> dict[str, Trained]:
    """Fine-tune copies of several methods on the same batches; each equals fine-tuning it alone.

    Methods with other episodes in their batches (`Replay`) are trained one replay after the other, from the same seed.
    `evaluation`, `stacked` and `device` are those of `train_methods`: stacked methods equal single ones up to rounding.

    Raises:
        InputError: as `finetune`; or methods of different parameterisations.
    """
    kinds = {method.policy.config.parameterization for method in methods.values()}
    if len(kinds) != 1:
        raise InputError(
            f"parameterisations {sorted(kinds)}",
            where="methods that share batches",
            expected="one",
            fix="fine-tune diffusion and flow policies in two calls",
        )
    width = next(iter(methods.values())).policy.config.features
    known = (method.guidance.space for method in methods.values() if method.guidance is not None)
    space = space or next(filter(None, known), None) or spaces([episodes], width)[0]
    check_joints(episodes, space)
    moved: dict[str, GuidedPolicy] = {}
    for name, method in methods.items():
        guidance, slots = method.guidance, space.embodiment.slots
        # An encoder over the robot's own columns finds them in the unified vector.
        if guidance and guidance.slots is None and guidance.vae.config.features == len(slots) != space.width:
            guidance = replace(guidance, slots=slots)
        check_guidance(method.policy, guidance, space)
        moved[name] = GuidedPolicy(method.policy.moved_to(space), guidance, method.replay)
    groups: dict[tuple[int, bool], dict[str, GuidedPolicy]] = {}
    for name, method in moved.items():
        groups.setdefault((id(method.replay), method.at_pretraining), {})[name] = method
    trained: dict[str, Trained] = {}
    for group in groups.values():
        folder = directory if directory is None or len(groups) == 1 else directory / content_key(list(group))[:12]
        trained |= train_methods(
            group, [episodes], [space], optim, directory=folder, label=label, evaluation=evaluation, stacked=stacked,
            device=device,
        )  # fmt: skip
    return {name: trained[name] for name in methods}


def pretrain(
    policy: Policy,
    sets: tuple[Episodes, ...],
    optim: OptimConfig,
    *,
    directory: Path | None = None,
    device: torch.device | str | None = None,
) -> Trained:
    """Train a copy of a policy on all pre-training robots at once, each in its own action space.

    `directory` and `device` are those of `train_methods`.
    """
    methods = {"policy": GuidedPolicy(copy.deepcopy(policy))}
    label = f"pre-train {policy.config.parameterization}"
    return train_methods(methods, sets, policy.spaces, optim, directory=directory, label=label, device=device)["policy"]
