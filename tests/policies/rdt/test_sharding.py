"""A sharded RDT trains as a whole one does, and its checkpoints go on with another number of processes."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ate.policies.rdt import load, memory_need, shard, whole_weights
from tests.policies.rdt import sharded
from tests.policies.rdt.tiny import TINY, refused, runner


@pytest.mark.slow
def test_one_process_keeps_the_policy_whole():
    policy = runner()
    assert shard(policy) is policy
    assert all(torch.equal(whole_weights(policy)[name], weight) for name, weight in policy.state_dict().items())
    assert {weight.dtype for weight in shard(runner(), precision="bf16").parameters()} == {torch.bfloat16}
    error = refused(lambda: shard(runner(), precision="half"))
    assert error.where == "precision of a sharded policy" and "mixed" in error.fix


@pytest.mark.slow
def test_two_processes_train_and_resume_what_one_does(tmp_path):
    torch.set_num_threads(1)
    losses, policy, _, _ = sharded.run(sharded.STEPS, None)
    sharded.run(sharded.HALF, tmp_path / "two" / "other")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    done = subprocess.run(
        [*command, "-m", "tests.policies.rdt.sharded", str(tmp_path / "two")],
        cwd=Path(__file__).parents[3], env={**os.environ, "OMP_NUM_THREADS": "1", "ATE_DEVICE": "cpu"},
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    first, second = (json.loads((tmp_path / "two" / f"{rank}.json").read_text()) for rank in range(2))
    count = sum(weight.numel() for weight in policy.parameters())
    for name, factor in (("own numbers", 1), ("own moments", 2)):
        assert first[name] + second[name] == factor * count
        assert abs(first[name] - second[name]) < 0.02 * factor * count
    assert first["losses"] == second["losses"] == pytest.approx(losses, abs=1e-6)
    assert first["resumed"] == first["losses"][sharded.HALF :]
    assert first["resumed from other"] == pytest.approx(losses[sharded.HALF :], abs=1e-6)
    assert first["checkpointing"] == pytest.approx(losses[:1], abs=1e-6)
    # Rounding of bf16, and not the same numbers.
    assert first["mixed"] == pytest.approx(losses[:1], rel=1e-2) and first["mixed"] != first["losses"][:1]
    assert first["verdict"] != "inactive" and first["kept"] == [len(list(policy.parameters()))] * 2

    # Back to one process: its checkpoint, and its weights as a file.
    (tmp_path / "one").mkdir()
    shutil.copy(tmp_path / "two" / "half.safetensors", tmp_path / "one" / "last.safetensors")
    assert sharded.run(sharded.STEPS, tmp_path / "one")[0] == pytest.approx(losses[sharded.HALF :], abs=1e-6)
    written = load(tmp_path / "two" / "policy.safetensors").state_dict()
    for name, weight in policy.state_dict().items():
        # AdamW makes a step of a thousandth of a gradient that rounding decides.
        torch.testing.assert_close(written[name], weight.detach(), atol=1e-4, rtol=0)


def test_the_preflight_tells_what_sharding_gives():
    one = memory_need(TINY, 2, precision="float32")
    two, four = one.divided(2), one.divided(4)
    fixed = one.weights + one.gradients + one.optimizer
    assert (two.fixed, four.fixed) == (fixed / 2 + one.gathered, fixed / 4 + one.gathered)
    assert two.total == two.fixed + 2 * one.activations and one.divided(1) == one
    # Two blocks are all that the tiny policy has: weights and gradients of everything are whole at a time.
    assert one.gathered == one.weights + one.gradients
    mixed = memory_need(TINY, precision="mixed")
    assert mixed.copies == 2 * mixed.parameters
    assert mixed.divided(4).fixed == (mixed.fixed - mixed.copies) / 4 + mixed.gathered
    assert refused(lambda: one.divided(0)).where == "processes"


@pytest.mark.slow
def test_a_policy_too_large_for_one_process_is_told_how_many_fit():
    need = memory_need(replace(TINY, depth=12), precision="float32")
    available = int(need.divided(4).total / 0.9) + 1
    assert need.fewest_processes(available) == 4 and need.fewest_processes(need.gathered) is None
    assert "over 4 processes" in refused(lambda: need.require(available)).fix
    need.divided(4).require(available)
