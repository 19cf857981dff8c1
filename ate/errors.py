"""One way to say no: what was found, where, what was expected, and the way out."""

import re
from collections.abc import Iterable
from difflib import get_close_matches

_FORM = re.compile(
    r"(?P<where>.*?): found (?P<found>.*?); expected (?P<expected>.*?)\. Way out: (?P<way_out>.*)\.", re.DOTALL
)


class InputError(ValueError):
    """Bad input from outside; its text is the whole message a user needs.

    Args:
        found: what was there.
        where: the file, dataset, joint or row, or the name of the option.
        expected: what would have been right.
        way_out: what the user can do now.
    """

    def __init__(self, found: str, *, where: str, expected: str, way_out: str) -> None:
        super().__init__(f"{where}: found {found}; expected {expected}. Way out: {way_out}.")
        self.found, self.where, self.expected, self.way_out = found, where, expected, way_out

    @classmethod
    def parse(cls, text: str) -> "InputError | None":
        """The error of such a message, say of one that crossed from a kernel as text; None for any other text."""
        found = _FORM.fullmatch(text)
        return None if found is None else cls(**found.groupdict())

    def __reduce__(self) -> tuple[object, ...]:
        """Errors cross from worker processes: rebuilt from the four parts, not from the message."""
        return _rebuild, (self.found, self.where, self.expected, self.way_out)


def _rebuild(found: str, where: str, expected: str, way_out: str) -> InputError:
    return InputError(found, where=where, expected=expected, way_out=way_out)


def nearest(name: str, valid: Iterable[str]) -> str:
    """A way-out text that names the closest valid name and lists them all."""
    names = sorted(valid)
    close = get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"{hint}valid names are {', '.join(names)}"


def unknown(name: str, valid: Iterable[str], *, where: str) -> InputError:
    """The error for a name that is not in a table, with the nearest valid one."""
    names = sorted(valid)
    return InputError(repr(name), where=where, expected="a known name", way_out=nearest(name, names))
