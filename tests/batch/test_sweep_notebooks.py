"""Cells as notebooks: an executed notebook 03 and its page for every λ × clamp, over the sweep's own results."""

import pytest

from ate.batch.sweep_notebooks import NotebookCell, notebook_cells
from ate.errors import InputError
from ate.experiments import Executor, Sweep
from ate.experiments.settings import from_notebook, settings
from ate.experiments.sweep import Setting
from ate.runs.directory import RunDirectory

SWEEP = Sweep((0.5, 2.0), (0.1,), ("sample",), (5,), (20,), seeds=2)


def test_every_lambda_and_clamp_has_a_notebook_of_its_own(tmp_path):
    chosen = settings({"profile": "smoke", "run": str(tmp_path)})
    found = notebook_cells(SWEEP, chosen, SWEEP.settings)
    assert [cell.key for cell in found] == ["sample_5x20_lam0.5_clamp0.1", "sample_5x20_lam2_clamp0.1"]
    assert len({cell.html for cell in found}) == 2 and all(tmp_path in cell.html.parents for cell in found)
    with pytest.raises(InputError, match=r"a sweep over sign, at.*what notebook 03 takes"):
        notebook_cells(SWEEP.with_options({"sign": -1, "at": "estimate"}, "x"), chosen, SWEEP.settings)


def test_a_notebook_reads_what_the_sweep_has_trained(tmp_path, monkeypatch):
    """Its folders of alignment, policies and results are the sweep's; its parameters are those of one cell."""
    chosen = settings({"profile": "smoke", "run": str(tmp_path), "rollouts": 3, "clamps": "0.1,inf"})
    cell = NotebookCell(chosen, Setting("sample", 4, 30), 0.5, float("inf"), 3)
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
    assert (one.lam, one.clamp, one.seeds, one.demonstrations, one.steps, one.rollouts, one.parameterizations) == (
        0.5, float("inf"), 3, 4, 30, 3, "sample",
    )  # fmt: skip
    assert (cell.folder / "results" / "here").exists() and (tmp_path / "policies").is_dir()
    assert "<html" in cell.html.read_text().lower()
    cell()
    assert len(given) == 1


def test_a_notebook_that_fails_is_an_outcome(tmp_path):
    """Data that cannot be used, found before anything runs, in whatever process the job runs."""
    chosen = settings({"profile": "smoke", "run": str(tmp_path), "adapt": str(tmp_path / "nowhere")})
    cell = NotebookCell(chosen, Setting("sample", 5, 20), 2.0, 0.1, 1)
    ((_, failure),) = Executor("here").run([cell], tmp_path / "jobs")
    assert failure.type == "InputError" and "nowhere" in failure.message and not cell.html.exists()
