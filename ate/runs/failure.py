"""Failure cards: which notebook failed in batch, why, what to do, and the command that repeats it.

The card is HTML at the top of the executed notebook and of the report, plain text as the exit message, and JSON in the
run directory. It is removed when the notebook runs again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path
from typing import Any

from ate.errors import InputError, install
from ate.runs.refusal import ELSEWHERE

MEMORY = "give it less at once (a smaller batch, fewer workers, a smaller profile) or more memory, then repeat it"
# What to do about errors that have no fix of their own, by the name of their type.
FIXES: Mapping[str, str] = {
    "Stopped": "repeat it: it continues from its last checkpoint",
    "KeyboardInterrupt": "repeat it: trainings continue from their last checkpoint",
    "MemoryError": MEMORY,
    "OutOfMemoryError": MEMORY,
    "OSError": f"make room on the disk, or {ELSEWHERE}, then repeat it: what was finished is kept",
    "PermissionError": f"change the permissions of what it names, or {ELSEWHERE}, then repeat it",
    "DeadKernelError": f"it was killed, most often because memory ran out: {MEMORY}",
    "ModuleNotFoundError": f"install every extra ({install('all')}), then repeat it",
}
REPEAT = "Repeat with"
RED = "#b3261e"
CODE = "white-space:pre-wrap;overflow-wrap:anywhere"


class NotebookFailed(RuntimeError):
    """A notebook did not run to its end; its text is the failure card, `failure` the record."""

    def __init__(self, failure: "NotebookFailure") -> None:
        super().__init__(failure.text())
        self.failure = failure


@dataclass(frozen=True)
class NotebookFailure:
    """Why a notebook stopped.

    Attributes:
        notebook: two-digit number.
        title: of the notebook.
        section: heading of the section whose cell failed; empty before the first.
        cell: execution count of that cell as the notebook shows it, or None if no cell had begun.
        error: type of the error.
        message: its text.
        fix: what the user can do.
        command: repeats this notebook alone.
        output: the executed notebook, up to and including the cell that failed.
        not_run: numbers of the notebooks after it, which were not run.
    """

    notebook: str
    title: str
    section: str
    cell: int | None
    error: str
    message: str
    fix: str
    command: str
    output: str
    not_run: tuple[str, ...] = ()

    @classmethod
    def of(cls, error: str, message: str, **where: Any) -> "NotebookFailure":
        """The card of an error by its type and text; `where` has all other fields except `fix`."""
        parsed = InputError.parse(message)
        if where["cell"] is None:
            fix = "check by hand (make lab) whether a kernel starts at all, then repeat it"
        else:
            fix = f"read the end of cell {where['cell']} in {where['output']}, correct what it names, then repeat it"
        return cls(error=error, message=message, fix=parsed.fix if parsed else FIXES.get(error, fix), **where)

    @property
    def stage(self) -> str:
        """Which stage failed, as a sentence."""
        at = f"in “{self.section}”" if self.section else "at its start"
        return f"{self.notebook} · {self.title} failed {at}" + ("" if self.cell is None else f" (cell {self.cell})")

    def rows(self) -> list[tuple[str, str]]:
        """Content of the card below its headline: pairs of label and text."""
        parsed = InputError.parse(self.message)
        if parsed is None:
            cause = [("Error", f"{self.error}: {self.message}" if self.message else self.error)]
        else:
            cause = [("Got", parsed.got), ("Where", parsed.where), ("Expected", parsed.expected)]
        rows = [*cause, ("Fix", self.fix), (REPEAT, self.command)]
        if self.not_run:
            rows.append(("Not run", f"{', '.join(self.not_run)}; the report shows them from an earlier run, if at all"))
        return [*rows, ("Executed so far", self.output)]

    def text(self) -> str:
        """The card as lines for a terminal."""
        rows = [*self.rows(), ("Report", str(Path(self.output).parents[1] / "report.html"))]
        return "\n".join([self.stage, *(f"  {label}: {text}" for label, text in rows)])

    def html(self) -> str:
        """The card as one line of HTML that needs no style sheet; markdown and formulas in its text are escaped."""
        rows = ""
        for label, text in self.rows():
            value = f"<code style='{CODE}'>{_escaped(text)}</code>" if label == REPEAT else _escaped(text)
            rows += f"<div style='margin-top:8px'><b>{label}:</b> {value}</div>"
        head = f"<div style='color:{RED};font-size:20px;font-weight:bold'>{_escaped(self.stage)}</div>"
        frame = f"border:3px solid {RED};border-radius:8px;padding:14px 18px;background-color:#fdf3f2;color:#1f2a36"
        return f"<div style='{frame}'>{head}{rows}</div>"

    def to_tree(self) -> dict[str, Any]:
        """Plain values for JSON, with the parts of an `InputError` by name."""
        parsed = InputError.parse(self.message)
        parts = {} if parsed is None else {"got": parsed.got, "where": parsed.where, "expected": parsed.expected}
        return {**asdict(self), "not_run": list(self.not_run), **parts}

    @classmethod
    def from_tree(cls, tree: Mapping[str, Any]) -> "NotebookFailure":
        """The inverse of `to_tree`."""
        values = {name: tree[name] for name in cls.__dataclass_fields__}
        return cls(**{**values, "not_run": tuple(values["not_run"])})


def section_of(sources: Sequence[tuple[str, str]], index: int) -> str:
    """The last heading below the title before cell `index`; `sources` has kind and text of every cell."""
    headings = [
        line.lstrip("#").strip()
        for kind, text in sources[:index]
        if kind == "markdown"
        for line in text.splitlines()
        if line.startswith("##")
    ]
    return headings[-1] if headings else ""


def _escaped(text: str) -> str:
    # A dollar would start a formula, an empty line would end the block of HTML inside markdown.
    return "<br>".join(escape(line).replace("$", "&#36;") for line in text.splitlines() if line.strip())
