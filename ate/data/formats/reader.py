"""The reader of a path: the module of the layout that was asked for or recognised, or the keys that were named."""

from importlib import import_module
from pathlib import Path
from types import ModuleType

from ate.data.formats import LAYOUTS
from ate.data.formats.keyed import Keyed
from ate.data.formats.refusal import unrecognised
from ate.errors import InputError, unknown

Reader = ModuleType | Keyed


def reader_of(path: Path, layout: str = "") -> tuple[Reader, str]:
    """What reads a path, and why it is that one.

    Args:
        path: a file or a folder.
        layout: one of `LAYOUTS`, or keys (`Keyed.parse`); empty to recognise it.

    Raises:
        InputError: nothing is there, the layout is unknown, or files can be opened and are in no layout that is read.
    """
    if not path.exists():
        expected = "a folder with one HDF5 file an episode, or recordings in another layout"
        fix = "give the folder that holds episode_0000.hdf5 and its siblings"
        raise InputError("no such folder", where=str(path), expected=expected, fix=fix)
    if "=" in layout:
        return Keyed.parse(layout), "keys as named"
    if layout:
        if layout not in LAYOUTS:
            raise unknown(layout, LAYOUTS, where="layout")
        return import_module(f"ate.data.formats.{layout}"), "as asked for"
    for reader in (import_module(f"ate.data.formats.{name}") for name in LAYOUTS):
        evidence = reader.looks(path)
        if evidence:
            return reader, evidence
    error = unrecognised(path)
    if error is not None:
        raise error
    return import_module("ate.data.formats.native"), "no other layout was recognised"
