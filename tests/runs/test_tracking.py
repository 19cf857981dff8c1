"""A run told to a tracker: to a stand-in that records the calls, and to the real ones where they are installed."""

import json
import os
import sqlite3
import subprocess
import sys
import threading
import time
from types import ModuleType

import pytest
from click.testing import CliRunner

from ate.cli.run import track
from ate.errors import InputError
from ate.runs.directory import RunDirectory
from ate.runs.failure import NotebookFailure
from ate.runs.lock import lock
from ate.runs.tracking import OFFLINE, flat, tracker

ROWS = [{"step": 10, "loss": 0.5}, {"step": 20, "loss": 0.25}]


def write_rows(run, training, rows):
    folder = run.path / training
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture
def run(tmp_path):
    run = RunDirectory(tmp_path / "study")
    write_rows(run, "align/ab/pretrain", ROWS)
    write_rows(run, "align/ab/adapt", ROWS[:1])
    table = {"columns": ["method", "success"], "rows": [["direct", 0.6], ["ATE", "13 of 20"]]}
    run.save_headline("03", {"verdict": ["ATE hurts."], "lambda": 2.0, "diagnosis": {"level": "PASS"}, "table": table})
    run.save_card("03", {"config": {"lam": 2.0}, "command": "ate run --only 03"})
    run.save_failure(NotebookFailure("04", "Ablate", "The grid", 3, "E", "m", "w", "c", "/r/n/o"))
    return run


class Recorder(ModuleType):
    """A module with wandb's interface that keeps what it is told."""

    def __init__(self, summary=True):
        super().__init__("recorder")
        self.logged, self.config, self.metrics, self.finished, self.seen = [], {}, [], 0, {}
        if summary:
            self.summary = {}

    def init(self, project, name, config, mode="online", dir="."):
        self.config = {"project": project, "name": name, "mode": mode, "dir": dir, **config}
        self.seen = {key: os.environ.get(key) for key in OFFLINE}
        return self

    def define_metric(self, name, step_metric):
        self.metrics.append((name, step_metric))

    def log(self, row):
        self.logged.append(row)

    def finish(self):
        self.finished += 1

    def Table(self, columns, data):
        return columns, data


@pytest.fixture
def recorder(monkeypatch):
    module = Recorder()
    monkeypatch.setitem(sys.modules, "recorder", module)
    return module


