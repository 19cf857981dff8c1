"""Attach: latent guidance on a policy that somebody else wrote, in their own training script.

    with ate.steer.attach(policy, alignment, joints=…, statistics=…) as guided:
        …their loop…

or, where a block does not fit, a call that acts at once and ends with `detach`:

    guided = ate.steer.attach(policy, alignment, joints=…, statistics=…)
    …their loop…
    guided.detach()

A forward hook on the module that emits the prediction returns `prediction + λ·clamp(k·g)`.

Where their batches also hold retargeted episodes, guidance at pre-training observations acts on those rows, so that
their loss pulls the latent alone there:

    with ate.steer.attach(policy, alignment, "tool-motion", goals=goals, joints=…, statistics=…) as guided:
        guided.replayed(rows)  # of each batch: the row of goals, −1 at a demonstration
        …their step…
"""

import warnings
import weakref
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Self

import torch
from torch import Tensor, nn

from ate.align.alignment import Alignment
from ate.errors import InputError
from ate.policies.noise import FLOWS
from ate.runs.device import pick as pick_device
from ate.steer.compatibility import check_guidance
from ate.steer.fit import check_rate
from ate.steer.flow_point import flow_step
from ate.steer.goals import Goals
from ate.steer.guidance import Guidance
from ate.steer.guidance_config import GuidanceConfig
from ate.steer.hook_point import HookPoint, Step
from ate.steer.hook_points import find_hook_point, unwrapped
from ate.steer.meter import meter_verdict
from ate.steer.meter_table import meter_text
from ate.steer.prediction_hook import PredictionHook
from ate.steer.reminder import NotGuided, Reminder
from ate.steer.unit_map import Statistics, ask_for

# Modules that are guided now: a second hook on one of them would shift twice.
_guided: "weakref.WeakSet[nn.Module]" = weakref.WeakSet()


