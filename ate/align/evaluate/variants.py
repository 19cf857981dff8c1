"""Variants: the alignments that a comparison puts to the same test, trained with as little as they can share.

`paper`, `released`, `mixture` and `anchored` are readings of the method (`ate.align.config.VARIANTS`) over one base
preset; `one-stage` and `untrained` are controls that never met pre-training. Variants that agree in what stage 1 sees
share it. A variant may change options further: `mixture:adapt_kl_weight=0.1`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ate.align.alignment import FILE, Alignment, Sets
from ate.align.config import VARIANTS, AlignConfig, options_of
from ate.align.evaluate.controls import fit_one_stage, untrained
from ate.align.stages import fit, refit
from ate.data.episodes import Episodes
from ate.errors import InputError, unknown
from ate.runs.device import pick as pick_device
from ate.runs.files import content_key

CONTROLS = ("one-stage", "untrained")
COMPARED = (*VARIANTS, *CONTROLS)


@dataclass(frozen=True)
class VariantConfig:
    """One variant.

    Attributes:
        name: as it was asked for.
        kind: one of `COMPARED`.
        config: how it is trained; for a control that of the `paper` variant it stands beside.
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
        kind, _, said = name.partition(":")
        if kind not in COMPARED:
            raise unknown(kind, COMPARED, where="variant")
        options = options_of([part for part in said.split(",") if part])
        if kind in CONTROLS and options:
            raise InputError(
                repr(name), where="variant", expected=f"{kind} without options", fix="change the base preset instead"
            )
        variants.append(VariantConfig(name, kind, base.with_options(**{**VARIANTS.get(kind, {}), **options})))
    if len({variant.name for variant in variants}) != len(variants) or not variants:
        raise InputError(
            f"variants {list(names)}", where="comparison", expected="different variants", fix="name each of them once"
        )
    return tuple(variants)


def train_variants(
    variants: Sequence[VariantConfig], pretrain: Sets, adapt: Episodes, folder: Path, seed: int = 0
) -> Iterator[tuple[VariantConfig, Alignment]]:
    """The alignment of every variant, one after the other; what is in the folder already is read back.

    Args:
        variants: what to train.
        pretrain: episodes of the pre-training robots.
        adapt: episodes of the adaptation robot.
        folder: of these data and this seed; keeps each alignment in a folder of its own, named by its configuration.
        seed: of all variants alike: splits, weights, batches and noise.

    Raises:
        InputError: as `ate.align.fit`.
    """
    first: dict[str, Alignment] = {}
    for variant in variants:
        place = folder / content_key(variant.config.to_dict())[:12]
        stage_one = content_key(variant.config.first_stage)[:12]
        if (place / FILE).exists():
            alignment = Alignment.load(place, pick_device())
        elif stage_one in first:
            alignment = refit(first[stage_one], pretrain, adapt, variant.config, place)
        else:
            alignment = fit(pretrain, adapt, variant.config, place, seed)
        first.setdefault(stage_one, alignment)
        if variant.kind == "one-stage":
            alignment = fit_one_stage(alignment, adapt, seed, place)
        elif variant.kind == "untrained":
            alignment = untrained(alignment, seed)
        yield variant, alignment
