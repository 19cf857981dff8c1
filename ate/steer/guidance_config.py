"""The options of guidance: one record with one default, validated once and carried whole.

    shift = sign · λ · w(t) · clip(k·g, c)                        (ATE paper, arXiv 2509.02055, section 3.3)

λ, the clamp c and all that a shift depends on besides encoder and data stand here and nowhere else: notebooks, command
line, sweeps, results and figures read the fields of this record, their choices, labels and help. A new option is a
field and its effect, both in this file.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ate.errors import InputError, unknown
from ate.runs.options import kinds_of, typed

if TYPE_CHECKING:
    from torch import Tensor

# w(t) = α to this power: the shift fades where noise hides the data.
SCHEDULES = {"constant": 0, "alpha": 1, "alpha_squared": 2}


def _option(default: Any, help_text: str, label: str, choices: Iterable[Any] = (), *, gradient: bool = False) -> Any:
    """A field with what command line, titles and tables say of it; `gradient`: g itself depends on it."""
    facts = {"help": help_text, "label": label, "choices": tuple(choices), "gradient": gradient}
    return field(default=default, metadata=facts)


@dataclass(frozen=True)
class GuidanceConfig:
    """How latent guidance acts. The default needs demonstrations alone; the preset `tool-motion`, the form that the
    evidence supports best (docs/evidence.md), also needs the pre-training robots' episodes.

    Attributes:
        lam: λ ≥ 0; 0 is plain fine-tuning. The paper finds 2 best, the released code uses 3.
        clamp: c > 0, bound of k·g in normalised action units; infinite for none. The paper has none, the released
            code 0.1.
        energy_at: where the latent energy is taken: `"x0_hat"`, at the policy's own clean estimate (a latent auxiliary
            loss), or `"x_t"`, at the noised chunk (the paper).
        reduction: of the squared latent distance: `"sum"` over latent dimensions, per sample (the paper), or `"mean"`
            over batch and dimensions (released), so that its strength depends on the batch size.
        latent: distances between posterior `"mean"`s; between a `"sample"` μ + σ·e of each with one shared e
            (released); or between chunks as they are `"decoded"`, ‖m(â0) − D_ψ(E_φ(a_pre))‖². The last is the latent
            distance in the units of what is decoded. It includes what of â0 no latent holds, such as jitter
            (docs/which-method.md).
        clip: what the clamp bounds: each `"value"`, or the `"norm"`: a chunk whose RMS over the guided elements
            exceeds c is scaled down to it, which keeps its direction.
        schedule: w(t): `"constant"`, `"alpha"` (α) or `"alpha_squared"` (α²).
        sign: 1, or −1 to reverse the shift.
        observations: where it acts: at the `"demonstrations"` of the new robot, towards the latent of what was done
            there, or at observations of the `"pretraining"` robots, towards the latent of what those did. There it is
            λ·‖E_ψ(â0(x_t, t, o)) − E_φ(a_pre)‖² on rows of their own (`ate.steer.guided_rows`), over as many numbers as
            the plain loss (S·D a row). The demonstrations are trained on as without guidance.

    Raises:
        InputError: λ < 0 or infinite, c ≤ 0, a value that is not among the choices; at pre-training observations an
            energy of noised chunks or sampled latents; or elsewhere one of decoded chunks.
    """

    lam: float = _option(1.0, "λ, strength of guidance; 0 for none.", "λ={:g}")
    clamp: float = _option(math.inf, "c, bound of k·g in normalised action units; inf for none.", "c={:g}")
    energy_at: str = _option(
        "x0_hat", "Latent energy at the policy's clean estimate (x0_hat) or at the noised chunk (x_t).",
        "energy at {}", ("x0_hat", "x_t"), gradient=True,
    )  # fmt: skip
    reduction: str = _option(
        "sum", "Latent distance summed, or its mean over batch and dimensions.",
        "{} of the energy", ("sum", "mean"), gradient=True,
    )  # fmt: skip
    latent: str = _option(
        "mean", "Distance between posterior means or samples, or between decoded chunks.",
        "latent {}", ("mean", "sample", "decoded"), gradient=True,
    )  # fmt: skip
    clip: str = _option(
        "value", "What the clamp bounds: each value, or the chunk's norm.", "clip by {}", ("value", "norm")
    )
    schedule: str = _option("constant", "λ over the noise levels.", "λ as {}", SCHEDULES)
    sign: int = _option(1, "1, or -1 to reverse the shift.", "sign {:+d}", (1, -1))
    observations: str = _option(
        "demonstrations", "Act at the demonstrations, or at observations of the pre-training robots.",
        "at {} observations", ("demonstrations", "pretraining"),
    )  # fmt: skip

    def __post_init__(self) -> None:
        if not 0 <= self.lam < math.inf:
            raise InputError(
                str(self.lam), where="guidance, lam", expected="a finite λ ≥ 0", fix="use sign=-1 to reverse the shift"
            )
        if not self.clamp > 0:
            raise InputError(str(self.clamp), where="guidance, clamp", expected="c > 0", fix="use inf for no clamp")
        for option in fields(self):
            choices = option.metadata["choices"]
            value = getattr(self, option.name)
            if choices and value not in choices:
                raise unknown(str(value), map(str, choices), where=f"guidance, {option.name}")
            # 2 and 2.0 are one λ, with one key and one text.
            object.__setattr__(self, option.name, kinds_of(GuidanceConfig)[option.name](value))
        if self.at_pretraining and (self.energy_at != "x0_hat" or self.latent == "sample"):
            raise InputError(
                f"energy_at={self.energy_at!r} and latent={self.latent!r}",
                where="guidance with observations='pretraining'",
                expected="energy_at='x0_hat', latent='mean' or 'decoded': no clean chunk of the robot is known there",
                fix="leave both at their defaults, or guide at the demonstrations",
            )
        if self.latent == "decoded" and not self.at_pretraining:
            raise InputError(
                "latent='decoded'", where="guidance with observations='demonstrations'",
                expected="'mean' or 'sample': there the chunk itself is known", fix="use observations='pretraining'",
            )  # fmt: skip

    @property
    def at_pretraining(self) -> bool:
        """Whether it acts at observations of the pre-training robots."""
        return self.observations == "pretraining"

    @classmethod
    def of(
        cls, config: "GuidanceConfig | str | None" = None, options: Mapping[str, Any] | None = None
    ) -> "GuidanceConfig":
        """A configuration, the preset of a name, or the default, with some options changed.

        Raises:
            InputError: an unknown preset or option, a value of another type, or as the class.
        """
        if isinstance(config, str):
            if config not in PRESETS:
                raise unknown(config, PRESETS, where="guidance preset")
            config = PRESETS[config]
        config = GuidanceConfig() if config is None else config
        if not isinstance(config, GuidanceConfig):
            raise InputError(
                repr(config), where="guidance", expected="a GuidanceConfig or the name of a preset",
                fix="name the options: lam=2.0, clamp=0.1",
            )  # fmt: skip
        return replace(config, **typed(GuidanceConfig, options or {}, "guidance"))

    def label(self) -> str:
        """λ and clamp, and every other option that differs from the usual: `"λ=2, c=0.1, energy at x_t"`."""
        others = [name for name in self.unusual() if (name, self.latent) != ("latent", "decoded")]
        return ", ".join([*self.labels(("lam", "clamp")).values(), *self.labels(others).values()])

    def labels(self, names: Iterable[str] | None = None) -> dict[str, str]:
        """Options in words by name, all of them where no names are given."""
        words = {option.name: option.metadata["label"] for option in fields(self)}
        chosen = words if names is None else names
        return {name: words[name].format(getattr(self, name)).replace("inf", "∞") for name in chosen}

    def unusual(self) -> list[str]:
        """Names of the options other than λ and clamp that differ from the default."""
        usual = GuidanceConfig()
        return [name for name in OPTIONS[2:] if getattr(self, name) != getattr(usual, name)]

    @property
    def key(self) -> tuple[Any, ...]:
        """All options in their order: two configurations with one key guide alike."""
        return tuple(getattr(self, name) for name in OPTIONS)

    @property
    def gradient_key(self) -> tuple[Any, ...]:
        """The options that g depends on; the rest changes the scale of the shift alone."""
        return tuple(getattr(self, option.name) for option in fields(self) if option.metadata["gradient"])

    def to_dict(self) -> dict[str, Any]:
        """Plain values by name for JSON, which has no infinity: no clamp is `"inf"`."""
        return {name: "inf" if value == math.inf else value for name, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "GuidanceConfig":
        """The inverse of `to_dict`."""
        return cls.of(options=values)

    def clamped(self, kg: "Tensor", guided: int) -> "Tensor":
        """Where the clamp decides, bool of the shape of k·g `(B, S, D)`, of which `guided` columns are guided."""
        return kg.abs() > self.clamp if self.clip == "value" else rms(kg, guided).expand(kg.shape) > self.clamp

    def scale(self, kg: "Tensor", guided: int, alpha: "Tensor | None" = None) -> "Tensor":
        """The shift of k·g `(B, S, D)`, of which `guided` columns are guided; α `(B,)` for a schedule.

        Raises:
            InputError: a schedule that is not constant, and no α.
        """
        if math.isinf(self.clamp):
            bounded = kg
        elif self.clip == "value":
            bounded = kg.clamp(-self.clamp, self.clamp)
        else:
            bounded = kg * (self.clamp / rms(kg, guided).clamp_min(self.clamp))
        shift = self.sign * self.lam * bounded
        power = SCHEDULES[self.schedule]
        if power == 0:
            return shift
        if alpha is None:
            raise InputError(
                "no alpha", where=f"guidance with schedule {self.schedule!r}", expected="α (B,)", fix="pass alpha="
            )
        return shift * alpha.pow(power)[:, None, None]


def rms(kg: "Tensor", guided: int) -> "Tensor":
    """RMS of k·g over the guided elements of each chunk, `(B, 1, 1)`."""
    return (kg.square().sum((1, 2), keepdim=True) / (kg.shape[1] * guided)).sqrt()


OPTIONS = tuple(option.name for option in fields(GuidanceConfig))
# `tool-motion` needs the pre-training robots' episodes in the new robot's joints (`ate.steer.retarget`), the others
# demonstrations alone. `paper` and `released` set all that paper and released code do otherwise than the default.
PRESETS: Mapping[str, GuidanceConfig] = MappingProxyType(
    {
        "auxiliary": GuidanceConfig(),
        "tool-motion": GuidanceConfig(latent="decoded", observations="pretraining"),
        "paper": GuidanceConfig(lam=2.0, energy_at="x_t"),
        "released": GuidanceConfig(lam=3.0, clamp=0.1, energy_at="x_t", reduction="mean", latent="sample"),
    }
)
