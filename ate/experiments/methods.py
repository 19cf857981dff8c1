"""Methods: what is compared. Every comparison holds its matched baseline, direct fine-tuning from the same weights."""

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
# Controls that need the motion alignment: its kinematics, its normaliser, the shape of its network.
MOTION_CONTROLS = ("random-motion", "identity-motion")
ENCODERS = ("none", *ALIGNED_ENCODERS, "random", "identity", "one-stage", *MOTION_CONTROLS)
REPLAYS = ("none", "retargeted", "untranslated", "latent", "identified")
SPACES = ("joints", "tool")
GOALS = ("encoded", "own", "shuffled")
DIRECT, SCRATCH, RETARGET, TOOL_SPACE = "direct", "scratch", "retarget", "tool space"
GUIDED, SHIFT, UNTRAINED = "tool-motion guidance", "published shift", "untrained encoder"
GUIDED_DEMONSTRATIONS, PLAIN_MOTION = "guidance at demonstrations", "guidance by plain tool motion"
# What is recommended, in the order in which answers name it.
FORMS = (RETARGET, GUIDED, GUIDED_DEMONSTRATIONS, TOOL_SPACE)
# What each form has to beat, apart from direct fine-tuning.
CONTROLS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        GUIDED: (
            UNTRAINED, "goals of other episodes", "guidance by present Info-VAEs", "guidance without a latent",
            PLAIN_MOTION,
        ),
        GUIDED_DEMONSTRATIONS: (UNTRAINED,),
        RETARGET: ("untranslated", "translated by Info-VAEs", "identified kinematics"),
        SHIFT: ("shift, untrained", "shift, identity"),
    }
)  # fmt: skip
COMPARISON, EVIDENCE, EVERY_CONTROL = "comparison", "evidence", "controls"
METHOD_SETS = (COMPARISON, EVIDENCE, EVERY_CONTROL)
PLAIN = GuidanceConfig(lam=0.0)
TOOL_MOTION = PRESETS["tool-motion"]
# The paper's shift with the clamp of the released code: without a clamp no rollout succeeds (docs/published-forms.md).
CLAMPED_PAPER = replace(PRESETS["paper"], clamp=PRESETS["released"].clamp)
# Rows of guidance come besides those of a batch of 64: 32 at its share.
MORE_ROWS = 96


