"""The survey of a path: every episode indexed, usable or broken, in the named or recognised layout."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from cachetools import LRUCache

from ate.data.columns import arranged, pick
from ate.data.declared import as_declared, columns_of, notes
from ate.data.episodes import NAMED_BY, SOURCES, Episode, Episodes
from ate.data.formats import SUFFIXES
from ate.data.formats.layout import Broken
from ate.data.formats.nested import remembering
from ate.data.formats.reader import Reader, reader_of
from ate.data.formats.refusal import nothing
from ate.data.groups import Groups, expanded, note
from ate.data.ledger import Entry, Ledger
from ate.data.leftovers import leftovers
from ate.data.leftovers import note as unread
from ate.data.stamp import settled, stamp
from ate.errors import InputError, nearest
from ate.robots.profile import Profile, available, profile

if TYPE_CHECKING:
    from ate.data.loading import DataSet

# Of the sets of a study, and those that it is compared with.
_surveys: LRUCache[Any, Any] = LRUCache(64)
_lock = Lock()


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


def survey(data: "DataSet", values: bool = False) -> Survey:
    """Index every episode of a set, broken ones too; what is kept has one width, that of most of them.

    A folder whose files have not changed since this process surveyed it is not opened again.

    Args:
        data: the set; where it names `joints`, these columns alone are taken for the robot (`ate.data.columns`).
        values: read every value of the source now; an episode that holds NaN is then among the broken ones.

    Raises:
        InputError: there is nothing to read at the path, or a field names something unknown.
    """
    known, path = profile(data.robot) if data.robot else None, Path(data.path).absolute()
    # What is next to a single file may belong to it, such as models.
    files = stamp(path) if path.is_dir() else ()
    key = (data, values, files, repr(known), tuple(available()))
    with _lock:
        held = _surveys.get(key)
    if held is None:
        held = _survey(data, values, known)
        if settled(files):
            with _lock:
                _surveys[key] = held
    return held


def _survey(data: "DataSet", values: bool, known: Profile | None) -> Survey:
    source = data.source
    if source not in SOURCES:
        raise InputError(repr(source), where="source", expected="'qpos' or 'action'", fix=nearest(source, SOURCES))
    path = Path(data.path)
    with remembering():
        reader, evidence = reader_of((*data.task_folders(), path)[0], data.layout)
        items = list(_items(data, reader, known))
    if not items:
        raise nothing(path, reader.EXPECTS if data.layout else "")
    groups: Groups = reader.groups(path) if hasattr(reader, "groups") else {}
    left = expanded(data.exclude, groups)
    check_exclude(data.path, left, [item.name for item in items], tuple(groups))
    left_out = {stem(name) for name in left}
    if data.joints:
        items = [_tried(item, lambda e: pick(e, source, data.joints, known)) for item in items]
    files, names = {item.path for item in items}, {item.name for item in items}
    items, moved = arranged(items, _folder_name(path), known)
    if data.joints:
        items = _ordered(items, source)
    items = as_declared(items, data, known, _folder_name(path))
    if values:
        items = [_tried(item, lambda e: _read_through(e, source)) for item in items]
    present = [item for item in items if stem(item.name) not in left_out]
    usable = [item for item in present if isinstance(item, Episode)]
    widths = [item.series[source].shape[1] for item in usable]
    width = max(set(widths), key=widths.count, default=0)
    odd = {i.name: _odd_width(i, source, width, usable) for i in usable if i.series[source].shape[1] != width}
    broken = tuple(i for i in (odd.get(item.name, item) for item in present) if isinstance(i, Broken))
    kept = tuple(item for item in usable if item.name not in odd)
    entries = tuple(_entry(item, source, left_out, odd) for item in items)
    unlisted = leftovers(path, reader.NAME, files, names)
    texts = (
        *notes(kept),
        moved,
        *_elsewhere(items),
        *_counted(reader, path),
        note(groups, {stem(item.name) for item in items} | {item.name for item in items}),
        unread(unlisted) if unlisted else "",
    )
    ledger = Ledger(reader.NAME, evidence, entries, tuple(text for text in texts if text), unlisted)
    return Survey(_episodes(kept, data, known, ledger) if kept else None, broken, ledger)


def _items(data: "DataSet", reader: Reader, known: Profile | None) -> Iterator[Episode | Broken]:
    """The episodes of a set; those of tasks in folders of their own are called after these."""
    path = Path(data.path)
    # Only tables without a header need names for their columns, and hold columns that are no joints.
    more = (known, data.joints) if reader.NAME == "csv" else ()
    folders = data.task_folders()
    if not folders:
        yield from reader.index(path, data.source, *more)
    for folder in folders:
        for item in reader.index(folder, data.source, *more):
            yield replace(item, name=f"{folder.name}/{item.name}")


def _elsewhere(items: Sequence[Episode | Broken]) -> Iterator[str]:
    """Episodes whose rows are in another file than the set's own list has them in."""
    for item in items:
        if isinstance(item, Episode) and item.attributes.get("listed_in"):
            yield f"{item.name} is listed in {item.attributes['listed_in']}; its rows were found in {item.path.name}."


