"""YAML files from outside: small, flat enough, without aliases, each field once."""

from pathlib import Path
from typing import Any

import yaml

from ate.errors import InputError

LARGEST = 64 * 1024
DEEPEST = 4


def read_mapping(path: Path) -> dict[str, Any]:
    """The file's top-level fields, after a look at its size and shape.

    Raises:
        InputError: no such file, no YAML, too large or deep, an alias, a field twice, or no mapping.
    """
    where = str(path)
    if not path.is_file():
        raise InputError("no such file", where=where, expected="a YAML file", fix="check the path")
    if path.stat().st_size > LARGEST:
        raise _not_flat(f"{path.stat().st_size} bytes", where)
    try:
        text = path.read_text(encoding="utf-8")
        _check_shape(text, where)
        content = yaml.safe_load(text)
    except InputError:
        raise
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise InputError(
            " ".join(str(error).split()), where=where, expected="one YAML document", fix="correct the file"
        ) from error
    if not isinstance(content, dict):
        raise _not_flat("nothing" if content is None else f"a {type(content).__name__}", where)
    return content


def _check_shape(text: str, where: str) -> None:
    """Refuse aliases, depth and fields that are there twice, on the stream of events, before anything is built."""
    depth, seen, is_key = 0, set(), True
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise _not_flat("an alias (*name)", where)
        if depth == 1 and isinstance(event, yaml.ScalarEvent) and is_key:
            if event.value in seen:
                raise InputError(
                    f"{event.value!r} twice", where=where, expected="each field once", fix="remove one of them"
                )
            seen.add(event.value)
        if depth == 1 and isinstance(event, (yaml.ScalarEvent, yaml.CollectionStartEvent)):
            is_key = not is_key
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise _not_flat(f"more than {DEEPEST} levels", where)


def _not_flat(found: str, where: str) -> InputError:
    return InputError(
        found,
        where=where,
        expected=f"a flat list of `field: value`, at most {LARGEST} bytes",
        fix="write every field and its value out",
    )