class Attachment:
    """Guidance that is on a policy: a context manager, or ended by `detach`. `print` shows the meter as a table."""

    def __init__(self, policy: Any, hook: PredictionHook) -> None:
        """Put the hook on; `attach` prepares it."""
        self._hook, module = hook, hook.hook_point.module
        if module in _guided:
            raise InputError(
                f"a {type(module).__name__} that is guided already",
                where="attach",
                expected="a policy without guidance: two would shift its prediction twice",
                fix="end the first one, guided.detach() or the end of its block, then attach",
            )
        # The hook holds them, and the module the hook: guidance that nobody holds acts on, and says so.
        self._hooks = hook.hooks
        self._hooks.enter_context(module.register_forward_hook(hook.hook))
        self._hooks.enter_context(hook.hook_point.watched(hook.record))
        _guided.add(module)
        self._hooks.callback(_guided.discard, module)
        kept = weakref.ref(self)
        # Of the hook alone: a reference to this object would keep it.
        self._hooks.callback(Reminder(policy, module, lambda: hook.complaint(kept() is not None)).close)
        self._detached = False

    @property
    def hook_point(self) -> HookPoint:
        """Where it acts."""
        return self._hook.hook_point

    @property
    def guidance(self) -> Guidance:
        """What acts."""
        return self._hook.guidance

    @property
    def steps(self) -> int:
        """Training steps that were guided."""
        return self._hook.steps

    @property
    def shift(self) -> Tensor | None:
        """λ·clamp(k·g) of the last step `(B, S, D)`, in the policy's units; None before the first."""
        return self._hook.shift

    @property
    def rows(self) -> list[dict[str, float]]:
        """Rows of the meter by noise level so far (`ate.steer.meter`); reading them waits for the device."""
        return [] if self._hook.meter is None else self._hook.meter.rows()

    @property
    def verdict(self) -> str:
        """`"inactive"`, `"acting"` or `"clamp-dominated"`."""
        return meter_verdict(self.rows)

    def __str__(self) -> str:
        return meter_text(self.rows, self.guidance.config, self.steps)

    def __repr__(self) -> str:
        state = "detached" if self._detached else "attached"
        return f"<Attachment on {type(self.hook_point.module).__name__}, {state}, {self.steps} guided steps>"

    def __enter__(self) -> Self:
        if self._detached:
            raise InputError("a detached attachment", where="attach", expected="one that acts", fix="call attach again")
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._hooks.close()
        self._detached = True
        if kind is None and self.steps == 0:
            raise InputError(
                f"no guided step{self._hook.in_eval}",
                where=f"guidance on {type(self.hook_point.module).__name__}",
                expected="its forward hook to fire in training mode",
                fix="train the policy while it is attached, in train() mode, and compile it after attaching, not "
                "before",
            )

    def detach(self) -> None:
        """End guidance: the policy is as it was, and meter and steps stay readable. A second call does nothing.

        Warns where no step was guided.
        """
        if self._detached:
            return
        self._hooks.close()
        self._detached = True
        if self.steps == 0:
            warnings.warn(self._hook.complaint(True), NotGuided, stacklevel=2)

    def replayed(self, rows: Tensor) -> None:
        """Say which rows of the coming batch are of retargeted episodes, for guidance at pre-training observations.

        Args:
            rows: `(B,)`, the number of each among the goals; −1 at a demonstration, which nothing guides then.
        """
        self._hook.replayed = rows

    def offset(self, state: Tensor) -> None:
        """Say what the actions of the coming batch are relative to: called before each training step, or never.

        Args:
            state: `(B, joints)`, what the policy subtracted from every row of a chunk, a column for each of `joints`,
                in the alignment's data units; 0 in columns that are absolute.
        """
        self._hook.state = torch.as_tensor(state)

    def noised(
        self,
        actions: Tensor,
        noise: Tensor,
        t: Tensor | None = None,
        *,
        alpha: Tensor | None = None,
        sigma: Tensor | None = None,
    ) -> None:
        """Say what the coming prediction is of, for a policy that noises by itself: x = α·actions + σ·noise.

        Args:
            actions: clean chunks `(B, S, D)`, in the policy's units.
            noise: same shape.
            t: the policy's own time, `(B,)` or broadcastable to it, of a flow; 1 is data or noise, by `predicts=`.
            alpha: α, of the same shape, of a diffusion: √ᾱ.
            sigma: σ of a diffusion: √(1 − ᾱ).

        Raises:
            InputError: neither a flow's time nor α and σ; or what the batches say of units and order.
        """
        kind, size = self.hook_point.parameterization, len(actions)
        if t is not None and kind in FLOWS:
            self._hook.record(flow_step(actions, noise, _per_sample(t, size), kind))
        elif alpha is not None and sigma is not None:
            alpha, sigma = _per_sample(alpha, size), _per_sample(sigma, size)
            self._hook.record(Step(actions, noise, alpha, sigma, sigma.clamp(0, 1), kind))
        else:
            raise InputError(
                "no noise level",
                where="noised()",
                expected=f"the level at which {kind!r} is predicted",
                fix="pass t, its time" if kind in FLOWS else "pass alpha=ᾱ.sqrt() and sigma=(1 - ᾱ).sqrt()",
            )


def _per_sample(value: Tensor, size: int) -> Tensor:
    """A level as `(B,)`, given as `()`, `(B,)` or `(B, 1, 1)`."""
    return torch.as_tensor(value).reshape(-1).expand(size)


