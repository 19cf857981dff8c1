"""`make gpu` at its smallest, on the CPU: every part runs and is written."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_every_part_runs_at_its_smallest_on_the_cpu(tmp_path):
    command = [sys.executable, "-m", "benchmarks.gpu", "--device", "cpu", "--quick", "--out", str(tmp_path)]
    done = subprocess.run(
        command,
        cwd=Path(__file__).parents[1],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    found = json.loads((tmp_path / "gpu.json").read_text())
    assert done.returncode == 0, done.stdout + done.stderr
    assert list(found) == ["versions", "scenarios", "peak", "stage 1", "guided", "grid"]
    assert all(one["ended"] == "done" and one["found"] for one in found.values())
    scenarios = found["scenarios"]["found"]
    assert scenarios["resumed equals whole, to the bit"] and scenarios["no waiting in a guided step"]
    assert scenarios["cells alone, one by one and stacked"]["one by one, over the way"] == 0
    assert (tmp_path / "gpu.md").read_text() == done.stdout
