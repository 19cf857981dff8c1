"""Options: text of the command line, YAML and notebook parameters become typed values, or a clear message.

Every configuration of the package is read here, so that a mistyped name or value is refused in one way.
"""

import math
import types
from collections.abc import Mapping, Sequence
from dataclasses import fields
from functools import cache
from typing import Any, Union, get_args, get_origin, get_type_hints

from ate.errors import InputError, unknown

WORDS: Mapping[Any, str] = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}


def pairs(items: Sequence[str], where: str) -> dict[str, str]:
    """`("lam=2", "clamp=inf")` → `{"lam": "2", "clamp": "inf"}`.

    Raises:
        InputError: an item that is not NAME=VALUE.
    """
    values = {}
    for item in items:
        name, separator, text = item.partition("=")
        if not separator or not name.strip():
            raise InputError(repr(item), where=where, expected="NAME=VALUE", fix="write the name, =, and the value")
        values[name.strip()] = text
    return values


def names(text: str) -> tuple[str, ...]:
    """`"a, b"` → `("a", "b")`."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


@cache
def kinds_of(config: type) -> Mapping[str, Any]:
    """Types of a dataclass's fields by name, in their order."""
    hints = get_type_hints(config)
    return {field.name: hints[field.name] for field in fields(config)}


def typed(kinds: type | Mapping[str, Any], given: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The values by name, each of its type.

    Text becomes a number where a number is wanted; for a tuple, text is split at commas and a single value is a tuple
    of one. True is no number, 2.5 no whole number, and NaN nothing.

    Args:
        kinds: a dataclass, or types by name.
        given: values by name.
        where: for the message: the file, the option or the kind of parameter.

    Raises:
        InputError: an unknown name, with the nearest valid one, or a value of another type.
    """
    valid = kinds_of(kinds) if isinstance(kinds, type) else kinds
    values = {}
    for name, value in given.items():
        if name not in valid:
            raise unknown(str(name), valid, where=where)
        values[name] = convert(value, valid[name], f"{name} in {where}")
    return values


def convert(value: Any, kind: Any, where: str) -> Any:
    """One value of a type.

    Raises:
        InputError: it is of another type.
    """
    if get_origin(kind) in (Union, types.UnionType) and value is not None:
        # Of `float | None` the number: None is what leaving the option away means.
        kind = next(part for part in get_args(kind) if part is not type(None))
    if get_origin(kind) is tuple:
        items = names(value) if isinstance(value, str) else value if isinstance(value, (list, tuple)) else [value]
        return tuple(dict.fromkeys(convert(item, get_args(kind)[0], where) for item in items))
    if isinstance(value, bool) is not (kind is bool) and not isinstance(value, str) and kind in WORDS:
        raise _refused(value, kind, where)
    # Imported here: no module pays for pydantic that reads nothing.
    from pydantic import TypeAdapter, ValidationError

    try:
        result = TypeAdapter(kind).validate_python(value.strip() if isinstance(value, str) else value)
    except ValidationError as error:
        raise _refused(value, kind, where) from error
    if isinstance(result, float) and math.isnan(result):
        raise _refused(value, kind, where)
    return result


def _refused(value: Any, kind: Any, where: str) -> InputError:
    words = WORDS.get(kind, str(kind))
    return InputError(repr(value), where=where, expected=words, fix=f"give {words}")
