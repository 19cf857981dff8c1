"""The run directory: where one study keeps its figures, numbers, checkpoints and cards.

runs/<name>/figures/02_latents.json   one plotly figure, with title and caption
runs/<name>/headlines/02.json         the numbers a notebook ends with
runs/<name>/cards/02.json             what it takes to make them again
runs/<name>/<room>/…                  checkpoints and results of a room
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ate.errors import InputError
from ate.runs.files import read_json, write_json


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
            InputError: it is missing or holds no headline numbers.
        """
        run = cls(Path(path))
        if not run.headlines():
            raise InputError(
                "a folder without headlines" if run.path.is_dir() else "no such folder",
                where=str(path),
                expected="the folder of a run, with headlines/01.json and so on",
                way_out="run the notebooks first (make run), then name runs/<name>",
            )
        return run

    def begin(self, notebook: str) -> "RunDirectory":
        """Forget what an earlier run of this notebook showed, so that nothing stale stands beside what is new.

        Checkpoints and results of the rooms stay: they are named by what they depend on.
        """
        for pattern in (f"figures/{notebook}_*.json", f"headlines/{notebook}.json", f"cards/{notebook}.json"):
            for file in self.path.glob(pattern):
                file.unlink()
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
        return [read_json(file) for file in sorted((self.path / "figures").glob("*.json"))]

    def save_headline(self, notebook: str, numbers: Mapping[str, Any]) -> None:
        """Keep the numbers a notebook ends with."""
        write_json(self.path / "headlines" / f"{notebook}.json", dict(numbers))

    def headlines(self) -> dict[str, dict[str, Any]]:
        """The headline numbers of every notebook, by its two-digit number."""
        return {file.stem: read_json(file) for file in sorted((self.path / "headlines").glob("*.json"))}

    def save_card(self, notebook: str, card: Mapping[str, Any]) -> None:
        """Keep a run card."""
        write_json(self.path / "cards" / f"{notebook}.json", dict(card))

    def cards(self) -> dict[str, dict[str, Any]]:
        """All run cards, by notebook."""
        return {file.stem: read_json(file) for file in sorted((self.path / "cards").glob("*.json"))}
