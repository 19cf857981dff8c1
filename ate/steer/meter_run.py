"""Dry run of the meter: what guidance would do to this policy on these data, before anything is trained.

A dry run draws the batches that fine-tuning would draw, takes k·g and the policy's residual on them, and changes no
weight. Every λ and clamp can then be judged on the same numbers: how large the shift is against the residual it is
added to, and how often the clamp decides (`ate.steer.meter`).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ate.data.episodes import Episodes
from ate.data.space import check_joints
from ate.policies.policy import Policy
from ate.runs.device import pick as pick_device
from ate.steer.batches import TrainingData, draw
from ate.steer.guidance import Guidance
from ate.steer.meter import FELT_RATIO, MOST_RATIO, GuidanceMeter, meter_sentence, meter_verdict
from ate.steer.shifted_target import ShiftedTargets

LEAST, MOST = FELT_RATIO, MOST_RATIO
# Clamps that are tried: above this share of |k·g| the clamp would decide.
QUANTILES = (0.5, 0.9, 0.99)


@dataclass(frozen=True)
class Choice:
    """A clamp, and the λ for which the shift acts without outweighing the residual.

    Attributes:
        clamp: c, normalised action units.
        low: λ at which the RMS shift is a hundredth of the RMS residual, over all noise levels.
        high: λ at which it is half of it.
        clamped: share of elements at the clamp.
    """

    clamp: float
    low: float
    high: float
    clamped: float


@dataclass(frozen=True, eq=False)
class DryRun:
    """What guidance would do.

    Attributes:
        rows: of the meter, by noise level, at the guidance's own λ and clamp.
        verdict: `"inactive"`, `"acting"` or `"clamp-dominated"`.
        ratio: RMS shift over RMS residual over all noise levels.
        clamped: share of elements at the clamp over all noise levels.
        choices: clamps with the range of λ that is worth trying.
    """

    rows: list[dict[str, float]]
    verdict: str
    ratio: float
    clamped: float
    choices: tuple[Choice, ...]

    def sentence(self, guidance: Guidance) -> str:
        """In words, for a person who has to choose."""
        measured = (
            f"{guidance.config.label()}: {meter_sentence(self.rows)}. Over all noise levels the "
            f"shift is {self.ratio:.2g} of the residual, {self.clamped:.0%} of its elements are at the clamp."
        )
        tries = "; ".join(
            f"clamp {c.clamp:.2g} ({c.clamped:.0%} clamped) with λ {c.low:.2g} to {c.high:.2g}" for c in self.choices
        )
        return f"{measured} Worth trying, for a shift of {LEAST:g} to {MOST:g} of the residual: {tries or 'nothing'}."


@torch.no_grad()
def dry_run(
    policy: Policy,
    episodes: Episodes,
    guidance: Guidance,
    *,
    batches: int = 32,
    batch: int = 64,
    seed: int = 0,
    device: torch.device | str | None = None,
) -> DryRun:
    """Measure guidance on a policy as it is.

    Args:
        policy: acting in its first action space, which must be that of the guidance.
        episodes: of the adaptation robot.
        guidance: encoder and options; λ and clamp are what is judged.
        batches: how many.
        batch: samples a batch; matters where the energy is a mean over the batch.
        seed: of batches, times and noise.
        device: to measure on; None: what `ATE_DEVICE` names, else a GPU if there is one.

    Raises:
        InputError: a device that this machine does not have, or episodes of another robot or series.
    """
    device = pick_device(device)
    policy, space = policy.to(device), policy.spaces[0]
    check_joints(episodes, space)
    guidance = guidance.on(device)
    data = TrainingData.of(policy, [episodes], [space], device)
    generator = torch.Generator(device).manual_seed(seed)
    free = replace(guidance, config=replace(guidance.config, lam=1.0, clamp=math.inf))
    shifted = ShiftedTargets([free], data, policy.path, seed)
    meter = GuidanceMeter(device)
    parts = []
    was_training = policy.training
    policy.eval()
    for _ in range(batches):
        drawn = draw(data, policy.path, batch, generator)
        (prepared,) = shifted.prepare([drawn])
        prediction = policy(drawn.x, drawn.t, drawn.observation)
        residual = prediction - drawn.target
        kg = shifted.raw(free, prediction[None], prepared)[0]
        alpha = policy.path.alpha_sigma(drawn.t)[0]
        meter.add(drawn.t, guidance.scale(kg, alpha), residual, guidance.clamped(kg), drawn.mask)
        parts.append((kg, residual, drawn.mask.expand(kg.shape), alpha))
    policy.train(was_training)
    kg, residual, mask, alpha = (torch.cat(part) for part in zip(*parts, strict=True))
    rms = _rms(residual, mask)
    rows = meter.rows()
    return DryRun(
        rows,
        meter_verdict(rows),
        _rms(guidance.scale(kg, alpha), mask) / rms,
        _share(guidance.clamped(kg), mask),
        tuple(_choices(guidance, kg, alpha, mask, rms)),
    )


def _choices(guidance: Guidance, kg: Tensor, alpha: Tensor, mask: Tensor, residual: float) -> Sequence[Choice]:
    """One clamp a quantile; the shift is linear in λ, so its range follows."""
    sizes = kg.abs()[mask > 0]
    # torch.quantile refuses more than 16 million values.
    clamps = [float(sizes.sort().values[int(q * (len(sizes) - 1))]) for q in QUANTILES]
    choices = []
    for clamp in dict.fromkeys(c for c in clamps if c > 0):
        tried = replace(guidance, config=replace(guidance.config, lam=1.0, clamp=clamp))
        unit = _rms(tried.scale(kg, alpha), mask) / residual
        if unit > 0:
            choices.append(Choice(clamp, LEAST / unit, MOST / unit, _share(tried.clamped(kg), mask)))
    return choices


def _rms(values: Tensor, mask: Tensor) -> float:
    return float((((values * mask).double().square()).sum() / mask.sum()).sqrt())


def _share(which: Tensor, mask: Tensor) -> float:
    return float((which * mask).sum() / mask.sum())
