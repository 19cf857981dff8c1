"""Reads a profile from TOML; every bad value is one message that names the file and the joint."""

import tomllib
from collections import Counter
from dataclasses import fields
from pathlib import Path
from typing import Any

from ate.errors import InputError, nearest
from ate.robots.profile import ARMS, PARTS, UNITS, Joint, Profile

# A profile is a page of text; anything larger is some other file.
LARGEST = 1_000_000
LIMIT = 1e12
TEXTS = {"name", "arm", "part", "unit", "title", "source", "model", "tool"}
POSES = ("base", "turn")
CHOICES: dict[str, tuple[str, ...]] = {"arm": ARMS, "part": PARTS, "unit": UNITS}


def read(path: Path) -> Profile:
    """The profile in a TOML file.

    Raises:
        InputError: the file cannot be read, a field is unknown or missing, or a value cannot be right.
    """
    tree = _tree(path)
    where = str(path)
    _refuse_unknown(tree, [field.name for field in fields(Profile)], where)
    named = [field.name for field in fields(Profile) if field.name in TEXTS]
    texts = {key: _text(tree.get(key, path.stem if key == "name" else ""), key, where) for key in named}
    rows = tree.get("joints")
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise _bad(rows, where, "joints", "a list of tables, one a column")
    counts: Counter[tuple[str, str]] = Counter()
    joints = tuple(_joint(row, number, where, counts) for number, row in enumerate(rows))
    _refuse_clashes(joints, where)
    rate = tree.get("rate_hz")
    if rate is not None and not (_number(rate, "rate_hz", where) > 0):
        raise _bad(rate, where, "rate_hz", "steps a second above 0")
    if texts["model"]:
        # Relative to the profile, wherever that is read from.
        texts["model"] = str(path.parent / Path(texts["model"]).expanduser())
    elif texts["tool"] or any(name in tree for name in POSES):
        raise _bad("no model", where, "model", "the file of the robot's kinematics next to tool, base or turn")
    base, turn = (_pose(tree.get(name), name, where) for name in POSES)
    return Profile(rate_hz=None if rate is None else float(rate), joints=joints, base=base, turn=turn, **texts)


def _pose(value: Any, key: str, where: str) -> tuple[float, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) != 6:
        raise _bad(value, where, key, "six numbers: x y z in metres, roll pitch yaw in radians")
    return tuple(_number(number, key, where) for number in value)


def _tree(path: Path) -> dict[str, Any]:
    try:
        # A pipe or a device would be read without end.
        size = path.stat().st_size if path.is_file() else None
        if size is None or size > LARGEST:
            got = "no such file" if size is None else f"{size} bytes"
            raise InputError(got, where=str(path), expected=f"a profile of at most {LARGEST} bytes",
                             fix="give the path of a profile in TOML, or the name of one")  # fmt: skip
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except InputError:
        raise
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(
            f"{type(error).__name__}: {error}",
            where=str(path),
            expected="a profile in TOML",
            fix="repair the file, or copy a built-in profile and edit it",
        ) from error


def _joint(row: dict[str, Any], number: int, where: str, counts: Counter[tuple[str, str]]) -> Joint:
    where = f"{where}, joint {row.get('name', number)!r}"
    _refuse_unknown(row, [field.name for field in fields(Joint)], where)
    if "name" not in row:
        raise _bad("no name", where, "name", "the name of the column")
    values = {key: _value(key, value, where) for key, value in row.items()}
    if values.get("part") in ("base", "other"):
        values.setdefault("arm", "none")
    if values.get("part") == "gripper":
        values.setdefault("unit", "fraction")
        if values["unit"] in ("fraction", "percent"):
            values = {"low": 0.0, "high": 1.0, **values}
    group = (values.get("arm", "right"), values.get("part", "arm"))
    values.setdefault("index", counts[group])
    counts[group] += 1
    joint = Joint(**values)
    _refuse_nonsense(joint, where)
    return joint


def _value(key: str, value: Any, where: str) -> Any:
    if key in TEXTS:
        text = _text(value, key, where)
        if key in CHOICES and text not in CHOICES[key]:
            raise _bad(value, where, key, "a known value", nearest(text, CHOICES[key]))
        if key == "name" and not text.strip():
            raise _bad(value, where, key, "a name")
        return text
    if key == "aliases":
        if not isinstance(value, list):
            raise _bad(value, where, key, "a list of names")
        return tuple(_text(item, key, where) for item in value)
    if key == "optional":
        if not isinstance(value, bool):
            raise _bad(value, where, key, "true or false")
        return value
    number = _number(value, key, where)
    if key == "index" and (not isinstance(value, int) or not 0 <= value < 1000):
        raise _bad(value, where, key, "a whole number from 0")
    if key == "sign" and value not in (1, -1):
        raise _bad(value, where, key, "1 or -1")
    if key in ("ticks_per_turn", "max_speed") and number <= 0:
        raise _bad(value, where, key, "a number above 0")
    return int(value) if key in ("index", "sign") else number


