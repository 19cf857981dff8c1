"""Training in a process of its own from notebook 02: the button stops it while its cell runs, and Run All goes on."""

from pathlib import Path

import pytest

from ate.runs.files import read_json
from tests.browser import open_page
from tests.lab import DONE, at_smoke, run_all, serve, start_all, streams

pytestmark = [pytest.mark.browser, pytest.mark.kernel, pytest.mark.slow]

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "02_align_latents.ipynb"
# How many outputs are errors, and the execution count of each cell, null where it did not run.
ERRORS = """() => [...window.jupyterapp.shell.currentWidget.content.model.cells].filter(c => c.type === 'code')
  .flatMap(cell => cell.sharedModel.getOutputs()).filter(one => one.output_type === 'error').length"""
RAN = """() => [...window.jupyterapp.shell.currentWidget.content.model.cells].filter(c => c.type === 'code')
  .map(cell => cell.executionCount)"""


def states(run: Path) -> dict[str, str]:
    """State of each training of the alignment, by stage."""
    return {file.parent.name: read_json(file)["state"] for file in run.glob("align/*/*/status.json")}


def test_the_button_stops_a_child_while_its_cell_runs_and_run_all_goes_on(tmp_path):
    run = tmp_path / "run"
    # One shipped robot at the size of the demo: long enough to be stopped by a person.
    panda = str(Path(__file__).parents[2] / "data" / "lift" / "pretrain" / "panda")
    copy = at_smoke(
        NOTEBOOK, tmp_path / NOTEBOOK.name, run, train="child", align="demo", pretrain=panda, embedded="200"
    )
    with (
        serve(tmp_path / "lab", [copy]) as lab,
        open_page(tmp_path / "profile", local=True, width=1300, height=1000) as page,
    ):
        lab.open(page, copy.name)
        start_all(page)
        pane = page.locator(".ate-follow")
        pane.locator("text=running, step").wait_for(timeout=240_000)
        button = pane.locator("button", has_text="Stop with a checkpoint")
        assert button.is_enabled()
        button.click()
        page.locator(".ate-stopped", has_text="stopped, step").wait_for(timeout=60_000)
        assert "stopped" in states(run).values() and "running" not in states(run).values()
        # No traceback, and no cell below trained on.
        assert page.evaluate(ERRORS) == 0 and page.evaluate(RAN)[-1] is None
        (checkpoint,) = run.glob("align/*/pretrain/last.safetensors")
        assert checkpoint.stat().st_size > 0

        run_all(page, DONE, timeout_seconds=560)
        assert set(states(run).values()) == {"finished"} and {"pretrain", "adapt"} <= set(states(run))
        assert streams(page) == [f"stdout: {DONE}\n"]
        assert page.locator(".ate-stopped").count() == 0
