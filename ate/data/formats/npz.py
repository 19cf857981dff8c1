"""npz: one archive an episode, or one of many: `episode_ends` (the row after the last of each), the number of each
row's episode (`traj_id`, `episode_index`), or flags at last rows (`terminals`, `timeouts`, `dones`).
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np

from ate.data.clock import Clock, is_clock
from ate.data.episodes import Episode
from ate.data.formats import archive
from ate.data.formats.archive import Header, Rows
from ate.data.formats.companions import pair
from ate.data.formats.episode_ends import LENGTHS, OUTCOMES, Part, named, of_arrays, outcomes
from ate.data.formats.layout import Broken, check_matrix, counted, each_file, known, listed, rate, texts, timed
from ate.data.ledger import Keys
from ate.data.series import Series
from ate.errors import InputError

NAME = "npz"
EXPECTS = "npz archives with an array 'qpos' of shape (n_steps, dof)"
SUFFIXES = (".npz",)
# Names under which joint positions are kept, the first that is there counts.
_QPOS = ("qpos", "observations/qpos", "joint_positions", "state")
_ACTION = ("action", "actions")
_COMPANIONS = ("state", "ee_pose", "phase")
_ENDS = "episode_ends"
_DESCRIBING = ("robot", "task", "units", "rate_hz", "fps", "joint_names", "action_names", "state_names", "phase_names")
_MOST_EPISODES = 10**7


def looks(path: Path) -> str | None:
    """What makes this the npz layout, or None."""
    return counted(path, SUFFIXES, NAME)


def index(path: Path, source: str) -> Iterator[Episode | Broken]:
    """Every episode of every archive: only headers, names and `episode_ends` are read."""
    many = len(listed(path, SUFFIXES)) > 1
    return each_file(path, SUFFIXES, lambda file: _episodes(file, source, many))


def _episodes(file: Path, source: str, many: bool) -> Iterator[Episode]:
    with archive.opened(file) as handle:
        headers = archive.headers(handle, file)
        qpos = next((key for key in _QPOS if key in headers), None)
        if qpos is None:
            got = f"arrays {', '.join(sorted(headers))[:500] or 'none'}"
            fix = "save them as 'qpos', one row a step and one column a joint"
            raise InputError(got, where=str(file), expected=f"joint positions under one of {', '.join(_QPOS)}", fix=fix)
        action = next((key for key in _ACTION if key in headers), None)
        wanted = {"qpos": qpos, "action": action, **{k: k for k in _COMPANIONS if k in headers and k != qpos}}
        where = f"{file}, array {qpos!r}"
        if headers[qpos].dtype.hasobject:
            got = "an array of Python objects, as ragged episodes become"
            fix = "save one archive an episode, or all rows in one array with 'episode_ends'"
            raise InputError(got, where=where, expected="numbers of shape (n_steps, dof)", fix=fix)
        if len(headers[qpos].shape) == 3:
            raise _padded(headers, qpos, where)
        check_matrix(headers[qpos].shape, headers[qpos].dtype, where)
        attributes = _attributes(handle, headers, file)
        parts, telling = _parts(handle, headers, headers[qpos].shape[0], file)
        done, marking = _outcomes(handle, headers, parts, headers[qpos].shape[0], file)
    prefix = f"{file.stem}_" if many else ""
    for number, part in enumerate(parts):
        alone = len(parts) == 1 and _ENDS not in headers
        name = file.stem if alone else f"{prefix}{named(part, number)}"
        span = None if alone else (part.start, part.stop)
        own = {**attributes, "success": done[number]} if done else attributes
        yield _episode(file, name, headers, wanted, source, own, span, (*telling, *marking))


def _episode(
    file: Path, name: str, headers: dict[str, Header], wanted: dict[str, str | None], source: str,
    attributes: dict[str, Any], part: tuple[int, int] | None, telling: tuple[str, ...],
) -> Episode:  # fmt: skip
    total = headers[wanted["qpos"] or ""].shape[0]
    companions: dict[str, Series | str | None] = {}
    for role, key in wanted.items():
        companions[role] = None if key is None else _series(file, key, headers[key], role == "phase", total, part)
    qpos = companions.pop("qpos")
    # Checked before: joint positions are a matrix.
    series = {"qpos": qpos} if isinstance(qpos, Series) else {}
    left = pair(series, companions, source, f"{file}, episode {name}")
    used = [key for role, key in wanted.items() if role in series and key]
    described = [key for key in (*_DESCRIBING, _ENDS, *telling) if key in headers]
    left += [key for key in headers if key not in (*used, *described, *(k for k in wanted.values() if k))]
    missing = () if wanted["action"] else ("action",)
    clock = _clock(file, headers, total, part)
    if clock is not None:
        left.remove(clock.name)
    keys = Keys((*used, *described, *([clock.label] if clock else ())), missing, tuple(left))
    return Episode(name, file, series, {**attributes, **timed(clock, attributes)}, keys, clock=clock)


def _clock(file: Path, headers: dict[str, Header], total: int, part: tuple[int, int] | None) -> Clock | None:
    """The array that is called like a clock and has a number for each row."""
    for key, header in headers.items():
        if is_clock(key) and header.shape in ((total,), (total, 1)) and header.dtype.kind in "fiu":
            start, stop = part or (0, total)
            rows = Rows(file, header, start)
            return Clock(key, Series((stop - start, *header.shape[1:]), f"{file}, array {key!r}", rows, exact=True))
    return None


def _series(
    file: Path, key: str, header: Header, exact: bool, total: int, part: tuple[int, int] | None
) -> Series | str:
    wide = len(header.shape) == (1 if exact else 2)
    if not wide or 0 in header.shape or header.dtype.kind not in "fiu" or (exact and header.dtype.kind == "f"):
        return f"shape {header.shape} of type {header.dtype}"
    if header.shape[0] != total:
        return f"shape {header.shape}, qpos has {total} rows"
    start, stop = part or (0, total)
    return Series((stop - start, *header.shape[1:]), f"{file}, array {key!r}", Rows(file, header, start), exact)


def _parts(handle: ZipFile, headers: dict[str, Header], rows: int, file: Path) -> tuple[list[Part], tuple[str, ...]]:
    """The episodes of an archive, and the arrays that tell them apart."""
    if _ENDS in headers:
        ends = _ends(handle, headers, rows, file)
        return [Part(start, stop) for start, stop in pairwise([0, *ends])], (_ENDS,)

    def read(key: str) -> np.ndarray:
        return archive.values(handle, headers[key], file)

    shapes = {key: header.shape for key, header in headers.items() if header.dtype.kind in "biufUS"}
    return of_arrays(shapes, read, rows, str(file))


def _outcomes(
    handle: ZipFile, headers: dict[str, Header], parts: Sequence[Part], rows: int, file: Path
) -> tuple[list[bool], tuple[str, ...]]:
    """Whether the task was done in each episode, and the array that says so; nothing where none does."""
    key = next((k for k in OUTCOMES if k in headers and headers[k].bytes <= rows * 8), None)
    if key is None or headers[key].dtype.kind not in "biuf":
        return [], ()
    done = outcomes(archive.values(handle, headers[key], file), [(part.start, part.stop) for part in parts], rows)
    return done, (key,) if done else ()


def _ends(handle: ZipFile, headers: dict[str, Header], rows: int, file: Path) -> list[int]:
    header = headers[_ENDS]
    usable = len(header.shape) == 1 and header.dtype.kind in "iu" and 0 < header.shape[0] <= _MOST_EPISODES
    values = archive.values(handle, header, file).astype(np.int64) if usable else np.empty(0, np.int64)
    if not usable or (np.diff(values, prepend=0) <= 0).any() or values[-1] != rows:
        last = f", the last {values[-1]}" if len(values) else ""
        raise InputError(
            f"shape {header.shape} of type {header.dtype}{last}",
            where=f"{file}, array {_ENDS!r}",
            expected=f"rising row numbers, the last {rows}, the rows of qpos",
            fix="write the row after the last of each episode",
        )
    return values.tolist()


def _padded(headers: dict[str, Header], qpos: str, where: str) -> InputError:
    """The error for episodes side by side `(episodes, time, joints)`: which rows are filled in, only lengths tell."""
    count, steps, _ = shape = headers[qpos].shape
    key = next((k for k in LENGTHS if k in headers and headers[k].shape == (count,)), None)
    also = next((k for k in _ACTION if k in headers and headers[k].shape[:2] == (count, steps)), None)
    parts = [f"{to}=np.concatenate([x[:n] for x, n in zip(d[{k!r}], n_rows)])"
             for to, k in (("qpos", qpos), ("action", also)) if k]  # fmt: skip
    rows = f"d[{key!r}]" if key else f"[{steps}] * {count}"
    return InputError(
        f"shape {shape}: {count} episodes of {steps} rows side by side",
        where=where,
        expected="numbers of shape (n_steps, dof)",
        fix=f"import numpy as np; d = np.load('IN.npz'); n_rows = {rows}; "
        f"np.savez('OUT.npz', episode_lengths=n_rows, {', '.join(parts)})"
        + ("" if key else " (put the real length of each episode where rows were filled in)"),
    )


def _attributes(handle: ZipFile, headers: dict[str, Header], file: Path) -> dict[str, Any]:
    arrays: dict[str, np.ndarray] = {}
    for key in _DESCRIBING:
        header = headers.get(key)
        # Names and numbers are short; anything else under these keys is not what they mean.
        if header is not None and header.dtype.kind in "UfiuS" and header.bytes <= 2**20 and header.bytes:
            arrays[key] = archive.values(handle, header, file)
    described = {k: str(v.ravel()[0]) for k, v in arrays.items() if k in ("robot", "task")}
    # A unit a column comes as an array.
    described |= {k: ", ".join(texts(v if v.ndim else str(v))) for k, v in arrays.items() if k == "units"}
    named = {k: texts(v if v.ndim else str(v)) for k, v in arrays.items() if k.endswith("_names")}
    hertz = rate({k: v.ravel()[0] for k, v in arrays.items() if k in ("rate_hz", "fps")})
    return known(**described, **named, rate_hz=hertz)
