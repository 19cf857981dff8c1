"""Methods: what is compared. Every comparison holds its matched baseline, λ = 0 from the same weights."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from types import MappingProxyType
from typing import Any

from ate.align.config import VARIANTS
from ate.errors import InputError, unknown
from ate.steer.guidance_config import PRESETS, GuidanceConfig

STARTS = ("pretrained", "scratch")
# Other variants of the alignment; the run's own is "aligned".
ALIGNED_VARIANTS = tuple(name for name in VARIANTS if name != "paper")
ALIGNED_ENCODERS = ("aligned", *ALIGNED_VARIANTS)
ENCODERS = ("none", *ALIGNED_ENCODERS, "random", "identity", "one-stage")
# What each form of guidance has to beat, apart from direct fine-tuning.
CONTROLS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"ATE": ("random encoder",), "ATE paper": ("paper, random", "paper, identity"), "auxiliary": ("auxiliary, random",)}
)
COMPARISON, EVIDENCE = "comparison", "evidence"
METHOD_SETS = (COMPARISON, EVIDENCE)
DIRECT = "direct"
SCRATCH = "scratch"
PLAIN = GuidanceConfig(lam=0.0)
# The paper's shift with the clamp of the released code: without a clamp no rollout succeeds (docs/evidence.md).
CLAMPED_PAPER = replace(PRESETS["paper"], clamp=PRESETS["released"].clamp)


@dataclass(frozen=True)
class MethodSpec:
    """One method of a comparison.

    Attributes:
        name: how figures and tables call it.
        start: weights to start from, `"pretrained"` or `"scratch"`.
        encoder: `"none"`; `"aligned"`, the stage-2 encoder of the run's alignment; `"released"`, `"mixture"` or
            `"anchored"`, that of another variant; or a control: `"random"`, an untrained encoder of its shape,
            `"identity"`, the chunk itself, `"one-stage"`, an Info-VAE of the adaptation data alone. A gain that a
            control gives as well does not come from the alignment.
        guidance: λ, clamp and every other option; λ = 0 exactly where there is no encoder.

    Raises:
        InputError: an unknown start or encoder, or an encoder without λ, or λ without an encoder.
    """

    name: str
    start: str = "pretrained"
    encoder: str = "none"
    guidance: GuidanceConfig = field(default=PLAIN)

    def __post_init__(self) -> None:
        for name, value, valid in (("start", self.start, STARTS), ("encoder", self.encoder, ENCODERS)):
            if value not in valid:
                raise unknown(value, valid, where=f"method {self.name!r}, {name}")
        if (self.encoder == "none") != (self.guidance.lam == 0):
            got, where = f"encoder {self.encoder!r} with λ = {self.guidance.lam:g}", f"method {self.name!r}"
            fix = "λ = 0 is the direct method; name an encoder for the rest"
            raise InputError(got, where=where, expected="an encoder exactly where λ > 0", fix=fix)

    @property
    def options(self) -> dict[str, Any]:
        """All that the method is but its name, flat: start, encoder and every option of guidance."""
        return {"start": self.start, "encoder": self.encoder, **asdict(self.guidance)}

    def to_tree(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"name": self.name, "start": self.start, "encoder": self.encoder, "guidance": self.guidance.to_dict()}

    @classmethod
    def from_tree(cls, tree: Mapping[str, Any]) -> "MethodSpec":
        """The inverse of `to_tree`."""
        return cls(**{**tree, "guidance": GuidanceConfig.from_dict(tree["guidance"])})


def comparison(guidance: GuidanceConfig, encoder: str = "aligned") -> tuple[MethodSpec, ...]:
    """Direct fine-tuning, from scratch, ATE, and its control: the same guidance by a random encoder.

    Args:
        guidance: of ATE and its control.
        encoder: of ATE.
    """
    return (
        MethodSpec(DIRECT),
        MethodSpec(SCRATCH, start="scratch"),
        MethodSpec("ATE", encoder=encoder, guidance=guidance),
        MethodSpec("random encoder", encoder="random", guidance=guidance),
    )


def evidence() -> tuple[MethodSpec, ...]:
    """Every form of latent guidance with its controls, for the question which of them helps and why.

    Each form comes with what it has to beat: the same shift by an untrained encoder (`random`) and by the chunk
    itself (`identity`), which know nothing of other robots. `reversed` is the paper's shift with its sign turned.
    """
    paper, auxiliary = CLAMPED_PAPER, PRESETS["auxiliary"]
    return (
        MethodSpec(DIRECT),
        MethodSpec(SCRATCH, start="scratch"),
        MethodSpec("ATE paper", encoder="aligned", guidance=paper),
        MethodSpec("paper, random", encoder="random", guidance=paper),
        MethodSpec("paper, identity", encoder="identity", guidance=paper),
        MethodSpec("reversed", encoder="aligned", guidance=replace(paper, sign=-1)),
        MethodSpec("ATE released", encoder="released", guidance=PRESETS["released"]),
        MethodSpec("auxiliary", encoder="aligned", guidance=auxiliary),
        MethodSpec("auxiliary, random", encoder="random", guidance=auxiliary),
    )


def lambda_clamp(
    lams: Sequence[float], clamps: Sequence[float], guidance: GuidanceConfig | None = None
) -> tuple[MethodSpec, ...]:
    """A λ × clamp grid of ATE methods with the λ = 0 baseline, whether `lams` holds 0 or not.

    Args:
        lams: λ axis.
        clamps: clamp axis.
        guidance: all other options.

    Raises:
        InputError: an empty axis, or a value that `GuidanceConfig` refuses.
    """
    axis = sorted({lam for lam in lams if lam != 0})
    if not axis or not clamps:
        got, expected = f"λ {list(lams)} and clamps {list(clamps)}", "at least one λ above 0 and one clamp"
        fix = "give, say, lams 0.5,2 and clamps 0.1,inf"
        raise InputError(got, where="λ × clamp grid", expected=expected, fix=fix)
    base = guidance or GuidanceConfig()
    grid = [replace(base, lam=lam, clamp=clamp) for lam in axis for clamp in sorted(set(clamps))]
    return (MethodSpec(DIRECT), *(MethodSpec(config.label(), encoder="aligned", guidance=config) for config in grid))


def clamp_text(clamp: float) -> str:
    """A clamp as a label: `"0.1"`, or `"none"` where infinite."""
    return "none" if math.isinf(clamp) else f"{clamp:g}"
