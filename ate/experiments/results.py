"""Results: what one trained method did in its rollouts, and why it may have."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class RunResult:
    """One method trained with one seed.

    Attributes:
        method: its name, e.g. `"direct"`, `"scratch"`, `"ate"`, `"random encoder"`.
        seed: training seed; methods of one seed share demonstrations, batches, noise and rollout seeds.
        parameterization: what the policy predicts (`"sample"`, `"epsilon"`, `"v"`, `"flow_noise_at_1"` …).
        demonstrations: episodes it was fine-tuned on.
        lam: λ.
        clamp: element-wise clamp of k·g, normalised action units; infinite for none.
        encoder: `"none"`, `"aligned"` or `"random"`.
        success: one boolean a rollout, or empty where there is no simulator.
        closest: closest distance of tool and object a rollout, metres.
        loss: training curve, rows with `"step"` and `"loss"` (loss against the unshifted target).
        meter: rows by noise level, with `"t_low"`, `"t_high"` (0 data, 1 noise), `"ratio"` (RMS shift over RMS
            residual) and `"clamped"` (share of elements at the clamp).
        open_loop: mean absolute error of denoised chunks on held-out episodes by joint, radians.
        seconds: training time.
        steps: fine-tuning steps.
        spec: every option of the method (`ate.experiments.methods.MethodSpec`), by name.
        cell: content hash of what the result depends on; empty where it was not kept as a cell.
    """

    method: str
    seed: int
    parameterization: str
    demonstrations: int
    lam: float
    clamp: float
    encoder: str
    success: tuple[bool, ...]
    closest: tuple[float, ...]
    loss: tuple[Mapping[str, float], ...]
    meter: tuple[Mapping[str, float], ...]
    open_loop: Mapping[str, float]
    seconds: float
    steps: int = 0
    spec: Mapping[str, Any] = field(default_factory=dict)
    cell: str = ""

    def to_tree(self) -> dict[str, Any]:
        """Plain values for JSON; an infinite clamp becomes None."""
        tree = asdict(self)
        # JSON has no infinity.
        tree["clamp"] = None if self.clamp == float("inf") else self.clamp
        if tree["spec"].get("clamp") == float("inf"):
            tree["spec"]["clamp"] = None
        return tree

    @classmethod
    def from_tree(cls, tree: Mapping[str, Any]) -> "RunResult":
        """The inverse of `to_tree`."""
        values = dict(tree)
        values["clamp"] = float("inf") if tree["clamp"] is None else tree["clamp"]
        if "spec" in values and values["spec"].get("clamp", 0) is None:
            values["spec"] = {**values["spec"], "clamp": float("inf")}
        for name in ("success", "closest", "loss", "meter"):
            values[name] = tuple(tree[name])
        return cls(**values)