def _counted(reader: Reader, path: Path) -> tuple[str, ...]:
    return tuple(reader.notes(path)) if hasattr(reader, "notes") else ()


def first_of(data: "DataSet") -> tuple[str, Episode] | None:
    """The layout of a set and its first usable episode; None where there is none."""
    path = Path(data.path)
    try:
        reader, _ = reader_of(path, data.layout)
        more = (None, data.joints) if reader.NAME == "csv" else ()
        return next(((reader.NAME, i) for i in reader.index(path, data.source, *more) if isinstance(i, Episode)), None)
    except InputError:
        # Reading the set itself reports it.
        return None


def _tried(item: Episode | Broken, step: Callable[[Episode], Episode]) -> Episode | Broken:
    """The episode after `step`; a broken one where the step refuses it."""
    if isinstance(item, Broken):
        return item
    try:
        return step(item)
    except InputError as error:
        return Broken(item.name, item.path, error)


def _read_through(item: Episode, source: str) -> Episode:
    item.read(source)
    return item


def _ordered(items: list[Episode | Broken], source: str) -> list[Episode | Broken]:
    """Refuse episodes whose columns are other joints than the first one's."""
    first = next((item.attributes[NAMED_BY[source]] for item in items if isinstance(item, Episode)), ())

    def as_first(item: Episode) -> Episode:
        names = item.attributes[NAMED_BY[source]]
        if names == first:
            return item
        got = f"joints {', '.join(names)}"
        expected, fix = f"{', '.join(first)}, as in the first episode", _leave_out(item)
        raise InputError(got, where=f"{item.path}, episode {item.name}, {source!r}", expected=expected, fix=fix)

    return [_tried(item, as_first) for item in items]


def _leave_out(item: Episode) -> str:
    return f"exclude {item.name}, or move it to a set of its own"


def stem(name: str) -> str:
    """An episode's name without the suffix of its file."""
    for suffix in (*SUFFIXES, ".json", ".parquet"):
        name = name.removesuffix(suffix)
    return name


def check_exclude(path: str | Path, exclude: Sequence[str], names: Sequence[str], groups: Sequence[str] = ()) -> None:
    """Refuse a name of an exclude list that is no episode and no group: a mistyped one would leave out nothing."""
    stems = {*(stem(name) for name in names), *groups}
    for name in exclude:
        if stem(name) not in stems:
            got, fix = repr(name), nearest(stem(name), stems)
            raise InputError(got, where=f"exclude list for {path}", expected="the name of an episode file", fix=fix)


def _odd_width(item: Episode, source: str, width: int, usable: Sequence[Episode]) -> Broken:
    same = sum(other.series[source].shape[1] == width for other in usable)
    error = InputError(
        f"{item.series[source].shape[1]} columns in {source!r}",
        where=str(item.path) if len({other.path for other in usable}) > 1 else f"{item.path}, episode {item.name}",
        expected=f"{width}, as in {same} of {len(usable)} episodes of this set",
        fix=_leave_out(item),
    )
    return Broken(item.name, item.path, error, "widths.differ")


def _entry(item: Episode | Broken, source: str, left_out: set[str], odd: dict[str, Broken]) -> Entry:
    excluded = stem(item.name) in left_out
    if isinstance(item, Broken):
        return Entry(str(item.path), item.name, None, None, False, "excluded" if excluded else str(item.error))
    reason = "excluded" if excluded else str(odd[item.name].error) if item.name in odd else ""
    width = item.series[source].shape[1]
    return Entry(str(item.path), item.name, len(item), width, not reason, reason, item.keys)


def _episodes(kept: tuple[Episode, ...], data: "DataSet", profile: Profile | None, ledger: Ledger) -> Episodes:
    first: dict[str, Any] = dict(kept[0].attributes)
    return Episodes(
        kept,
        data.source,
        first.get("robot") or (profile.name if profile else _folder_name(Path(data.path))),
        _joint_names(kept[0], data, profile),
        first.get("rate_hz"),
        first.get("task"),
        ledger,
        data.robot,
    )


def _folder_name(path: Path) -> str:
    """What a set is called whose files name no robot: its folder."""
    folder = path if path.is_dir() else path.parent
    return folder.parent.name if folder.name == "hdf5" else folder.name


def _joint_names(first: Episode, data: "DataSet", profile: Profile | None) -> tuple[str, ...]:
    """Names from the files, else from the profile, else `joint_0 …`."""
    names, width = first.column_names(data.source), first.series[data.source].shape[1]
    if len(set(names)) == width:
        return names
    if profile is None:
        return tuple(f"joint_{i}" for i in range(width))
    columns = columns_of(profile, width)
    if columns is None:
        raise InputError(
            f"{width} columns in {data.source!r}",
            where=data.path,
            expected=f"{len(profile.joint_names)}, the joints of profile {profile.name}: "
            f"{', '.join(profile.joint_names)}",
            fix="name the profile of the robot that was recorded",
        )
    return columns
