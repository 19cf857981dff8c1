"""Two processes under `torchrun`: one is asked to stop, both do, and the run goes on to the same bits."""

import pytest

from ate.runs.status import STOP
from benchmarks.soaks.kill_alignment import differing, weights
from benchmarks.soaks.preemption import TIMEOUT, Training

STEPS = 40


@pytest.mark.slow
def test_a_signal_or_a_stop_file_stops_both_processes_with_a_checkpoint(tmp_path):
    """In two starts: a run that is whole, one that a signal cuts and that goes on, and one that a file stops."""
    runs = Training(tmp_path, 0.1, whole=STEPS, cut=STEPS, filed=100 * STEPS)
    process = runs.start()
    runs.trains(process, "cut")
    runs.stop(rank=1)
    assert process.wait(TIMEOUT) == 0, runs.log()
    assert runs.finished("whole") and not runs.finished("cut")
    assert (tmp_path / "cut" / "pretrain" / "last.safetensors").exists()

    process = runs.start()
    runs.trains(process, "filed")
    assert differing(weights(tmp_path / "cut"), weights(tmp_path / "whole")) == []
    (tmp_path / "filed" / "pretrain" / STOP).touch()
    assert process.wait(TIMEOUT) == 0, runs.log()
    assert not runs.finished("filed") and (tmp_path / "filed" / "pretrain" / "last.safetensors").exists()
    assert runs.log().count("stopped at step") == 2 and "Traceback" not in runs.log()
