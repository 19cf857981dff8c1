"""Sites: every place in `ate` that makes an error with a way out, and which place made an error."""

import ast
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

import ate
from ate.errors import InputError

ROOT = Path(ate.__file__).parent
# Functions that hand on a fix which their callers word; the callers are the sites.
FORWARDERS = {
    ("errors.py", "_rebuild"), ("data/excludes.py", "naming"), ("runs/failure.py", "NotebookFailure.of"),
    ("sim/gym_process.py", "GymProcess._error"), ("steer/attachment.py", "_refuse_given"), ("robots/toml.py", "_bad"),
    ("robots/model_text.py", "_wrong"),
}  # fmt: skip


@dataclass(frozen=True)
class Site:
    """A call with `fix=`: file below `ate`, function, which of that function's calls, and its lines."""

    file: str
    function: str
    number: int
    first: int
    last: int

    @property
    def name(self) -> str:
        """`file function`, with `#n` from the second call of a function on."""
        return f"{self.file} {self.function}" + (f"#{self.number}" if self.number > 1 else "")


Scope = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def _of_module(file: Path) -> Iterator[Site]:
    name, counts = str(file.relative_to(ROOT)), dict[str, int]()

    def inside(node: ast.AST, path: tuple[str, ...]) -> Iterator[Site]:
        """The sites below a node; `path` names the classes and functions around it."""
        for child in ast.iter_child_nodes(node):
            below = (*path, child.name) if isinstance(child, Scope) else path
            where = ".".join(below)
            if isinstance(child, ast.Call) and (name, where) not in FORWARDERS and not _is_replace(child):
                for _ in (keyword for keyword in child.keywords if keyword.arg == "fix"):
                    counts[where] = counts.get(where, 0) + 1
                    yield Site(name, where, counts[where], child.lineno, child.end_lineno or 0)
            yield from inside(child, below)

    yield from inside(ast.parse(file.read_text()), ())


def _is_replace(call: ast.Call) -> bool:
    """A finding that is made of another one by `dataclasses.replace`: no error."""
    return isinstance(call.func, ast.Name) and call.func.id == "replace"


@cache
def sites() -> dict[str, Site]:
    """Every site by its name."""
    return {site.name: site for file in sorted(ROOT.rglob("*.py")) for site in _of_module(file)}


@cache
def _by_path() -> dict[str, list[Site]]:
    """The sites of each file, by its path as frames name it."""
    files: dict[str, list[Site]] = {}
    for site in sites().values():
        files.setdefault(str(ROOT / site.file), []).append(site)
    return files


@contextmanager
def recorded(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[int, tuple[InputError, set[str]]]]:
    """While it lasts: identity of each error → it and the sites whose calls made it, a forwarder's callers included."""
    made: dict[int, tuple[InputError, set[str]]] = {}
    whole = InputError.__init__
    by_file = _by_path()

    def remembering(self: InputError, *args: str, **named: str) -> None:
        """Make the error, and keep the sites among the calls that led to it."""
        whole(self, *args, **named)
        frame = sys._getframe(1)
        for _ in range(4):
            here = by_file.get(frame.f_code.co_filename, [])
            made.setdefault(id(self), (self, set()))[1].update(
                s.name for s in here if s.first <= frame.f_lineno <= s.last
            )
            if frame.f_back is None:
                break
            frame = frame.f_back

    with monkeypatch.context() as patch:
        patch.setattr(InputError, "__init__", remembering)
        yield made
