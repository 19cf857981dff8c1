"""Every layout goes the whole way: read, examined, converted, and through notebook 01."""

import json
import os
from pathlib import Path

import nbformat
import numpy as np
import pytest

from ate.batch.notebooks import NOTEBOOKS, execute
from ate.data import load
from ate.data.convert import convert
from ate.data.doctor.examination import examine
from ate.data.loading import DataSet
from ate.experiments.settings import ROOT
from ate.runs.directory import RunDirectory
from ate.viz.figures.camera import MOMENTS
from tests.data import test_cameras
from tests.data.formats.conftest import STEPS
from tests.data.formats.makers import all_sets
from tests.data.formats.variants import VARIANTS

# `make layouts` runs the notebook of every layout in a kernel of its own as well.
IN_KERNELS = os.environ.get("ATE_LAYOUTS") == "all"
WAYS = [(layout, maker, None) for layout, maker in all_sets() if layout != "robomimic"]
WAYS += [(layout, maker, asked) for maker, (layout, asked) in VARIANTS.items()]
EVERY_WAY = pytest.mark.parametrize(("layout", "maker", "asked"), WAYS, ids=[maker.__name__ for _, maker, _ in WAYS])


@EVERY_WAY
@pytest.mark.slow
def test_doctor_has_no_fail_and_neither_has_it_after_convert(layout, maker, asked, tmp_path, smooth):
    source = DataSet(str(maker(tmp_path / "set")), layout=asked or "")
    report = examine(source)
    assert report.ledger.layout == layout and report.level != "FAIL", report.findings
    convert(source.load(), tmp_path / "out", root=tmp_path / "set")
    again = examine(tmp_path / "out")
    assert again.level != "FAIL" and again.joint_names == report.joint_names
    for before, after in zip(source.load(), load(tmp_path / "out"), strict=True):
        np.testing.assert_array_equal(before.read("qpos"), after.read("qpos"))


def parameters(tmp_path, maker, asked):
    """Of notebook 01: the set as adaptation data, its converted copy as pre-training data."""
    folder = maker(tmp_path / "set")
    convert(load(folder, layout=asked or ""), tmp_path / "out", root=folder)
    given = {"run": str(tmp_path / "run"), "adapt": str(folder), "pretrain": str(tmp_path / "out")}
    return {"profile": "smoke", **given, **({"layout": asked} if asked else {})}


def taken_through(given):
    """The run folder after all cells of notebook 01."""
    notebook = nbformat.read(ROOT / "notebooks" / NOTEBOOKS["01"], as_version=4)
    cells = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    namespace: dict[str, object] = dict(given)
    for source in cells[1:]:
        exec(source, namespace)
    return RunDirectory(Path(given["run"]))


@pytest.mark.slow
@EVERY_WAY
def test_the_cells_of_notebook_01_run(layout, maker, asked, tmp_path, smooth, monkeypatch, capsys):
    """In this process, as `ate run` has them executed in a kernel; figures and headline are those of the report."""
    monkeypatch.setenv("ATE_BATCH", "1")
    run = taken_through(parameters(tmp_path, maker, asked))
    headline = run.headlines()["01"]
    assert headline["episodes"] == 4 and headline["doctor"]["level"] != "FAIL"
    assert len(run.figures()) >= 7 and run.cards()["01"]["hashes"]


@pytest.mark.parametrize("kind", ["lerobot_v3", "robomimic"])
@pytest.mark.slow
def test_notebook_01_shows_what_the_cameras_saw(kind, tmp_path, smooth, monkeypatch, capsys):
    monkeypatch.setenv("ATE_BATCH", "1")
    monkeypatch.setattr(test_cameras, "LENGTHS", (STEPS, STEPS))

    def maker(folder):
        test_cameras.STORED[kind](folder)
        return folder

    figures = taken_through(parameters(tmp_path, maker, "")).figures()
    (strip,) = [kept for kept in figures if kept["title"].startswith("What the cameras saw")]
    assert len(json.loads(strip["figure"])["data"]) == MOMENTS


@pytest.mark.kernel
@pytest.mark.slow
@pytest.mark.parametrize(
    ("layout", "maker", "asked"),
    WAYS if IN_KERNELS else [way for way in WAYS if way[1].__name__ == "maniskill"],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_notebook_01_runs_in_a_kernel(layout, maker, asked, tmp_path, smooth):
    chosen = execute(["01"], parameters(tmp_path, maker, asked))
    assert RunDirectory(chosen.directory).headlines()["01"]["episodes"] == 4
