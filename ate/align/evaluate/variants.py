"""Variants: the alignments that a benchmark compares, trained with as little work as they can share.

`paper`, `mixture`, `anchored` and `motion` are formulations of the method (`ate.align.config.VARIANTS`) over one base
preset; `published` and `released` are over the same without an own read-out and a linear path. `one-stage` and
`untrained` are controls whose ψ never sees pre-training; they keep φ, the pre-training latents and the action spaces of
the `paper` variant. Variants that agree in the options of stage 1 share it. A variant may change options further:
`mixture:adapt_kl_weight=0.1`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from ate.align import priors
from ate.align.alignment import FILE, Alignment, Sets
from ate.align.config import VARIANTS, AlignConfig
from ate.align.stages import fit, realign, refit
from ate.align.vae import InfoVAE
from ate.data.episodes import Episodes
from ate.errors import InputError, unknown
from ate.runs.device import seeded
from ate.runs.files import content_key
from ate.runs.options import pairs, typed

CONTROLS = ("one-stage", "untrained")
KINDS = (*VARIANTS, *CONTROLS)
ONE_STAGE_FOLDER = "one_stage"


@dataclass(frozen=True)
class VariantConfig:
    """One variant.

    Attributes:
        name: as requested.
        kind: one of `KINDS`.
        config: how it is trained; for a control that of the `paper` variant.
    """

    name: str
    kind: str
    config: AlignConfig


def variant_configs(names: Sequence[str], base: AlignConfig) -> tuple[VariantConfig, ...]:
    """Variants by name over a base configuration.

    Raises:
        InputError: an unknown variant or option, a variant named twice, or options for a control.
    """
    variants = []
    for name in names:
        kind, _, text = name.partition(":")
        if kind not in KINDS:
            raise unknown(kind, KINDS, where="variant")
        where = f"variant {name!r}"
        options = typed(AlignConfig, pairs([part for part in text.split(",") if part], where), where)
        if kind in CONTROLS and options:
            raise InputError(
                repr(name), where="variant", expected=f"{kind} without options", fix="change the base preset instead"
            )
        start = base if kind in CONTROLS else base.variant(kind)
        variants.append(VariantConfig(name, kind, start.with_options(**options)))
    if len({variant.name for variant in variants}) != len(variants) or not variants:
        raise InputError(
            f"variants {list(names)}", where="comparison", expected="different variants", fix="name each of them once"
        )
    return tuple(variants)


def train_variants(
    variants: Sequence[VariantConfig], pretrain: Sets, adapt: Episodes, folder: Path, seed: int = 0
) -> Iterator[tuple[VariantConfig, Alignment]]:
    """The alignments of all variants, one after the other; what the folder already holds is read back.

    Args:
        variants: what to train.
        pretrain: episodes of the pre-training robots.
        adapt: episodes of the adaptation robot.
        folder: of these data and this seed; keeps each alignment in a folder of its own, named by its configuration.
        seed: of all variants alike: splits, weights, batches and noise.

    Raises:
        InputError: as `ate.align.fit`.
    """
    by_stage_one: dict[str, Alignment] = {}
    for variant in variants:
        place = folder / content_key(variant.config.to_dict())[:12]
        stage_one = content_key(variant.config.first_stage)[:12]
        if (place / FILE).exists():
            alignment = Alignment.load(place)
        elif stage_one in by_stage_one:
            alignment = refit(by_stage_one[stage_one], pretrain, adapt, variant.config, place)
        else:
            alignment = fit(pretrain, adapt, variant.config, place, seed)
        by_stage_one.setdefault(stage_one, alignment)
        if variant.kind == "one-stage":
            alignment = fit_one_stage(alignment, adapt, seed, place)
        elif variant.kind == "untrained":
            alignment = untrained(alignment, seed)
        yield variant, alignment


def fit_one_stage(
    alignment: Alignment,
    adapt: Episodes,
    seed: int = 0,
    directory: str | Path | None = None,
    device: torch.device | str | None = None,
) -> Alignment:
    """ψ from random weights, trained on adaptation data only, pulled to N(0, I); weights of the losses as before.

    Its latents and those of φ share only that stage 1 was pulled to N(0, I) as well. Its containment is what a shared
    standard normal gives without any alignment: the least that an alignment has to exceed.

    Args:
        alignment: the alignment to compare it with.
        adapt: episodes of the adaptation robot; split and seeded as `realign` does.
        seed: seed of the split by episode, the initial weights, batches and noise.
        directory: keeps checkpoint and metrics in its folder `one_stage`.
        device: as `ate.align.fit`.

    Raises:
        InputError: as `realign`.
    """
    control = replace(
        alignment,
        prior=priors.standard(alignment.config.latent).to(alignment.device),
        config=alignment.config.with_options(
            adapt_init="random", kl_direction="reverse", mmd_reference="standard", prior="gaussian"
        ),
    )
    return realign(control, adapt, seed, None if directory is None else Path(directory) / ONE_STAGE_FOLDER, device)


def untrained(alignment: Alignment, seed: int = 0) -> Alignment:
    """The alignment with a ψ of the same shape and random weights."""
    with seeded(seed, alignment.device):
        vae = InfoVAE(alignment.vae.config).to(alignment.device).freeze()
    return replace(alignment, vae=vae, seed=seed, metrics={**alignment.metrics, "adapt": []})
