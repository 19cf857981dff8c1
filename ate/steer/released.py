"""The `vae:` block of a released RDT configuration, read as it stands and checked before anything is trained.

    vae: {pretrained_path, mask, lambda, clamp, input_channels, latent_dim}

Source: field names of the released configuration files of Align-Then-stEer, arXiv 2509.02055.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from ate.align.released.weights import load_released
from ate.errors import InputError, unknown
from ate.robots import Profile, check_slot_mask
from ate.robots.slots import RDT_WIDTH
from ate.runs.yaml import read_mapping
from ate.steer.guidance import Guidance

# Field -> the types it may have.
FIELDS: Mapping[str, tuple[type, ...]] = MappingProxyType(
    {
        "pretrained_path": (str,),
        "mask": (list, tuple),
        "lambda": (int, float),
        "clamp": (int, float),
        "input_channels": (int,),
        "latent_dim": (int,),
    }
)


def guidance_of(
    block: str | Path | Mapping[str, Any], horizon: int, robot: Profile | None = None, **options: Any
) -> Guidance:
    """Guidance as a released configuration describes it.

    Args:
        block: a YAML file that holds the block under `vae` (or is the block), or the block itself. A relative
            `pretrained_path` starts at the file's folder.
        horizon: S of the policy that is steered.
        robot: whose joints the mask is held against; without it the mask is held against RDT's slot names.
        options: of `GuidanceConfig` that differ from the preset `released`; λ and clamp are the block's.

    Raises:
        InputError: a field that is unknown, missing or of the wrong type; a mask that is not one of joints; an encoder
            of another width or latent, or of fewer positions than the horizon needs.
    """
    where, base = "vae block", Path()
    if isinstance(block, (str, Path)):
        where, base = str(block), Path(block).parent
        block = read_mapping(Path(block))
    fields = _checked(block.get("vae", block), where)
    mask = _mask(fields["mask"], robot, where)
    file = base / fields["pretrained_path"]
    vae = load_released(file)
    actual = {"input_channels": vae.config.features, "latent_dim": vae.config.latent}
    for name, value in actual.items():
        if fields.get(name, value) != value:
            raise InputError(
                f"{name}: {fields[name]}", where=where, expected=f"{value}, what {file.name} was trained with",
                fix=f"correct {name}, or give the encoder that the block means",
            )  # fmt: skip
    if vae.config.features != RDT_WIDTH:
        raise InputError(
            f"an encoder of {vae.config.features} columns",
            where=str(file),
            expected=f"RDT's {RDT_WIDTH} slots",
            fix="train the encoder on unified vectors, or use Guidance(slots=…)",
        )
    if horizon > vae.config.positions - 2:
        raise InputError(
            f"horizon {horizon}", where=where, expected=f"at most {vae.config.positions - 2}, the encoder's positions",
            fix="align with the policy's horizon",
        )  # fmt: skip
    own = {"lam": fields["lambda"], "clamp": fields["clamp"], **options}
    return Guidance(vae, "released", mask=mask, **own)


def _checked(block: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(block, Mapping):
        raise InputError(
            f"a {type(block).__name__}",
            where=where,
            expected="a block of fields",
            fix=f"give the fields {', '.join(FIELDS)}",
        )
    for name, value in block.items():
        if name not in FIELDS:
            raise unknown(str(name), FIELDS, where=where)
        if not isinstance(value, FIELDS[name]) or isinstance(value, bool):
            raise InputError(
                f"{name}: {value!r}",
                where=where,
                expected=" or ".join(kind.__name__ for kind in FIELDS[name]),
                fix=f"correct {name}",
            )
    for name in ("pretrained_path", "mask", "lambda", "clamp"):
        if name not in block:
            raise InputError(f"no {name}", where=where, expected=", ".join(FIELDS), fix=f"add {name}")
    return block


def _mask(given: Sequence[int], robot: Profile | None, where: str) -> np.ndarray:
    odd = check_slot_mask(given, robot)
    if odd:
        raise InputError(
            "; ".join(oddity.text for oddity in odd),
            where=f"mask in {where}",
            expected="the slots of the robot's joints" if robot is None else f"the slots of {robot.name}",
            fix="`ate mask --robot NAME` prints the mask of a robot",
        )
    values = np.asarray(given)
    flags = len(values) == RDT_WIDTH and np.isin(values, (0, 1)).all()
    return values.astype(bool) if flags else np.isin(np.arange(RDT_WIDTH), values.astype(int))
