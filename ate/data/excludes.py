"""Exclude lists: which episodes to leave out and why, written by the doctor or by clicking, honoured everywhere.

# episodes to leave out
episode_0003  # length: 9 steps, a chunk needs 16
panda/episode_0005  # clicked
"""

import re
from collections.abc import Mapping
from pathlib import Path

from ate.errors import InputError
from ate.runs.files import write_text

HEAD = "# episodes to leave out"
_LONGEST = 300
# How an error words it whose maker knows a file, and not what the episode in it is called.
_UNNAMED = re.compile(r"\bexclude (?:it|this (?:file|episode))\b")


def read(path: str | Path) -> dict[str, str]:
    """Names of the episodes of a list with the reasons, in their order; lists by hand need no first line.

    Raises:
        InputError: there is no such file, or it holds no names.
    """
    file = Path(path)
    if not file.is_file():
        fix = "write it with ate doctor --exclude-out, or give names separated by commas"
        raise InputError("no such file", where=str(file), expected="an exclude list, one episode a line", fix=fix)
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise _no_list(file, "bytes that are not text") from error
    parts = [line.partition("#") for line in lines]
    named = {name.strip(): reason.strip() for whole, _, reason in parts for name in whole.split(",") if name.strip()}
    if not lines or lines[0].strip() != HEAD:
        # By hand: names alone, which have no blanks. Prose and tables are something else.
        odd = next((name for name in named if len(name.split()) > 1 or len(name) > _LONGEST or "\0" in name), None)
        if odd is not None or not named:
            raise _no_list(file, f"a line {odd[:40]!r}" if odd is not None else "no name of an episode")
    return named


def names(given: str) -> tuple[str, ...]:
    """The episodes to leave out, from the path of a list or from names separated by commas.

    Raises:
        InputError: a path that ends with `.txt` is not an exclude list.
    """
    # A comma is no part of a list's name; of many names, the system would refuse the length.
    if given.endswith(".txt") or ("," not in given and Path(given).is_file()):
        return tuple(read(given))
    return tuple(name.strip() for name in given.split(",") if name.strip())


def write(path: str | Path, names: Mapping[str, str]) -> Path:
    """Write a list atomically; an earlier list at that place is replaced, anything else is left alone.

    Args:
        path: the file.
        names: episodes with the reason for each.

    Raises:
        InputError: the file exists and is not an exclude list.
    """
    file = Path(path)
    first = _first_line(file) if file.exists() else HEAD
    if first.strip() != HEAD:
        got = f"a first line {first[:40]!r}" if first else "an empty file"
        expected = f"no file, or an exclude list, which begins with {HEAD!r}"
        fix = "name another file; nothing was overwritten"
        raise InputError(got, where=str(file), expected=expected, fix=fix)
    body = (f"{name}  # {' '.join(reason.split())}" if reason else name for name, reason in names.items())
    write_text(file, "\n".join([HEAD, *body, ""]))
    return file


def _first_line(file: Path) -> str:
    """Only files that `write` wrote are replaced."""
    with file.open("rb") as stream:
        return stream.readline(200).decode("utf-8", "replace").rstrip("\r\n")


def naming(error: InputError, name: str) -> InputError:
    """The same error, whose way out says which episode to exclude where its maker knew no name of it."""
    fix = _UNNAMED.sub(f"exclude {name!r}" if " " in name else f"exclude {name}", error.fix)
    if fix == error.fix:
        return error
    named = InputError(error.got, where=error.where, expected=error.expected, fix=fix)
    named.__cause__ = error
    return named


def _no_list(file: Path, got: str) -> InputError:
    fix = "write the name of one episode a line, or give names separated by commas"
    return InputError(got, where=str(file), expected="an exclude list, one episode a line", fix=fix)
