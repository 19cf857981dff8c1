"""Sites: every place in `ate` that makes an error with a way out, what kind it is, and which place made an error."""

import ast
import re
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
# Kinds in the order in which they are looked for; a text that is none of them is plain advice.
KINDS = {
    "command": r"(?<![\w/.])ate [a-z]+ ?(?=-|\{|[A-Z]|'|on |with |it|again|$)|(?<![\w-])--[a-z]|pip install|\bhf |"
    r"torchrun|lerobot-|python -[mc]|`xacro|ate align|ate convert|ate serve|ate identify|ate sweep|ate watch",
    "parameter": r"(?<![\w'])[a-z_]+=(?!=)|download=true|did you mean|\bset [a-z_]+\b(?= to|$)|ATE_DEVICE|resume",
    "code": r"\w\(|ate\.[a-z]+\.|Goals\.of|guided\.|\.to_parquet|np\.savez",
    "files": r"\bexclude (?!list)|\bremove |\bdelete |\brename |\bcopy |another (folder|file|one|name)\b|"
    r"\bshorten the exclude list|\bleave .* (away|out)\b|\bcopy the|fetch the file|restore the",
}
# Functions that hand on a fix which their callers word; the callers are the sites.
FORWARDERS = {
    ("errors.py", "_rebuild"), ("data/excludes.py", "naming"), ("runs/failure.py", "NotebookFailure.of"),
    ("sim/gym_process.py", "GymProcess._error"), ("steer/attachment.py", "_refuse_given"), ("robots/toml.py", "_bad"),
    ("robots/model_text.py", "_wrong"),
}  # fmt: skip


@dataclass(frozen=True)
class Site:
    """A call with `fix=`: file below `ate`, function, which of that function's calls, its lines, and the text."""

    file: str
    function: str
    number: int
    first: int
    last: int
    text: str

    @property
    def name(self) -> str:
        """`file function`, with `#n` from the second call of a function on."""
        return f"{self.file} {self.function}" + (f"#{self.number}" if self.number > 1 else "")

    @property
    def kind(self) -> str:
        """One of `KINDS`, or "advice"."""
        return next((kind for kind, pattern in KINDS.items() if re.search(pattern, self.text)), "advice")


Scope = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def _text(node: ast.AST | None, function: ast.AST, module: ast.Module, depth: int = 0) -> str:
    """What an expression may come to as text: all branches, names followed to what was assigned, `{}` for the rest."""
    follow = lambda part: _text(part, function, module, depth + 1)  # noqa: E731
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(
            follow(v) if isinstance(v, ast.Constant) else follow(v.value) if _named(v) else "{}" for v in node.values
        )  # type: ignore[attr-defined]
    if isinstance(node, ast.BinOp):
        return follow(node.left) + follow(node.right)
    if isinstance(node, ast.IfExp):
        return f"{follow(node.body)} | {follow(node.orelse)}"
    if isinstance(node, ast.BoolOp):
        return " | ".join(follow(value) for value in node.values)
    if isinstance(node, ast.Name) and depth < 6:
        held = [*_assigned(node.id, function), *_assigned(node.id, module, deep=False)]
        return " | ".join(dict.fromkeys(follow(value) for value in held)) or "{}"
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and depth < 6:
        if node.func.id == "nearest":
            return "did you mean"
        own = next((n for n in module.body if isinstance(n, ast.FunctionDef) and n.name == node.func.id), None)
        returns = [n.value for n in ast.walk(own) if isinstance(n, ast.Return)] if own is not None else []
        return " | ".join(_text(value, own or module, module, depth + 1) for value in returns) or "{}"
    return "{}"


def _named(value: ast.AST) -> bool:
    return isinstance(value, ast.FormattedValue) and isinstance(value.value, ast.Name)


def _assigned(name: str, scope: ast.AST, deep: bool = True) -> Iterator[ast.AST]:
    for node in ast.walk(scope) if deep else getattr(scope, "body", []):
        if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name) and node.target.id == name:
            yield node.value
        if not isinstance(node, ast.Assign):
            continue
        for target in node.targets:
            if isinstance(target, ast.Name) and target.id == name:
                yield node.value
            if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                for part, value in zip(target.elts, node.value.elts, strict=True):
                    if isinstance(part, ast.Name) and part.id == name:
                        yield value


def _of_module(file: Path) -> Iterator[Site]:
    module, name = ast.parse(file.read_text()), str(file.relative_to(ROOT))

    def inside(node: ast.AST, path: tuple[str, ...], function: ast.AST, counts: dict[str, int]) -> Iterator[Site]:
        for child in ast.iter_child_nodes(node):
            own = isinstance(child, Scope)
            below = (*path, child.name) if own else path
            holder = child if own and not isinstance(child, ast.ClassDef) else function
            if isinstance(child, ast.Call):
                for keyword in child.keywords:
                    where = ".".join(below)
                    if keyword.arg == "fix" and (name, where) not in FORWARDERS and not _is_replace(child):
                        counts[where] = counts.get(where, 0) + 1
                        text = _text(keyword.value, holder, module)
                        yield Site(name, where, counts[where], child.lineno, child.end_lineno or 0, text)
            yield from inside(child, below, holder, counts)

    yield from inside(module, (), module, {})


def _is_replace(call: ast.Call) -> bool:
    """A finding of the doctor that is made of another one: `tests.ways.test_findings` has these."""
    return isinstance(call.func, ast.Name) and call.func.id == "replace"


@cache
def sites() -> dict[str, Site]:
    """Every site by its name."""
    return {site.name: site for file in sorted(ROOT.rglob("*.py")) for site in _of_module(file)}


@contextmanager
def recorded(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[int, tuple[InputError, set[str]]]]:
    """While it lasts: identity of each error → it and the sites whose calls made it, a forwarder's callers included."""
    made: dict[int, tuple[InputError, set[str]]] = {}
    whole = InputError.__init__
    by_file: dict[str, list[Site]] = {}
    for site in sites().values():
        by_file.setdefault(str(ROOT / site.file), []).append(site)

    def remembering(self: InputError, *args: str, **named: str) -> None:
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
