"""Hook points: where a policy that we did not write shows what it noised, and which module emits its prediction.

A hook point is found by what a policy has, not by its type, so that nobody's package has to be imported:

| policy | tells a0, noise and level by | prediction comes from |
|---|---|---|
| ours | `policy.path.noised` | `policy.network` |
| with a diffusers scheduler (Diffusion Policy, lerobot's, RDT) | `noise_scheduler.add_noise` | `unet`, `model`, … |
| flow VLA (lerobot's and openpi's π0, π0.5, SmolVLA) | arguments of `model.forward` | `model.action_out_proj` |
"""

import inspect
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ate.errors import InputError
from ate.policies.noise import NoisePath

SCHEDULERS = ("noise_scheduler", "train_scheduler", "scheduler")
NETWORKS = ("unet", "model", "network", "net", "noise_pred_net", "denoiser", "transformer")
PREDICTIONS = {"epsilon": "epsilon", "sample": "sample", "v_prediction": "v"}


@dataclass(frozen=True, eq=False)
class Step:
    """What a training step noised.

    Attributes:
        a0: clean chunks `(B, S, D)`, in the policy's units.
        noise: same shape.
        alpha: α `(B,)`.
        sigma: σ `(B,)`.
        level: noise level in [0, 1], `(B,)`, for the meter.
    """

    a0: Tensor
    noise: Tensor
    alpha: Tensor
    sigma: Tensor
    level: Tensor


Record = Callable[[Step], None]


@dataclass(frozen=True, eq=False)
class HookPoint:
    """One policy's hook_point.

    Attributes:
        kind: `"ours"`, `"scheduler"` or `"flow VLA"`.
        module: emits the prediction.
        parameterization: what it predicts (`ate.policies.noise`).
        watched: takes a `Record`, and while it is entered every training step is recorded.
    """

    kind: str
    module: nn.Module
    parameterization: str
    watched: Callable[[Record], Any]


def find_hook_point(policy: Any, network: nn.Module | None = None, scheduler: Any = None) -> HookPoint:
    """The hook_point of a policy.

    Args:
        policy: the policy; compiled and data-parallel wrappers are looked through.
        network: the module that emits the prediction, where it is not found.
        scheduler: the diffusers scheduler that noises in training, where it is not found.

    Raises:
        InputError: no hook point, or several that could be meant.
    """
    policy = unwrapped(policy)
    if isinstance(getattr(policy, "path", None), NoisePath):
        return _ours(policy)
    flows = [] if scheduler is not None else [owner for owner in _modules(policy) if _is_flow_vla(owner)]
    if len(flows) > 1:
        raise InputError(
            f"{len(flows)} flow models: {', '.join(type(owner).__name__ for owner in flows)}",
            where=type(policy).__name__,
            expected="one that is trained",
            fix="give attach that one alone",
        )
    return _flow_vla(flows[0]) if flows else _with_scheduler(policy, network, scheduler)


def unwrapped(policy: Any) -> Any:
    """The policy inside `torch.compile` and (Distributed)DataParallel wrappers."""
    while True:
        inner = getattr(policy, "_orig_mod", None)
        if inner is None and isinstance(policy, (nn.DataParallel, nn.parallel.DistributedDataParallel)):
            inner = policy.module
        if inner is None:
            return policy
        policy = inner


