"""Results: what one trained method did in its rollouts, and why it may have."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from ate.experiments.methods import MethodSpec


class Regime(NamedTuple):
    """What the methods of one comparison share, apart from the seeds.

    Attributes:
        parameterization: what the policy predicts (`"sample"`, `"epsilon"`, `"v"`, `"flow_noise_at_1"` …).
        demonstrations: episodes drawn for each training seed.
        steps: fine-tuning steps.
    """

    parameterization: str
    demonstrations: int
    steps: int


@dataclass(frozen=True)
class RunResult:
    """One method trained with one seed.

    Attributes:
        spec: the method.
        seed: training seed; methods of one seed share demonstrations, batches, noise and rollout seeds.
        parameterization: what the policy predicts.
        demonstrations: episodes it was fine-tuned on.
        success: one boolean a rollout, or empty where there is no simulator.
        closest: closest distance of tool and object a rollout, metres.
        loss: training curve, rows with `"step"` and `"loss"` (loss against the unshifted target).
        meter: rows by noise level, with `"t_low"`, `"t_high"` (0 data, 1 noise), `"ratio"` (RMS shift over RMS
            residual) and `"clamped"` (share of elements at the clamp).
        open_loop: mean absolute error of denoised chunks on held-out episodes by joint, radians.
        seconds: training time.
        steps: fine-tuning steps.
        cell: content hash of what the result depends on; empty where it was not kept as a cell.
    """

    spec: MethodSpec
    seed: int
    parameterization: str
    demonstrations: int
    success: tuple[bool, ...]
    closest: tuple[float, ...]
    loss: tuple[Mapping[str, float], ...]
    meter: tuple[Mapping[str, float], ...]
    open_loop: Mapping[str, float]
    seconds: float
    steps: int = 0
    cell: str = ""

    @property
    def method(self) -> str:
        """Name of the method."""
        return self.spec.name

    @property
    def encoder(self) -> str:
        """Encoder of the method (`ate.experiments.methods.ENCODERS`)."""
        return self.spec.encoder

    @property
    def lam(self) -> float:
        """λ."""
        return self.spec.guidance.lam

    @property
    def clamp(self) -> float:
        """Clamp of k·g, normalised action units; infinite for none."""
        return self.spec.guidance.clamp

    @property
    def regime(self) -> Regime:
        """Parameterisation, demonstrations and steps."""
        return Regime(self.parameterization, self.demonstrations, self.steps)

    @property
    def is_baseline(self) -> bool:
        """Whether it is plain fine-tuning from the pre-trained weights, λ = 0."""
        return self.spec.is_baseline

    def to_tree(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "spec": self.spec.to_tree()}

    @classmethod
    def from_tree(cls, tree: Mapping[str, Any]) -> "RunResult":
        """The inverse of `to_tree`."""
        rows = {name: tuple(tree[name]) for name in ("success", "closest", "loss", "meter")}
        return cls(**{**tree, **rows, "spec": MethodSpec.from_tree(tree["spec"])})


def of_regime(results: Sequence[RunResult], regime: Regime) -> list[RunResult]:
    """Results of one regime."""
    return [r for r in results if r.regime == regime]
