"""Arms: the alignments that a comparison puts to the same test, trained with as little as they can share.

`paper`, `released`, `mixture` and `anchored` are readings of the method (`ate.align.config.READINGS`) over one base
preset; `one-stage` and `untrained` are controls that never met pre-training. Arms that agree in what stage 1 sees share
it. An arm may change options further: `mixture:adapt_kl_weight=0.1`.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ate.align.alignment import FILE, Alignment, Sets
from ate.align.config import READINGS, AlignConfig, options_of
from ate.align.evaluate.controls import fit_one_stage, untrained
from ate.align.stages import fit, refit
from ate.data.episodes import Episodes
from ate.errors import InputError, unknown
from ate.runs.device import device as pick_device

CONTROLS = ("one-stage", "untrained")
ARMS = (*READINGS, *CONTROLS)


@dataclass(frozen=True)
class ArmConfig:
    """One arm.

    Attributes:
        name: as it was asked for.
        kind: one of `ARMS`.
        config: how it is trained; for a control that of the `paper` arm it stands beside.
    """

    name: str
    kind: str
    config: AlignConfig


def arm_configs(names: Sequence[str], base: AlignConfig) -> tuple[ArmConfig, ...]:
    """Arms by name over a base configuration.

    Raises:
        InputError: an unknown arm or option, an arm named twice, or options for a control.
    """
    arms = []
    for name in names:
        kind, _, said = name.partition(":")
        if kind not in ARMS:
            raise unknown(kind, ARMS, where="arm")
        options = options_of([part for part in said.split(",") if part])
        if kind in CONTROLS and options:
            raise InputError(
                repr(name), where="arm", expected=f"{kind} without options", way_out="change the base preset instead"
            )
        arms.append(ArmConfig(name, kind, base.with_options(**{**READINGS.get(kind, {}), **options})))
    if len({arm.name for arm in arms}) != len(arms) or not arms:
        raise InputError(
            f"arms {list(names)}", where="comparison", expected="different arms", way_out="name each of them once"
        )
    return tuple(arms)


def train_arms(
    arms: Sequence[ArmConfig], pretrain: Sets, adapt: Episodes, folder: Path, seed: int = 0
) -> Iterator[tuple[ArmConfig, Alignment]]:
    """The alignment of every arm, one after the other; what is in the folder already is read back.

    Args:
        arms: what to train.
        pretrain: episodes of the pre-training robots.
        adapt: episodes of the adaptation robot.
        folder: of these data and this seed; keeps each alignment in a folder of its own, named by its configuration.
        seed: of all arms alike: splits, weights, batches and noise.

    Raises:
        InputError: as `ate.align.fit`.
    """
    first: dict[str, Alignment] = {}
    for arm in arms:
        place = folder / _key(arm.config.to_dict())
        stage_one = _key(arm.config.first_stage)
        if (place / FILE).exists():
            alignment = Alignment.load(place, pick_device())
        elif stage_one in first:
            alignment = refit(first[stage_one], pretrain, adapt, arm.config, place)
        else:
            alignment = fit(pretrain, adapt, arm.config, place, seed)
        first.setdefault(stage_one, alignment)
        if arm.kind == "one-stage":
            alignment = fit_one_stage(alignment, adapt, seed, place)
        elif arm.kind == "untrained":
            alignment = untrained(alignment, seed)
        yield arm, alignment


def _key(options: dict[str, object]) -> str:
    return hashlib.sha256(json.dumps(options, sort_keys=True).encode()).hexdigest()[:12]
