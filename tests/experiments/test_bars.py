"""Bars: trainings in processes of their own are one bar of the process that waits for them."""

from types import SimpleNamespace

import joblib
import pytest
import torch

from ate.experiments.executors import Executor
from ate.experiments.preparation import in_parallel
from ate.runs.loop import train

LABEL = "one of several"


def trained(number: int) -> int:
    """A training of three steps; its number and the count of its rows together."""
    rows = train(lambda index: {"loss": torch.tensor(float(index))}, {}, 3, label=LABEL, log_every=1)
    return number + len(rows)


class Job:
    """The same, for an executor."""

    def __call__(self) -> None:
        """Train."""
        trained(0)


@pytest.mark.parametrize(("workers", "bars"), [(1, [LABEL]), pytest.param(2, ["jobs"], marks=pytest.mark.slow)])
def test_jobs_in_processes_show_one_bar_and_a_job_here_its_own(capfd, workers, bars):
    jobs = [joblib.delayed(trained)(number) for number in range(2)]
    assert in_parallel(SimpleNamespace(workers=workers), jobs) == [3, 4]
    shown = capfd.readouterr().err
    assert [name for name in (LABEL, "jobs") if f"{name}:" in shown] == bars


@pytest.mark.slow
def test_workers_of_an_executor_show_no_bar(capfd):
    assert [failure for _, failure in Executor.parse("processes", 2).run([Job(), Job()], None)] == [None, None]
    assert LABEL not in capfd.readouterr().err
