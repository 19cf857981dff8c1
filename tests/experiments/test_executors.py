"""Executors: every job ends in an outcome, and one that fails or dies does not stop the rest."""

import os

import pytest

from ate.errors import InputError
from ate.experiments.executors import Executor
from ate.experiments.job import LOST, RAISED

from .jobs import Note

pytest.importorskip("submitit")


@pytest.mark.parametrize("kind", ["here", "processes", "submitit-local"])
@pytest.mark.slow
def test_a_job_that_fails_does_not_stop_the_rest(kind, tmp_path):
    jobs = [Note("a", str(tmp_path)), Note("b", str(tmp_path), "raise"), Note("c", str(tmp_path))]
    outcomes = dict(Executor(kind, workers=2).run(jobs, tmp_path / "jobs"))
    assert set(outcomes) == {0, 1, 2} and outcomes[0] is None and outcomes[2] is None
    failure = outcomes[1]
    assert (failure.kind, failure.type) == (RAISED, "InputError")
    assert failure.message == "a job: got nothing; expected something. Fix: try again."
    assert "jobs.py" in failure.trace
    pids = {(tmp_path / name).read_text() for name in "ac"}
    assert (pids == {str(os.getpid())}) == (kind == "here")
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize("kind", ["processes", "submitit-local"])
@pytest.mark.slow
def test_a_worker_that_dies_takes_its_own_job_alone(kind, tmp_path, monkeypatch):
    monkeypatch.setattr("ate.experiments.slurm.PATIENCE", 0.5)
    jobs = [Note("a", str(tmp_path)), Note("b", str(tmp_path), "die"), Note("c", str(tmp_path))]
    outcomes = dict(Executor(kind, workers=1).run(jobs, tmp_path / "jobs"))
    assert outcomes[0] is None and outcomes[2] is None and (tmp_path / "c").exists()
    assert outcomes[1].kind == LOST and outcomes[1].message


def test_no_jobs_need_no_executor(tmp_path):
    assert list(Executor("slurm").run([], tmp_path)) == []


def test_executors_are_read_from_text():
    assert Executor.parse("processes", 3) == Executor("processes", 3)
    read = Executor.parse("slurm:partition=gpu, time=90,mem=7.5,per=cell")
    assert dict(read.options) == {"partition": "gpu", "time": 90, "mem": 7.5, "per": "cell"}
    assert read.per_cell and not Executor.parse("slurm").per_cell


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("slrum", "did you mean 'slurm'"),
        ("slurm:partitoin=x", "did you mean 'partition'"),
        ("slurm:time=soon", "whole number"),
        ("slurm:time=0", "number above 0"),
        ("slurm:time=-3", "number above 0"),
        ("slurm:partition=", "a name"),
        ("slurm:partition", "NAME=VALUE"),
        ("slurm:per=method", "valid names are cell, group"),
        ("processes:time=3", "no options"),
    ],
)
def test_other_text_is_refused(text, words):
    with pytest.raises(InputError, match=words):
        Executor.parse(text)


def test_a_machine_without_slurm_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="no sbatch or squeue"):
        list(Executor("slurm").run([Note("a", str(tmp_path))], tmp_path / "jobs"))
