"""Recordings: layouts of one episode a file (HDF5) that are told by where their parts are."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ate.data.episodes import Episode
from ate.data.formats import hdf5, parts
from ate.data.formats.layout import Broken, clock_rate, each_file
from ate.data.formats.parts import Joined, Part
from ate.errors import InputError

# Enough rows to measure the time step.
_TIMED = 2000


@dataclass(frozen=True)
class Recording:
    """A layout.

    Attributes:
        qpos: forms of the joint positions, the first whose parts are there counts.
        action: likewise of the commands.
        known: what the layout's documentation says of every file, under the names of the house.
        clocks: a dataset of time stamps, and its ticks a second; the first that is there gives the rate.
    """

    qpos: tuple[Sequence[Part], ...]
    action: tuple[Sequence[Part], ...] = ()
    known: Mapping[str, Any] = field(default_factory=dict)
    clocks: tuple[tuple[str, float], ...] = ()

    def looks(self, path: Path) -> str | None:
        """The dataset that makes this layout, as evidence; None for none."""
        return hdf5.evidence(path, self._first)

    def index(self, path: Path, source: str) -> Iterator[Episode | Broken]:
        """Every episode of a folder (or one file), its shapes; values stay on disk."""
        return each_file(path, hdf5.SUFFIXES, lambda file: [self._episode(file, source)])

    def _first(self, handle: h5py.File, file: Path) -> str:
        wanted = [part.key for form in self.qpos for part in form if part.needed]
        return next((key for key in wanted if hdf5.member(handle, key, file) is not None), wanted[0])

    def _episode(self, file: Path, source: str) -> Episode:
        with hdf5.opened(file) as handle:
            qpos = parts.first(handle, self.qpos, file)
            if qpos is None:
                got = f"datasets and groups {', '.join(hdf5.keys(handle))[:2000] or 'none'}"
                expected = f"joint positions in {', or in '.join(_listed(form) for form in self.qpos)}"
                raise InputError(got, where=str(file), expected=expected, fix="name another layout, or exclude it")
            action = self._action(handle, file)
            known = {**hdf5.attributes(handle), **self._rate(handle, file)}
            return parts.episode(file.stem, file, handle, qpos, action, source, {**self.known, **known})

    def _action(self, handle: h5py.File, file: Path) -> Joined | str | None:
        """The commands; None for none, the reason where they are unusable."""
        try:
            return parts.first(handle, self.action, file)
        except InputError as error:
            return error.got

    def _rate(self, handle: h5py.File, file: Path) -> dict[str, float]:
        for key, ticks in self.clocks:
            item = hdf5.member(handle, key, file)
            if isinstance(item, h5py.Dataset) and len(item.shape or ()) == 1 and item.dtype.kind in "fiu":
                stamps = np.asarray(item[:_TIMED], dtype=np.float64)
                return clock_rate((stamps - stamps[:1]) / ticks)
        return {}


def _listed(form: Sequence[Part]) -> str:
    return ", ".join(repr(part.key) for part in form)
