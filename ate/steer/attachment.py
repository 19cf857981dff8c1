"""Attach: latent guidance on a policy that somebody else wrote, in their own training script.

    with ate.steer.attach(policy, alignment) as guided:
        …their loop…

A forward hook on the module that emits the prediction returns `prediction + λ·clamp(k·g)`; the policy's own target,
masks and reductions stay. That is the shifted-target loss of the ATE paper (arXiv 2509.02055, section 3.3).

Where their batches also hold retargeted episodes, guidance at pre-training observations acts on those rows: the hook
then returns `target + λ·clamp(k·g)` there, with the prediction's gradient, so that their loss pulls the latent alone:

    with ate.steer.attach(policy, alignment, "tool-motion", goals=goals) as guided:
        guided.replayed(rows)  # of each batch: the row of goals, −1 at a demonstration
        …their step…
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from ate.align.alignment import Alignment
from ate.errors import InputError
from ate.policies.noise import guidance_coefficient, target_coefficients
from ate.runs.device import pick as pick_device
from ate.steer.compatibility import check_guidance
from ate.steer.goals import Goals
from ate.steer.guidance import Guidance
from ate.steer.guidance_config import GuidanceConfig
from ate.steer.hook_points import HookPoint, Step, find_hook_point, unwrapped
from ate.steer.meter import GuidanceMeter, meter_verdict
from ate.steer.shifted_target import at_estimate
from ate.steer.unit_map import Units, check_fit, units_of


class Attachment:
    """Guidance that is on a policy.

    Attributes:
        guidance: what acts.
        hook_point: where.
        steps: training steps that were guided.
    """

    def __init__(
        self,
        hook_point: HookPoint,
        guidance: Guidance,
        alignment: Alignment | None,
        units: dict[str, Any],
        seed: int,
        device: torch.device | None,
    ) -> None:
        self.hook_point, self.guidance, self.steps = hook_point, guidance, 0
        self._alignment, self._units_options, self._seed, self._device = alignment, units, seed, device
        self._units: Units | None = None
        self._step: Step | None = None
        self._shift: Tensor | None = None
        self._meter: GuidanceMeter | None = None
        self._generator: torch.Generator | None = None
        self._replayed: Tensor | None = None

    @property
    def rows(self) -> list[dict[str, float]]:
        """Rows of the meter by noise level so far (`ate.steer.meter`); reading them waits for the device."""
        return [] if self._meter is None else self._meter.rows()

    @property
    def verdict(self) -> str:
        """`"inactive"`, `"acting"` or `"clamp-dominated"`."""
        return meter_verdict(self.rows)

    def replayed(self, rows: Tensor) -> None:
        """Say which rows of the coming batch are of retargeted episodes, for guidance at pre-training observations.

        Args:
            rows: `(B,)`, the number of each among the goals; −1 at a demonstration, which nothing guides then.
        """
        self._replayed = rows

    def record(self, step: Step) -> None:
        """Take up what a training step noised."""
        if self._meter is None:
            self._device = self._device or step.a0.device
            self._prepare(step.a0.to(self._device))
        self._step, self._shift = step, None

    @torch.compiler.disable
    def hook(self, module: nn.Module, _: Any, output: Any) -> Any:
        """The forward hook: the prediction, shifted, in training mode; nothing otherwise."""
        if not module.training:
            return None
        recomputing = torch.is_grad_enabled()
        if self._step is None or (self._shift is not None and not recomputing):
            if self._step is None and recomputing:
                raise InputError(
                    "a prediction in training mode, and no noise level or clean action before it",
                    where=f"guidance on {type(module).__name__}",
                    expected=f"a training step through the policy's own {self.hook_point.kind} hook point",
                    fix="noise with the policy's own scheduler, put it into eval mode to sample, or pass "
                    "scheduler= and network=",
                )
            # Sampling between training steps, without gradients.
            return None
        prediction = output if isinstance(output, Tensor) else output.sample
        if self._shift is None or self.guidance.config.energy_at == "x0_hat":
            first = self._shift is None
            self._shift = self._shifted(self._step, prediction.detach(), first)
            self.steps += first
        # A block that checkpointing runs a second time gets the same shift.
        guided = prediction + self._shift.to(prediction)
        if isinstance(output, Tensor):
            return guided
        output.sample = guided
        return output

    def _prepare(self, a0: Tensor) -> None:
        """Look at the first batch: horizon, columns, units."""
        self._meter = GuidanceMeter(a0.device)
        self._generator = torch.Generator(a0.device).manual_seed(self._seed)
        self.guidance.vae.to(a0.device)
        horizon = self.guidance.horizon
        if a0.ndim != 3 or horizon not in (None, a0.shape[1]):
            raise InputError(
                f"clean actions {tuple(a0.shape)}",
                where="guidance on the policy",
                expected=f"(B, S, D) with S = {horizon}, the chunk length of the alignment",
                fix="align with the chunk length of the policy's horizon",
            )
        if self._alignment is None or self.hook_point.kind == "ours":
            return
        self._units = units_of(self._alignment, a0.shape[2], **self._units_options)
        guided = self._alignment.space.compact.loss_mask
        mask = torch.zeros(a0.shape[2], dtype=torch.bool)
        mask[list(self._units.columns)] = torch.from_numpy(guided)
        self.guidance = replace(self.guidance, slots=self._units.columns, mask=mask)
        chunks = self._units.enter(a0.float())[..., list(self._units.columns)]
        check_fit(self._alignment, chunks, "clean actions of the policy")

    @torch.no_grad()
    def _shifted(self, step: Step, prediction: Tensor, first: bool) -> Tensor:
        """λ·clamp(k·g) of the policy's shape and units."""
        if prediction.shape != step.a0.shape:
            raise InputError(
                f"a prediction {tuple(prediction.shape)}",
                where="guidance on the policy",
                expected=f"{tuple(step.a0.shape)}, the shape of the clean actions",
                fix="pass network=, the module whose output enters the loss",
            )
        g, meter = self.guidance, self._meter
        assert meter is not None
        # The encoder computes in float32, whatever the policy trains in, and outside of what checkpointing records.
        place = self._device or step.a0.device
        dtype = torch.promote_types(step.a0.dtype, torch.float32)
        with torch.autocast(place.type, enabled=False), saved_tensors_hooks(_itself, _itself):
            parts = (step.a0, step.noise, prediction, step.alpha, step.sigma)
            a0, noise, prediction, alpha, sigma = (part.detach().to(place, dtype) for part in parts)
            x = alpha[:, None, None] * a0 + sigma[:, None, None] * noise
            kind = self.hook_point.parameterization
            if g.config.energy_at == "x_t":
                k = guidance_coefficient(kind, alpha, sigma)[:, None, None]
                kg = k * self._gradient(x, a0, alpha)
            else:
                kg = at_estimate(kind, x, prediction, alpha, sigma, lambda place: self._gradient(place, a0, None))
            shift = g.scale(kg, alpha)
            p, q = (value[:, None, None] for value in target_coefficients(kind, alpha, sigma))
            residual = prediction - p * a0 - q * noise
            if g.config.at_pretraining:
                guided = self._rows(len(a0)).to(place)[:, None, None] >= 0
                shift = shift * guided
            if first:
                counted = torch.ones(()) if g.mask is None else torch.as_tensor(g.mask, dtype=torch.float32)
                meter.add(step.level.to(a0.device).float(), shift, residual, g.clamped(kg), counted.to(x))
            # Nothing regresses the actions of a guided row: what is missing to its target is taken out.
            return shift - residual * guided if g.config.at_pretraining else shift

    def _rows(self, size: int) -> Tensor:
        """The rows of goals of this batch `(B,)`."""
        if self._replayed is None or self._replayed.shape != (size,):
            got = "no rows" if self._replayed is None else f"rows {tuple(self._replayed.shape)}"
            raise InputError(
                got, where="guidance at pre-training observations", expected=f"the goal of each of {size} rows, or −1",
                fix="call replayed(rows) on what attach yields before each training step",
            )  # fmt: skip
        return self._replayed

    def _gradient(self, place: Tensor, a0: Tensor, alpha: Tensor | None) -> Tensor:
        """g in the policy's units, at noised chunks (α given) or clean ones."""
        g, units = self.guidance, self._units
        noise = None
        if g.config.latent == "sample":
            shape = (len(a0), g.vae.config.latent)
            noise = torch.randn(shape, generator=self._generator, device=a0.device).to(a0.dtype)
        target = g.goal(self._rows(len(a0)).clamp_min(0)).to(a0) if g.config.at_pretraining else None
        if units is None:
            return g.gradient(place, a0, noise, target)
        entered = units.enter(place, alpha), units.enter(a0)
        return g.gradient(*entered, noise, target) * units.scale.to(place)


