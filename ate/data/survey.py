"""The survey of a path: every episode indexed, usable or broken, in a layout that is told from the files or named."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ate.data.columns import NAMED_BY, pick
from ate.data.episodes import SOURCES, Episode, Episodes
from ate.data.formats import LAYOUTS, SUFFIXES
from ate.data.formats.layout import Broken
from ate.data.ledger import Entry, Ledger
from ate.errors import InputError, nearest, unknown

if TYPE_CHECKING:
    from ate.robots.profile import Profile


@dataclass(frozen=True)
class Survey:
    """What a path holds.

    Attributes:
        episodes: what can be used, None where nothing can.
        broken: what cannot, each with its reason; episodes of another width than most are among them.
        ledger: all of it, and what was excluded.
    """

    episodes: Episodes | None
    broken: tuple[Broken, ...]
    ledger: Ledger


def survey(
    path: str | Path,
    source: str = "qpos",
    exclude: Sequence[str] = (),
    layout: str = "",
    robot: str = "",
    values: bool = False,
    joints: Sequence[str] = (),
) -> Survey:
    """Index every episode of a path, broken ones too; what is kept has one width, that of most of them.

    With `joints`, names or patterns, these columns alone are taken for the robot (`ate.data.columns`).

    With `values`, every value of the chosen series is read now, and an episode that holds NaN is among the broken ones.

    Raises:
        InputError: there is nothing to read at the path, or an argument names something unknown.
    """
    place = Path(path)
    if source not in SOURCES:
        raise InputError(repr(source), where="source", expected="'qpos' or 'action'", fix=nearest(source, SOURCES))
    body = _profile(robot)
    reader, evidence = _reader(place, layout)
    found = list(_index(reader, place, source, body))
    if not found:
        raise _nothing(place, reader)
    check_exclude(place, exclude, [item.name for item in found])
    left_out = {stem(name) for name in exclude}
    if joints:
        found = _ordered([_picked(item, source, joints, body) for item in found], source)
    if values:
        found = [_read_through(item, source) for item in found]
    present = [item for item in found if stem(item.name) not in left_out]
    usable = [item for item in present if isinstance(item, Episode)]
    width = _common([item.series[source].shape[1] for item in usable])
    odd = {
        item.name: _odd_width(item, source, width, usable) for item in usable if item.series[source].shape[1] != width
    }
    broken = tuple(odd.get(i.name) or i for i in present if isinstance(i, Broken) or i.name in odd)
    kept = tuple(item for item in usable if item.name not in odd)
    entries = tuple(_entry(item, source, left_out, odd) for item in found)
    ledger = Ledger(reader.NAME, evidence, entries)
    episodes = _episodes(kept, source, place, body, ledger) if kept else None
    return Survey(episodes, tuple(b for b in broken if isinstance(b, Broken)), ledger)


def _read_through(item: Episode | Broken, source: str) -> Episode | Broken:
    if isinstance(item, Episode):
        try:
            item.read(source)
        except InputError as error:
            return Broken(item.name, item.path, error)
    return item


def _picked(item: Episode | Broken, source: str, joints: Sequence[str], body: "Profile | None") -> Episode | Broken:
    if isinstance(item, Broken):
        return item
    try:
        return pick(item, source, joints, body)
    except InputError as error:
        return Broken(item.name, item.path, error)


def _ordered(found: list[Episode | Broken], source: str) -> list[Episode | Broken]:
    """Refuse episodes whose columns are other joints than the first one's, or the same in another order."""
    names = [item.attributes[NAMED_BY[source]] if isinstance(item, Episode) else None for item in found]
    first = next((known for known in names if known is not None), None)
    checked: list[Episode | Broken] = []
    for item, mine in zip(found, names, strict=True):
        if mine in (None, first):
            checked.append(item)
            continue
        error = InputError(
            f"joints {', '.join(mine or ())}",
            where=f"{item.path}, episode {item.name}, {source!r}",
            expected=f"{', '.join(first or ())}, as in the first episode",
            fix=f"exclude {item.name}, or move it to a set of its own",
        )
        checked.append(Broken(item.name, item.path, error))
    return checked


def _profile(robot: str) -> "Profile | None":
    if not robot:
        return None
    from ate.robots.profile import profile

    return profile(robot)


def _index(reader: ModuleType, path: Path, source: str, body: "Profile | None") -> Iterable[Episode | Broken]:
    # Only tables without a header need to be told what their columns are.
    return reader.index(path, source, body) if reader.NAME == "csv" else reader.index(path, source)


