"""How an alignment is trained: the formulation of the method, its size, and the presets that name both.

The paper and its released code differ in dropout and in the second stage; all differences are options of
`AlignConfig`. The loss of both stages is

    w_rec · SmoothL1(â, a) + w_kl · KL + w_mmd · MMD

with SmoothL1 a mean over the slots a robot has and KL a mean over latent dimensions.

How sizes and weights of the presets were chosen: `docs/alignment.md`.
Source: Align-Then-stEer, arXiv 2509.02055, and its released code.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from types import MappingProxyType
from typing import Any

from ate.errors import InputError, unknown

READ_OUTS = ("shared", "own")
CHOICES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "kl_direction": ("reverse", "forward"),
        "moments": ("aggregated", "released"),
        "moment_inputs": ("clean", "noised"),
        "mmd_reference": ("prior", "standard", "modes"),
        "mmd_kernel": ("multiscale", "released"),
        "adapt_init": ("random", "pretrained", "shared"),
        "schedule": ("constant", "cosine"),
        "unit": ("steps", "epochs"),
        "keep": ("last", "best"),
        "prior": ("gaussian", "mixture"),
        "columns": ("joints", "tool"),
        "read_out": READ_OUTS,
        "linear": ("none", "pca"),
        "precision": ("auto", "float32", "tf32", "bfloat16", "bfloat16_copy"),
        "compile": ("none", "inductor", "aot_eager"),
    }
)


def refused(config: object, name: str, expected: str) -> InputError:
    """The error for the value of one option of a configuration."""
    where = f"{type(config).__name__}.{name}"
    return InputError(repr(getattr(config, name)), where=where, expected=expected, fix=f"change {name}")


def check_whole(config: object, names: Iterable[str], least: int = 1) -> None:
    """Refuse options that are no whole number of `least` or more."""
    for name in names:
        value = getattr(config, name)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise refused(config, name, f"a whole number of {least} or more")


def check_network(config: Any) -> None:
    """Refuse sizes that make no Info-VAE; for `AlignConfig` and `ate.align.vae_config.VAEConfig` alike.

    Raises:
        InputError: naming the option.
    """
    check_whole(config, ("latent", "layers", "heads", "feedforward"))
    if not 0.0 <= config.dropout < 1.0:
        raise refused(config, "dropout", "a value in [0, 1)")
    if config.layers % 2 == 0:
        raise refused(config, "layers", "an odd number, so that skips pair up around the middle block")
    if config.latent % config.heads:
        raise refused(config, "latent", f"a multiple of heads, {config.heads}")


def _number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and not math.isnan(value)


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
        adapt_init: weights that stage 2 starts from. `random`: two networks that share nothing but the latent
            dimension, as in the paper. `pretrained`: a copy of the stage-1 network (all robots share one unified
            width). `shared`: ψ is φ itself and stage 2 trains nothing (needs columns="tool").
        held_out: share of each set's episodes kept for validation, in (0, 1).
        keep: weights that a stage ends with: of its `last` step, or the `best`, of the metric row with the lowest
            held-out loss.
        prior: what stage 1 leaves behind: a `gaussian`, as in the paper, or a `mixture`, with modes.
        mixture_components: components of the mixture; 0 chooses by held-out likelihood.
        adapt_kl_weight: stage 2; weight of the KL there, None for the same as in stage 1.
        anchor_weight: stage 2; weight of the distance to pre-training chunks of equal tool motion, 0 for none.
        read_out: of μ and log σ²: the tokens themselves, `shared` as published, or an `own` linear map each.
        linear: `pca` gives both stages a linear path that starts as the whitened PCA of their training chunks, with
            the transformer gated from 0; a `pretrained` stage 2 turns it towards the latents of stage 1.
        columns: what the networks see of a robot: its `joints`, or the motion of its `tool` by its kinematics.
        precision: of products: `bfloat16` by autocast, which `auto` takes on GPUs that have it; `bfloat16_copy`, what
            is between them too, without casts; weights and losses stay float32. `tf32`: a GPU rounds all products.
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
    read_out: str = "shared"
    linear: str = "none"
    columns: str = "joints"
    precision: str = "auto"
    compile: str = "none"

    def __post_init__(self) -> None:
        for name, valid in CHOICES.items():
            if getattr(self, name) not in valid:
                raise unknown(str(getattr(self, name)), valid, where=f"AlignConfig.{name}")
        check_network(self)
        check_whole(self, ("chunk", "pretrain_steps", "adapt_steps"))
        check_whole(self, ("batch",), least=2)
        check_whole(self, ("mixture_components",), least=0)
        for name in ("learning_rate", "reconstruction_weight"):
            if not _number(getattr(self, name)) or getattr(self, name) <= 0:
                raise refused(self, name, "a number above 0")
        optional = () if self.adapt_kl_weight is None else ("adapt_kl_weight",)
        for name in ("weight_decay", "kl_weight", "mmd_weight", "anchor_weight", *optional):
            if not _number(getattr(self, name)) or getattr(self, name) < 0:
                raise refused(self, name, "a number of 0 or more")
        if not 0.0 < self.held_out < 1.0:
            raise refused(self, "held_out", "a share in (0, 1)")
        if self.prior == "mixture" and self.moments == "released":
            raise refused(self, "moments", "aggregated, because a mixture is fitted to the aggregated posterior")
        if self.prior == "gaussian" and self.mmd_reference == "modes":
            raise refused(self, "mmd_reference", 'prior or standard; "modes" needs prior="mixture"')
        if self.adapt_init == "shared" and self.columns == "joints":
            raise refused(self, "adapt_init", 'random or pretrained; "shared" needs columns="tool"')

    def with_options(self, **options: Any) -> "AlignConfig":
        """A copy with some options changed; unknown names are refused with the nearest valid one."""
        for name in options:
            if name not in self.__dataclass_fields__:
                raise unknown(name, self.__dataclass_fields__, where="AlignConfig")
        return replace(self, **options)

    @property
    def published(self) -> "AlignConfig":
        """The same without what a linear path and an own read-out bring, and with the weights that go without them."""
        if self.read_out == "shared" and self.linear == "none":
            return self
        return replace(self, **{name: getattr(_SMALL, name) for name in _CARRYING})

    def variant(self, name: str) -> "AlignConfig":
        """This configuration in a formulation of the method, one of `VARIANTS`."""
        start = self.published if name in PUBLISHED else self
        return start.with_options(**VARIANTS[name])

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
        "dropout": 0.0,
    }
)
# The networks as published, at sizes that train in a minute.
_SMALL = replace(
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
_SMALLEST = replace(_SMALL, latent=16, feedforward=32, pretrain_steps=60, adapt_steps=40, batch=32)
# What makes latents carry their chunks; a start that good is not to be unlearned, hence the lower rate.
_CARRYING: Mapping[str, Any] = MappingProxyType(
    {"read_out": "own", "linear": "pca", "learning_rate": 3e-4, "kl_weight": 1e-6, "mmd_weight": 0.03}
)
_DEMO, _SMOKE = replace(_SMALL, **_CARRYING), replace(_SMALLEST, **_CARRYING)
_MIXTURE: Mapping[str, Any] = MappingProxyType({"prior": "mixture", "mmd_reference": "modes", "adapt_kl_weight": 3e-2})
_MOTION: Mapping[str, Any] = MappingProxyType({"columns": "tool", "adapt_init": "shared"})
# What each formulation of the method changes in a preset.
VARIANTS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "paper": MappingProxyType({}),
        "published": MappingProxyType({}),
        "released": _RELEASED,
        "mixture": _MIXTURE,
        "anchored": MappingProxyType({"anchor_weight": 0.1}),
        "motion": _MOTION,
    }
)
# Formulations that are measured on the networks as they were published.
PUBLISHED = ("published", "released")
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
        "smoke-published": _SMALLEST,
        "demo-published": _SMALL,
        "smoke-released": replace(_SMALLEST, **_RELEASED),
        "demo-released": replace(_SMALL, **_RELEASED),
        "smoke-mixture": replace(_SMOKE, **_MIXTURE),
        "demo-mixture": replace(_DEMO, **_MIXTURE),
        "paper-mixture": replace(_PAPER, **_MIXTURE),
        "smoke-anchored": replace(_SMOKE, **VARIANTS["anchored"]),
        "demo-anchored": replace(_DEMO, **VARIANTS["anchored"]),
        "smoke-motion": replace(_SMOKE, **_MOTION),
        "demo-motion": replace(_DEMO, **_MOTION),
    }
)


def preset(name: str | AlignConfig) -> AlignConfig:
    """The configuration of a preset; a configuration is passed through.

    `smoke` (seconds) and `demo` (a minute on one CPU core) are the paper's method at small sizes, with an own read-out
    and a linear path of ours; `…-published` are without these. `paper` and `released` are the two formulations
    of the method at the published size (hours on a large GPU). `…-released` is the released formulation at a small
    size. `…-mixture` differs from the paper in stage 2: its prior has modes, and its KL
    weighs more. `…-anchored` adds the pull to pre-training chunks of equal tool motion. `…-motion` encodes the motion
    of the tool instead of joints, by one encoder for every robot.

    Raises:
        InputError: an unknown name.
    """
    if isinstance(name, AlignConfig):
        return name
    if name not in PRESETS:
        raise unknown(str(name), PRESETS, where="alignment preset")
    return PRESETS[name]
