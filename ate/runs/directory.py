"""The run directory: where one study keeps its figures, numbers, checkpoints and cards.

    runs/<name>/run.json                  its format, and the data it was made from
    runs/<name>/figures/02_latents.json   one plotly figure, with title and caption
    runs/<name>/headlines/02.json         the numbers a notebook ends with
    runs/<name>/cards/02.json             what it takes to make them again
    runs/<name>/failures/02.json          why a notebook did not run to its end, until it does
    runs/<name>/<folder>/…                checkpoints (align, policies) and results

Folders of earlier versions named their contents by other hashes. They are refused, because a study that continued one
would show results of both versions together.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ate.errors import InputError
from ate.runs.failure import NotebookFailure
from ate.runs.files import read_json, write_json
from ate.runs.origin import Origin

# Raised when folders that were written before can no longer be continued.
FORMAT = 2
# Written by every version; a folder that has one of them and no run.json is of an earlier one.
CONTENTS = ("headlines", "results", "align")
# What is trained, and the notebook that only shows data.
MADE, INSPECTED = ("align", "policies", "results"), "01"
# Title of each notebook, by its number.
TITLES = {"01": "Inspect the data", "02": "Align the latents", "03": "Steer the policy", "04": "Ablate λ and clamp"}


@dataclass(frozen=True)
class RunDirectory:
    """One study's folder; it is made when something is first written.

    Attributes:
        path: the folder.

    Raises:
        InputError: a folder of another version.
    """

    path: Path

    def __post_init__(self) -> None:
        file = self.path / "run.json"
        written = 1 if any((self.path / name).exists() for name in CONTENTS) else FORMAT
        written = read_json(file)["format"] if file.exists() else written
        if written != FORMAT:
            got = f"a run folder of another version of ate (format {written})"
            expected = f"a folder of this version (format {FORMAT}), or none"
            fix = "name a new folder with --run (-r run in papermill), or remove this one"
            raise InputError(got, where=str(self.path), expected=expected, fix=fix)

    def create(self) -> "RunDirectory":
        """Make the folder, and say in it that it is of this version."""
        if not (self.path / "run.json").exists():
            write_json(self.path / "run.json", {"format": FORMAT})
        return self

    @property
    def origin(self) -> Origin | None:
        """What it was made from; None where nothing has said so yet."""
        file = self.path / "run.json"
        tree = read_json(file).get("made_from") if file.exists() else None
        return None if tree is None else Origin.from_tree(tree)

    def check_origin(self, origin: Origin) -> None:
        """Refuse other data than the folder was made from; where it only showed them (notebook 01) they may change.

        Raises:
            InputError: it has results of other data, robots or chunks.
        """
        known = self.origin
        if known is None or known.data == origin.data:
            return
        made = [key for key in {**self.headlines(), **self.cards()} if key != INSPECTED]
        if made or any((self.path / name).exists() for name in MADE):
            raise InputError(
                f"other data than this run was made from: {origin.about}",
                where=str(self.path),
                expected=f"{known.about}, episode by episode as they were",
                fix=f"name a new folder, e.g. --run {self.path}-2 (run= in notebooks), or remove this one",
            )

    def bind(self, origin: Origin) -> None:
        """Say in the folder what it is made from; what it showed of other data is removed.

        Raises:
            InputError: as `check_origin`.
        """
        self.check_origin(origin)
        if self.origin is not None and self.origin.data != origin.data:
            self.begin(INSPECTED)
        write_json(self.path / "run.json", {"format": FORMAT, "made_from": origin.to_tree()})

    @classmethod
    def existing(cls, path: str | Path) -> "RunDirectory":
        """A folder that a run has written to.

        Raises:
            InputError: it is missing or holds neither headline numbers nor a failure.
        """
        run = cls(Path(path))
        if not run.headlines() and not run.failures():
            got = "a folder without headlines" if run.path.is_dir() else "no such folder"
            expected = "the folder of a run, with headlines/01.json and so on"
            fix = "run the notebooks first (make run), then name runs/<name>"
            raise InputError(got, where=str(path), expected=expected, fix=fix)
        return run

    def begin(self, notebook: str) -> "RunDirectory":
        """Remove what an earlier run of this notebook showed, so that the report does not mix two runs.

        Checkpoints and results stay: they are named by what they depend on.
        """
        self.create()
        shown = [self.path / kind / f"{notebook}.json" for kind in ("headlines", "cards", "failures")]
        for file in (*shown, *self.path.glob(f"figures/{notebook}_*.json")):
            # Another process may begin the same notebook.
            file.unlink(missing_ok=True)
        return self

    def folder(self, name: str) -> Path:
        """A folder inside the run, to be written to."""
        return self.create().path / name

    def save_figure(self, name: str, figure: Any, *, title: str, caption: str) -> None:
        """Keep a plotly figure under `name`, e.g. `"02_latents"`; the report shows them in the order of names."""
        content = {"name": name, "title": title, "caption": caption, "figure": figure.to_json()}
        self._write("figures", name, content)

    def figures(self) -> list[dict[str, Any]]:
        """All kept figures, sorted by name."""
        return list(self._read("figures").values())

    def save_headline(self, notebook: str, numbers: Mapping[str, Any]) -> None:
        """Keep the numbers a notebook ends with."""
        self._write("headlines", notebook, numbers)

    def headlines(self) -> dict[str, dict[str, Any]]:
        """The headline numbers of every notebook, by its two-digit number."""
        return self._read("headlines")

    def save_card(self, notebook: str, card: Mapping[str, Any]) -> None:
        """Keep a run card, with what the run was made from; accepted findings of the doctor come first."""
        origin = self.origin
        self._write("cards", notebook, card if origin is None else {**origin.for_card, **card})

    def cards(self) -> dict[str, dict[str, Any]]:
        """All run cards, by notebook."""
        return self._read("cards")

    def save_failure(self, failure: NotebookFailure) -> None:
        """Keep a failure card."""
        self._write("failures", failure.notebook, failure.to_tree())

    def failures(self) -> list[NotebookFailure]:
        """Why notebooks did not run to their end, in the order of notebooks."""
        return [NotebookFailure.from_tree(tree) for tree in self._read("failures").values()]

    def cells(self) -> int:
        """How many cells of sweeps have a result (`ate.experiments`)."""
        return sum(1 for _ in (self.path / "results" / "cells").glob("*.json"))

    def failed_cells(self) -> list[dict[str, Any]]:
        """Why cells of sweeps have none: `method`, `seed`, `type` and `message` of the error, and `command`."""
        return list(self._read("results/failed").values())

    def _write(self, kind: str, name: str, content: Mapping[str, Any]) -> None:
        write_json(self.folder(kind) / f"{name}.json", dict(content))

    def _read(self, kind: str) -> dict[str, Any]:
        contents = {}
        for file in sorted((self.path / kind).glob("*.json")):
            # Another process may have just removed it.
            with suppress(FileNotFoundError):
                contents[file.stem] = read_json(file)
        return contents
