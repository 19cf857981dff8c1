"""Whether the product runs on the device: the scenarios of the tests on a fake one, and what only a real one has."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

import ate.align
from ate.align import Alignment
from ate.align.config import preset
from ate.align.evaluate.scorecard import scorecard
from ate.data import Episodes, load
from ate.experiments.settings import SHIPPED
from ate.policies import Policy, build
from ate.policies.noise import PARAMETERIZATIONS
from ate.steer import Guidance, GuidedPolicy, OptimConfig, attach, finetune, finetune_methods
from benchmarks.gpu.measure import Notes

CHUNK = 16
SHORT = {"pretrain_steps": 12, "adapt_steps": 6}


def episodes() -> tuple[list[Episodes], Episodes]:
    """Some shipped episodes of a pre-training robot and of an adaptation robot."""
    lift = SHIPPED / "lift"
    return [load(lift / "pretrain" / "panda").select(range(6))], load(lift / "adapt" / "ur5e").select(range(6))


def weights(policy: torch.nn.Module) -> torch.Tensor:
    """All of them as one vector on the host."""
    return torch.cat([weight.detach().flatten().cpu() for weight in policy.parameters()])


@contextmanager
def no_waiting(device: torch.device) -> Iterator[None]:
    """Let every wait for the device raise, where the device is a GPU."""
    if device.type == "cuda":
        torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        if device.type == "cuda":
            torch.cuda.set_sync_debug_mode("default")


def run(notes: Notes) -> None:
    """All scenarios, each with what it found or its error."""
    old, new = episodes()
    aligned = ate.align.fit(old, new, preset("smoke").with_options(**SHORT), device=notes.device)
    policy, options = build([new], CHUNK, seed=0, width=8, hidden=32), {"steps": 4, "batch": 16, "device": notes.device}
    presets = ("smoke",) if notes.quick else ("smoke", "smoke-mixture", "smoke-anchored", "smoke-motion")
    for name in presets:
        notes.tried(f"fit {name}, scorecard", lambda name=name: _fit(old, new, name, notes.device))
    for kind in PARAMETERIZATIONS:
        own = build([new], CHUNK, seed=0, width=8, hidden=32, parameterization=kind)
        for place in ("x_t", "x0_hat"):
            guidance = Guidance.of(aligned, "paper", lam=2.0, clamp=0.1, energy_at=place)
            notes.tried(
                f"finetune {kind} at {place}", lambda p=own, g=guidance: _moved(p, finetune(p, new, g, **options))
            )
    for name, check in checks(aligned, policy, old, new, notes).items():
        notes.tried(name, check)


def _fit(old: list[Episodes], new: Episodes, name: str, device: torch.device) -> str:
    return scorecard(ate.align.fit(old, new, preset(name).with_options(**SHORT), device=device), old, new, 0).verdict


def _moved(policy: Policy, trained: Any) -> float:
    """How far the weights went: a number, or something is wrong."""
    return round(float((weights(trained.policy) - weights(policy)).norm()), 4)


def checks(
    aligned: Alignment, policy: Policy, old: list[Episodes], new: Episodes, notes: Notes
) -> dict[str, Callable[[], Any]]:
    """What is compared, by name."""
    guidance, device = Guidance.of(aligned, "paper", lam=2.0, clamp=0.1), notes.device

    def stacked() -> dict[str, float]:
        methods = {
            str(lam): GuidedPolicy(policy, Guidance.of(aligned, "paper", lam=lam, clamp=0.1)) for lam in (1.0, 2.0)
        }
        optim = OptimConfig(steps=8, batch=16)
        together, alone, single = (
            finetune_methods(chosen, new, optim, stacked=stack, device=device)["2.0"].policy
            for chosen, stack in ((methods, True), (methods, False), ({"2.0": methods["2.0"]}, False))
        )
        moved = (weights(single) - weights(policy)).norm()
        return {
            "one by one, over the way": float((weights(alone) - weights(single)).norm() / moved),
            "stacked, over the way": float((weights(together) - weights(single)).norm() / moved),
        }

    def resumed() -> bool:
        with tempfile.TemporaryDirectory() as folder:
            whole = finetune(policy, new, guidance, steps=8, batch=16, device=device)
            finetune(policy, new, guidance, steps=4, batch=16, device=device, directory=Path(folder))
            cut = finetune(policy, new, guidance, steps=8, batch=16, device=device, directory=Path(folder))
        return torch.equal(weights(whole.policy), weights(cut.policy))

    def travels() -> dict[str, bool]:
        found = {}
        for first, second in (("cpu", device), (device, "cpu")):
            with tempfile.TemporaryDirectory() as folder:
                done = finetune(policy, new, guidance, steps=4, batch=16, device=first, directory=Path(folder))
                again = finetune(policy, new, guidance, steps=4, batch=16, device=second, directory=Path(folder))
            found[f"{first} to {second}"] = torch.equal(weights(done.policy), weights(again.policy))
        return found

    def precisions() -> float:
        one, other = (
            weights(finetune(policy, new, guidance, steps=8, batch=16, precision=name, device=device).policy)
            for name in ("float32", "bfloat16")
        )
        return float((one - other).norm() / (one - weights(policy)).norm())

    return {
        "no waiting in a guided step": lambda: _unwaited(aligned, policy, device),
        "resumed equals whole, to the bit": resumed,
        "checkpoints of finished runs travel, to the bit": travels,
        "cells alone, one by one and stacked": stacked,
        "bfloat16 against float32, over the way": precisions,
    }


def _unwaited(aligned: Alignment, policy: Policy, device: torch.device) -> bool:
    """Whether guided steps after the first one are made without a wait."""
    own = policy.moved_to(aligned.space).to(device).train()
    a0 = torch.rand(16, CHUNK, 8, device=device)
    t, observation = torch.rand(16, device=device), torch.randn(16, policy.observed, device=device)
    with attach(own, aligned, "paper", lam=2.0, clamp=0.1) as guided:
        for _ in range(3):
            with no_waiting(device if guided.steps else torch.device("cpu")):
                own(own.path.noised(a0, torch.randn_like(a0), t), t, observation).square().mean().backward()
    return guided.steps == 3
