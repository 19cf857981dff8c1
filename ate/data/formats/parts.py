"""Parts: joint positions that a layout keeps in several datasets of an HDF5 file, put next to one another."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py

from ate.data.clock import Clock
from ate.data.episodes import Episode
from ate.data.formats import hdf5
from ate.data.formats.companions import pair
from ate.data.formats.layout import check_matrix, timed
from ate.data.ledger import Keys
from ate.data.series import Series
from ate.errors import InputError


@dataclass(frozen=True)
class Part:
    """One dataset of a layout.

    Attributes:
        key: where it is, below the group of the episode.
        names: of its columns; where there are several columns for each name, they are numbered after it. None where
            the layout does not say what the columns are.
        needed: whether the layout always has it; where no part is needed, one of them is.
    """

    key: str
    names: tuple[str, ...]
    needed: bool = False

    def columns(self, width: int) -> tuple[str, ...]:
        """The names of `width` columns."""
        if len(self.names) in (0, width):
            return self.names
        each, rest = divmod(width, len(self.names))
        stems = self.names[:1] if rest else self.names
        return tuple(f"{stem}_{i}" for stem in stems for i in range(width if rest else each))


@dataclass(frozen=True)
class Joined:
    """Several parts as one series.

    Attributes:
        series: `(n_steps, width)`.
        names: one a column.
        keys: the parts that are there, below the group.
    """

    series: Series
    names: tuple[str, ...]
    keys: tuple[str, ...]


def joined(group: h5py.Group, parts: Sequence[Part], file: Path, here: str = "") -> Joined | None:
    """The parts that are there, as one series; None where a needed one, or all of them, are missing.

    Args:
        group: of the episode.
        parts: in the order of the columns.
        file: the file that the group is in.
        here: where the group is in the file; empty for its root.

    Raises:
        InputError: a part is no numeric matrix, or has another number of rows than the rest.
    """
    prefix = f"{here}/" if here else ""
    pairs = [(part, shape) for part in parts if (shape := _shape(group, part, file, prefix)) is not None]
    if not pairs or any(part.needed and part not in [own for own, _ in pairs] for part in parts):
        return None
    rows = {shape[0] for _, shape in pairs}
    if len(rows) > 1:
        got = ", ".join(f"{shape[0]} rows in {part.key}" for part, shape in pairs)
        expected, fix = "as many rows in each of them", "exclude this episode"
        raise InputError(got, where=f"{file}, {here or 'root'}", expected=expected, fix=fix)
    keys = tuple(f"{prefix}{part.key}" for part, _ in pairs)
    names = tuple(name for part, shape in pairs for name in part.columns(shape[1]))
    shape = (rows.pop(), sum(shape[1] for _, shape in pairs))
    where = f"{file}, dataset{'s' * (len(keys) > 1)} {', '.join(repr(key) for key in keys)}"
    series = Series(shape, where, hdf5.Rows(file, keys, matrix=True))
    return Joined(series, names, tuple(part.key for part, _ in pairs))


def first(group: h5py.Group, forms: Iterable[Sequence[Part]], file: Path, here: str = "") -> Joined | None:
    """The first of several forms of a layout whose parts are there; errors as `joined`."""
    return next((whole for parts in forms if (whole := joined(group, parts, file, here)) is not None), None)


def episode(
    name: str, file: Path, group: h5py.Group, qpos: Joined, action: Joined | str | None, source: str,
    attributes: dict[str, Any], here: str = "", clock: Clock | None = None,
) -> Episode:  # fmt: skip
    """An episode of joined parts, with the ledger of its keys.

    Args:
        name: what an exclude list calls it.
        file: the file it is in.
        group: its group.
        qpos: the joint positions.
        action: the commands; a few words where they are of no use, None where there are none.
        source: the requested series.
        attributes: what is known of it; columns are named after the parts.
        here: where the group is in the file.
        clock: its time stamps, one a row.

    Raises:
        InputError: `source` is `action` and there is no usable action.
    """
    series = {"qpos": qpos.series}
    commanded = action.series if isinstance(action, Joined) else action
    left = pair(series, {"action": commanded}, source, f"{file}, {here or 'root'}")
    known = {"joint_names": qpos.names, **attributes}
    used = qpos.keys
    if isinstance(action, Joined) and "action" in series:
        if action.names:
            known.setdefault("action_names", action.names)
        used += action.keys
    of_action = action.keys if isinstance(action, Joined) else ()
    left += [key for key in hdf5.keys(group) if key not in (*used, *of_action)]
    if clock is not None:
        left = [key for key in left if key.rpartition("/")[2] != clock.name]
        used += (clock.label,)
    keys = Keys(used, () if action is not None else ("action",), tuple(left))
    return Episode(name, file, series, {**known, **timed(clock, known)}, keys, clock=clock)


def _shape(group: h5py.Group, part: Part, file: Path, prefix: str) -> tuple[int, int] | None:
    series = hdf5.series(group, part.key, file)
    if series is None:
        return None
    kind = hdf5.member(group, part.key, file).id.dtype
    # A dataset that is there and empty was not recorded, as AgiBot's of robots without a waist.
    if series.shape[:1] == (0,) and not part.needed:
        return None
    shape = (*series.shape, 1) if len(series.shape) == 1 else series.shape
    check_matrix(shape, kind, f"{file}, dataset {prefix + part.key!r}")
    return shape[0], shape[1]
