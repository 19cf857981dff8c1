"""How an alignment is trained: the readings of the method, its size, and the presets that name both.

The paper and its released code differ in the second stage; every difference is an option of `AlignConfig`.
The loss of both stages is

    w_rec · SmoothL1(â, a) + w_kl · KL + w_mmd · MMD

with SmoothL1 a mean over the slots a robot has and KL a mean over latent dimensions. Written as a Gaussian
likelihood of standard deviation s per normalised value, w_kl = s² · d / (S · D): 7.5e-5 means s = 0.017 for
chunks of 16 × 8 and d = 32.

How `demo` was chosen, on the Lift demonstrations of five pre-training robots (one seed, so a guide and no result;
numbers for a UR5e, in brackets for a Gen3): at a rate of 1e-3 the latents were still mostly noise after 800 steps
(σ 0.9 or more, precision at most 0.07), for σ only falls as the shared layer norm's gain grows. With an MMD weight of
0.1 (rate 2e-3, feed-forward 128), 0.3 and 1 (3e-3, 64) in both stages, containment precision is 0.15, 0.35 and 0.50
[0.50] beside a null of 0.9, at 0.010, 0.009 and 0.010 [0.011] rad of reconstruction error, so the weight of 1 stays;
fewer dimensions are then active (24, 11 and 7 of 32 over held-out chunks), none of the networks is dead. A KL weight
of 1e-3 instead of 7.5e-5 changes none of this. A stage 2 from random weights (KL weight 1e-3) matches the same two
moments at precision 0.00 and 0.024 rad: one Gaussian does not say which chunk belongs
where. `demo` and `smoke` therefore start stage 2 from stage 1; `paper` and `released` from random weights.

Two weights of stage 2 were chosen without the adaptation robots: with Sawyer, xArm7 and iiwa14 in turn as the robot to
adapt to and the other four as pre-training (`ate judge`, one seed), by rules written down before. `anchor_weight`: the
smallest distance of neighbours' tools (ties within 5 % to the smaller weight) at no more than twice the reconstruction
error of no anchors: 0.03, 0.1, 0.3, 1 gave 0.0263, 0.0250, 0.0243, 0.0241 m, 3 cost too much; so 0.1.
`adapt_kl_weight` of the mixture: the highest precision (ties within 0.02): 0.001, 0.01, 0.03, 0.1 gave 0.62, 0.76,
0.79, 0.79; so 0.03.

Source: Align-Then-stEer, arXiv 2509.02055, and its released code.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from types import MappingProxyType
from typing import Any, get_args, get_type_hints

from ate.errors import InputError, nearest, unknown

CHOICES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "kl_direction": ("reverse", "forward"),
        "moments": ("aggregated", "released"),
        "moment_inputs": ("clean", "noised"),
        "mmd_reference": ("prior", "standard", "modes"),
        "mmd_kernel": ("multiscale", "released"),
        "adapt_init": ("random", "pretrained"),
        "schedule": ("constant", "cosine"),
        "unit": ("steps", "epochs"),
        "keep": ("last", "best"),
        "prior": ("gaussian", "mixture"),
        "precision": ("auto", "float32", "bfloat16"),
        "compile": ("none", "inductor", "aot_eager"),
    }
)
WHOLE = ("chunk", "latent", "layers", "heads", "feedforward", "pretrain_steps", "adapt_steps", "batch")
POSITIVE = ("learning_rate", "reconstruction_weight")
NOT_NEGATIVE = ("weight_decay", "kl_weight", "mmd_weight", "anchor_weight")


@dataclass(frozen=True)
class AlignConfig:
    """Options of `ate.align.fit`; the defaults are the paper's.

    Args:
        chunk: rows a chunk, S; must equal the action horizon of the policy steered later.
        latent: latent dimension and width of both networks, d.
        layers: transformer blocks in each encoder and decoder; odd.
        heads: attention heads.
        feedforward: hidden width of the feed-forward layers.
        dropout: dropout in training, in [0, 1).
        pretrain_steps: length of stage 1, in `unit`.
        adapt_steps: length of stage 2, in `unit`.
        unit: `steps` of the optimiser, or `epochs`, each as many steps as batches fit into the chunks.
        batch: chunks a step, drawn with replacement; 2 or more.
        learning_rate: of AdamW.
        weight_decay: of AdamW.
        schedule: `constant`, or `cosine`: linear warm-up over the first twentieth, then half a cosine to 0.
        reconstruction_weight: weight of the SmoothL1 term.
        kl_weight: weight of the KL, mean over latent dimensions.
        mmd_weight: weight of the MMD.
        kl_direction: stage 2; `reverse` KL(q_ψ ‖ q_φ), the paper's mode-seeking one, or `forward` KL(q_φ ‖ q_ψ).
        moments: of the prior that stage 1 leaves: `aggregated`, exact, or `released`, mean of μ and of σ.
        moment_inputs: the chunks those moments are taken of: `clean`, or `noised` as released.
        mmd_reference: stage 2; samples of the `prior` q_φ(z), of the `standard` normal as released, or of the
            `modes` of a mixture in the shares that the batch has in them, so that no mode has to be visited.
        mmd_kernel: `multiscale`, characteristic in practice, or `released`, almost constant.
        adapt_init: weights that stage 2 starts from: `random`, two networks that share nothing but the latent
            dimension, as the paper describes them, or `pretrained`, a copy of the stage-1 network (possible
            because all robots share one unified width).
        held_out: share of each set's episodes kept for validation, in (0, 1).
        keep: weights that a stage ends with: of its `last` step, or the `best`, of the metric row with the lowest
            held-out loss.
        prior: what stage 1 leaves behind: a `gaussian`, as in the paper, or a `mixture`, with modes.
        mixture_components: components of the mixture; 0 chooses by held-out likelihood.
        adapt_kl_weight: stage 2; weight of the KL there, None for the same as in stage 1.
        anchor_weight: stage 2; weight of the distance to pre-training chunks of equal tool motion, 0 for none.
        precision: of the networks' products while training: `auto` takes bfloat16 on GPUs that have it; losses stay
            in float32.
        compile: backend of `torch.compile`, or `none`; worth its half minute for long runs on a GPU.
    """

    chunk: int = 64
    latent: int = 512
    layers: int = 9
    heads: int = 4
    feedforward: int = 1024
    dropout: float = 0.1
    pretrain_steps: int = 1000
    adapt_steps: int = 200
    unit: str = "epochs"
    batch: int = 64
    learning_rate: float = 1e-4
    weight_decay: float = 1e-4
    schedule: str = "constant"
    reconstruction_weight: float = 1.0
    kl_weight: float = 7.5e-5
    mmd_weight: float = 1.0
    kl_direction: str = "reverse"
    moments: str = "aggregated"
    moment_inputs: str = "clean"
    mmd_reference: str = "prior"
    mmd_kernel: str = "multiscale"
    adapt_init: str = "random"
    held_out: float = 0.1
    keep: str = "last"
    prior: str = "gaussian"
    mixture_components: int = 0
    adapt_kl_weight: float | None = None
    anchor_weight: float = 0.0
    precision: str = "auto"
    compile: str = "none"

    def __post_init__(self) -> None:
        for name, valid in CHOICES.items():
            if getattr(self, name) not in valid:
                raise unknown(str(getattr(self, name)), valid, where=f"AlignConfig.{name}")
        for name in WHOLE:
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1 + (name == "batch"):
                raise _bad(name, value, "a whole number of 1 or more (batch: 2 or more)")
        for name in POSITIVE + NOT_NEGATIVE:
            value = getattr(self, name)
            if not isinstance(value, (int, float)) or not (value > 0 or (value == 0 and name in NOT_NEGATIVE)):
                raise _bad(name, value, "a number above 0" if name in POSITIVE else "a number of 0 or more")
        if not 0.0 < self.held_out < 1.0:
            raise _bad("held_out", self.held_out, "a share in (0, 1)")
        if not 0.0 <= self.dropout < 1.0:
            raise _bad("dropout", self.dropout, "a value in [0, 1)")
        if self.layers % 2 == 0:
            raise _bad("layers", self.layers, "an odd number, so that skips pair up around the middle block")
        if self.latent % self.heads:
            raise _bad("latent", self.latent, f"a multiple of heads, {self.heads}")
        self._check_prior()

    def _check_prior(self) -> None:
        count = self.mixture_components
        if not isinstance(count, int) or isinstance(count, bool) or count < 0:
            raise _bad("mixture_components", count, "a whole number of 0 or more")
        weight = self.adapt_kl_weight
        if weight is not None and (isinstance(weight, bool) or not isinstance(weight, (int, float)) or not weight >= 0):
            raise _bad("adapt_kl_weight", weight, "a number of 0 or more, or None")
        if self.prior == "mixture" and self.moments == "released":
            raise _bad("moments", self.moments, "aggregated, for a mixture is fitted to the aggregated posterior")
        if self.prior == "gaussian" and self.mmd_reference == "modes":
            raise _bad("mmd_reference", self.mmd_reference, 'prior or standard, for modes take prior="mixture"')

    def with_options(self, **options: Any) -> "AlignConfig":
        """A copy with some options changed; unknown names are refused with the nearest valid one."""
        valid = [field.name for field in fields(self)]
        for name in options:
            if name not in valid:
                raise InputError(repr(name), where="AlignConfig", expected="a known option", fix=nearest(name, valid))
        return replace(self, **options)

    @property
    def first_stage(self) -> dict[str, Any]:
        """The options that stage 1 sees."""
        return {name: value for name, value in asdict(self).items() if name not in SECOND_STAGE}

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for checkpoints and run cards."""
        return asdict(self)