def _itself(tensor: Tensor) -> Tensor:
    return tensor


@contextmanager
def attach(
    policy: Any,
    alignment: Alignment | Guidance,
    config: GuidanceConfig | str | None = None,
    *,
    network: nn.Module | None = None,
    scheduler: Any = None,
    joints: Sequence[str] | None = None,
    statistics: tuple[Sequence[float], Sequence[float]] | None = None,
    goals: Goals | None = None,
    seed: int = 0,
    device: torch.device | str | None = None,
    **options: Any,
) -> Iterator[Attachment]:
    """Guide a policy's training while the block is entered.

    Args:
        policy: ours, one with a diffusers scheduler, RDT, or a flow VLA of lerobot or openpi (`ate.steer.hook_points`);
            wrapped by `torch.compile` or DistributedDataParallel, or not.
        alignment: whose adaptation encoder guides; or a `Guidance` made by hand, in the policy's own columns and units.
        config: of an alignment's guidance: a `GuidanceConfig`, the name of a preset, or None for the default; its clamp
            is in the policy's action units.
        network: module that emits the prediction, where it is not found.
        scheduler: diffusers scheduler that noises in training, where it is not found.
        joints: names of the policy's action columns in its order, padding left out; not needed where they are the
            alignment's.
        statistics: centre and spread that the policy normalised each of `joints` by, where not by the alignment's own.
        goals: for guidance at pre-training observations: the latents of what the pre-training robots did.
        seed: of the latent noise for `latent="sample"`; the policy's random numbers are not touched.
        device: of the encoder and its gradient; None: that of the policy's actions.
        options: of `GuidanceConfig` by name, `lam=2.0, clamp=0.1` say.

    Yields:
        The `Attachment`, with the meter's rows and verdict.

    Raises:
        InputError: no hook point; other horizon, joints or units than the alignment's; a step without noise level or
            clean action; a device that this machine does not have; or no step at all by the end.
    """
    hook_point = find_hook_point(policy, network, scheduler)
    if isinstance(alignment, Guidance):
        if config is not None or options or goals is not None:
            raise InputError("a Guidance and options", where="attach", expected="a Guidance only", fix="set them in it")
        guidance, known = alignment, None
    else:
        guidance, known = Guidance.of(alignment, config, goals=goals, **options), alignment
        if hook_point.kind == "ours":
            check_guidance(unwrapped(policy), guidance, unwrapped(policy).spaces[0])
        else:
            guidance = replace(guidance, slots=None, mask=None)
    units, place = {"joints": joints, "statistics": statistics}, None if device is None else pick_device(device)
    attachment = Attachment(hook_point, guidance, known, units, seed, place)
    with hook_point.module.register_forward_hook(attachment.hook), hook_point.watched(attachment.record):
        yield attachment
    if attachment.steps == 0:
        raise InputError(
            "no guided step", where=f"guidance on {type(hook_point.module).__name__}",
            expected="its forward hook to fire in training mode",
            fix="train the policy inside the block, in train() mode, and compile it after attaching, not before",
        )  # fmt: skip