@dataclass(frozen=True)
class MethodSpec:
    """One method of a comparison.

    Attributes:
        name: how figures and tables call it.
        start: weights to start from, `"pretrained"` or `"scratch"`.
        encoder: `"none"`; `"aligned"`, that of the run's alignment; or `"released"`, `"mixture"`, `"anchored"` or
            `"motion"`, that of another variant. Controls: `"random"` and `"random-motion"`, an untrained encoder of the
            run's or the motion alignment's shape; `"identity"`, the chunk itself; `"identity-motion"`, its tool motion
            itself; `"one-stage"`, an Info-VAE of the adaptation data alone. A gain that a control gives as well does
            not come from the alignment.
        guidance: λ, clamp and every other option; λ = 0 exactly where there is no encoder.
        replay: episodes of the pre-training robots that take part: `"retargeted"` to the new robot's joints,
            `"untranslated"` (each in its own joints), translated by the run's Info-VAEs (`"latent"`), or retargeted by
            kinematics `"identified"` from the demonstrations.
        share: rows drawn from the replay, as a share of a batch; under guidance at pre-training observations they come
            besides the batch.
        rows: of a batch; 0 for the run's own number.
        space: what the policy acts in, `"joints"` or `"tool"` space.
        goals: of guidance at pre-training observations: `"encoded"`, E_φ of what the pre-training robots did; controls:
            `"own"`, what the guiding encoder itself makes of the retargeted chunk, or `"shuffled"`, of other episodes.

    Raises:
        InputError: a value that is not among the choices or out of range; an encoder without λ, or λ without an
            encoder; or guidance at pre-training observations without retargeted episodes.
    """

    name: str
    start: str = "pretrained"
    encoder: str = "none"
    guidance: GuidanceConfig = field(default=PLAIN)
    replay: str = "none"
    share: float = 0.5
    rows: int = 0
    space: str = "joints"
    goals: str = "encoded"

    def __post_init__(self) -> None:
        choices = {"start": STARTS, "encoder": ENCODERS, "replay": REPLAYS, "space": SPACES, "goals": GOALS}
        where = f"method {self.name!r}"
        for name, valid in choices.items():
            if getattr(self, name) not in valid:
                raise unknown(getattr(self, name), valid, where=f"{where}, {name}")
        if (self.encoder == "none") != (self.guidance.lam == 0):
            got = f"encoder {self.encoder!r} with λ = {self.guidance.lam:g}"
            fix = "λ = 0 is the direct method; name an encoder for the rest"
            raise InputError(got, where=where, expected="an encoder exactly where λ > 0", fix=fix)
        if self.guidance.lam and self.guidance.at_pretraining and self.replay != "retargeted":
            raise InputError(
                f"replay {self.replay!r}", where=where, expected="'retargeted': the rows at which guidance acts",
                fix="set replay, or guide at the demonstrations",
            )  # fmt: skip
        if self.space == "tool" and (self.encoder != "none" or self.replay not in ("none", "untranslated")):
            raise InputError(
                f"encoder {self.encoder!r} and replay {self.replay!r}", where=f"{where} in tool space",
                expected="no encoder, and no replay but 'untranslated': all robots share that space",
                fix="act in joints",
            )  # fmt: skip
        if not 0 < self.share <= 1 or self.rows < 0:
            got, expected = f"share {self.share:g} and {self.rows} rows", "a share in (0, 1], and 0 or more rows"
            raise InputError(got, where=where, expected=expected, fix="leave both at their defaults")

    @property
    def is_baseline(self) -> bool:
        """Whether it is plain fine-tuning from the pre-trained weights on demonstrations alone."""
        return replace(self, name=DIRECT) == MethodSpec(DIRECT)

    @property
    def needs_demonstrations(self) -> bool:
        """Whether it can't be had without a demonstration: it is neither retargeting nor a policy as pre-trained."""
        untouched = self.replay == "none" and self.start == "pretrained"
        return self.encoder != "none" or not (untouched or self.replay == "retargeted")

    @property
    def variant(self) -> str:
        """The alignment that the encoder is of, or whose network or kinematics a control has."""
        return "motion" if self.encoder in MOTION_CONTROLS else self.encoder

    @property
    def options(self) -> dict[str, Any]:
        """All that the method is but its name, flat: every field and every option of guidance."""
        own = {name: value for name, value in vars(self).items() if name not in ("name", "guidance")}
        return {**own, **asdict(self.guidance)}

    def to_tree(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**vars(self), "guidance": self.guidance.to_dict()}

    @classmethod
    def from_tree(cls, tree: Mapping[str, Any]) -> "MethodSpec":
        """The inverse of `to_tree`."""
        return cls(**{**tree, "guidance": GuidanceConfig.from_dict(tree["guidance"])})


def comparison(
    guidance: GuidanceConfig = TOOL_MOTION, encoder: str = "motion", demonstrations: int = 5, placed: bool = True
) -> tuple[MethodSpec, ...]:
    """Direct fine-tuning, what helps, the published shift, and the control of guidance: an untrained encoder.

    Without demonstrations those that need none: direct is the pre-trained policy as it is. Where the robots' kinematics
    are not known nothing can be retargeted: what is left is guidance at the demonstrations, and from scratch.

    Args:
        guidance: of the guided method and its control.
        encoder: of the guided method.
        demonstrations: that the methods get.
        placed: whether the kinematics of all robots are known.
    """
    if not placed and guidance.at_pretraining:
        guidance, encoder = PRESETS["auxiliary"], "aligned"
    by_guidance = (
        guided(form_of(guidance), guidance, encoder),
        guided(UNTRAINED, guidance, "random-motion" if encoder == "motion" else "random"),
    )
    # As published: on the networks of the paper, whatever the run's own alignment is.
    published = MethodSpec(SHIFT, encoder="published", guidance=CLAMPED_PAPER)
    shift = () if guidance == CLAMPED_PAPER else (published,)
    if not placed:
        return MethodSpec(DIRECT), MethodSpec(SCRATCH, start="scratch"), *by_guidance, *shift
    plain = (MethodSpec(DIRECT), MethodSpec(RETARGET, replay="retargeted"))
    if not demonstrations:
        return *plain, MethodSpec(TOOL_SPACE, space="tool")
    # All robots share that space: the others' episodes stay in the batches as they are.
    in_tool_space = MethodSpec(TOOL_SPACE, space="tool", replay="untranslated")
    return *plain, by_guidance[0], in_tool_space, *shift, by_guidance[1]