def attach(
    policy: Any,
    alignment: Alignment | Guidance,
    config: GuidanceConfig | str | None = None,
    *,
    joints: Sequence[str] | None = None,
    statistics: Statistics | None = None,
    rate_hz: float | None = None,
    network: nn.Module | None = None,
    scheduler: Any = None,
    predicts: str | None = None,
    goals: Goals | None = None,
    seed: int = 0,
    device: torch.device | str | None = None,
    **options: Any,
) -> Attachment:
    """Guide a policy's training from now on, until the end of the block or `detach`.

    Args:
        policy: ours, one with a noise scheduler, RDT, a flow VLA of lerobot or openpi (`ate.steer.hook_points`), or
            any other that the loop calls `noised` for; wrapped by `torch.compile` or DistributedDataParallel, or not.
        alignment: whose adaptation encoder guides; or a `Guidance` made by hand, in the policy's own columns and units.
        config: of an alignment's guidance: a `GuidanceConfig`, the name of a preset, or None for the default; its clamp
            is in the policy's action units.
        joints: names of the policy's action columns in its order, padding left out; needed unless the policy is ours.
        statistics: centre and spread that the policy normalised each of `joints` by, in the alignment's data units, as
            a pair or a mapping (`mean` and `std`, `min` and `max`); `"alignment"` where by the alignment's own. Needed
            unless the policy is ours.
        rate_hz: rows a second of the policy's chunks; None: judged by how far a row moves the joints.
        network: module that emits the prediction, where it is not found.
        scheduler: that noises in training, where it is not found.
        predicts: what the network predicts (`ate.policies.noise`), where nothing of the policy says it.
        goals: for guidance at pre-training observations: the latents of what the pre-training robots did.
        seed: of the latent noise for `latent="sample"`; the policy's random numbers are not touched.
        device: of the encoder and its gradient; None: that of the policy's actions.
        options: of `GuidanceConfig` by name, `lam=2.0, clamp=0.1` say.

    Returns:
        The `Attachment`, with the meter's rows and verdict.

    Raises:
        InputError: no hook point; joints or statistics missing; another rate; a policy that is guided already; a device
            that this machine does not have. At the first steps: other horizon, joints, units, order or rate than the
            alignment's, relative actions without their state, a step without noise level or clean action. At the end
            of a block: no step at all.

    Warns:
        NotGuided: at the first backward pass, if no step was guided before it, or nothing holds what this returned.
    """
    hook_point = find_hook_point(policy, network, scheduler, predicts)
    if isinstance(alignment, Guidance):
        _refuse_given(("a Guidance and options", "a Guidance only", "set them in it"), config, goals, options or None)
        guidance, known = alignment, None
    else:
        guidance, known = Guidance.of(alignment, config, goals=goals, **options), alignment
    guidance = _fitted(guidance, known, policy, hook_point.kind == "ours", joints, statistics, rate_hz)
    place = None if device is None else pick_device(device)
    hook = PredictionHook(hook_point, guidance, known, joints, statistics, rate_hz is None, seed, place)
    return Attachment(policy, hook)


def _fitted(
    guidance: Guidance,
    alignment: Alignment | None,
    policy: Any,
    ours: bool,
    joints: Sequence[str] | None,
    statistics: Statistics | None,
    rate_hz: float | None,
) -> Guidance:
    """The guidance in the policy's columns, after a look at whether it is the policy's; errors as `attach`."""
    if alignment is None or ours:
        own = "a Guidance acts in the policy's own units" if alignment is None else "ours has its own"
        _refuse_given(("joints= or statistics=", f"neither: {own}", "leave both away"), joints, statistics)
    if alignment is None:
        return guidance
    if ours:
        check_guidance(unwrapped(policy), guidance, unwrapped(policy).spaces[0])
        return guidance
    ask_for(alignment, unwrapped(policy), joints, statistics)
    check_rate(alignment, rate_hz)
    # The policy's own columns, which the first batch shows.
    return replace(guidance, slots=None, mask=None)


def _refuse_given(words: tuple[str, str, str], *arguments: object) -> None:
    """Refuse arguments of attach that are given and mean nothing here: what was got, what is expected, and the fix."""
    if any(argument is not None for argument in arguments):
        got, expected, fix = words
        raise InputError(got, where="attach", expected=expected, fix=fix)
