"""Errors of bad input: what was got, where, what was expected, and the fix."""

import re
from collections.abc import Iterable
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from types import ModuleType

_CLONE = Path(__file__).resolve().parents[1]

_FORM = re.compile(r"(?P<where>.*?): got (?P<got>.*?); expected (?P<expected>.*?)\. Fix: (?P<fix>.*)\.", re.DOTALL)


class InputError(ValueError):
    """Bad input from outside; its text is the whole message a user needs.

    Args:
        got: what was there.
        where: the file, dataset, joint or row, or the name of the option.
        expected: what would have been right.
        fix: what the user can do now.
    """

    def __init__(self, got: str, *, where: str, expected: str, fix: str) -> None:
        super().__init__(f"{where}: got {got}; expected {expected}. Fix: {fix}.")
        self.got, self.where, self.expected, self.fix = got, where, expected, fix

    @classmethod
    def parse(cls, text: str) -> "InputError | None":
        """The error of such a message, say of one that crossed from a kernel as text; None for any other text."""
        match = _FORM.fullmatch(text)
        return None if match is None else cls(**match.groupdict())

    def __reduce__(self) -> tuple[object, ...]:
        """Errors cross from worker processes: rebuilt from the four parts, not from the message."""
        return _rebuild, (self.got, self.where, self.expected, self.fix)


def _rebuild(got: str, where: str, expected: str, fix: str) -> InputError:
    return InputError(got, where=where, expected=expected, fix=fix)


def nearest(name: str, valid: Iterable[str]) -> str:
    """A fix that names the closest valid name and lists them all."""
    names = sorted(valid)
    close = get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"{hint}valid names are {', '.join(names)}"


def unknown(name: str, valid: Iterable[str], *, where: str) -> InputError:
    """The error for a name that is not in a table, with the nearest valid one."""
    names = sorted(valid)
    return InputError(repr(name), where=where, expected="a known name", fix=nearest(name, names))


def install(extra: str) -> str:
    """The command that installs an extra of this package from its clone; no index has the package.

    Args:
        extra: its name in pyproject.toml, e.g. `"video"`.
    """
    if (_CLONE / "pyproject.toml").is_file():
        return f"pip install -e '{_CLONE}[{extra}]'"
    return f"pip install -e '.[{extra}]' in a clone of the workbench"


def library(module: str, extra: str, *, where: str, use: str) -> ModuleType:
    """A module of a package that not every installation has.

    Args:
        module: its name, e.g. `"pyarrow.parquet"`.
        extra: what brings it, as `install`.
        where: what asks for it.
        use: what it does, e.g. `"reads parquet"`.

    Raises:
        InputError: it is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise InputError(
            f"no {package}", where=where, expected=f"{package}, which {use}", fix=install(extra)
        ) from error
