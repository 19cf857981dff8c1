"""Guided over unguided training steps: MLP and U-Net by fine-tuning, RDT-1B by its own loss; and a grid of 25 cells."""

import time
from dataclasses import replace
from typing import Any

import torch

from ate.align.config import preset
from ate.align.vae import InfoVAE
from ate.align.vae_config import VAEConfig
from ate.data import Episodes
from ate.policies import Policy, build
from ate.policies.rdt import Runner
from ate.policies.rdt.memory import memory_need
from ate.policies.rdt.runner import RunnerConfig
from ate.steer import Guidance, GuidedPolicy, OptimConfig, attach, finetune, finetune_methods
from benchmarks.ensemble import CLAMPS, LAMS
from benchmarks.gpu.measure import Notes, seconds, wait
from benchmarks.gpu.scenarios import CHUNK, episodes

TINY = RunnerConfig(pred_horizon=8, hidden_size=32, depth=2, num_heads=4, lang_token_dim=12, img_token_dim=10,
                    max_lang_cond_len=6, img_cond_len=5)  # fmt: skip


def guided(notes: Notes) -> None:
    """Seconds of a guided step over those of a plain one."""
    _, new = episodes()
    config = preset("demo")
    vae = InfoVAE(VAEConfig(8, config.latent, config.layers, config.heads, config.feedforward, 0.0)).to(notes.device)
    guidance = Guidance(vae, "paper", lam=2.0, clamp=0.1)
    for network, hidden in (("mlp", 256), ("unet", 64)):
        policy = build([new], CHUNK, seed=0, width=8, network=network, hidden=32 if notes.quick else hidden)
        notes.tried(network, lambda p=policy: _ratio(notes, p, new, guidance))
    for batch in (1,) if notes.quick else (1, 8, 16):
        notes.tried(f"RDT-1B's sizes, batch {batch}" if not notes.quick else "RDT, tiny", lambda b=batch: rdt(notes, b))


def _ratio(notes: Notes, policy: Policy, new: Episodes, guidance: Guidance) -> dict[str, float]:
    """Of two lengths of training: what is before and after the steps drops out."""
    short, long = (2, 6) if notes.quick else (40, 240)

    def step(own: Guidance | None) -> float:
        took = []
        for steps in (short, short, long):
            wait(notes.device)
            began = time.perf_counter()
            finetune(policy, new, own, steps=steps, batch=64, device=notes.device)
            wait(notes.device)
            took.append(time.perf_counter() - began)
        return (took[2] - took[1]) / (long - short)

    plain, own = step(None), step(guidance)
    return {"plain ms": round(1e3 * plain, 3), "guided ms": round(1e3 * own, 3), "ratio": round(own / plain, 3)}


def rdt(notes: Notes, batch: int) -> dict[str, Any]:
    """Of RDT with random weights that are made on the device; peak memory against what was foretold."""
    config, cuda = TINY if notes.quick else RunnerConfig(), notes.device.type == "cuda"
    need = memory_need(config, batch, precision="bf16")
    if cuda:
        need.require(torch.cuda.get_device_properties(notes.device).total_memory)
        torch.cuda.reset_peak_memory_stats(notes.device)
    dtype = torch.bfloat16 if cuda else torch.float32
    with torch.device(notes.device):
        torch.set_default_dtype(dtype)
        try:
            policy = Runner(config).train()
        finally:
            torch.set_default_dtype(torch.float32)
        inputs = _inputs(config, batch, dtype)
        vae = InfoVAE(VAEConfig(128, 64, 3, 4, 128) if notes.quick else VAEConfig(128))
    optimizer = torch.optim.AdamW(policy.parameters(), lr=1e-5, fused=True)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        policy.compute_loss(**inputs).backward()
        optimizer.step()

    repeats = 1 if notes.quick else 3
    plain = seconds(step, notes.device, repeats, 2)
    with attach(policy, Guidance(vae, "released")):
        own = seconds(step, notes.device, repeats, 2)
    found: dict[str, Any] = {
        "plain ms": round(1e3 * plain, 1), "guided ms": round(1e3 * own, 1), "ratio": round(own / plain, 3),
        "foretold GiB": round(need.total / 2**30, 2),
    }  # fmt: skip
    if cuda:
        found["peak GiB"] = round(torch.cuda.max_memory_allocated(notes.device) / 2**30, 2)
    return found


def _inputs(config: RunnerConfig, batch: int, dtype: torch.dtype) -> dict[str, Any]:
    """Random inputs of the loss, on the default device."""
    sizes = {
        "lang_tokens": (config.max_lang_cond_len, config.lang_token_dim),
        "img_tokens": (config.img_cond_len, config.img_token_dim),
        "state_tokens": (1, config.action_dim),
        "action_gt": (config.pred_horizon, config.action_dim),
    }
    random = {name: torch.randn(batch, *size, dtype=dtype) for name, size in sizes.items()}
    mask = torch.ones(batch, 1, config.action_dim, dtype=dtype)
    return {**random, "lang_attn_mask": None, "action_mask": mask, "ctrl_freqs": torch.full((batch,), 25.0)}


def grid(notes: Notes) -> None:
    """A grid of λ × clamp on one stream of batches: stacked and one by one, in units of a single run."""
    _, new = episodes()
    policy, config = build([new], CHUNK, seed=0, width=8, hidden=32 if notes.quick else 256), preset("demo")
    vae = InfoVAE(VAEConfig(8, config.latent, config.layers, config.heads, config.feedforward, 0.0))
    lams, clamps = (LAMS[:2], CLAMPS[:2]) if notes.quick else (LAMS, CLAMPS)
    cells = {
        f"{lam} {clamp}": GuidedPolicy(policy, Guidance(vae, "paper", lam=lam, clamp=clamp))
        for lam in lams
        for clamp in clamps
    }
    single = dict([next(iter(cells.items()))])
    optim = replace(OptimConfig(), steps=4 if notes.quick else 100)

    def took(methods: dict[str, GuidedPolicy], stacked: bool) -> float:
        return seconds(
            lambda: finetune_methods(methods, new, optim, stacked=stacked, device=notes.device), notes.device, 1,
            1 if notes.quick else 3,
        )  # fmt: skip

    alone = took(single, False)
    notes.add("cells", len(cells))
    notes.add("single run, seconds", round(alone, 3))
    notes.tried("stacked over single", lambda: round(took(cells, True) / alone, 2))
    notes.tried("one by one over single", lambda: round(took(cells, False) / alone, 2))
