"""Run file: every setting of a run in one YAML, written into its folder, from which it can be run again.

only: 01,02            notebooks, all of them where it is left out
profile: demo
pretrain: /data/old    and any other setting by its name
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import yaml

from ate.errors import unknown
from ate.experiments.settings import PROFILES, Settings, parameter_kinds
from ate.runs.files import write_text
from ate.runs.options import typed
from ate.runs.yaml import read_mapping

NAME = "run.yaml"
ONLY = "only"
# Where it was made and in which process is no part of what was made.
PLACE = ("run", "train", "executor", "workers")


def write(chosen: Settings, notebooks: Sequence[str]) -> Path:
    """Write the run file of these settings into their folder.

    Episodes that were left out by a click or a list are named in it, so that another folder leaves them out too.
    """
    own = {f.name: getattr(chosen, f.name) for f in fields(chosen) if f.name not in ("guidance", *PLACE)}
    # The shipped data are wherever ate is.
    shipped = {name for name in ("pretrain", "adapt") if own[name] == getattr(PROFILES[chosen.profile], name)}
    own = {name: value for name, value in own.items() if name not in shipped}
    left_out = {"exclude": chosen.adapt_data.exclude, "exclude_pretrain": chosen.pretrain_data.exclude}
    tree = {ONLY: ",".join(notebooks), **own, **left_out, **asdict(chosen.guidance)}
    plain = {name: _plain(value) for name, value in tree.items() if value is not None}
    file = chosen.directory / NAME
    write_text(file, yaml.safe_dump(plain, sort_keys=False, allow_unicode=True))
    return file


def read(file: Path) -> tuple[tuple[str, ...], dict[str, Any]]:
    """Notebooks and parameters by name of a run file.

    Raises:
        InputError: no such file, no YAML, an unknown name, with the nearest, or a value of another type.
    """
    tree = read_mapping(file)
    kinds: Mapping[str, Any] = {ONLY: tuple[str, ...], **parameter_kinds()}
    for name in tree:
        if name not in kinds:
            raise unknown(str(name), kinds, where=str(file))
    values = typed(kinds, {name: value for name, value in tree.items() if value is not None}, str(file))
    return values.pop(ONLY, ()), values


def _plain(value: Any) -> Any:
    """Lists as text with commas, as people write them; numbers in full."""
    if not isinstance(value, tuple):
        return value
    return ",".join(repr(part) if isinstance(part, float) else str(part) for part in value)
