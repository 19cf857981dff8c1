"""Notebooks in batch: what fails says so first, everywhere; nothing runs after it; a cure takes the card away."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import nbformat
import numpy as np
import pytest

from ate.batch import notebooks
from ate.batch.notebooks import MARK, NOTEBOOKS, STARTS, NotebookFailed, execute
from ate.errors import InputError
from ate.experiments.settings import parameter_kinds, settings
from ate.runs.directory import RunDirectory
from ate.runs.lock import lock
from tests.conftest import write_episode

PARAMETERS = """
profile: str = "demo"
run: str = ""
pretrain: str = ""
adapt: str = ""
lam: float = 1.0
"""
BEGIN = """
import ate.experiments.settings
settings = ate.experiments.settings.from_notebook(globals())
from ate.runs.directory import RunDirectory
directory = RunDirectory(settings.directory).begin({number!r})
"""
END = "directory.save_headline({number!r}, {{'verdict': ['Fine.'], 'lam': settings.guidance.lam}})"
BAD = "from ate.errors import InputError\nraise InputError('$6', where='here', expected='<7>', fix='do this')"
KILL = f"import os\nos.kill(os.getpid(), {int(signal.SIGKILL)})"


@pytest.fixture
def given(tmp_path):
    random = np.random.default_rng(0)
    for robot in ("old/method", "new"):
        for i in range(3):
            write_episode(tmp_path / robot, i, np.cumsum(random.normal(0, 0.05, (30, 5)), 0).astype(np.float32))
    return {
        "profile": "smoke",
        "run": str(tmp_path / "run"),
        "pretrain": str(tmp_path / "old"),
        "adapt": str(tmp_path / "new"),
    }


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Puts short notebooks in the place of the four: `write("03", BAD)` plants a cell below a heading."""
    monkeypatch.setattr(notebooks, "ROOT", tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    (tmp_path / "notebooks").mkdir()

    def one(number, planted="x = 1"):
        v4 = nbformat.v4
        cells = [
            v4.new_markdown_cell(f"# {number} · Title"),
            v4.new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]}),
            v4.new_code_cell(BEGIN.format(number=number)),
            v4.new_markdown_cell("## A stage\n\nwhich may fail"),
            v4.new_code_cell(planted),
            v4.new_code_cell(END.format(number=number)),
        ]
        metadata = {"language_info": {"name": "python"}}
        nbformat.write(v4.new_notebook(cells=cells, metadata=metadata), tmp_path / "notebooks" / NOTEBOOKS[number])

    return one


@pytest.mark.kernel
@pytest.mark.slow
def test_a_failing_cell_comes_first_everywhere_until_it_is_cured(given, write, tmp_path):
    write("03", BAD), write("04")
    run = RunDirectory(tmp_path / "run")
    with pytest.raises(NotebookFailed, match=r"03 · Steer the policy failed in “A stage” \(cell \d\)") as error:
        execute(["03", "04"], {**given, "lam": 0.5})
    for words in ("Got: $6", "Where: here", "Expected: <7>", "Fix: do this", "-p lam=0.5", "--only 03", "04"):
        assert words in str(error.value)
    (failure,) = run.failures()
    assert failure == error.value.failure and failure.not_run == ("04",) and run.headlines() == {}

    executed = nbformat.read(run.path / "notebooks" / NOTEBOOKS["03"], as_version=4)
    assert executed.cells[0].cell_type == "markdown" and executed.cells[0].source == failure.html()
    at = next(i for i, cell in enumerate(executed.cells) if cell.source == BAD)
    marked = [i for i, cell in enumerate(executed.cells) if MARK in cell.metadata.get("tags", [])]
    assert marked == [0, at - 1] and executed.cells[at].execution_count == failure.cell
    assert not (run.path / "notebooks" / NOTEBOOKS["04"]).exists()

    report = (run.path / "report.html").read_text(encoding="utf-8")
    body = report[report.index("<body") :]
    assert body.index(failure.html()) < body.index("data-headline") and "failed, see the card" in body

    write("03")
    execute(["03"], given)
    assert run.failures() == [] and list(run.headlines()) == ["03"]
    assert "failed" not in (run.path / "report.html").read_text(encoding="utf-8").split("<body")[1].split("<script")[0]
    executed = nbformat.read(run.path / "notebooks" / NOTEBOOKS["03"], as_version=4)
    assert not any(MARK in cell.metadata.get("tags", []) for cell in executed.cells)


@pytest.mark.kernel
@pytest.mark.slow
def test_a_killed_kernel_is_told_with_the_stage_it_died_in(given, write, tmp_path):
    write("02", KILL)
    with pytest.raises(NotebookFailed, match="02 · Align the latents failed in “A stage”") as error:
        execute(["02"], given)
    assert error.value.failure.error == "DeadKernelError" and "memory" in error.value.failure.fix
    executed = nbformat.read(tmp_path / "run" / "notebooks" / NOTEBOOKS["02"], as_version=4)
    assert executed.cells[0].source == error.value.failure.html()


