"""Notebooks of a sweep: notebook 03 executed for each λ × clamp, kept with an HTML page.

notebooks/<name>/notebooks/03_steer_policy.ipynb and .html, in the run directory of the sweep

Each notebook has a run directory of its own for its figures and headline. Alignment, policies and results are links to
those of the sweep, so that what the sweep has trained is read, not trained again.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from ate.batch.notebooks import NOTEBOOKS, execute
from ate.errors import InputError
from ate.experiments.jobs import JobFailure
from ate.experiments.settings import PROFILES, Settings
from ate.experiments.study import Study
from ate.experiments.sweep import AXES, Setting, Sweep
from ate.runs.directory import RunDirectory
from ate.runs.files import write_text

NUMBER = "03"
SHARED = ("align", "policies", "results")


@dataclass(frozen=True)
class NotebookCell:
    """One λ × clamp of one setting, over all seeds of the search: a job for an executor.

    Attributes:
        settings: of the sweep's run.
        setting: parameterisation, demonstrations and steps.
        lam: λ.
        clamp: of k·g.
        seeds: training seeds.
    """

    settings: Settings
    setting: Setting
    lam: float
    clamp: float
    seeds: int

    @property
    def key(self) -> str:
        """Names its folder."""
        one = self.setting
        return f"{one.parameterization}_{one.demonstrations}x{one.steps}_lam{self.lam:g}_clamp{self.clamp:g}"

    @property
    def folder(self) -> Path:
        """Its run directory."""
        return self.settings.directory / "notebooks" / self.key

    @property
    def notebook(self) -> Path:
        """The executed notebook."""
        return self.folder / "notebooks" / NOTEBOOKS[NUMBER]

    @property
    def html(self) -> Path:
        """The same as a page that opens offline."""
        return self.notebook.with_suffix(".html")

    def __call__(self) -> None:
        """Execute it, unless its page is there already.

        Raises:
            NotebookFailed: a cell of the notebook raised; the notebook is kept and shows which.
        """
        if self.html.exists():
            return
        sweep, own = RunDirectory(self.settings.directory), RunDirectory(self.folder)
        for name in SHARED:
            # A folder that is not there yet is made where the sweep will look for it.
            shared, link = sweep.folder(name), own.folder(name)
            shared.mkdir(exist_ok=True)
            if not link.is_symlink():
                link.symlink_to(Path(os.path.relpath(shared, self.folder)))
        execute([NUMBER], self._parameters())
        write_text(self.html, _page(self.notebook))

    def _parameters(self) -> Mapping[str, Any]:
        """Parameters of the notebook: the sweep's settings, with one λ and clamp and the seeds of the search."""
        chosen = replace(
            self.settings,
            parameterizations=self.setting.parameterization,
            demonstrations=self.setting.demonstrations,
            steps=self.setting.steps,
            lam=self.lam,
            clamp=self.clamp,
            seeds=self.seeds,
            run=str(self.folder),
            executor="here",
        )
        usual = PROFILES[chosen.profile]
        given = {f.name: getattr(chosen, f.name) for f in fields(chosen)}
        return {
            name: value for name, value in given.items() if value != getattr(usual, name) or name in ("profile", "run")
        }


def notebook_cells(sweep: Sweep, settings: Settings, found: tuple[Setting, ...]) -> tuple[NotebookCell, ...]:
    """A notebook for every λ × clamp and setting.

    Args:
        sweep: λ, clamps and seeds.
        settings: of the run.
        found: the settings to show, as `Study.settings_of` gives them.

    Raises:
        InputError: the sweep varies what notebook 03 has no parameter for.
    """
    other = [name for name in AXES if getattr(sweep, name) != Sweep.__dataclass_fields__[name].default]
    if other:
        raise InputError(
            f"a sweep over {', '.join(other)}",
            where="notebooks of a sweep",
            expected="λ, clamp, demonstrations, steps and parameterisation alone: what notebook 03 takes",
            fix="sweep the rest without notebooks",
        )
    grid = [method for method in sweep.methods if method.encoder == "aligned"]
    return tuple(NotebookCell(settings, one, method.lam, method.clamp, sweep.seeds) for one in found for method in grid)


def execute_sweep(study: Study, sweep: Sweep) -> list[tuple[Path, JobFailure | None]]:
    """Execute notebook 03 for each λ × clamp of a sweep; returns the HTML of each, and the failure if there is none.

    Raises:
        InputError: the sweep varies what notebook 03 has no parameter for.
    """
    cells = notebook_cells(sweep, study.settings, study.settings_of(sweep))
    missing = [cell for cell in cells if not cell.html.exists()]
    ended = dict(study.executor.run(missing, study.settings.directory / "results" / "jobs"))
    failures = {cell.key: ended[index] for index, cell in enumerate(missing)}
    return [(cell.html, failures.get(cell.key)) for cell in cells]


def _page(notebook: Path) -> str:
    from nbconvert import HTMLExporter

    page, _ = HTMLExporter().from_filename(str(notebook))
    return str(page)