def _refuse_nonsense(joint: Joint, where: str) -> None:
    if (joint.closed is None) != (joint.open is None) or (joint.closed is not None and joint.closed == joint.open):
        raise _bad(f"closed = {joint.closed} and open = {joint.open}", where, "closed, open", "two different numbers")
    if joint.closed is not None and joint.part != "gripper":
        raise _bad(f"closed in part {joint.part!r}", where, "closed", "closed and open of grippers only")
    if joint.closed is not None and (joint.zero, joint.sign) != (0.0, 1):
        expected = "closed and open alone, which give zero and sign"
        raise _bad("closed and open together with zero or sign", where, "zero, sign", expected)
    for part, ends, both in (
        ("gripper", (joint.command_closed, joint.command_open), "command_closed, command_open"),
        ("arm", (joint.at_minus_100, joint.at_100), "at_minus_100, at_100"),
    ):
        if (ends[0] is None) != (ends[1] is None) or (ends[0] is not None and ends[0] == ends[1]):
            raise _bad(f"{ends[0]} and {ends[1]}", where, both, "two different numbers")
        if ends[0] is not None and joint.part != part:
            raise _bad(f"these in part {joint.part!r}", where, both, f"them in part {part!r} only")
    if (joint.unit == "range") != (joint.at_minus_100 is not None):
        expected = "unit = 'range' with at_minus_100 and at_100, the positions in rad at -100 and 100 per cent"
        raise _bad(f"unit = {joint.unit!r}", where, "at_minus_100, at_100", expected)
    if joint.unit == "ticks" and joint.ticks_per_turn is None and joint.closed is None:
        raise _bad("unit = 'ticks'", where, "ticks_per_turn", "how many ticks make a turn")
    if joint.unit != "ticks" and joint.ticks_per_turn is not None:
        raise _bad(f"unit = {joint.unit!r}", where, "ticks_per_turn", "unit = 'ticks' with ticks_per_turn")
    if joint.low is not None and joint.high is not None and joint.low >= joint.high:
        raise _bad(f"low = {joint.low:g} and high = {joint.high:g}", where, "low, high", "low below high")
    if joint.part in ("arm", "gripper") and joint.arm == "none":
        raise _bad("arm = 'none'", where, "arm", "'right' or 'left' for an arm or gripper; one arm alone is 'right'")


def _refuse_clashes(joints: tuple[Joint, ...], where: str) -> None:
    names = Counter(name.strip().casefold() for joint in joints for name in {joint.name, *joint.aliases})
    twice = [name for name, count in names.items() if count > 1]
    if twice:
        raise _bad(f"{', '.join(map(repr, twice))} twice", where, "name, aliases", "every name and alias once")
    places = Counter((joint.arm, joint.part, joint.index) for joint in joints if not joint.optional)
    for joint in joints:
        if not joint.optional and places[joint.arm, joint.part, joint.index] > 1:
            raise _bad(f"index {joint.index} twice in {joint.arm} {joint.part}", f"{where}, joint {joint.name!r}",
                       "index", "a place of its own for every joint that is not optional")  # fmt: skip
    if not places:
        raise _bad("optional joints only", where, "joints", "at least one joint that is not optional")


def _refuse_unknown(tree: dict[str, Any], valid: list[str], where: str) -> None:
    for key in tree:
        if key not in valid:
            raise _bad(f"field {key!r}", where, "fields", "known fields", nearest(key, valid))


def _text(value: Any, key: str, where: str) -> str:
    if not isinstance(value, str):
        raise _bad(value, where, key, "text in quotes")
    return value


def _number(value: Any, key: str, where: str) -> float:
    # Compared first: TOML's whole numbers may be longer than a float holds. NaN is never smaller.
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < LIMIT:
        raise _bad(repr(value)[:40] if not isinstance(value, int) else "a long whole number", where, key,
                   f"a number below {LIMIT:g}")  # fmt: skip
    return float(value)


def _bad(got: Any, where: str, key: str, expected: str, fix: str | None = None) -> InputError:
    text = got if isinstance(got, str) else repr(got)
    return InputError(text[:200], where=f"{where}, {key}", expected=expected, fix=fix or f"correct {key}")
