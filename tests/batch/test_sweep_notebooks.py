"""Cells as notebooks: an executed notebook 03 and its page for every λ × clamp, over the sweep's own results."""

import pytest

from ate.batch.sweep_notebooks import NotebookCell, notebook_cells
from ate.errors import InputError
from ate.experiments import Executor, Sweep
from ate.experiments.results import Regime
from ate.experiments.settings import from_notebook, settings
from ate.runs.directory import RunDirectory
from ate.steer import GuidanceConfig

SWEEP = Sweep((0.5, 2.0), (0.1,), ("sample",), (5,), (20,), seeds=2)


def test_every_lambda_and_clamp_has_a_notebook_of_its_own(tmp_path):
    chosen = settings({"profile": "smoke", "run": str(tmp_path)})
    found = notebook_cells(SWEEP, chosen, SWEEP.regimes)
    assert [cell.key for cell in found] == ["sample_5x20_lam0.5_clamp0.1", "sample_5x20_lam2_clamp0.1"]
    assert len({cell.html for cell in found}) == 2 and all(tmp_path in cell.html.parents for cell in found)
    options = notebook_cells(SWEEP.with_options({"sign": -1, "energy_at": "x_t"}, "x"), chosen, SWEEP.regimes)
    assert all((cell.guidance.sign, cell.guidance.energy_at) == (-1, "x_t") for cell in options)
    assert not {cell.key for cell in options} & {cell.key for cell in found}
    for encoders in ({"encoder": "mixture"}, {"controls": "random"}, {"share": 0.25}):
        with pytest.raises(InputError) as refused:
            notebook_cells(SWEEP.with_options(encoders, "x"), chosen, SWEEP.regimes)
        assert refused.value.where == "notebooks of a sweep"


@pytest.mark.slow
def test_a_notebook_reads_what_the_sweep_has_trained(tmp_path, monkeypatch):
    """Its folders of alignment, policies and results are the sweep's; its parameters are those of one cell."""
    chosen = settings({"profile": "smoke", "run": str(tmp_path), "rollouts": 3, "clamps": "0.1,inf"})
    guidance = GuidanceConfig(lam=0.5, schedule="alpha")
    cell = NotebookCell(chosen, Regime("sample", 4, 30), guidance, 3)
    given = []

    def execute(numbers, parameters):
        given.append((list(numbers), dict(parameters)))
        cell.notebook.parent.mkdir(parents=True)
        cell.notebook.write_text('{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}')

    monkeypatch.setattr("ate.batch.sweep_notebooks.execute", execute)
    RunDirectory(tmp_path).folder("results").mkdir()
    (tmp_path / "results" / "here").touch()
    cell()
    ((numbers, parameters),) = given
    one = from_notebook(parameters)
    assert numbers == ["03"] and one.executor == "here" and one.directory == cell.folder
    assert one.guidance == guidance
    assert (one.seeds, one.demonstrations, one.steps, one.rollouts, one.parameterizations) == (3, 4, 30, 3, ("sample",))
    assert (cell.folder / "results" / "here").exists() and (tmp_path / "policies").is_dir()
    assert "<html" in cell.html.read_text().lower()
    cell()
    assert len(given) == 1


@pytest.mark.slow
def test_a_notebook_that_fails_is_an_outcome(tmp_path):
    """Data that cannot be used, found before anything runs, in whatever process the job runs."""
    chosen = settings({"profile": "smoke", "run": str(tmp_path), "adapt": str(tmp_path / "nowhere")})
    cell = NotebookCell(chosen, Regime("sample", 5, 20), GuidanceConfig(lam=2.0, clamp=0.1), 1)
    ((_, failure),) = Executor("here").run([cell], tmp_path / "jobs")
    assert failure.type == "InputError" and "nowhere" in failure.message and not cell.html.exists()
