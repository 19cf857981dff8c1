"""Prediction hook: the forward hook that adds λ·clamp(k·g) to what a policy predicts in training.

The policy's own target, masks and reductions stay. That is the shifted-target loss of the ATE paper (arXiv 2509.02055,
section 3.3). At pre-training observations it returns `target + λ·clamp(k·g)`, with the prediction's gradient.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from ate.align.alignment import Alignment
from ate.errors import InputError
from ate.policies.noise import guidance_coefficient, target_coefficients
from ate.steer.fit import Fit
from ate.steer.guidance import Guidance
from ate.steer.hook_point import HookPoint, Step
from ate.steer.meter import GuidanceMeter
from ate.steer.shifted_target import at_estimate
from ate.steer.unit_map import Statistics, Units, units_of


class PredictionHook:
    """What acts while a policy is guided.

    Attributes:
        hook_point: where.
        guidance: what acts; in the policy's columns once a batch was seen.
        meter: of what it did; None before the first batch.
        steps: training steps that were guided.
        rested: training steps that were not, because the policy was in eval mode.
        shift: of the last step, in the policy's units.
        replayed: `(B,)`, rows of the coming batch among the goals, −1 at a demonstration.
        state: `(B, joints)`, what the policy subtracted from the chunks of the coming batch.
        hooks: what is to be undone at the end.
    """

    def __init__(
        self,
        hook_point: HookPoint,
        guidance: Guidance,
        alignment: Alignment | None,
        joints: Sequence[str] | None,
        statistics: Statistics | None,
        paced: bool,
        seed: int,
        device: torch.device | None,
    ) -> None:
        self.hook_point, self.guidance, self.steps, self.rested = hook_point, guidance, 0, 0
        self.hooks = ExitStack()
        self.meter: GuidanceMeter | None = None
        self.shift: Tensor | None = None
        self.replayed: Tensor | None = None
        self.state: Tensor | None = None
        # The units of strangers alone: our own policies act in the alignment's.
        self._alignment = None if hook_point.kind == "ours" else alignment
        self._joints, self._statistics, self._paced = joints, statistics, paced
        self._seed, self._device = seed, device
        self._units: Units | None = None
        self._fit: Fit | None = None
        self._step: Step | None = None
        self._stated: Tensor | None = None
        self._counted: Tensor | None = None
        self._relative = self._asleep = False
        self._generator: torch.Generator | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy of the policy, of averaged weights say, or one that is saved whole, is not guided."""
        return _asleep, ()

    @property
    def in_eval(self) -> str:
        """Predictions that were left alone in eval mode, as the end of a sentence."""
        return f", and {self.rested} predictions in eval mode" if self.rested else ""

    def complaint(self, kept: bool) -> str:
        """What is wrong once the policy trains; empty where nothing is. `kept`: whether somebody can end guidance."""
        where = f"guidance on {type(self.hook_point.module).__name__}"
        if self.steps == 0:
            cause = "call policy.train()" if self.rested else (
                "train this very policy, through the module that is hooked, and compile it after attaching, not before"
            )  # fmt: skip
            return f"{where}: the policy trains and no step was guided{self.in_eval}. Fix: {cause}."
        if not kept:
            return (
                f"{where}: it acts until the program ends, since nothing holds what attach gave. Fix: use a block, "
                "`with attach(…) as guided:`, or keep it, `guided = attach(…)`, and end it by guided.detach()."
            )
        return ""

    def record(self, step: Step) -> None:
        """Take up what a training step noised."""
        self._device = self._device or step.a0.device
        a0 = step.a0.detach().to(self._device)
        if self.meter is None:
            self._prepare(a0)
        # A direction of time that is read off later belongs to the same batch.
        if self._step is None or self._step.a0 is not step.a0 or self._step.noise is not step.noise:
            self._relative = self._relative or self.state is not None
            self._stated, self.state = self.state, None
            self._look(a0)
        self._step, self.shift = step, None

    @torch.compiler.disable
    def hook(self, module: nn.Module, _: Any, output: Any) -> Any:
        """The forward hook: the prediction, shifted, in training mode; nothing otherwise."""
        if self._asleep:
            return None
        recomputing = torch.is_grad_enabled()
        if not module.training:
            self.rested += recomputing
            return None
        if self._step is None or (self.shift is not None and not recomputing):
            if self._step is None and recomputing:
                by_loop = self.hook_point.kind == "told"
                raise InputError(
                    "a prediction in training mode, and no noise level or clean action before it",
                    where=f"guidance on {type(module).__name__}",
                    expected=f"a training step through the policy's own {self.hook_point.kind} hook point",
                    fix="call guided.noised(actions, noise, t) before the policy predicts, in each training step"
                    if by_loop
                    else "noise with the policy's own scheduler, put it into eval mode to sample, or pass "
                    "scheduler= and network=",
                )
            # Sampling between training steps, without gradients.
            return None
        if self._lacks_state(len(self._step.a0)):
            raise InputError(
                "no state" if self._stated is None else f"a state {tuple(self._stated.shape)}",
                where="guidance of relative actions",
                expected=f"({len(self._step.a0)}, joints), what was subtracted from each chunk, a column for each of "
                "joints= of a policy that an alignment guides",
                fix="call guided.offset(state) before each training step",
            )
        prediction = output if isinstance(output, Tensor) else output.sample
        before = prediction.shape[1] - self._step.a0.shape[1] if prediction.ndim == 3 else 0
        # GR00T's head decodes the state's tokens too, before those of the actions.
        own = prediction[:, before:] if before > 0 else prediction
        if self.shift is None or self.guidance.config.energy_at == "x0_hat":
            first = self.shift is None
            self.shift = self._shifted(self._step, own.detach(), first)
            self.steps += first
        # A block that checkpointing runs a second time gets the same shift.
        shift = self.shift.to(prediction)
        guided = prediction + (nn.functional.pad(shift, (0, 0, before, 0)) if before > 0 else shift)
        if isinstance(output, Tensor):
            return guided
        output.sample = guided
        return output

    def _prepare(self, a0: Tensor) -> None:
        """Look at the first batch: horizon, columns, units."""
        horizon = self.guidance.horizon
        if a0.ndim != 3 or horizon not in (None, a0.shape[1]):
            raise InputError(
                f"clean actions {tuple(a0.shape)}",
                where="guidance on the policy",
                expected=f"(B, S, D) with S = {horizon}, the chunk length of the alignment",
                fix=f"align with the chunk length of the policy's horizon: ate align -p chunk={a0.shape[1]}"
                if a0.ndim == 3
                else "give the actions as chunks (B, S, D)",
            )
        self.guidance = self.guidance.on(a0.device)
        if self._alignment is not None:
            assert self._joints is not None and self._statistics is not None
            self._units = units_of(self._alignment, a0.shape[2], self._joints, self._statistics).to(a0.device)
            mask = torch.zeros(a0.shape[2], dtype=torch.bool)
            mask[list(self._units.columns)] = torch.from_numpy(self._alignment.space.compact.loss_mask)
            self.guidance = replace(self.guidance, slots=self._units.columns, mask=mask)
            self._fit = Fit(self._alignment, self._joints, self._paced)
        counted = torch.ones(()) if self.guidance.mask is None else torch.as_tensor(self.guidance.mask)
        self._counted = counted.to(a0.device)
        self._generator = torch.Generator(a0.device).manual_seed(self._seed)
        self.meter = GuidanceMeter(a0.device)

    def _look(self, a0: Tensor) -> None:
        """Judge a batch of demonstrations by what the alignment knows; rows of retargeted episodes are no measure."""
        if self._units is None or self._fit is None or self._fit.done or self._lacks_state(len(a0)):
            return
        chunks = self._units.enter(a0.float(), state=self._stated).index_select(-1, self._units.index)
        if self.guidance.config.at_pretraining:
            rows = self.replayed
            known = rows is not None and len(rows) == len(a0)
            chunks = chunks[rows.to(chunks.device) < 0] if rows is not None and known else chunks[:0]
        self._fit.look(chunks)

    def _lacks_state(self, size: int) -> bool:
        """Whether actions are relative to a state that is not known for this batch."""
        named = 0 if self._units is None else self._units.named
        return self._relative and (self._stated is None or self._stated.shape != (size, named))

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
        g, meter, counted = self.guidance, self.meter, self._counted
        assert meter is not None and counted is not None
        # The encoder computes in float32, whatever the policy trains in, and outside of what checkpointing records.
        place = self._device or step.a0.device
        dtype = torch.promote_types(step.a0.dtype, torch.float32)
        with torch.autocast(place.type, enabled=False), saved_tensors_hooks(_itself, _itself):
            parts = (step.a0, step.noise, prediction, step.alpha, step.sigma)
            a0, noise, prediction, alpha, sigma = (part.detach().to(place, dtype) for part in parts)
            x = alpha[:, None, None] * a0 + sigma[:, None, None] * noise
            kind = step.parameterization
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
                meter.add(step.level.to(a0.device).float(), shift, residual, g.clamped(kg), counted.to(x))
            # Nothing regresses the actions of a guided row: what is missing to its target is taken out.
            return shift - residual * guided if g.config.at_pretraining else shift

    def _rows(self, size: int) -> Tensor:
        """The rows of goals of this batch `(B,)`."""
        if self.replayed is None or self.replayed.shape != (size,):
            got = "no rows" if self.replayed is None else f"rows {tuple(self.replayed.shape)}"
            raise InputError(
                got, where="guidance at pre-training observations", expected=f"the goal of each of {size} rows, or −1",
                fix="call replayed(rows) on what attach gives before each training step",
            )  # fmt: skip
        return self.replayed

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
        entered = units.enter(place, alpha, self._stated), units.enter(a0, state=self._stated)
        return g.gradient(*entered, noise, target) * units.scale.to(place.dtype)


def _asleep() -> PredictionHook:
    """A hook that does nothing: of a copy of the policy."""
    hook = PredictionHook.__new__(PredictionHook)
    hook._asleep = True
    return hook


def _itself(tensor: Tensor) -> Tensor:
    return tensor