_PAPER = AlignConfig()
_RELEASED: Mapping[str, Any] = MappingProxyType(
    {
        "kl_direction": "forward",
        "moments": "released",
        "moment_inputs": "noised",
        "mmd_reference": "standard",
        "mmd_kernel": "released",
    }
)
_DEMO = replace(
    _PAPER,
    chunk=16,
    latent=32,
    layers=3,
    feedforward=64,
    dropout=0.0,
    pretrain_steps=1100,
    adapt_steps=450,
    unit="steps",
    learning_rate=3e-3,
    schedule="cosine",
    adapt_init="pretrained",
)
_SMOKE = replace(_DEMO, latent=16, feedforward=32, pretrain_steps=60, adapt_steps=40, batch=32)
ANCHOR_WEIGHT = 0.1
_MIXTURE: Mapping[str, Any] = MappingProxyType({"prior": "mixture", "mmd_reference": "modes", "adapt_kl_weight": 3e-2})
# What each reading of the method changes in a preset.
VARIANTS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "paper": MappingProxyType({}),
        "released": _RELEASED,
        "mixture": _MIXTURE,
        "anchored": MappingProxyType({"anchor_weight": ANCHOR_WEIGHT}),
    }
)
# Options that stage 1 does not see: alignments that differ in these alone share it.
SECOND_STAGE = (
    "adapt_steps", "kl_direction", "moments", "moment_inputs", "mmd_reference", "adapt_init", "prior",
    "mixture_components", "adapt_kl_weight", "anchor_weight",
)  # fmt: skip
PRESETS: Mapping[str, AlignConfig] = MappingProxyType(
    {
        "smoke": _SMOKE,
        "demo": _DEMO,
        "paper": _PAPER,
        "released": replace(_PAPER, **_RELEASED),
        "smoke-released": replace(_SMOKE, **_RELEASED),
        "demo-released": replace(_DEMO, **_RELEASED),
        "smoke-mixture": replace(_SMOKE, **_MIXTURE),
        "demo-mixture": replace(_DEMO, **_MIXTURE),
        "paper-mixture": replace(_PAPER, **_MIXTURE),
        "smoke-anchored": replace(_SMOKE, **VARIANTS["anchored"]),
        "demo-anchored": replace(_DEMO, **VARIANTS["anchored"]),
    }
)


