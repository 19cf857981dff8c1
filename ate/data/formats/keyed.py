"""A layout given by its keys: `qpos=KEY,action=KEY`, where no reader knows the names of a file.

`KEY+KEY` puts datasets next to one another. In HDF5, `*` stands for the number of a demonstration:
`qpos=traj_*/robot/q`; without it a file is one episode, or those that flags at last rows tell apart. In a LeRobot set,
keys are features.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import h5py

from ate.data.episodes import Episode
from ate.data.formats import hdf5, lerobot, lerobot_meta, nested, parts, tree
from ate.data.formats.companions import natural
from ate.data.formats.layout import Broken, listed
from ate.data.formats.lerobot_features import Features
from ate.data.formats.native import parted
from ate.data.formats.parts import Part
from ate.errors import InputError, unknown

ROLES = ("qpos", "action")


@dataclass(frozen=True)
class Keyed:
    """A reader of these keys; `index` is as that of every layout.

    Attributes:
        qpos: datasets (HDF5) or features (LeRobot) of joint positions.
        action: likewise of commands; empty for none.
    """

    qpos: tuple[str, ...]
    action: tuple[str, ...] = ()
    NAME = "keyed"

    @classmethod
    def parse(cls, text: str) -> "Keyed":
        """Of `qpos=KEY+KEY,action=KEY`.

        Raises:
            InputError: another role than these, none for `qpos`, or keys of several groups of demonstrations.
        """
        given: dict[str, tuple[str, ...]] = {}
        for part in text.split(","):
            role, _, listed_keys = part.partition("=")
            if role.strip() not in ROLES:
                raise unknown(role.strip(), ROLES, where=f"layout {text!r:.200}")
            given[role.strip()] = tuple(key.strip().strip("/") for key in listed_keys.split("+") if key.strip())
        keys = [key for held in given.values() for key in held]
        groups = {_split(key)[0] for key in keys}
        if not given.get("qpos") or len(groups) > 1 or any(key.count("*") > 1 for key in keys):
            expected = "qpos=KEY or qpos=KEY+KEY,action=KEY, with the same group 'demo_*' in each key, or none"
            fix = "name the datasets as ate doctor shows them"
            raise InputError(repr(text)[:200], where="layout", expected=expected, fix=fix)
        return cls(given["qpos"], given.get("action", ()))

    @property
    def EXPECTS(self) -> str:
        """What a path has to hold."""
        return f"recordings with {', '.join(self.qpos)}"

    def index(self, path: Path, source: str) -> Iterator[Episode | Broken]:
        """Every episode of a path; shapes are read, values later."""
        if path.is_dir() and (path / lerobot_meta.INFO).is_file():
            yield from lerobot.index(path, source, Features(self.qpos, self.action))
            return
        files = listed(path, hdf5.SUFFIXES)
        for file in files:
            stem = nested.name(path, file)
            try:
                with hdf5.opened(file) as handle:
                    yield from self._episodes(handle, file, stem, source, len(files) > 1)
            except InputError as error:
                yield Broken(stem, file, error)

    def _episodes(
        self, handle: h5py.File, file: Path, stem: str, source: str, many: bool
    ) -> Iterator[Episode | Broken]:
        group = _split(self.qpos[0])[0]
        if not group:
            yield from parted(self._episode(handle, file, "", stem, source), file, many)
            return
        above, _, pattern = group.rpartition("/")
        outer = hdf5.member(handle, above, file) if above else handle
        inside = list(tree.names(outer)) if isinstance(outer, h5py.Group) else []
        matching = sorted((name for name in inside if fnmatchcase(name, pattern)), key=natural)
        if not matching:
            raise _missing(handle, file, "root", group)
        for name in matching:
            whole = f"{stem}_{name}" if many else name
            try:
                yield self._episode(handle, file, f"{above}/{name}" if above else name, whole, source)
            except InputError as error:
                yield Broken(whole, file, error)

    def _episode(self, handle: h5py.File, file: Path, here: str, name: str, source: str) -> Episode:
        group = hdf5.member(handle, here, file) if here else handle
        if not isinstance(group, h5py.Group):
            raise _missing(handle, file, here, here)
        qpos = parts.joined(group, _parts(self.qpos), file, here)
        if qpos is None:
            raise _missing(group, file, here or "root", ", ".join(self.qpos))
        action = parts.joined(group, _parts(self.action), file, here) if self.action else None
        return parts.episode(name, file, group, qpos, action, source, hdf5.attributes(handle), here)


def _split(key: str) -> tuple[str, str]:
    """The group of demonstrations in a key, and the rest: `data/demo_*`, `obs/q`; empty where there is no `*`."""
    steps = key.split("/")
    place = next((i + 1 for i, step in enumerate(steps) if "*" in step), 0)
    return "/".join(steps[:place]), "/".join(steps[place:])


def _parts(keys: tuple[str, ...]) -> tuple[Part, ...]:
    names = [() if len(keys) == 1 else (_split(key)[1].replace("/", "_"),) for key in keys]
    return tuple(Part(_split(key)[1], name, True) for key, name in zip(keys, names, strict=True))


def _missing(group: h5py.Group, file: Path, where: str, wanted: str) -> InputError:
    got = f"datasets and groups {', '.join(hdf5.keys(group))[:2000] or 'none'}"
    fix = "name the datasets as ate doctor shows them without --layout, or exclude it"
    return InputError(got, where=f"{file}, {where}", expected=f"numbers in {wanted}", fix=fix)
