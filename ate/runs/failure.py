"""Failure cards: what failed in batch, why, what to do about it, and the command that repeats it.

One record, three faces: HTML at the top of the executed notebook and of the report, plain text as the exit message, and
JSON in the run directory. It goes away when the notebook runs again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path
from typing import Any

from ate.errors import InputError

MEMORY = "give it less at once (a smaller batch, fewer workers, a smaller profile) or more memory, then repeat it"
# What to do about errors that do not say it themselves, by the name of their type.
FIXES: Mapping[str, str] = {
    "Stopped": "repeat it: it goes on from its last checkpoint",
    "KeyboardInterrupt": "repeat it: trainings go on from their last checkpoint",
    "MemoryError": MEMORY,
    "OutOfMemoryError": MEMORY,
    "DeadKernelError": f"it was killed, most often for want of memory: {MEMORY}",
    "ModuleNotFoundError": "install every extra (pip install -e '.[all]'), then repeat it",
}


REPEAT = "Repeat it with"
RED = "#b3261e"


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
        title: of the notebook, in words.
        section: heading of the section whose cell failed, in words; empty before the first.
        cell: execution count of that cell as the notebook shows it, or None where no cell had begun.
        error: type of the error.
        message: its text.
        fix: what the user can do.
        command: repeats this notebook alone.
        output: the executed notebook, up to and with the cell that failed.
        not_run: numbers of the notebooks that would have come later.
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
        """The card of an error by its type and text; `where` has all other fields but `fix`."""
        known = InputError.parse(message)
        if known is not None:
            fix = known.fix
        elif where["cell"] is None:
            fix = FIXES.get(error, "see by hand (make lab) whether a kernel starts at all, then repeat it")
        else:
            look = f"read the end of cell {where['cell']} in {where['output']}, mend what it names, then repeat it"
            fix = FIXES.get(error, look)
        return cls(error=error, message=message, fix=fix, **where)

    @property
    def stage(self) -> str:
        """Which stage failed, in words."""
        at = f"in “{self.section}”" if self.section else "at its start"
        return f"{self.notebook} · {self.title} failed {at}" + ("" if self.cell is None else f" (cell {self.cell})")

    def rows(self) -> list[tuple[str, str]]:
        """What the card says below its headline: pairs of label and text."""
        known = InputError.parse(self.message)
        if known is None:
            why = [("Why", f"{self.error}: {self.message}" if self.message else self.error)]
        else:
            why = [("Got", known.got), ("Where", known.where), ("Expected", known.expected)]
        later = f"{', '.join(self.not_run)}; where the report shows them, it is from an earlier run"
        return [
            *why,
            ("What to do", self.fix),
            (REPEAT, self.command),
            *([("Not run because of it", later)] if self.not_run else []),
            ("As far as it went", self.output),
        ]

    def text(self) -> str:
        """The card as lines for a terminal."""
        rows = [*self.rows(), ("Report", str(Path(self.output).parents[1] / "report.html"))]
        return "\n".join([self.stage, *(f"  {label}: {said}" for label, said in rows)])

    def html(self) -> str:
        """The card as one line of HTML that needs no style sheet; markdown and formulas in it stay what they are."""
        rows = "".join(
            f"<div style='margin-top:8px'><b>{label}:</b> {_face(label, said)}</div>" for label, said in self.rows()
        )
        head = f"<div style='color:{RED};font-size:20px;font-weight:bold'>{_safe(self.stage)}</div>"
        frame = f"border:3px solid {RED};border-radius:8px;padding:14px 18px;background-color:#fdf3f2;color:#1f2a36"
        return f"<div style='{frame}'>{head}{rows}</div>"

    def to_tree(self) -> dict[str, Any]:
        """Plain values for JSON, with the parts of an `InputError` by name."""
        known = InputError.parse(self.message)
        parts = {} if known is None else {"got": known.got, "where": known.where, "expected": known.expected}
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


def _safe(text: str) -> str:
    # A dollar would begin a formula, a line break would end the block of HTML inside markdown.
    return "<br>".join(escape(line).replace("$", "&#36;") for line in text.splitlines() if line.strip())


def _face(label: str, text: str) -> str:
    return (
        f"<code style='white-space:pre-wrap;overflow-wrap:anywhere'>{_safe(text)}</code>"
        if label == REPEAT
        else _safe(text)
    )
