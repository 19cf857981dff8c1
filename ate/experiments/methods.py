"""Methods: what is compared. Every comparison holds its matched baseline, λ = 0 from the same weights."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from ate.align.config import VARIANTS
from ate.errors import InputError, unknown

STARTS = ("pretrained", "scratch")
# Other readings of the alignment; the run's own is "aligned".
ALIGNED_VARIANTS = tuple(name for name in VARIANTS if name != "paper")
ENCODERS = ("none", "aligned", *ALIGNED_VARIANTS, "random", "identity", "one-stage")
# What each form of guidance has to beat beside direct fine-tuning.
CONTROLS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "ATE": ("random encoder",),
        "ATE paper": ("paper, random", "paper, identity"),
        "auxiliary": ("auxiliary, random",),
    }
)
COMPARISON, EVIDENCE = "comparison", "evidence"
METHOD_SETS = (COMPARISON, EVIDENCE)
DIRECT = "direct"
SCRATCH = "scratch"


@dataclass(frozen=True)
class MethodSpec:
    """One method of a comparison.

    Attributes:
        name: how figures and tables call it.
        start: weights to start from, `"pretrained"` or `"scratch"`.
        encoder: `"none"`; `"aligned"`, the stage-2 encoder of the run's alignment; `"released"`, `"mixture"` or
            `"anchored"`, that of another reading; or a control: `"random"`, an untrained encoder of its shape,
            `"identity"`, the chunk itself, `"one-stage"`, an Info-VAE of the adaptation data alone. A gain that a
            control gives as well does not come from the alignment.
        lam: λ.
        clamp: element-wise clamp of k·g, normalised action units; infinite for none.
        sign: 1, or −1 to reverse the shift.
        energy: `"sum"` (paper) or `"released"`.
        at: where the energy is taken, `"noised"` (paper) or `"estimate"` (a latent auxiliary loss).
        bound: what the clamp bounds, each `"element"` or the `"norm"` of a chunk.
        schedule: of λ over noise levels, `"constant"`, `"alpha"` or `"alpha_squared"`.
        latent: `"mean"` or `"sample"` (released).
    """

    name: str
    start: str = "pretrained"
    encoder: str = "none"
    lam: float = 0.0
    clamp: float = math.inf
    sign: int = 1
    energy: str = "sum"
    at: str = "noised"
    bound: str = "element"
    schedule: str = "constant"
    latent: str = "mean"

    def __post_init__(self) -> None:
        if self.start not in STARTS:
            raise unknown(self.start, STARTS, where=f"method {self.name!r}, start")
        if self.encoder not in ENCODERS:
            raise unknown(self.encoder, ENCODERS, where=f"method {self.name!r}, encoder")
        self._check_guidance()
        if (self.encoder == "none") != (self.lam == 0):
            raise InputError(
                f"encoder {self.encoder!r} with λ = {self.lam:g}",
                where=f"method {self.name!r}",
                expected="an encoder exactly where λ > 0",
                fix="λ = 0 is the direct method; name an encoder for the rest",
            )

    def _check_guidance(self) -> None:
        # Imported here: naming methods needs no torch.
        from ate.steer.guidance import CHOICES

        for name, valid in CHOICES.items():
            if getattr(self, name) not in valid:
                raise unknown(str(getattr(self, name)), valid, where=f"method {self.name!r}, {name}")
        for name, right, expected in (
            ("lam", self.lam >= 0, "λ ≥ 0"),
            ("clamp", self.clamp > 0, "c > 0, infinite for none"),
            ("sign", self.sign in (1, -1), "1 or -1"),
        ):
            if not right:
                raise InputError(
                    str(getattr(self, name)),
                    where=f"method {self.name!r}, {name}",
                    expected=expected,
                    fix=f"change {name}",
                )


def comparison(lam: float, clamp: float, **options: Any) -> tuple[MethodSpec, ...]:
    """Direct fine-tuning, from scratch, ATE, and its random-encoder control at the same λ and clamp.

    Args:
        lam: λ.
        clamp: of k·g.
        options: of guidance, as a preset exports them (`ate.experiments.export.options`); the control shares all
            but the encoder.
    """
    guided = {"lam": lam, "clamp": clamp, **options}
    return (
        MethodSpec(DIRECT),
        MethodSpec(SCRATCH, start="scratch"),
        MethodSpec("ATE", **{"encoder": "aligned", **guided}),
        MethodSpec("random encoder", **{**guided, "encoder": "random"}),
    )


def evidence() -> tuple[MethodSpec, ...]:
    """Every form of latent guidance with its controls, for the question which of them helps and why.

    Each form has beside it what it has to beat: the same shift by an untrained encoder (`random`) and by the chunk
    itself (`identity`), which know nothing of other robots. `reversed` is the paper's shift with its sign turned.
    """
    paper: dict[str, Any] = {"lam": 2.0, "clamp": 0.1}
    auxiliary: dict[str, Any] = {"lam": 1.0, "at": "estimate"}
    return (
        MethodSpec(DIRECT),
        MethodSpec(SCRATCH, start="scratch"),
        MethodSpec("ATE paper", encoder="aligned", **paper),
        MethodSpec("paper, random", encoder="random", **paper),
        MethodSpec("paper, identity", encoder="identity", **paper),
        MethodSpec("reversed", encoder="aligned", sign=-1, **paper),
        MethodSpec("ATE released", encoder="released", lam=3.0, clamp=0.1, energy="released", latent="sample"),
        MethodSpec("auxiliary", encoder="aligned", **auxiliary),
        MethodSpec("auxiliary, random", encoder="random", **auxiliary),
    )


def cell_name(lam: float, clamp: float) -> str:
    """The method of one grid cell."""
    return f"λ={lam:g}, c={'∞' if math.isinf(clamp) else f'{clamp:g}'}"


def lambda_clamp(lams: Sequence[float], clamps: Sequence[float]) -> tuple[MethodSpec, ...]:
    """A λ × clamp grid of ATE methods with the λ = 0 baseline, whether λ = 0 was asked for or not.

    Raises:
        InputError: a negative λ, a clamp that is not positive, or an empty axis.
    """
    positive = sorted({lam for lam in lams if lam != 0})
    if not positive or not clamps:
        raise InputError(
            f"λ {list(lams)} and clamps {list(clamps)}",
            where="λ × clamp grid",
            expected="at least one λ above 0 and one clamp",
            fix="give, say, lams 0.5,2 and clamps 0.1,inf",
        )
    if min(positive) < 0 or min(clamps) <= 0:
        raise InputError(
            f"λ {list(lams)} and clamps {list(clamps)}",
            where="λ × clamp grid",
            expected="λ ≥ 0 and clamps > 0",
            fix="drop the negative values",
        )
    cells = [
        MethodSpec(cell_name(lam, clamp), encoder="aligned", lam=lam, clamp=clamp)
        for lam in positive
        for clamp in sorted(set(clamps))
    ]
    return (MethodSpec(DIRECT), *cells)
