"""Noise schedulers: policies that noise by `add_noise` of diffusers' schedulers, `scale_noise`, or a method like them.

A scheduler is looked for under the usual names first, then under any; α and σ of its schedule are asked of itself.
"""

import inspect
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn

from ate.errors import InputError
from ate.policies.noise import PARAMETERIZATIONS
from ate.steer.hook_point import HookPoint, Record, Step, modules_of, replaced

SCHEDULERS = ("noise_scheduler", "train_scheduler", "scheduler")
NETWORKS = ("unet", "model", "network", "net", "noise_pred_net", "denoiser", "transformer")
PREDICTIONS = {"epsilon": "epsilon", "sample": "sample", "v_prediction": "v"}
METHODS = ("add_noise", "scale_noise")


def with_scheduler(policy: Any, network: nn.Module | None, scheduler: Any, predicts: str | None) -> HookPoint:
    """The hook point of a policy with a scheduler.

    Args:
        policy: who holds it.
        network: module that emits the prediction; None: by its name.
        scheduler: that noises in training; None: by its name, or the only one there is.
        predicts: what the network predicts; None: what the scheduler's `config` says.

    Raises:
        InputError: no scheduler or several, no network, or no word about what is predicted.
    """
    owner = policy
    if scheduler is None:
        owner, scheduler = scheduler_of(policy)
    method = next((name for name in METHODS if callable(getattr(scheduler, name, None))), None)
    if method is None:
        raise InputError(
            f"a {type(scheduler).__name__} without {' or '.join(METHODS)}",
            where="scheduler= of attach",
            expected="the scheduler that noises in training",
            fix="pass that one, or leave scheduler= away and pass network= and predicts=",
        )
    network = network or _network_of(owner)
    config = getattr(scheduler, "config", None)
    declared = "flow" if method == "scale_noise" else getattr(config, "prediction_type", None)
    kind = predicts or ("flow_noise_at_1" if declared == "flow" else PREDICTIONS.get(str(declared)))
    if kind is None:
        raise InputError(
            f"prediction_type {declared!r}",
            where=type(scheduler).__name__,
            expected=", ".join(PREDICTIONS),
            fix=f"give the scheduler that training uses, or pass predicts=, one of {', '.join(PARAMETERIZATIONS)}",
        )
    noised, steps = getattr(scheduler, method), getattr(config, "num_train_timesteps", None)

    def watched(record: Record) -> AbstractContextManager[None]:
        @torch.compiler.disable
        def noise_and_record(*args: Any, **named: Any) -> Tensor:
            call = Noising.of(noised, args, named)
            result, alpha, sigma = call.levelled()
            # Times may be on the host.
            level = sigma.clamp(0, 1) if steps is None else call.times.to(alpha, non_blocking=True) / steps
            record(Step(call.samples, call.noise, alpha, sigma, level, kind))
            return result

        return replaced(scheduler, method, noise_and_record)

    return HookPoint("scheduler", network, kind, watched)


