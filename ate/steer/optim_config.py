"""OptimConfig: how a policy is optimised, the same for every method of a comparison."""

import math
from dataclasses import dataclass, replace
from typing import Any

from ate.errors import InputError, unknown
from ate.runs.files import content_key
from ate.runs.options import typed

LR_SCHEDULES = ("constant", "cosine")
PRECISIONS = ("float32", "tf32", "bfloat16", "bfloat16_copy")


@dataclass(frozen=True)
class OptimConfig:
    """How a policy is optimised.

    Attributes:
        steps: optimisation steps.
        batch: samples of one batch.
        learning_rate: of AdamW.
        weight_decay: of AdamW.
        lr_schedule: of the learning rate, `"constant"`, or `"cosine"` to zero.
        seed: of batches, times and noise.
        warmup: steps over which the learning rate rises to its value.
        accumulate: batches whose mean gradient makes a step.
        max_grad_norm: bound of the norm of a method's gradient; infinite for none.
        ema: decay β of an exponential moving average of the weights, which is then what is evaluated and returned; 0
            for none. At step n it is min(β, (1 + n)/(10 + n)), or short trainings would return their start.
        precision: of the policy's forward pass: `"float32"`; `"bfloat16"` by autocast; or `"bfloat16_copy"`,
            everything between the layers too, without autocast's casts. Weights, loss, optimiser and guidance stay in
            float32. `"tf32"`: float32 whose products, those of guidance too, a GPU rounds to ten bits.

    Raises:
        InputError: a value is out of range, or not one of those named.
    """

    steps: int = 80
    batch: int = 64
    learning_rate: float = 3e-4
    weight_decay: float = 1e-6
    lr_schedule: str = "constant"
    seed: int = 0
    warmup: int = 0
    accumulate: int = 1
    max_grad_norm: float = math.inf
    ema: float = 0.0
    precision: str = "float32"

    def __post_init__(self) -> None:
        least = {"steps": 1, "batch": 1, "accumulate": 1, "warmup": 0}
        for name, ok, expected, fix in (
            *((name, getattr(self, name) >= low, f"at least {low}", f"raise {name}") for name, low in least.items()),
            ("learning_rate", 0 < self.learning_rate < math.inf, "a positive number", "use 3e-4"),
            ("max_grad_norm", self.max_grad_norm > 0, "a positive norm", "use inf for no bound"),
            ("ema", 0 <= self.ema < 1, "a decay in [0, 1)", "use 0.999, or 0 for none"),
        ):
            if not ok:
                raise InputError(str(getattr(self, name)), where=name, expected=expected, fix=fix)
        for name, valid in (("lr_schedule", LR_SCHEDULES), ("precision", PRECISIONS)):
            if getattr(self, name) not in valid:
                raise unknown(getattr(self, name), valid, where=name)

    @classmethod
    def of(cls, options: dict[str, Any]) -> "OptimConfig":
        """A configuration of options by name, text or values.

        Raises:
            InputError: an unknown name, or a value that is out of range.
        """
        return cls(**typed(cls, options, "options of fine-tuning"))

    @property
    def identity(self) -> str:
        """Key of what a run cannot change: more steps continue a constant schedule, a cosine is another one."""
        return content_key(self if self.lr_schedule == "cosine" else replace(self, steps=1))

    def learning_rate_factor(self, step: int) -> float:
        """Share of the learning rate at a step, from 0: up over `warmup` steps, then the schedule over the others."""
        if step < self.warmup:
            return (step + 1) / self.warmup
        if self.lr_schedule == "constant":
            return 1.0
        done = (step - self.warmup) / max(1, self.steps - self.warmup)
        return 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))
