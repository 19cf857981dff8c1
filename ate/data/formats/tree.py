"""HDF5 files of many demonstrations, `data/<demo>/…`: their demonstrations in natural order, and series inside them."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py

from ate.data.episodes import Episode
from ate.data.formats import hdf5, nested
from ate.data.formats.companions import natural
from ate.data.formats.jsonfile import parse
from ate.data.formats.layout import Broken, listed, number, text
from ate.data.formats.parts import Joined, Part, joined
from ate.data.series import Series
from ate.errors import InputError

ROOT, MASKS = "data", "mask"
_MOST_LISTED = 10**6
_LONGEST_NAME = 200


def companion(handle: h5py.Group, key: str, file: Path) -> Series | str | None:
    """A numeric matrix recorded along with the joint positions; None for none, the reason where it is unusable."""
    item = hdf5.member(handle, key, file)
    if item is None:
        return None
    if not isinstance(item, h5py.Dataset):
        return "a group"
    if item.id.dtype.kind not in "fiu":
        return f"type {item.id.dtype}"
    shape = tuple(item.id.shape or ())
    if len(shape) != 2 or 0 in shape:
        return f"shape {shape}"
    return hdf5.series(handle, key, file, matrix=True)


def index(path: Path, reader: Callable[[Path, h5py.Group], Callable[..., Episode]]) -> Iterator[Episode | Broken]:
    """Every demonstration of every file, in natural order.

    Args:
        path: a file, or a folder of them.
        reader: given a file and its group `data`, what reads one demonstration from its group, its name, and what
            stands before the name in a folder of several files.
    """
    files = listed(path, hdf5.SUFFIXES)
    for file in files:
        stem = nested.name(path, file)
        prefix = f"{stem}_" if len(files) > 1 else ""
        try:
            with hdf5.opened(file) as handle:
                names = demos(handle, file)
                data = hdf5.member(handle, ROOT, file)
                read = reader(file, data)
                for name in names:
                    try:
                        group = demo(data, name, file)
                        item = read(group, name, prefix)
                        yield replace(item, attributes={**item.attributes, **hdf5.outcome(group)})
                    except InputError as error:
                        yield Broken(f"{prefix}{name}", file, error)
        except InputError as error:
            yield Broken(stem, file, error)


def demos(handle: h5py.File, file: Path) -> list[str]:
    """Names of the demonstrations of a file, in natural order; `demo_2` comes before `demo_10`.

    Raises:
        InputError: there is no group `data`, nothing in it, or it is a link.
    """
    group = hdf5.member(handle, ROOT, file)
    inside = list(names(group)) if isinstance(group, h5py.Group) else []
    if not inside:
        got, fix = f"datasets and groups {hdf5.keys(handle)}", "name another layout, or exclude this file"
        raise InputError(got, where=str(file), expected="a group 'data' with one group a demonstration", fix=fix)
    return sorted(inside, key=natural)


def demo(data: h5py.Group, name: str, file: Path) -> h5py.Group:
    """One demonstration.

    Raises:
        InputError: it is no group, has no name one can write down, or is a link that leads out of the file or nowhere.
    """
    if len(name) > _LONGEST_NAME:
        got = f"a name of {len(name):,} characters"
        expected, fix = f"at most {_LONGEST_NAME}", "rename the demonstration"
        raise InputError(got, where=f"{file}, {ROOT}/{name[:_LONGEST_NAME]}…", expected=expected, fix=fix)
    item = hdf5.member(data, name, file)
    if not isinstance(item, h5py.Group):
        got = "nothing to open" if item is None else "a dataset"
        expected = "a group of datasets, one demonstration"
        raise InputError(got, where=f"{file}, {ROOT}/{name}", expected=expected, fix=f"exclude {name}")
    return item


def without(group: h5py.Group, file: Path, name: str, expected: str, prefix: str = "") -> InputError:
    """The error for a demonstration that does not have what its layout is read from; it names what is there."""
    got = f"datasets and groups {', '.join(hdf5.keys(group))[:2000] or 'none'}"
    return InputError(got, where=f"{file}, {ROOT}/{name}", expected=expected, fix=f"exclude {prefix}{name}")


def action(group: h5py.Group, part: Part, file: Path, here: str) -> Joined | str | None:
    """The commands of a demonstration; None for none, the reason where they are unusable."""
    try:
        return joined(group, (part,), file, here)
    except InputError as error:
        return error.got


def groups(path: Path) -> dict[str, tuple[str, ...]]:
    """`mask/<name>` → the demonstrations that the files list under it, called as `index` calls them."""
    files, groups_of = listed(path, hdf5.SUFFIXES), dict[str, tuple[str, ...]]()
    for file in files:
        prefix = f"{file.stem}_" if len(files) > 1 else ""
        try:
            with hdf5.opened(file) as handle:
                masks = hdf5.member(handle, MASKS, file)
                for name in names(masks) if isinstance(masks, h5py.Group) else ():
                    rows = hdf5.member(masks, name, file)
                    if isinstance(rows, h5py.Dataset) and rows.ndim == 1 and 0 < rows.size <= _MOST_LISTED:
                        inside = tuple(f"{prefix}{text(row)}" for row in rows[:])
                        groups_of[f"{MASKS}/{name}"] = (*groups_of.get(f"{MASKS}/{name}", ()), *inside)
        except InputError:
            # The reader itself reports what is wrong with this file.
            continue
    return groups_of


def notes(path: Path) -> tuple[str, ...]:
    """Numbers of rows that the files give and their demonstrations do not have, a sentence a file."""
    sentences = []
    for file in listed(path, hdf5.SUFFIXES):
        try:
            with hdf5.opened(file) as handle:
                data = hdf5.member(handle, ROOT, file)
                groups = {name: hdf5.member(data, name, file) for name in demos(handle, file)}
                rows = {n: _rows(g, file) for n, g in groups.items() if isinstance(g, h5py.Group)}
                given = {n: number(g.attrs.get("num_samples")) for n, g in groups.items() if n in rows}
                odd = [f"{n}: {given[n]:g} rows ({rows[n]} recorded)" for n in rows if given[n] not in (None, rows[n])]
                total, counted = number(data.attrs.get("total")), sum(rows.values())
                odd += [f"all: {total:g} rows ({counted} recorded)"] if total not in (None, counted) else []
        except InputError:
            # The reader itself reports what is wrong with this file.
            continue
        if odd:
            sentences.append(
                f"{file.name} gives {', '.join(odd[:8])}{f' and {len(odd) - 8} more' if len(odd) > 8 else ''}."
            )
    return tuple(sentences)


def _rows(group: h5py.Group, file: Path) -> int:
    actions = hdf5.member(group, "actions", file)
    return int(actions.shape[0]) if isinstance(actions, h5py.Dataset) and actions.shape else 0


def json_attribute(group: h5py.Group, *names: str) -> dict[str, Any]:
    """The first of these attributes that is there, as the JSON object in it; empty where there is none.

    Raises:
        InputError: its text is no JSON.
    """
    for name in names:
        if h5py.h5a.exists(group.id, name.encode()):
            value = parse(text(group.attrs[name]), f"{group.file.filename}, attribute {name!r} of {group.name}")
            return value if isinstance(value, dict) else {}
    return {}


def names(group: h5py.Group) -> Iterator[str]:
    """Names of the members of a group, whatever they are."""
    return (raw.decode("utf-8", "replace") for raw in group.id)


def robots(value: Any) -> str | None:
    """`"Panda"`, or `"Panda+Sawyer"` for two, from what environments write under `robots`."""
    parts = value if isinstance(value, list) else [value]
    return "+".join(part for part in parts if isinstance(part, str)) or None
