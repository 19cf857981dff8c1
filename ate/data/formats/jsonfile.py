"""JSON that others wrote: read with a limit on size and depth, and every failure named."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ate.data.formats.layout import small_text
from ate.errors import InputError

# Metadata of real sets are some megabytes, a line of them some kilobytes.
MOST_BYTES, MOST_CHARACTERS = 64 * 2**20, 2**20


def parse(source: str, where: str) -> Any:
    """What a JSON text says.

    Raises:
        InputError: it is not JSON, or is nested too deeply to be read.
    """
    try:
        return json.loads(source)
    except (ValueError, RecursionError) as error:
        what = "brackets nested without end" if isinstance(error, RecursionError) else f"no JSON ({error})"
        raise _unreadable(what, where) from error


def read_value(file: Path) -> Any:
    """What is in a JSON file.

    Raises:
        InputError: the file is missing, unreadable, too large or no JSON.
    """
    return parse(small_text(file, MOST_BYTES, _unreadable), str(file))


def read_object(file: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        InputError: as `read_value`, or it is no object.
    """
    return _object(read_value(file), str(file))


def read_lines(file: Path) -> Iterator[dict[str, Any]]:
    """The objects of a file with one JSON object a line.

    Raises:
        InputError: as `read_object`, with the line.
    """
    try:
        with file.open(encoding="utf-8") as stream:
            number = 0
            while line := stream.readline(MOST_CHARACTERS + 1):
                number += 1
                where = f"{file}, line {number}"
                if len(line) > MOST_CHARACTERS:
                    raise _unreadable("a line without end", where)
                if line.strip():
                    yield _object(parse(line, where), where)
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(f"a file that cannot be read ({error})", str(file)) from error


def _object(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _unreadable(f"a {type(value).__name__}", where)
    return value


def _unreadable(got: str, where: str) -> InputError:
    return InputError(got, where=where, expected="a JSON object", fix="restore the file from the original set")
