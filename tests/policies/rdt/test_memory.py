import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ate.policies.rdt import memory_need, with_lora
from ate.policies.rdt.memory import RESERVE, kept_per_sample
from ate.steer import Guidance, attach
from tests.policies.rdt.tiny import TINY, batch, refused, runner


def test_weights_and_moments_are_counted():
    policy, need = runner(), memory_need(TINY, 4, precision="float32")
    count = sum(p.numel() for p in policy.parameters())
    assert (need.parameters, need.trained) == (count, count)
    assert (need.weights, need.gradients, need.optimizer) == (4 * count, 4 * count, 8 * count)
    assert need.total == 16 * count + 4 * need.activations


def test_what_is_counted_without_storage_is_what_a_real_pass_keeps():
    need = memory_need(TINY, precision="float32")
    real = kept_per_sample(runner(), TINY.max_lang_cond_len, torch.float32)
    # Without storage attention is counted by the kernel that keeps most: never less than a real device keeps.
    assert real <= need.activations <= 1.25 * real


@pytest.mark.slow
def test_checkpointing_and_lora_and_half_precision_need_less():
    plain = memory_need(TINY, precision="float32")
    deep = replace(TINY, depth=8)
    whole, kept = (memory_need(deep, precision="float32", checkpointing=on).activations for on in (False, True))
    assert kept < 0.5 * whole
    assert memory_need(TINY, precision="bf16").total < 0.6 * plain.total
    lora = memory_need(TINY, precision="float32", lora_rank=2)
    assert lora.trained < 0.2 * lora.parameters and lora.optimizer == 8 * lora.trained
    assert memory_need(TINY, precision="float32", lang_tokens=1).activations < plain.activations


@pytest.mark.slow
def test_the_largest_batch_fits_and_one_more_does_not():
    need = memory_need(TINY, 1, precision="float32")
    available = int((need.fixed + 7.5 * need.activations) / 0.9)
    assert need.largest_batch(available) == 7
    memory_need(TINY, 7, precision="float32").require(available)
    error = refused(lambda: memory_need(TINY, 8, precision="float32").require(available))
    assert error.where == "memory of the device" and "batch 7" in error.fix
    assert need.largest_batch(need.fixed) == 0
    assert "LoRA" in refused(lambda: need.require(need.fixed)).fix


def test_bad_questions_are_refused():
    error = refused(lambda: memory_need(TINY, precision="mixd"))
    assert (error.where, error.got) == ("precision", "'mixd'") and "'mixed'" in error.fix
    assert refused(lambda: memory_need(TINY, 0)).where == "batch"


@pytest.mark.slow
def test_lora_starts_as_the_policy_trains_little_and_is_guided():
    policy, (inputs, a0, noise) = runner(), batch()
    t = torch.tensor([5, 400, 950])

    def loss():
        return policy.compute_loss(**inputs, action_gt=a0, noise=noise, timesteps=t)

    before = loss().item()
    assert with_lora(policy, rank=2) is policy
    assert loss().item() == pytest.approx(before, rel=1e-6)
    trained = [name for name, p in policy.named_parameters() if p.requires_grad]
    assert trained and all("lora_" in name for name in trained)
    from ate.steer.encoder import IdentityEncoder

    with attach(policy, Guidance(IdentityEncoder(128, 8), "paper", lam=1.0, clamp=0.1)) as guided:
        loss().backward()
    assert guided.steps == 1
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in policy.parameters() if p.requires_grad)
    assert refused(lambda: with_lora(policy, rank=0)).where == "LoRA rank"


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="peaks of memory are read from Linux's /proc")
def test_real_steps_of_a_mid_size_policy_take_what_is_estimated():
    """Never a tenth (its reserve) more, and not so much less that a batch twice as large would have fitted."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.policies.rdt.measuring"], capture_output=True, text=True, check=True, timeout=300,
        cwd=Path(__file__).parents[3],
        # Freed blocks go back to the system at once, so that what is resident is what is held.
        env={**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536", "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    cases = json.loads(done.stdout)
    assert cases["plain"]["need"] > cases["checkpointing"]["need"] > cases["lora"]["need"]
    for name, case in cases.items():
        assert 0.5 < case["measured"] / case["need"] < 1 + RESERVE, (name, cases)