def preset(name: str | AlignConfig) -> AlignConfig:
    """The configuration of a preset; a configuration is passed through.

    `smoke` (seconds) and `demo` (about a minute on one CPU core) are the paper's method at small sizes,
    `paper` and `released` the two readings of the method at the published size (hours on a large GPU);
    `smoke-released` and `demo-released` are the released reading at small sizes. The three that end in `-mixture`
    differ from the paper's method in stage 2: its prior has modes, and a KL that is heavy enough to be felt.
    `smoke-anchored` and `demo-anchored` add the pull to pre-training chunks of equal tool motion.
    """
    if isinstance(name, AlignConfig):
        return name
    if name not in PRESETS:
        raise unknown(str(name), PRESETS, where="alignment preset")
    return PRESETS[name]


def options_of(given: Sequence[str]) -> dict[str, Any]:
    """`("layers=3",)` → `{"layers": 3}`, by the types of the options.

    Raises:
        InputError: not of the form NAME=VALUE, an unknown name, or a value of another type.
    """
    hints = get_type_hints(AlignConfig)
    valid = list(AlignConfig.__dataclass_fields__)
    values = {}
    for item in given:
        name, separator, text = item.partition("=")
        if not separator:
            raise InputError(repr(item), where="option", expected="NAME=VALUE", fix="write layers=3, say")
        if name not in valid:
            raise unknown(name, valid, where="option")
        # Of `float | None` the number: None is what leaving the option away means.
        kind = next((part for part in get_args(hints[name]) if part is not type(None)), hints[name])
        try:
            values[name] = kind(text)
        except ValueError as error:
            said = kind.__name__
            raise InputError(repr(text), where=f"option {name}", expected=said, fix=f"give {name} as {said}") from error
    return values


def _bad(name: str, value: object, expected: str) -> InputError:
    return InputError(repr(value), where=f"AlignConfig.{name}", expected=expected, fix=f"change {name}")
