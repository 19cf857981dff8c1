"""Hook point: where one policy shows what it noised, and which of its modules emits the prediction."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn


@dataclass(frozen=True, eq=False)
class Step:
    """What a training step noised, x = α·a0 + σ·noise.

    Attributes:
        a0: clean chunks `(B, S, D)`, in the policy's units.
        noise: same shape.
        alpha: α `(B,)`.
        sigma: σ `(B,)`.
        level: noise level in [0, 1], `(B,)`, for the meter.
        parameterization: what the policy predicts (`ate.policies.noise`).
    """

    a0: Tensor
    noise: Tensor
    alpha: Tensor
    sigma: Tensor
    level: Tensor
    parameterization: str


Record = Callable[[Step], None]


@dataclass(frozen=True, eq=False)
class HookPoint:
    """One policy's hook point.

    Attributes:
        kind: `"ours"`, `"scheduler"`, `"flow VLA"`, or `"told"`, where the loop says what it noised.
        module: emits the prediction.
        parameterization: what it predicts, as far as the policy's attributes tell.
        watched: takes a `Record`, and while it is entered every training step is recorded.
    """

    kind: str
    module: nn.Module
    parameterization: str
    watched: Callable[[Record], AbstractContextManager[None]]


def modules_of(policy: Any) -> list[Any]:
    """The policy and all that it holds: peft and the like put it inside of modules of their own."""
    return list(policy.modules()) if isinstance(policy, nn.Module) else [policy]


@contextmanager
def replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
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
