"""A job: what an executor runs, and why it gave no result.

It takes no arguments and writes its results to files. A job that fails is returned as a `JobFailure`, not raised, so
that the others continue.
"""

import traceback
from concurrent.futures import BrokenExecutor, Future
from dataclasses import dataclass
from typing import Protocol

# A job raised an error of its own, or it never came back.
RAISED, LOST = "raised", "lost"


class Job(Protocol):
    """What an executor runs: importable and picklable."""

    @property
    def key(self) -> str:
        """The same for the same work, in every process."""

    def __call__(self) -> None:
        """Do what is not done yet."""


@dataclass(frozen=True)
class JobFailure:
    """Why a job gave no result.

    Attributes:
        kind: `"raised"`: it ended by an error of its own; `"lost"`: it was killed or cancelled, or never came back.
        type: of the error.
        message: in words.
        trace: traceback, or the end of its log.
    """

    kind: str
    type: str
    message: str
    trace: str

    @classmethod
    def of(cls, future: "Future[None]") -> "JobFailure | None":
        """How a job ended, waiting for its end; None where it succeeded."""
        error = future.exception()
        if error is None:
            return None
        kind = LOST if isinstance(error, BrokenExecutor) else RAISED
        message = " ".join(str(error).split()) or "no message"
        return cls(kind, type(error).__name__, message, "".join(traceback.format_exception(error)))
