"""A run lives on disk: stopped at any step, gone on with to the same bits, found and stopped from another process."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import h5py
import numpy as np
import pytest
import torch

from ate.errors import InputError
from ate.runs import loop
from ate.runs.child import Child, words
from ate.runs.lock import alive, identity
from ate.runs.loop import LAST, METRICS, train
from ate.runs.status import STATUS, STOP, TRAINING, Stopped, run_status, training


def test_a_process_that_has_the_number_of_a_dead_one_is_not_taken_for_it():
    own = identity(os.getpid())
    assert alive(own) and not alive({**own, "created": own["created"] - 3600})
    process = subprocess.Popen([sys.executable, "-c", "pass"])
    ended = identity(process.pid)
    process.wait()
    assert not alive(ended) and not alive(identity(process.pid))


class Walk:
    """A training whose every step draws a number and adds it up."""

    def __init__(self, folder, stop_at=None, how="file"):
        self.folder, self.stop_at, self.how = folder, stop_at, how
        self.generator = torch.Generator().manual_seed(0)
        self.sum = torch.nn.Parameter(torch.zeros(()))
        self.state = torch.nn.ParameterDict({"sum": self.sum})

    def step(self, index):
        if index + 1 == self.stop_at and self.how == "file":
            (self.folder / STOP).touch()
        elif index + 1 == self.stop_at:
            os.kill(os.getpid(), self.how)
        with torch.no_grad():
            self.sum += torch.randn((), generator=self.generator)
        return {"sum": self.sum.detach().clone()}

    def run(self, steps=60):
        return train(self.step, {"sum": self.state, "noise": self.generator}, steps, directory=self.folder,
                     identity="walk", checkpoint_every=20, log_every=10)  # fmt: skip


@pytest.fixture(autouse=True)
def _at_every_step(monkeypatch):
    monkeypatch.setattr("ate.runs.status.HEARTBEAT", 0.0)


@pytest.mark.parametrize("stops", [(1,), (7, 8), (20, 33, 59), (10,)])
def test_stopped_at_any_step_it_goes_on_to_the_same_bits_and_rows(tmp_path, stops):
    whole = Walk(tmp_path / "whole")
    rows = whole.run()
    for stop in stops:
        with pytest.raises(Stopped, match=f"stopped at step {stop} of 60"):
            Walk(tmp_path / "cut", stop).run()
        assert json.loads((tmp_path / "cut" / STATUS).read_text())["state"] == "stopped"
        assert not (tmp_path / "cut" / STOP).exists() and not training(tmp_path / "cut")
    last = Walk(tmp_path / "cut")
    assert last.run() == rows and torch.equal(last.sum, whole.sum)
    assert (tmp_path / "cut" / METRICS).read_text() == (tmp_path / "whole" / METRICS).read_text()
    assert json.loads((tmp_path / "cut" / STATUS).read_text())["state"] == "finished"


@pytest.mark.parametrize(("number", "error"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Stopped)])
def test_a_signal_ends_it_after_the_step_with_a_checkpoint(tmp_path, number, error):
    before = signal.getsignal(number)
    with pytest.raises(error):
        Walk(tmp_path, 13, number).run()
    assert signal.getsignal(number) is before
    assert loop.checkpoint.load(tmp_path / LAST)["step"] == 13


def test_a_directory_is_trained_in_by_one_process_and_a_dead_one_holds_nothing(tmp_path):
    with run_status(tmp_path, "first", 10) as status:
        status.update(1)
        assert training(tmp_path)
        with pytest.raises(InputError) as error:
            Walk(tmp_path).run()
        assert f"process {os.getpid()} on" in error.value.got and error.value.where == str(tmp_path)
    for name in (TRAINING, f"{TRAINING}.json"):
        (tmp_path / name).write_text("left over")
    assert not training(tmp_path)
    Walk(tmp_path).run(10)


def test_a_failure_is_reported(tmp_path):
    with pytest.raises(ZeroDivisionError), run_status(tmp_path, "it", 10):
        _ = 1 / 0
    status = Child.attach(tmp_path).status()
    assert status["state"] == "failed" and "ZeroDivisionError" in words(status)


def test_another_thread_trains_without_taking_signals_over(tmp_path):
    done = []
    thread = threading.Thread(target=lambda: done.append(Walk(tmp_path).run(10)))
    thread.start()
    thread.join()
    assert done and done[0][-1]["step"] == 10


def record(folder, dof, count, seed):
    random = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    for i in range(count):
        with h5py.File(folder / f"episode_{i:04d}.hdf5", "w") as handle:
            handle["qpos"] = np.cumsum(random.normal(0, 0.05, (40, dof)), axis=0).astype(np.float32)
    return str(folder)


def until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


STARTER = """
import sys
from ate.runs.child import Child
Child.start(sys.argv[2:], sys.argv[1])
"""


@pytest.mark.slow
def test_a_child_outlives_its_parent_and_is_stopped_and_gone_on_with_from_elsewhere(tmp_path):
    old, new = record(tmp_path / "old", 7, 6, 0), record(tmp_path / "new", 7, 5, 1)
    run = tmp_path / "run"
    command = ["align", "--preset", "smoke", "--pretrain", old, "--adapt", new, "--out", str(run),
               "-p", "pretrain_steps=4000", "-p", "adapt_steps=5", "-p", "schedule=constant"]  # fmt: skip
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-c", STARTER, str(run), *command], check=True, env=environment, timeout=60)

    child = Child.attach(run)
    until(lambda: child.status()["state"] == "running" and child.status()["step"] > 10)
    assert child.alive and "about" in words(child.status()) and child.code is None
    with pytest.raises(InputError, match="a run that is alive"):
        Child.start(command, run)
    assert child.stop(30) and not child.alive
    status = child.status()
    assert status["state"] == "stopped" and 10 < status["step"] < 4000
    assert any("Run the same again to continue" in line for line in child.log())

    again = Child.start([*command[:-2], "-p", "schedule=constant"], run)
    until(lambda: again.status()["state"] == "running" and again.status()["step"] > status["step"])
    os.kill(again.process["pid"], signal.SIGKILL)
    assert again.wait(30) and again.status()["state"] == "died" and again.code == -9


@pytest.mark.slow
def test_a_child_that_fails_says_why(tmp_path):
    child = Child.start(["align", "--pretrain", "/nowhere", "--adapt", "/nowhere"], tmp_path)
    assert child.wait(60) and child.code == 2 and "no such folder" in "\n".join(child.log())
    assert child.status()["state"] == "ended"


def test_nothing_to_attach_to_is_said(tmp_path):
    with pytest.raises(InputError, match="no run"):
        Child.attach(tmp_path)
