"""Optimisation options against steps taken by hand, exact resume of all of them, and several processes as one."""

import json
import multiprocessing
import os
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from ate.align.vae import InfoVAE
from ate.align.vae_config import VAEConfig
from ate.policies import build
from ate.steer import Evaluation, Guidance, finetune
from ate.steer.batches import TrainingData, draw

ALL = {"ema": 0.9, "warmup": 5, "lr_schedule": "cosine", "accumulate": 2, "max_grad_norm": 0.5}


@pytest.fixture
def setting(make_set):
    return pieces(make_set("new", joints=6))


def pieces(new):
    torch.manual_seed(3)
    vae = InfoVAE(VAEConfig(features=7, latent=8, layers=3, heads=2, feedforward=16, dropout=0.0))
    return build([new], 8, seed=0, hidden=16), new, vae


def weights(policy):
    return torch.cat([p.detach().flatten() for p in policy.parameters()])


def by_hand(policy, new, steps, accumulate=1, clip=None, guidance=None, rates=None, each=None):
    """Plain loops over the same draws: the mean loss over batches, AdamW."""
    mine = policy.moved_to(policy.spaces[0])
    data = TrainingData.of(mine, [new], mine.spaces, torch.device("cpu"))
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.AdamW(mine.parameters(), lr=3e-4, weight_decay=1e-6)
    for index in range(steps):
        losses = []
        for _ in range(accumulate):
            batch = draw(data, mine.path, 16, generator)
            target = batch.target
            if guidance is not None:
                target = target - guidance.shift(batch.x, batch.a0, mine.path.coefficient(batch.t))
            error = (mine(batch.x, batch.t, batch.observation) - target).square() * batch.mask
            losses.append(error.sum() / (batch.mask.sum() * 8))
        optimizer.zero_grad()
        torch.stack(losses).mean().backward()
        if clip is not None:
            torch.nn.utils.clip_grad_norm_(mine.parameters(), clip)
        if rates is not None:
            optimizer.param_groups[0]["lr"] = rates[index]
        optimizer.step()
        if each is not None:
            each(mine)
    return mine


def options(setting, **more):
    policy, new, _ = setting
    return finetune(policy, new, space=policy.spaces[0], batch=16, **more)


def test_accumulated_batches_are_the_mean_of_their_losses(setting):
    policy, new, vae = setting
    guidance = Guidance(vae, "paper", lam=1.0, clamp=0.2)
    trained = options(setting, guidance=guidance, steps=3, accumulate=3)
    expected = by_hand(policy, new, 3, accumulate=3, guidance=guidance)
    torch.testing.assert_close(weights(trained.policy), weights(expected), atol=2e-6, rtol=1e-5)
    assert not torch.allclose(weights(trained.policy), weights(options(setting, steps=3).policy), atol=1e-5)


def test_gradients_are_clipped_by_their_norm(setting):
    policy, new, _ = setting
    # AdamW takes the scale of a constant gradient out; several steps, whose norms differ, tell the clipped ones apart.
    clipped = options(setting, steps=6, max_grad_norm=0.05)
    torch.testing.assert_close(
        weights(clipped.policy), weights(by_hand(policy, new, 6, clip=0.05)), atol=2e-6, rtol=1e-5
    )
    assert not torch.equal(weights(clipped.policy), weights(options(setting, steps=6).policy))
    assert torch.equal(
        weights(options(setting, steps=6, max_grad_norm=1e6).policy), weights(options(setting, steps=6).policy)
    )


def test_the_learning_rate_warms_up(setting):
    policy, new, _ = setting
    rates = [3e-4 * factor for factor in (0.25, 0.5, 0.75, 1.0, 1.0)]
    expected = by_hand(policy, new, 5, rates=rates)
    found = options(setting, steps=5, warmup=4)
    torch.testing.assert_close(weights(found.policy), weights(expected), atol=2e-6, rtol=1e-5)


def test_the_average_of_the_weights_is_what_is_returned_and_evaluated(setting):
    policy, new, _ = setting
    seen = []
    by_hand(policy, new, 4, each=lambda mine: seen.append(weights(mine)))
    expected = seen[0]
    for n, one in enumerate(seen[1:], 1):
        beta = min(0.99, (1 + n) / (10 + n))
        expected = beta * expected + (1 - beta) * one
    evaluation = Evaluation(new, every=2)
    found = options(setting, steps=4, ema=0.99, evaluation=evaluation)
    torch.testing.assert_close(weights(found.policy), expected, atol=2e-6, rtol=1e-5)
    assert found.evaluation[-1]["error"] == evaluation.of(found.policy)["error"]
    assert not found.policy.training


def test_half_precision_rounds_the_policy_and_leaves_guidance_alone(setting, monkeypatch):
    _, _, vae = setting
    seen, encode = set(), InfoVAE.encode

    def spy(self, x, lengths=None):
        seen.add((x.dtype, torch.is_autocast_enabled("cpu")))
        return encode(self, x, lengths)

    monkeypatch.setattr(InfoVAE, "encode", spy)
    for energy_at in ("x_t", "x0_hat"):
        guidance = Guidance(vae, "paper", lam=1.0, clamp=0.2, energy_at=energy_at)
        full, half = (options(setting, guidance=guidance, steps=3, precision=p) for p in ("float32", "bfloat16"))
        assert seen == {(torch.float32, False)}
        gap = (weights(half.policy) - weights(full.policy)).abs().max()
        assert 0 < gap < 3 * 3 * 3e-4  # AdamW moves a weight by about the learning rate a step
        assert all(p.dtype == torch.float32 for p in half.policy.parameters())


