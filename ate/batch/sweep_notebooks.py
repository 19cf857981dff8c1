"""Notebooks of a sweep: notebook 03 executed for each λ × clamp, kept with an HTML page.

notebooks/<name>/notebooks/03_steer_policy.ipynb and .html, in the run directory of the sweep

Each notebook has a run directory of its own for its figures and headline. Alignment, policies and results are links to
those of the sweep, so that what the sweep has trained is read, not trained again.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ate.batch.notebooks import NOTEBOOKS, execute
from ate.errors import InputError
from ate.experiments.job import JobFailure
from ate.experiments.methods import DIRECT, MethodSpec
from ate.experiments.results import Regime
from ate.experiments.settings import PROFILES, Settings
from ate.experiments.study import Study
from ate.experiments.sweep import Sweep
from ate.runs.directory import RunDirectory
from ate.runs.files import write_text
from ate.steer.guidance_config import GuidanceConfig

NUMBER = "03"
SHARED = ("align", "policies", "results")


@dataclass(frozen=True)
class NotebookCell:
    """One guidance in one regime, over all seeds of the search: a job for an executor.

    Attributes:
        settings: of the sweep's run.
        regime: parameterisation, demonstrations and steps.
        guidance: λ, clamp and the other options.
        seeds: training seeds.
    """

    settings: Settings
    regime: Regime
    guidance: GuidanceConfig
    seeds: int

    @property
    def key(self) -> str:
        """Names its folder."""
        name = "_".join(self.guidance.labels(("lam", "clamp", *self.guidance.unusual())).values())
        name = name.replace("λ=", "lam").replace("c=", "clamp").replace("∞", "inf").replace(" ", "-")
        return f"{self.regime.parameterization}_{self.regime.demonstrations}x{self.regime.steps}_{name}"

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
        if sweep.origin is not None:
            own.bind(sweep.origin)
        execute([NUMBER], self._parameters())
        from nbconvert import HTMLExporter

        write_text(self.html, HTMLExporter().from_filename(str(self.notebook))[0])

    def _parameters(self) -> Mapping[str, Any]:
        """Parameters of the notebook: the sweep's settings, with one guidance and the seeds of the search."""
        chosen = replace(
            self.settings,
            parameterizations=(self.regime.parameterization,),
            demonstrations=self.regime.demonstrations,
            steps=self.regime.steps,
            guidance=self.guidance,
            seeds=self.seeds,
            run=str(self.folder),
            executor="here",
        )
        usual = {**PROFILES[chosen.profile].parameters, "profile": None, "run": None}
        return {name: value for name, value in chosen.parameters.items() if value != usual[name]}


def notebook_cells(sweep: Sweep, settings: Settings, regimes: tuple[Regime, ...]) -> tuple[NotebookCell, ...]:
    """A notebook for each guidance and regime.

    Args:
        sweep: λ, clamps and seeds.
        settings: of the run.
        regimes: to show, as `Study.regimes_of` gives them.

    Raises:
        InputError: the sweep varies what notebook 03 has no parameter for.
    """
    if sweep.encoder or sweep.controls or sweep.share != (MethodSpec(DIRECT).share,):
        named = ", ".join((*sweep.encoder, *sweep.controls)) or "the usual ones"
        shares = ", ".join(f"{share:g}" for share in sweep.share)
        raise InputError(
            f"encoders {named} and shares {shares}", where="notebooks of a sweep",
            expected="the usual encoder and share: notebook 03 has controls of its own",
            fix="sweep encoders, controls and shares without notebooks",
        )  # fmt: skip
    grid = [method for method in sweep.methods if method.guidance.lam]
    return tuple(NotebookCell(settings, regime, method.guidance, sweep.seeds) for regime in regimes for method in grid)


def execute_sweep(study: Study, sweep: Sweep) -> list[tuple[Path, JobFailure | None]]:
    """Execute notebook 03 for each λ × clamp of a sweep; returns the HTML of each, and the failure if there is none.

    Raises:
        InputError: the sweep varies what notebook 03 has no parameter for.
    """
    cells = notebook_cells(sweep, study.settings, study.regimes_of(sweep))
    missing = [cell for cell in cells if not cell.html.exists()]
    ended = dict(study.executor.run(missing, study.settings.directory / "results" / "jobs"))
    failures = {cell.key: ended[index] for index, cell in enumerate(missing)}
    return [(cell.html, failures.get(cell.key)) for cell in cells]
