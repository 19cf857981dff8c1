"""What the notebooks take: clean sources, parameters by name, recordings that no simulator knows."""

import ast
import subprocess
import sys

import nbformat
import numpy as np
import papermill
import pytest

from ate.batch.notebooks import NOTEBOOKS, execute
from ate.batch.parameters import parameters_cell
from ate.experiments import comparison
from ate.experiments.settings import ROOT, parameter_kinds
from ate.runs.directory import RunDirectory
from tests.conftest import write_episode


def test_sources_are_clean():
    for name in NOTEBOOKS.values():
        notebook = nbformat.read(ROOT / "notebooks" / name, as_version=4)
        nbformat.validate(notebook)
        code = [cell for cell in notebook.cells if cell.cell_type == "code"]
        assert all(not cell.outputs and cell.execution_count is None for cell in code)
        assert [i for i, c in enumerate(code) if "parameters" in c.metadata.get("tags", [])] == [0]
        # Folded, so that question, answer and first figure are on the first screen; the text above says how to open it.
        assert code[0].metadata["jupyter"]["source_hidden"] and "folded" in notebook.cells[0].source
        assert not any(line.lstrip().startswith(("def ", "class ")) for c in code for line in c.source.splitlines())
        inferred = papermill.inspect_notebook(str(ROOT / "notebooks" / name))
        assert inferred and all(entry["inferred_type_name"] != "None" for entry in inferred.values())


def code_of(name):
    notebook = nbformat.read(ROOT / "notebooks" / name, as_version=4)
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


def test_all_notebooks_take_the_same_parameters_and_every_setting_is_one():
    """After a new setting: `python -m ate.batch.parameters`."""
    for name in NOTEBOOKS.values():
        parameters, check, *_ = code_of(name)
        assert parameters == parameters_cell() and check == code_of(NOTEBOOKS["01"])[1]
        inferred = papermill.inspect_notebook(str(ROOT / "notebooks" / name))
        assert set(inferred) == set(parameter_kinds())
        assert all(entry["help"] for entry in inferred.values())


def test_cells_are_short_and_leave_the_parameters_alone():
    """A cell that runs again must find what the first cell said, not what a later one called by the same name."""
    for name in NOTEBOOKS.values():
        for source in code_of(name)[1:]:
            assert len(source.splitlines()) <= 10, source
            nodes = list(ast.walk(ast.parse(source)))
            bound = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
            imports = [node for node in nodes if isinstance(node, (ast.Import, ast.ImportFrom))]
            bound |= {alias.asname or alias.name for node in imports for alias in node.names}
            assert not bound & set(parameter_kinds()), source


@pytest.mark.kernel
@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "given", "words"),
    [
        ("01", {"proflie": "smoke"}, "did you mean 'profile'"),
        ("03", {"steps": "ten"}, "whole number"),
        ("04", {"lamb": 2}, "did you mean 'lam'"),
    ],
)
def test_mistyped_parameters_fail_in_the_first_cells_under_plain_papermill(tmp_path, number, given, words):
    """By the command `papermill`, which only warns of unknown names itself."""
    output = tmp_path / "out.ipynb"
    parameters = {**given, "run": str(tmp_path / "run")}
    command = [sys.executable, "-m", "papermill", str(ROOT / "notebooks" / NOTEBOOKS[number]), str(output)]
    done = subprocess.run(
        [*command, *(part for name, value in parameters.items() for part in ("-p", name, str(value)))],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 1 and "InputError" in done.stderr and words in done.stderr
    executed = [c for c in nbformat.read(output, as_version=4).cells if c.cell_type == "code" and c.execution_count]
    assert len(executed) <= 3 and not (tmp_path / "run").exists()  # parameters, injected parameters, check


@pytest.mark.kernel
@pytest.mark.slow
def test_recordings_without_a_simulator_run_whole(tmp_path):
    """Robots the simulator does not know, without state, gripper or rate: open-loop errors per joint instead."""
    rng = np.random.default_rng(0)
    for robot, dof, count in (("old", 9, 6), ("new", 8, 5)):
        for i in range(count):
            t = np.linspace(0, 3, 60)[:, None]
            write_episode(tmp_path / robot, i, 1.3 * np.sin(t * rng.uniform(0.5, 2, dof) + rng.normal(size=dof)))
    given = {
        "profile": "smoke",
        "run": str(tmp_path / "run"),
        "pretrain": str(tmp_path / "old"),
        "adapt": str(tmp_path / "new"),
    }
    run = RunDirectory(execute(list(NOTEBOOKS), given).directory)
    table = run.headlines()["03"]["table"]
    assert "success" not in table["columns"] and len(table["rows"]) == 2 * len(comparison(placed=False))
    errors = [row[table["columns"].index("held-out error")] for row in table["rows"]]
    assert all(0 < error < 3 for error in errors)
    assert "no simulator" in run.headlines()["03"]["verdict"][1]
    names = {figure["name"] for figure in run.figures()}
    assert "03_01_open_loop_error" in names and not any(name.endswith("_success") for name in names)