@dataclass(frozen=True)
class _WatchedPath(NoisePath):
    """A path that tells what it noises."""

    record: Record = lambda _: None

    def noised(self, a0: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """As `NoisePath.noised`."""
        self.record(Step(a0, noise, *self.alpha_sigma(t), t))
        return super().noised(a0, noise, t)


def _ours(policy: Any) -> HookPoint:
    def watched(record: Record) -> AbstractContextManager[None]:
        return _replaced(policy, "path", _WatchedPath(**vars(policy.path), record=record))

    return HookPoint("ours", policy.network, policy.path.parameterization, watched)


def _modules(policy: Any) -> list[Any]:
    """The policy and all that it holds: peft and the like put it inside of modules of their own."""
    return list(policy.modules()) if isinstance(policy, nn.Module) else [policy]


def _is_flow_vla(owner: Any) -> bool:
    # By its class and its own modules: wrappers pass every other attribute on.
    methods = all(hasattr(type(owner), name) for name in ("sample_noise", "sample_time"))
    return methods and "action_out_proj" in getattr(owner, "_modules", {})


def _flow_vla(owner: Any) -> HookPoint:
    """x = t·noise + (1 − t)·actions; noise and times are drawn as its forward pass would, and handed to it."""
    forward = owner.forward
    signature = inspect.signature(forward)
    missing = {"actions", "noise", "time"} - signature.parameters.keys()
    if missing:
        raise InputError(
            f"a forward pass without {', '.join(sorted(missing))}",
            where=type(owner).__name__,
            expected="forward(…, actions, noise, time), as lerobot's and openpi's flow policies have",
            fix="check the version of the package",
        )

    def watched(record: Record) -> AbstractContextManager[None]:
        @torch.compiler.disable
        def observe(actions: Tensor, noise: Tensor, time: Tensor) -> None:
            record(Step(actions, noise, 1 - time, time, time))

        def recorded(*args: Any, **kwargs: Any) -> Any:
            bound = signature.bind(*args, **kwargs)
            inputs = bound.arguments
            actions = inputs["actions"]
            if inputs.get("noise") is None:
                inputs["noise"] = owner.sample_noise(actions.shape, actions.device)
            if inputs.get("time") is None:
                inputs["time"] = owner.sample_time(actions.shape[0], actions.device)
            observe(actions, inputs["noise"], inputs["time"])
            return forward(*bound.args, **bound.kwargs)

        return _replaced(owner, "forward", recorded)

    return HookPoint("flow VLA", owner.action_out_proj, "flow_noise_at_1", watched)


def _with_scheduler(policy: Any, network: nn.Module | None, scheduler: Any) -> HookPoint:
    owner = policy
    if scheduler is None:
        owner, scheduler = _scheduler_of(policy)
    network = network or _network_of(owner)
    flow = not hasattr(scheduler, "add_noise")
    method = "scale_noise" if flow else "add_noise"
    prediction = "flow" if flow else getattr(scheduler.config, "prediction_type", None)
    if not flow and prediction not in PREDICTIONS:
        raise InputError(
            f"prediction_type {prediction!r}",
            where=type(scheduler).__name__,
            expected=", ".join(PREDICTIONS),
            fix="give the scheduler that training uses",
        )
    noised = getattr(scheduler, method)

    def watched(record: Record) -> AbstractContextManager[None]:
        @torch.compiler.disable
        def noise_and_record(original_samples: Tensor, second: Any = None, third: Any = None, **named: Any) -> Tensor:
            # add_noise(samples, noise, timesteps) and scale_noise(sample, timestep, noise) differ in order.
            times = named.get("timesteps", named.get("timestep", second if flow else third))
            noise = named.get("noise", third if flow else second)
            alpha, sigma = _levels(noised, original_samples, times, flow)
            level = times.to(alpha) / scheduler.config.num_train_timesteps
            record(Step(original_samples, noise, alpha, sigma, level))
            return noised(original_samples, times, noise) if flow else noised(original_samples, noise, times)

        return _replaced(scheduler, method, noise_and_record)

    kind = "flow_noise_at_1" if prediction == "flow" else PREDICTIONS[str(prediction)]
    return HookPoint("scheduler", network, kind, watched)


def _levels(noised: Callable[..., Tensor], like: Tensor, times: Tensor, flow: bool) -> tuple[Tensor, Tensor]:
    """α and σ `(B,)` of any schedule, asked of the scheduler itself: what it makes of ones and of zeros."""
    ones = torch.ones(len(like), 1, 1, device=like.device)
    zeros = torch.zeros_like(ones)
    if flow:
        return noised(ones, times, zeros).flatten(), noised(zeros, times, ones).flatten()
    return noised(ones, zeros, times).flatten(), noised(zeros, ones, times).flatten()


def _scheduler_of(policy: Any) -> tuple[Any, Any]:
    """The object that holds the training scheduler, and the scheduler."""
    for name in SCHEDULERS:
        schedulers = {id(s): (o, s) for o in _modules(policy) if _noises(s := getattr(o, name, None))}
        if len(schedulers) == 1:
            return next(iter(schedulers.values()))
        if len(schedulers) > 1:
            raise InputError(
                f"{len(schedulers)} different schedulers named {name}",
                where=type(policy).__name__,
                expected="one that noises in training",
                fix="pass scheduler= and network=",
            )
    raise InputError(
        "no noise scheduler, no noise path, and no flow with sample_noise, sample_time and action_out_proj",
        where=type(policy).__name__,
        expected=f"an attribute {' or '.join(SCHEDULERS)} with add_noise, or a policy of a known kind",
        fix="pass scheduler= and network=",
    )


def _noises(candidate: Any) -> bool:
    return hasattr(candidate, "config") and (hasattr(candidate, "add_noise") or hasattr(candidate, "scale_noise"))


def _network_of(owner: Any) -> nn.Module:
    for name in NETWORKS:
        if isinstance(getattr(owner, name, None), nn.Module):
            return getattr(owner, name)
    children = dict(owner.named_children()) if isinstance(owner, nn.Module) else {}
    if len(children) == 1:
        return next(iter(children.values()))
    raise InputError(
        f"modules {', '.join(children) or 'none'}",
        where=type(owner).__name__,
        expected=f"the network that predicts, as one of {', '.join(NETWORKS)}",
        fix="pass network=",
    )


@contextmanager
def _replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    """An attribute of this one object replaced, and put back as it was."""
    own = vars(owner).get(name)
    object.__setattr__(owner, name, value)
    try:
        yield
    finally:
        if own is None:
            object.__delattr__(owner, name)
        else:
            object.__setattr__(owner, name, own)
