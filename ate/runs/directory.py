"""The run directory: where one study keeps its figures, numbers, checkpoints and cards.

runs/<name>/figures/02_latents.json   one plotly figure, with title and caption
runs/<name>/headlines/02.json         the numbers a notebook ends with
runs/<name>/cards/02.json             what it takes to make them again
runs/<name>/failures/02.json          why a notebook did not run to its end, until it does
runs/<name>/<room>/…                  checkpoints and results of a room; results/cells and results/failed of sweeps
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ate.errors import InputError
from ate.runs.failure import Failure
from ate.runs.files import read_json, write_json

# What each notebook is called, by its number.
TITLES = {
    "01": "Inspect the data",
    "02": "Align the latents",
    "03": "Steer the policy",
    "04": "Ablate λ and clamp",
}


@dataclass(frozen=True)
class RunDirectory:
    """One study's folder; it is made when something is first written.

    Attributes:
        path: the folder.
    """

    path: Path

    @classmethod
    def existing(cls, path: str | Path) -> "RunDirectory":
        """A folder that a run has written to.

        Raises:
            InputError: it is missing or holds neither headline numbers nor a failure.
        """
        run = cls(Path(path))
        if not run.headlines() and not run.failures():
            raise InputError(
                "a folder without headlines" if run.path.is_dir() else "no such folder",
                where=str(path),
                expected="the folder of a run, with headlines/01.json and so on",
                fix="run the notebooks first (make run), then name runs/<name>",
            )
        return run

    def begin(self, notebook: str) -> "RunDirectory":
        """Forget what an earlier run of this notebook showed, so that nothing stale stands beside what is new.

        Checkpoints and results of the rooms stay: they are named by what they depend on.
        """
        shown = (f"{kind}/{notebook}.json" for kind in ("headlines", "cards", "failures"))
        for pattern in (f"figures/{notebook}_*.json", *shown):
            for file in self.path.glob(pattern):
                # Another process may begin the same notebook.
                file.unlink(missing_ok=True)
        return self

    def room(self, name: str) -> Path:
        """The folder of one room inside the run."""
        return self.path / name

    def save_figure(self, name: str, figure: Any, *, title: str, caption: str) -> None:
        """Keep a plotly figure under `name`, e.g. `"02_latents"`; the report shows them in the order of names."""
        write_json(
            self.path / "figures" / f"{name}.json",
            {"name": name, "title": title, "caption": caption, "figure": figure.to_json()},
        )

    def figures(self) -> list[dict[str, Any]]:
        """All kept figures, sorted by name."""
        return list(self._read("figures").values())

    def save_headline(self, notebook: str, numbers: Mapping[str, Any]) -> None:
        """Keep the numbers a notebook ends with."""
        write_json(self.path / "headlines" / f"{notebook}.json", dict(numbers))

    def headlines(self) -> dict[str, dict[str, Any]]:
        """The headline numbers of every notebook, by its two-digit number."""
        return self._read("headlines")

    def save_card(self, notebook: str, card: Mapping[str, Any]) -> None:
        """Keep a run card."""
        write_json(self.path / "cards" / f"{notebook}.json", dict(card))

    def cards(self) -> dict[str, dict[str, Any]]:
        """All run cards, by notebook."""
        return self._read("cards")

    def save_failure(self, failure: Failure) -> None:
        """Keep a failure card."""
        write_json(self.path / "failures" / f"{failure.notebook}.json", failure.to_tree())

    def failures(self) -> list[Failure]:
        """Why notebooks did not run to their end, in the order of notebooks."""
        return [Failure.from_tree(tree) for tree in self._read("failures").values()]

    def cells(self) -> int:
        """How many cells of sweeps have a result (`ate.experiments`)."""
        return sum(1 for _ in (self.path / "results" / "cells").glob("*.json"))

    def failed_cells(self) -> list[dict[str, Any]]:
        """Why cells of sweeps have none: `method`, `seed`, `type` and `message` of the error, and `command`."""
        return list(self._read("results/failed").values())

    def _read(self, kind: str) -> dict[str, Any]:
        """All files of a kind by name, in the order of names, without those that another process has just removed."""
        found = {}
        for file in sorted((self.path / kind).glob("*.json")):
            with suppress(FileNotFoundError):
                found[file.stem] = read_json(file)
        return found
