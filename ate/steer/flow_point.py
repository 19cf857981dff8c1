"""Flow VLAs, which draw noise and time in `forward` unless both are given: lerobot's and openpi's π0, π0.5, SmolVLA.

Noise and times are drawn as the forward pass would, and handed to it. Whether x = t·noise + (1 − t)·actions, as theirs
do, or the other way round, as a changed copy may, is read off the first x that a module inside gets.
"""

import inspect
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ate.errors import InputError
from ate.steer.hook_point import HookPoint, Record, Step, replaced

# x counts as one of the two mixtures below this error, relative to its RMS: bfloat16 rounds by 0.004.
SAME = 0.02
# Forward passes in which x is looked for; each look waits for the device.
LOOKS = 8


def is_flow_vla(owner: Any) -> bool:
    """Whether an object draws noise and time by methods of its class, and projects actions out at the end."""
    # By its class and its own modules: wrappers pass every other attribute on.
    methods = all(hasattr(type(owner), name) for name in ("sample_noise", "sample_time"))
    return methods and "action_out_proj" in getattr(owner, "_modules", {})


def flow_vla(owner: Any, predicts: str | None) -> HookPoint:
    """The hook point of a flow VLA.

    Args:
        owner: the module with `forward(…, actions, noise, time)`.
        predicts: what it predicts; None: by its x, with noise at t = 1 where no x is seen.

    Raises:
        InputError: a forward pass of other arguments.
    """
    missing = {"actions", "noise", "time"} - inspect.signature(owner.forward).parameters.keys()
    if missing:
        raise InputError(
            f"a forward pass without {', '.join(sorted(missing))}",
            where=type(owner).__name__,
            expected="forward(…, actions, noise, time), as lerobot's and openpi's flow policies have",
            fix="check the version of the package",
        )

    @contextmanager
    def watched(record: Record) -> Iterator[None]:
        watch = _Watch(owner, record, predicts)
        with replaced(owner, "forward", watch.forward):
            try:
                yield
            finally:
                watch.inputs.close()

    return HookPoint("flow VLA", owner.action_out_proj, predicts or "flow_noise_at_1", watched)


class _Watch:
    """Follows forward passes of one owner.

    Attributes:
        inputs: hooks on the inputs of the modules inside, until one of them has told the direction of time.
    """

    def __init__(self, owner: Any, record: Record, predicts: str | None) -> None:
        self._owner, self._record, self._forward = owner, record, owner.forward
        self._signature = inspect.signature(owner.forward)
        self._kind = predicts or "flow_noise_at_1"
        self._drawn: tuple[Tensor, Tensor, Tensor] | None = None
        self.inputs = ExitStack()
        self._passes = 0
        if predicts is None:
            for child in owner.children():
                if child is not owner.action_out_proj:
                    self.inputs.enter_context(child.register_forward_pre_hook(self._look, with_kwargs=True))

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Their forward pass, with noise and times drawn here unless they are given."""
        bound = self._signature.bind(*args, **kwargs)
        inputs = bound.arguments
        actions = inputs["actions"]
        if inputs.get("noise") is None:
            inputs["noise"] = self._owner.sample_noise(actions.shape, actions.device)
        if inputs.get("time") is None:
            inputs["time"] = self._owner.sample_time(actions.shape[0], actions.device)
        self._observe(actions, inputs["noise"], inputs["time"])
        return self._forward(*bound.args, **bound.kwargs)

    @torch.compiler.disable
    def _observe(self, actions: Tensor, noise: Tensor, time: Tensor) -> None:
        self._drawn, self._passes = (actions, noise, time), self._passes + 1
        if self._passes > LOOKS:
            self.inputs.close()
        self._record(flow_step(actions, noise, time, self._kind))

    @torch.compiler.disable
    def _look(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Tell the direction of time by an input of the shape of the actions."""
        if self._drawn is None:
            return
        actions, noise, time = self._drawn
        for x in (*args, *kwargs.values()):
            if not isinstance(x, Tensor) or x.shape != actions.shape:
                continue
            t = time.reshape(-1, 1, 1)
            mixtures = {
                "flow_noise_at_1": t * noise + (1 - t) * actions,
                "flow_data_at_1": (1 - t) * noise + t * actions,
            }
            for kind, mixture in mixtures.items():
                if (x.detach() - mixture).float().square().mean() < SAME**2 * x.detach().float().square().mean():
                    self.inputs.close()
                    if kind != self._kind:
                        self._kind = kind
                        self._record(flow_step(actions, noise, time, kind))
                    return


def flow_step(actions: Tensor, noise: Tensor, time: Tensor, kind: str) -> Step:
    """A step of a flow by its own time `(B,)`, which is 1 at noise or at data."""
    sigma = time if kind == "flow_noise_at_1" else 1 - time
    return Step(actions, noise, 1 - sigma, sigma, sigma, kind)