@pytest.mark.slow
def test_a_kernel_that_dies_before_its_first_cell_is_started_again(given, write, monkeypatch, tmp_path):
    write("01")
    tries = []

    def dies(source, output, *_, **__):
        tries.append(output)
        raise RuntimeError("Kernel died before replying to kernel_info")

    monkeypatch.setattr("papermill.execute_notebook", dies)
    with pytest.raises(NotebookFailed, match="failed at its start") as error:
        execute(["01"], given)
    assert len(tries) == STARTS and "Kernel died" in str(error.value)
    executed = nbformat.read(tmp_path / "run" / "notebooks" / NOTEBOOKS["01"], as_version=4)
    assert [cell.source for cell in executed.cells] == [error.value.failure.html()]


def test_nothing_is_written_where_the_input_is_bad(given, write, tmp_path):
    write("01")
    with pytest.raises(InputError, match="no such folder"):
        execute(["01"], {**given, "adapt": str(tmp_path / "nowhere")})
    with pytest.raises(InputError, match="valid names are 01"):
        execute(["1"], given)
    assert not (tmp_path / "run").exists()


AT_ONCE = """
import sys
from pathlib import Path
from ate.batch import notebooks
notebooks.ROOT = Path(sys.argv[1])
from ate.cli.main import main
main(["run", "--profile", "smoke", "--run", sys.argv[2], "--only", "03",
      "-p", f"pretrain={sys.argv[1]}/old", "-p", f"adapt={sys.argv[1]}/new", "-p", f"lam={sys.argv[3]}"])
"""


@pytest.mark.kernel
@pytest.mark.slow
def test_runs_at_once_in_one_folder_and_in_several_leave_each_its_own_results(given, write, tmp_path):
    write("03", "import time\ndirectory.save_headline('first', {'lam': settings.guidance.lam})\ntime.sleep(0.5)")
    places = {"a": [0.5, 0.75], "b": [1.0]}
    started = [
        (place, subprocess.Popen([sys.executable, "-c", AT_ONCE, str(tmp_path), str(tmp_path / place), str(lam)],
                                 stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=os.environ))
        for place, lams in places.items() for lam in lams
    ]  # fmt: skip
    said = {process.pid: process.communicate(timeout=300)[1] for _, process in started}
    assert [process.returncode for _, process in started] == [0, 0, 0], said
    waited = ["waiting for process" in said[process.pid] for place, process in started if place == "a"]
    assert sum(waited) == 1 and "waiting" not in said[started[-1][1].pid]
    for place, lams in places.items():
        run = RunDirectory(tmp_path / place)
        assert list(run.headlines()) == ["03", "first"] and run.failures() == [] and (run.path / "report.html").exists()
        # One run's numbers and notebook, not a mixture of two.
        (lam,) = {numbers["lam"] for numbers in run.headlines().values()}
        assert lam in lams
        executed = nbformat.read(run.path / "notebooks" / NOTEBOOKS["03"], as_version=4)
        assert executed.metadata.papermill.parameters["lam"] == lam
        assert not list(run.path.rglob("*.tmp"))


@pytest.mark.slow
def test_a_second_run_waits_for_the_folder(given, write, tmp_path, capsys, monkeypatch):
    """Also where the first one is not `ate run`: whoever holds the folder's lock."""
    write("01")
    monkeypatch.setattr(notebooks, "_execute", lambda *_: RunDirectory(tmp_path / "run").save_headline("01", {"n": 1}))
    thread = threading.Thread(target=execute, args=(["01"], given))
    with lock(tmp_path / "run", "holding it"):
        thread.start()
        while "which is holding it" not in capsys.readouterr().err:
            time.sleep(0.01)
        assert not (tmp_path / "run" / "headlines").exists()
    thread.join(timeout=60)
    assert json.loads((tmp_path / "run" / "headlines" / "01.json").read_text()) == {"n": 1}


def test_lists_and_files_of_the_command_line_reach_a_notebook_as_they_are_written_there(given, monkeypatch):
    """`-p parameterizations=sample` is a list by then, and another folder is not that of the command line."""
    seen = []
    monkeypatch.setattr(notebooks, "_execute", lambda number, directory, parameters, *_: seen.append(parameters))
    execute(["03"], {**given, "parameterizations": ("sample",), "lams": (1.0, 3.0)})
    (parameters,) = seen
    assert (parameters["parameterizations"], parameters["lams"]) == ("sample", "1,3")
    again = settings({name: value for name, value in parameters.items() if name in parameter_kinds()})
    assert (again.parameterizations, again.lams) == (("sample",), (1.0, 3.0))