@pytest.mark.slow
def test_evaluating_changes_nothing_and_falls_on_its_steps(setting):
    _, new, vae = setting
    guidance = Guidance(vae, "paper", lam=1.0, clamp=0.2)
    plain = options(setting, guidance=guidance, steps=50)
    asked = options(setting, guidance=guidance, steps=50, evaluation=Evaluation(new, every=15))
    assert torch.equal(weights(plain.policy), weights(asked.policy))
    assert [row["step"] for row in asked.evaluation] == [15, 30, 45, 50]
    assert set(asked.evaluation[0]) == {"step", "error"} and not plain.evaluation
    again = options(setting, guidance=guidance, steps=50, evaluation=Evaluation(new, every=15))
    assert again.evaluation == asked.evaluation


def train_all(folder, new):
    """Everything that has a state, in a folder."""
    policy, new, vae = pieces(new)
    torch.set_num_threads(1)
    guidance = Guidance(vae, "paper", lam=2.0, clamp=0.1, latent="sample")
    return finetune(policy, new, guidance, steps=200, batch=8, directory=folder,
                    evaluation=Evaluation(new, every=50), **ALL)  # fmt: skip


@pytest.mark.slow
def test_killed_at_any_moment_it_ends_with_the_same_bits(make_set, tmp_path):
    new = make_set("new", joints=6)
    began = time.monotonic()
    whole = train_all(tmp_path / "whole", new)
    duration = time.monotonic() - began
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.steer.test_trainer"])
    killed = 0
    for moment in np.random.default_rng(0).uniform(0.3, 1.0, 3):
        child = context.Process(target=train_all, args=(tmp_path / "killed", new))
        child.start()
        # From its first sign of life on, or the kill would meet an import.
        while not (tmp_path / "killed" / "metrics.jsonl").exists() and child.is_alive():
            time.sleep(0.005)
        child.join(float(moment) * duration / 2)
        child.kill()
        child.join()
        killed += child.exitcode == -9
    resumed = train_all(tmp_path / "killed", new)
    assert killed > 0
    assert torch.equal(weights(whole.policy), weights(resumed.policy))
    assert (whole.meter, whole.loss, whole.evaluation) == (resumed.meter, resumed.loss, resumed.evaluation)


PROGRAM = """
import json, sys, torch
from pathlib import Path
from ate.data import load
from ate.runs.distributed import rank, session
from ate.steer import OptimConfig, Evaluation, Guidance, finetune_methods
from ate.steer.trainer import GuidedPolicy
from tests.steer.test_trainer import ALL, pieces
torch.set_num_threads(1)
policy, new, vae = pieces(load(sys.argv[1]))
methods = {"plain": GuidedPolicy(policy), "scratch": GuidedPolicy(policy.fresh(1))}
for name, options in (("a", {}), ("b", {"latent": "sample"}), ("c", {"reduction": "mean"}),
                      ("d", {"reduction": "mean", "energy_at": "x0_hat"})):
    methods[name] = GuidedPolicy(policy, Guidance(vae, "paper", clamp=0.1, **options))
told = {}
with session():
    for stacked in (False, True):
        found = finetune_methods(methods, new, OptimConfig(steps=4, batch=8, **ALL), stacked=stacked,
                              directory=Path(sys.argv[2]) / str(stacked), evaluation=Evaluation(new, every=4))
        told[str(stacked)] = {
            name: {"weights": torch.cat([p.flatten() for p in one.policy.parameters()]).tolist(), "loss": one.loss,
                   "meter": one.meter, "evaluation": one.evaluation} for name, one in found.items()}
    Path(sys.argv[3]).with_suffix(f".{rank()}").write_text(json.dumps(told))
"""


def launch(folder, processes, data):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "ATE_DEVICE": "cpu", "PYTHONPATH": os.getcwd()}
    program, told = folder.parent / "program.py", folder.with_suffix(".told")
    program.write_text(PROGRAM)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)]
    done = subprocess.run(
        [*command, str(program), str(data), str(folder), str(told)],
        capture_output=True, text=True, env=environment, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [json.loads(told.with_suffix(f".{rank}").read_text()) for rank in range(processes)]


@pytest.mark.slow
def test_two_processes_train_what_one_does(make_set, tmp_path):
    """Every form of the energy, methods stacked or not: weights, losses, meters and evaluations."""
    data = make_set("new", joints=6)[0].path.parent
    (one,), pair = launch(tmp_path / "one", 1, data), launch(tmp_path / "two", 2, data)
    assert len(pair) == 2 and pair[0] == pair[1]
    start = weights(pieces(make_set("new", joints=6))[0]).numpy()
    for stacked, methods in one.items():
        for name, single in methods.items():
            both = pair[0][stacked][name]
            moved = np.abs(np.array(single["weights"]) - start).max()
            np.testing.assert_allclose(both["weights"], single["weights"], atol=0.02 * moved, err_msg=name)
            for part in ("loss", "meter", "evaluation"):
                assert [list(row) for row in both[part]] == [list(row) for row in single[part]]
                values = [[list(row.values()) for row in found[part]] for found in (both, single)]
                np.testing.assert_allclose(*values, rtol=2e-3, atol=1e-6, err_msg=f"{name} {part}")
