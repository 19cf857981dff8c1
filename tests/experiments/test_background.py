"""Jobs in the background: they run while the body runs, and their results and errors come after it."""

import time
from pathlib import Path
from types import SimpleNamespace

import joblib
import pytest

from ate.experiments.preparation import background


def answered(asked: Path, answer: Path) -> str:
    """Wait for a file, and write another one."""
    until = time.monotonic() + 60
    while not asked.exists():
        assert time.monotonic() < until
        time.sleep(0.01)
    answer.touch()
    return asked.name


def fail() -> None:
    raise ValueError("not trained")


@pytest.mark.slow
def test_jobs_run_while_the_body_does(tmp_path):
    jobs = [joblib.delayed(answered)(tmp_path / "asked", tmp_path / "answer")]
    with background(SimpleNamespace(workers=2), jobs) as results:
        # Neither would end if one of them had to wait for the other's end.
        answered_by = joblib.delayed(answered)(tmp_path / "answer", tmp_path / "end")
        (tmp_path / "asked").touch()
        assert answered_by[0](*answered_by[1]) == "answer" and results == []
    assert results == ["asked"]


@pytest.mark.slow
def test_an_error_of_a_job_comes_after_the_body(tmp_path):
    with (
        pytest.raises(ValueError, match="not trained"),
        background(SimpleNamespace(workers=2), [joblib.delayed(fail)()]) as results,
    ):
        (tmp_path / "body").touch()
    assert (tmp_path / "body").exists() and results == []


@pytest.mark.slow
def test_jobs_end_with_a_body_that_is_stopped(recwarn):
    began = time.monotonic()
    with (
        pytest.raises(KeyboardInterrupt),
        background(SimpleNamespace(workers=2), [joblib.delayed(time.sleep)(300)]),
    ):
        raise KeyboardInterrupt
    assert time.monotonic() - began < 100 and not recwarn.list


@pytest.mark.parametrize("jobs", [[], [joblib.delayed(int)("3"), joblib.delayed(int)("4")]])
def test_with_one_worker_they_run_after_the_body(jobs):
    with background(SimpleNamespace(workers=1), jobs) as results:
        assert results == []
    assert results == [3, 4][: len(jobs)]
