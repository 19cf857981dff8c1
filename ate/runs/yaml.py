"""YAML files from outside: one small mapping, without aliases, each field once."""

from pathlib import Path
from typing import Any

import yaml

from ate.errors import InputError

LARGEST = 64 * 1024


class _Loader(yaml.SafeLoader):
    """Refuses aliases, which can make a small file huge, and fields that are there twice."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError(f"an alias (*{self.peek_event().anchor})")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        names = [key.value for key, _ in node.value]
        for name in names:
            if names.count(name) > 1:
                raise yaml.YAMLError(f"{name!r} twice")
        return super().construct_mapping(node, deep)


def read_mapping(path: Path) -> dict[str, Any]:
    """The file's top-level fields.

    Raises:
        InputError: no such file, no YAML, too large, an alias, a field twice, or no mapping.
    """
    if not path.is_file():
        raise InputError("no such file", where=str(path), expected="a YAML file", fix="check the path")
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError(f"{path.stat().st_size} bytes")
        content = yaml.load(path.read_text(encoding="utf-8"), _Loader)
        if not isinstance(content, dict):
            raise ValueError("nothing" if content is None else f"a {type(content).__name__}")
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        got, expected = " ".join(str(error).split()), f"one YAML document of `field: value`, at most {LARGEST} bytes"
        fix = "correct the file; write every field once, with its value"
        raise InputError(got, where=str(path), expected=expected, fix=fix) from error
    return content