def _reader(path: Path, layout: str) -> tuple[ModuleType, str]:
    """The module that reads this path, and why it is that one."""
    if not path.exists():
        raise InputError(
            "no such folder",
            where=str(path),
            expected="a folder with one HDF5 file an episode, or recordings in another layout",
            fix="give the folder that holds episode_0000.hdf5 and its siblings",
        )
    if layout:
        if layout not in LAYOUTS:
            raise unknown(layout, LAYOUTS, where="layout")
        return import_module(f"ate.data.formats.{layout}"), "as asked for"
    readers = [import_module(f"ate.data.formats.{name}") for name in LAYOUTS]
    for reader in readers:
        evidence = reader.looks(path)
        if evidence:
            return reader, evidence
    native = next(reader for reader in readers if reader.NAME == "native")
    return native, "no other layout was recognised"


def _nothing(path: Path, reader: ModuleType) -> InputError:
    if path.is_file():
        found = "a file that no layout reads" if path.suffix not in SUFFIXES else f"nothing to read as {reader.NAME}"
    else:
        inside = sorted(child.name for child in path.iterdir())[:6]
        kinds = "no .hdf5 or .h5 file" if reader.NAME == "native" else f"nothing to read as {reader.NAME}"
        found = f"{kinds} among {inside or 'nothing at all'}"
    return InputError(found, where=str(path), expected=reader.EXPECTS, fix="name the folder of one robot's episodes")


def stem(name: str) -> str:
    """An episode's name without the suffix of its file."""
    for suffix in SUFFIXES:
        name = name.removesuffix(suffix)
    return name


def check_exclude(path: str | Path, exclude: Sequence[str], names: Sequence[str]) -> None:
    """Refuse a name of an exclude list that is no episode: a mistyped one would leave out nothing."""
    stems = {stem(name) for name in names}
    for name in exclude:
        if stem(name) not in stems:
            raise InputError(
                repr(name),
                where=f"exclude list for {path}",
                expected="the name of an episode file",
                fix=nearest(stem(name), stems),
            )


def _common(widths: Sequence[int]) -> int:
    return max(set(widths), key=list(widths).count) if widths else 0


def _odd_width(item: Episode, source: str, width: int, usable: Sequence[Episode]) -> Broken:
    same = sum(other.series[source].shape[1] == width for other in usable)
    error = InputError(
        f"{item.series[source].shape[1]} columns in {source!r}",
        where=str(item.path) if len({other.path for other in usable}) > 1 else f"{item.path}, episode {item.name}",
        expected=f"{width}, as in {same} of {len(usable)} episodes of this set",
        fix=f"exclude {item.name}, or move it to a set of its own",
    )
    return Broken(item.name, item.path, error)


def _entry(item: Episode | Broken, source: str, left_out: set[str], odd: dict[str, Broken]) -> Entry:
    excluded = stem(item.name) in left_out
    if isinstance(item, Broken):
        return Entry(str(item.path), item.name, None, None, False, "excluded" if excluded else str(item.error))
    reason = "excluded" if excluded else str(odd[item.name].error) if item.name in odd else ""
    width = item.series[source].shape[1]
    return Entry(str(item.path), item.name, len(item), width, not reason, reason, item.keys)


def _episodes(kept: tuple[Episode, ...], source: str, path: Path, body: "Profile | None", ledger: Ledger) -> Episodes:
    first: dict[str, Any] = dict(kept[0].attributes)
    width = kept[0].series[source].shape[1]
    folder = path if path.is_dir() else path.parent
    fallback = folder.parent.name if folder.name == "hdf5" else folder.name
    return Episodes(
        kept,
        source,
        first.get("robot") or (body.name if body else fallback),
        _joint_names(first, source, width, body, path),
        first.get("rate_hz"),
        first.get("task"),
        ledger,
    )


def _joint_names(said: dict[str, Any], source: str, width: int, body: "Profile | None", path: Path) -> tuple[str, ...]:
    """What the files say, else what the profile says, else `joint_0 …`."""
    candidates = [said.get("action_names", ())] if source == "action" else []
    for names in (*candidates, said.get("joint_names", ())):
        if len(names) == width and len(set(names)) == width:
            return tuple(names)
    if body is not None:
        names = tuple(joint.name for joint in body.joints if not joint.optional)
        if len(names) != width:
            raise InputError(
                f"{width} columns in {source!r}",
                where=str(path),
                expected=f"{len(names)}, the joints of profile {body.name}: {', '.join(names)}",
                fix="name the profile of the robot that was recorded",
            )
        return names
    return tuple(f"joint_{i}" for i in range(width))
