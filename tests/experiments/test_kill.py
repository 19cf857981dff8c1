"""A sweep that is killed at any moment, however often, ends with every cell once and the results of one that is not."""

import json
import os

import pytest
import torch

from ate.experiments import Executor, JobSpec, MethodSpec, comparison
from ate.experiments.dispatch import run
from ate.steer import GuidanceConfig
from benchmarks.soaks.kill_sweep import Fork, cells, compared, soak

KILLS = int(os.environ.get("ATE_KILLS", "4"))
METHODS = (
    *comparison(GuidanceConfig(lam=2.0, clamp=0.1, energy_at="x_t"), "aligned", placed=False),
    MethodSpec("sampled", encoder="aligned", guidance=GuidanceConfig(latent="sample", lam=1.0, energy_at="x_t")),
)


def sweep(experiment, folder):
    torch.set_num_threads(1)
    run([JobSpec(experiment, METHODS, (0, 1))], folder / "results", Executor("here")).whole()


@pytest.mark.slow
def test_killed_again_and_again_every_cell_is_there_once_and_equal(experiment, tmp_path):
    # The server's first fork waits for its imports, which belong to no sweep.
    Fork(torch.get_num_threads).wait(None)
    found = soak(lambda folder: Fork(sweep, experiment, folder), tmp_path / "whole", tmp_path / "killed", KILLS)
    assert found["cells"] == 10 and found["killed"] == KILLS and found["finished"] >= 1
    assert found["wrong"] == []


@pytest.mark.slow
def test_what_is_wrong_is_seen(experiment, tmp_path):
    request = JobSpec(experiment, METHODS[:2], (0,))
    one, two = (run([request], tmp_path / name / "results", Executor("here")).results for name in ("one", "two"))
    assert one[0].cell == two[0].cell

    expected, results = cells(tmp_path / "one" / "results"), tmp_path / "two" / "results"
    assert compared(expected, results) == []
    files = sorted((results / "cells").iterdir())
    tree = json.loads(files[0].read_text())
    tree["open_loop"]["joint1"] += 1e-12
    files[0].write_text(json.dumps(tree))
    (results / "cells" / "other.json").write_text("{}")
    files[1].rename(results / "cells" / f".{files[1].name}.1.tmp")
    said = compared(expected, results)
    assert sorted(said) == sorted([
        f"{files[0].name} differs", f"{files[1].name} is missing", "other.json is too many",
        f".{files[1].name}.1.tmp is left",
    ])  # fmt: skip