class Noising:
    """One call of a scheduler's method, whose arguments are told apart by their shapes.

    `add_noise(samples, noise, timesteps)` and `scale_noise(sample, timestep, noise)` differ in their order.

    Attributes:
        samples: clean chunks `(B, S, D)`.
        noise: same shape.
        times: the other tensor.
    """

    def __init__(
        self, method: Callable[..., Tensor], bound: inspect.BoundArguments, names: tuple[str, str, str]
    ) -> None:
        self._method, self._bound, self._names = method, bound, names
        self.samples, self.noise, self.times = (bound.arguments[name] for name in names)

    @classmethod
    def of(cls, method: Callable[..., Tensor], args: tuple[Any, ...], named: dict[str, Any]) -> "Noising":
        """Take a call apart.

        Raises:
            InputError: no noise of the shape of the first argument, or no times.
        """
        bound = inspect.signature(method).bind(*args, **named)
        tensors = {name: value for name, value in bound.arguments.items() if isinstance(value, Tensor)}
        first, *others = tensors
        noise = [name for name in others if tensors[name].shape == tensors[first].shape]
        times = [name for name in others if name not in noise]
        if len(noise) != 1 or len(times) != 1:
            raise InputError(
                f"tensors {', '.join(f'{name} {tuple(value.shape)}' for name, value in tensors.items())}",
                where=getattr(method, "__qualname__", "the scheduler"),
                expected="clean chunks (B, S, D), noise of their shape, and times (B,)",
                fix="pass network= and predicts= in place of scheduler=, and call guided.noised(actions, noise, t)",
            )
        return cls(method, bound, (first, noise[0], times[0]))

    def levelled(self) -> tuple[Tensor, Tensor, Tensor]:
        """The noised chunks, and α and σ `(B,)`: what the scheduler makes of ones and of zeros.

        In one call, two rows longer, since flow schedulers wait for the device at every sample of a call. Of chunks in
        half precision in a second call: α and σ are wanted in full.
        """
        device, chunks = self.samples.device, self.samples.ndim == 3
        wide = chunks and self.samples.dtype == torch.float32
        shape = (len(self.samples), 1, self.samples.shape[2] if wide else 1)
        unit, zero = torch.ones(shape, device=device), torch.zeros(shape, device=device)
        if wide:
            noised = self._of(torch.cat([self.samples, unit, zero], 1), torch.cat([self.noise, zero, unit], 1))
            return noised[:, :-2].contiguous(), noised[:, -2, 0], noised[:, -1, 0]
        levels = self._of(torch.cat([unit, zero], 1), torch.cat([zero, unit], 1))
        return self._of(self.samples, self.noise), levels[:, 0, 0], levels[:, 1, 0]

    def _of(self, samples: Tensor, noise: Tensor) -> Tensor:
        arguments = {**self._bound.arguments, self._names[0]: samples, self._names[1]: noise}
        bound = inspect.BoundArguments(self._bound.signature, arguments)
        return self._method(*bound.args, **bound.kwargs)


def scheduler_of(policy: Any) -> tuple[Any, Any]:
    """The object that holds the training scheduler, and the scheduler.

    Raises:
        InputError: none, or several that could be meant.
    """
    holders = modules_of(policy)
    for name in SCHEDULERS:
        named = {id(s): (o, s) for o in holders if _noises(s := getattr(o, name, None))}
        if named:
            return _only(named, policy, f"named {name}")
    # Under any other name: of diffusers' kind, whose `config` says what is predicted.
    others = {
        id(value): (o, value)
        for o in holders
        for value in [*vars(o).values(), *getattr(o, "_modules", {}).values()]
        if _noises(value) and hasattr(value, "config")
    }
    if others:
        return _only(others, policy, "under other names")
    raise InputError(
        "no noise scheduler, no noise path, and no flow with sample_noise, sample_time and action_out_proj",
        where=type(policy).__name__,
        expected=f"a scheduler with {' or '.join(METHODS)}, or a policy of a known kind",
        fix="pass scheduler= and network=",
    )


def _only(schedulers: dict[int, tuple[Any, Any]], policy: Any, how: str) -> tuple[Any, Any]:
    if len(schedulers) == 1:
        return next(iter(schedulers.values()))
    raise InputError(
        f"{len(schedulers)} different schedulers {how}",
        where=type(policy).__name__,
        expected="one that noises in training",
        fix="pass scheduler= and network=",
    )


def _noises(candidate: Any) -> bool:
    return any(callable(getattr(candidate, name, None)) for name in METHODS)


def _network_of(owner: Any) -> nn.Module:
    for name in NETWORKS:
        module = getattr(owner, name, None)
        if isinstance(module, nn.Module):
            return module
    children = dict(owner.named_children()) if isinstance(owner, nn.Module) else {}
    if len(children) == 1:
        return next(iter(children.values()))
    raise InputError(
        f"modules {', '.join(children) or 'none'}",
        where=type(owner).__name__,
        expected=f"the network that predicts, as one of {', '.join(NETWORKS)}",
        fix="pass network=",
    )
