"""Two processes under `torchrun`: one is asked to stop, both do, and the run goes on to the same bits."""

import pytest

from benchmarks.soaks.kill_alignment import differing, weights
from benchmarks.soaks.preemption import TIMEOUT, Training

STEPS = 120


@pytest.mark.slow
def test_a_signal_to_one_process_stops_both_with_a_checkpoint(tmp_path):
    whole, cut = (Training(tmp_path / name, 0.1, STEPS) for name in ("whole", "cut"))
    assert whole.start().wait(TIMEOUT) == 0, whole.log()
    process = cut.start()
    cut.trains(process)
    cut.stop(rank=1)
    assert process.wait(TIMEOUT) == 0, cut.log()
    assert not cut.finished and (cut.folder / "pretrain" / "last.safetensors").exists()
    assert "stopped at step" in cut.log() and "Traceback" not in cut.log()
    assert cut.start().wait(TIMEOUT) == 0, cut.log()
    assert differing(weights(cut.folder), weights(whole.folder)) == []