def test_everything_is_told_once_and_offline(run, recorder, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("TRACKIO_SPACE_ID", "somebody/somewhere")
    done = CliRunner().invoke(track, [str(run.path), "--with", "recorder", "--project", "mine"])
    assert done.exit_code == 0 and done.output.startswith("3 metric rows")
    assert recorder.config == {"project": "mine", "name": "study", "mode": "offline", "dir": str(run.path),
                               "03": {"lam": 2.0}}  # fmt: skip
    rows = [row for row in recorder.logged if any(name.endswith("/step") for name in row)]
    assert rows == [
        {"align/ab/adapt/step": 10, "align/ab/adapt/loss": 0.5},
        {"align/ab/pretrain/step": 10, "align/ab/pretrain/loss": 0.5},
        {"align/ab/pretrain/step": 20, "align/ab/pretrain/loss": 0.25},
    ]
    assert ("align/ab/pretrain/*", "align/ab/pretrain/step") in recorder.metrics
    assert recorder.summary == {"03/lambda": 2.0, "03/diagnosis/level": "PASS", "03/command": "ate run --only 03",
                                "04/failed": "04 · Ablate failed in “The grid” (cell 3)"}  # fmt: skip
    assert recorder.logged[-1] == {"03/table": (["method", "success"], [["direct", "0.6"], ["ATE", "13 of 20"]])}
    assert recorder.finished == 1
    # Kept on this machine while it ran, and the user's own environment given back.
    assert recorder.seen == dict(OFFLINE)
    assert os.environ["WANDB_MODE"] == "online" and os.environ["TRACKIO_SPACE_ID"] == "somebody/somewhere"


def test_online_is_asked_for_and_leaves_the_environment_to_the_user(run, recorder, monkeypatch):
    monkeypatch.setenv("TRACKIO_SPACE_ID", "somebody/somewhere")
    assert CliRunner().invoke(track, [str(run.path), "--with", "recorder", "--online"]).exit_code == 0
    assert recorder.config["mode"] == "online" and recorder.seen["TRACKIO_SPACE_ID"] == "somebody/somewhere"


def test_a_tracker_without_a_summary_gets_it_as_its_last_row(run, monkeypatch):
    recorder = Recorder(summary=False)
    monkeypatch.setitem(sys.modules, "recorder", recorder)
    with tracker(run, "recorder"):
        pass
    assert recorder.logged[-2]["03/lambda"] == 2.0 and "03/table" in recorder.logged[-1]


def test_rows_are_told_as_they_come_and_to_the_end_when_followed(run, recorder):
    done = []
    with lock(run.path, "running"):
        follow = [str(run.path), "--with", "recorder", "--follow"]
        thread = threading.Thread(target=lambda: done.append(CliRunner().invoke(track, follow)))
        thread.start()
        while len(recorder.logged) < 3:
            time.sleep(0.01)
        assert recorder.finished == 0
        write_rows(run, "align/ab/adapt", [*ROWS[:1], {"step": 15, "loss": 0.1}])
    thread.join(timeout=30)
    assert done[0].output.startswith("4 metric rows") and recorder.finished == 1
    assert {"align/ab/adapt/step": 15, "align/ab/adapt/loss": 0.1} in recorder.logged


def test_an_error_while_following_still_ends_the_run(run, recorder):
    with pytest.raises(ZeroDivisionError), tracker(run, "recorder"):
        _ = 1 / 0
    assert recorder.finished == 1


def test_missing_and_unfit_modules_and_folders_are_refused(run, tmp_path):
    with pytest.raises(InputError, match=r"no module 'wandc'.*pip install"), tracker(run, "wandc"):
        pass
    with pytest.raises(InputError, match="without init"), tracker(run, "json"):
        pass
    refused = CliRunner().invoke(track, [str(tmp_path / "nowhere"), "--with", "json"])
    assert isinstance(refused.exception, InputError) and "no such folder" in str(refused.exception)


def test_numbers_that_no_tracker_can_draw_are_left_out():
    assert dict(flat({"a": float("nan"), "b": {"c": 1, "d": [1, 2]}, "e": True})) == {"b/c": 1, "e": True}


def told(name, run, tmp_path):
    """`ate track` in a process of its own, with a home of its own."""
    environment = {
        **os.environ,
        "HOME": str(tmp_path),
        "TRACKIO_DIR": str(tmp_path / "trackio"),
        "WANDB_SILENT": "true",
    }
    code = "from ate.cli.main import main; main()"
    command = [sys.executable, "-c", code, "track", str(run.path), "--with", name]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)


@pytest.mark.slow
def test_trackio_keeps_it_on_this_machine(run, tmp_path):
    pytest.importorskip("trackio", reason="the extra `track` is not installed")
    done = told("trackio", run, tmp_path)
    assert done.returncode == 0, done.stderr
    with sqlite3.connect(tmp_path / "trackio" / "ate.db") as database:
        logged = [json.loads(row) for (row,) in database.execute("select metrics from metrics order by id")]
    assert {"align/ab/pretrain/step": 20, "align/ab/pretrain/loss": 0.25} in logged
    assert any(row.get("03/lambda") == 2.0 for row in logged)


@pytest.mark.slow
def test_wandb_keeps_it_on_this_machine(run, tmp_path):
    pytest.importorskip("wandb", reason="wandb is not installed")
    done = told("wandb", run, tmp_path)
    assert done.returncode == 0, done.stderr
    (kept,) = (run.path / "wandb").glob("offline-run-*/run-*.wandb")
    assert b"align/ab/pretrain/loss" in kept.read_bytes()