def form_of(guidance: GuidanceConfig) -> str:
    """How a guided method is called: where its guidance acts."""
    return GUIDED if guidance.at_pretraining else GUIDED_DEMONSTRATIONS


def guided(name: str, guidance: GuidanceConfig, encoder: str, **options: Any) -> MethodSpec:
    """A guided method, with the replay that its guidance needs; `options` are other fields."""
    replay = "retargeted" if guidance.at_pretraining else "none"
    return MethodSpec(name, encoder=encoder, guidance=guidance, replay=replay, **options)


def evidence(demonstrations: int = 5) -> tuple[MethodSpec, ...]:
    """The comparison with its closest controls, for the question what helps and why.

    The untrained encoder knows the robots' kinematics and no latent; the untranslated episodes are the same experience
    in joints of other robots.
    """
    if not demonstrations:
        return comparison(demonstrations=0)
    return (
        *comparison(),
        MethodSpec("untranslated", replay="untranslated"),
        MethodSpec(SCRATCH, start="scratch"),
    )


def controls() -> tuple[MethodSpec, ...]:
    """The evidence with every other control, and the other published forms of guidance."""
    third = 1 / 3
    return (
        *evidence(),
        guided("goals of other episodes", TOOL_MOTION, "motion", goals="shuffled"),
        guided("untrained on both sides", TOOL_MOTION, "random-motion", goals="own"),
        guided("guidance by present Info-VAEs", TOOL_MOTION, "aligned"),
        guided("guidance without a latent", TOOL_MOTION, "identity", goals="own"),
        guided(PLAIN_MOTION, TOOL_MOTION, "identity-motion", goals="own"),
        guided("latent distance itself", replace(TOOL_MOTION, latent="mean"), "motion"),
        MethodSpec("tool space, demonstrations alone", space="tool"),
        MethodSpec("translated by Info-VAEs", replay="latent"),
        MethodSpec("identified kinematics", replay="identified"),
        MethodSpec(f"direct, {MORE_ROWS} rows", rows=MORE_ROWS),
        MethodSpec(f"retarget, {MORE_ROWS} rows", replay="retargeted", share=third, rows=MORE_ROWS),
        MethodSpec("shift, untrained", encoder="random", guidance=CLAMPED_PAPER),
        MethodSpec("shift, identity", encoder="identity", guidance=CLAMPED_PAPER),
        MethodSpec("shift reversed", encoder="published", guidance=replace(CLAMPED_PAPER, sign=-1)),
        MethodSpec("shift as released", encoder="released", guidance=PRESETS["released"]),
        MethodSpec("auxiliary", encoder="aligned", guidance=PRESETS["auxiliary"]),
        MethodSpec("auxiliary, untrained", encoder="random", guidance=PRESETS["auxiliary"]),
    )


def method_set(
    name: str,
    guidance: GuidanceConfig = TOOL_MOTION,
    encoder: str = "motion",
    demonstrations: int = 5,
    placed: bool = True,
) -> tuple[MethodSpec, ...]:
    """The methods of a set by its name; arguments as `comparison`, which every set holds.

    Raises:
        InputError: an unknown name.
    """
    if name not in METHOD_SETS:
        raise unknown(name, METHOD_SETS, where="set of methods")
    if name == COMPARISON or not demonstrations or not placed:
        return comparison(guidance, encoder, demonstrations, placed)
    return evidence() if name == EVIDENCE else controls()


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
    encoder = "motion" if base.at_pretraining else "aligned"
    grid = [replace(base, lam=lam, clamp=clamp) for lam in axis for clamp in sorted(set(clamps))]
    return (MethodSpec(DIRECT), *(guided(config.label(), config, encoder) for config in grid))


def clamp_text(clamp: float) -> str:
    """A clamp as a label: `"0.1"`, or `"none"` where infinite."""
    return "none" if math.isinf(clamp) else f"{clamp:g}"
