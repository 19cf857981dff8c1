"""Resident memory of real fine-tuning steps of a mid-size RDT, and the estimate of `memory_need`, as JSON.

    python -m tests.policies.rdt.measuring

A process of its own, on Linux: the peak counts everything that a process holds.
"""

import gc
import json
from dataclasses import replace
from pathlib import Path

import torch

from ate.policies.rdt import memory_need, with_lora
from ate.policies.rdt.runner import Runner, RunnerConfig
from tests.policies.rdt.tiny import TINY

MIDDLE = RunnerConfig(
    hidden_size=256, depth=4, num_heads=8, lang_token_dim=256, img_token_dim=192, max_lang_cond_len=64,
    img_cond_len=384,
)  # fmt: skip
BATCH = 6
CASES = {"lora": {"lora_rank": 4, "checkpointing": True}, "checkpointing": {"checkpointing": True}, "plain": {}}


def status(name):
    """Bytes of a line of /proc/self/status: `VmRSS` now, `VmHWM` at most since `forget_peak`."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return 1024 * int(line.split()[1])


def forget_peak():
    Path("/proc/self/clear_refs").write_text("5")


def train(config, size, checkpointing=False, lora_rank=0):
    """Two steps of AdamW, the second with its moments there."""
    runner = Runner(config, checkpointing=checkpointing)
    if lora_rank:
        with_lora(runner, lora_rank)
    optimizer = torch.optim.AdamW([p for p in runner.parameters() if p.requires_grad])
    chunk = (size, config.pred_horizon, config.action_dim)
    for _ in range(2):
        loss = runner.compute_loss(
            lang_tokens=torch.randn(size, config.max_lang_cond_len, config.lang_token_dim),
            lang_attn_mask=torch.ones(size, config.max_lang_cond_len, dtype=torch.bool),
            img_tokens=torch.randn(size, config.img_cond_len, config.img_token_dim),
            state_tokens=torch.randn(size, 1, config.action_dim),
            action_mask=torch.ones(size, 1, config.action_dim),
            ctrl_freqs=torch.full((size,), 25.0),
            action_gt=torch.randn(chunk),
            noise=torch.randn(chunk),
            timesteps=torch.arange(size),
        )
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()


def main():
    # A warm-up: what the first step of a process loads and keeps is not the policy's.
    train(replace(TINY, max_lang_cond_len=4), 2, checkpointing=True, lora_rank=2)
    cases = {}
    for name, options in CASES.items():
        need = memory_need(MIDDLE, BATCH, precision="float32", **options)
        gc.collect()
        forget_peak()
        resident = status("VmRSS")
        train(MIDDLE, BATCH, **options)
        cases[name] = {"measured": status("VmHWM") - resident, "need": need.total, "fixed": need.fixed}
    print(json.dumps(cases))


if __name__ == "__main__":
    main()
