"""Hook points: where a policy that we did not write shows what it noised, and which module emits its prediction.

A hook point is found by what a policy has, not by its type, so that nobody's package has to be imported:

| policy | tells a0, noise and level by | prediction comes from |
|---|---|---|
| ours | `policy.path.noised` | `policy.network` |
| with a noise scheduler (Diffusion Policy, lerobot's, RDT) | its `add_noise` or `scale_noise` | `unet`, `model`, … |
| flow VLA (lerobot's and openpi's π0, π0.5, SmolVLA) | arguments of `model.forward` | `model.action_out_proj` |
| any other, GR00T say | a line of the loop, `guided.noised(actions, noise, t)` | `network=` |
"""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from ate.errors import InputError, unknown
from ate.policies.noise import PARAMETERIZATIONS, NoisePath
from ate.steer.flow_point import flow_vla, is_flow_vla
from ate.steer.hook_point import HookPoint, Record, Step, modules_of, replaced
from ate.steer.scheduler_point import scheduler_of, with_scheduler


def find_hook_point(
    policy: Any, network: nn.Module | None = None, scheduler: Any = None, predicts: str | None = None
) -> HookPoint:
    """The hook point of a policy.

    Args:
        policy: the policy; compiled and data-parallel wrappers are looked through.
        network: the module that emits the prediction, where it is not found.
        scheduler: the scheduler that noises in training, where it is not found.
        predicts: what the network predicts (`ate.policies.noise`), where nothing of the policy says it.

    Raises:
        InputError: no hook point, or several that could be meant; with the two lines that make one.
    """
    policy = unwrapped(policy)
    if predicts is not None and predicts not in PARAMETERIZATIONS:
        raise unknown(predicts, PARAMETERIZATIONS, where="predicts= of attach")
    if isinstance(getattr(policy, "path", None), NoisePath):
        return _ours(policy)
    flows = [] if scheduler is not None else [owner for owner in modules_of(policy) if is_flow_vla(owner)]
    if len(flows) > 1:
        raise InputError(
            f"{len(flows)} flow models: {', '.join(type(owner).__name__ for owner in flows)}",
            where=type(policy).__name__,
            expected="one that is trained",
            fix="give attach that one alone",
        )
    if flows:
        return flow_vla(flows[0], predicts)
    if scheduler is None:
        try:
            scheduler_of(policy)
        except InputError as error:
            if network is not None and predicts is not None:
                return HookPoint("told", network, predicts, lambda _: nullcontext())
            raise InputError(error.got, where=error.where, expected=error.expected, fix=_two_lines(policy)) from error
    return with_scheduler(policy, network, scheduler, predicts)


def unwrapped(policy: Any) -> Any:
    """The policy inside `torch.compile` and (Distributed)DataParallel wrappers."""
    while True:
        inner = getattr(policy, "_orig_mod", None)
        if inner is None and isinstance(policy, (nn.DataParallel, nn.parallel.DistributedDataParallel)):
            inner = policy.module
        if inner is None:
            return policy
        policy = inner


def _two_lines(policy: Any) -> str:
    """What to write for a policy that noises by itself, with the module that probably predicts."""
    named = dict(policy.named_children()) if isinstance(policy, nn.Module) else {}
    last = f"policy.{list(named)[-1]}" if named else "its last module"
    return (
        "pass scheduler= and network= if it has a scheduler; if it noises by itself, two lines: "
        f"guided = ate.steer.attach(policy, alignment, network={last}, predicts='flow_data_at_1', …) "
        f"(or another of {', '.join(PARAMETERIZATIONS)}), and where it has drawn noise and time: "
        "guided.noised(actions, noise, t)"
    )


@dataclass(frozen=True)
class _WatchedPath(NoisePath):
    """A path that tells what it noises."""

    record: Record = lambda _: None

    def noised(self, a0: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """As `NoisePath.noised`."""
        self.record(Step(a0, noise, *self.alpha_sigma(t), t, self.parameterization))
        return super().noised(a0, noise, t)


def _ours(policy: Any) -> HookPoint:
    def watched(record: Record) -> AbstractContextManager[None]:
        return replaced(policy, "path", _WatchedPath(**vars(policy.path), record=record))

    return HookPoint("ours", policy.network, policy.path.parameterization, watched)
