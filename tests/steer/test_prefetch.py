"""Batches prepared ahead are the batches, whatever is stopped, stored and resumed in between."""

import copy
import os
import signal
import threading

import pytest
import torch

from ate.align.vae import InfoVAE
from ate.align.vae_config import VAEConfig
from ate.policies import build
from ate.runs.status import Stopped
from ate.steer import Guidance, finetune
from ate.steer.batches import TrainingData, draw
from ate.steer.prefetch import Prefetcher
from ate.steer.shifted_target import ShiftedTargets


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.fixture
def setting(make_set):
    new = make_set("new", joints=4)
    policy = build([new], 8, seed=0, hidden=16)
    torch.manual_seed(0)
    vae = InfoVAE(VAEConfig(features=5, latent=8, layers=3, heads=2, feedforward=16))
    return new, policy, vae


def batches(setting, latent="sample", energy_at="x_t", size=4, **options):
    new, policy, vae = setting
    data = TrainingData.of(policy, [new], policy.spaces, torch.device("cpu"))
    shifted = ShiftedTargets(
        [Guidance(vae, "paper", latent=latent, energy_at=energy_at, **options)], data, policy.path, 3
    )
    return Prefetcher(data, policy.path, size, 3, shifted)


def values(prepared):
    return [prepared.batch.x, prepared.batch.t, *prepared.shared.values(), *prepared.noise.values()]


def same(one, other):
    return all(torch.equal(a, b) for a, b in zip(values(one), values(other), strict=True))


def test_ahead_or_not_the_batches_are_the_same(setting, threads):
    threads(1)
    with batches(setting) as alone:
        plain = [alone.take() for _ in range(5)]
    threads(2)
    with batches(setting) as ahead:
        early = [ahead.take() for _ in range(5)]
        assert any(thread.name.startswith("guidance") for thread in threading.enumerate())
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 2
    assert not any(thread.name.startswith("guidance") for thread in threading.enumerate())
    assert all(same(one, other) for one, other in zip(plain, early, strict=True))
    assert not same(plain[0], plain[1])


@pytest.mark.parametrize("taken", [0, 1, 7, 8, 9, 16, 19])
def test_a_state_is_of_what_was_taken_not_of_what_is_ready(setting, threads, taken):
    """Eight batches are prepared at once: in the midst of them, at their end, and in the next ones."""
    threads(1 + taken % 2)
    with batches(setting) as first:
        for _ in range(taken):
            first.take()
        state = copy.deepcopy(first.state_dict())
        following = [first.take() for _ in range(10)]
    with batches(setting) as second:
        second.take()
        second.load_state_dict(state)
        assert all(same(second.take(), one) for one in following)


@pytest.mark.parametrize("options", [{}, {"reduction": "mean"}, {"latent": "mean"}, {"clip": "norm", "clamp": 0.1}])
def test_batches_prepared_together_are_those_prepared_alone(setting, threads, options):
    """One encoder call for many batches: times, noise and chunks bit by bit, gradients up to rounding."""
    threads(1)
    new, policy, _ = setting
    with batches(setting, **options) as together:
        found = [together.take() for _ in range(9)]
    alone = batches(setting, **options)
    shifted, generator = alone._shifted, torch.Generator().manual_seed(3)
    data = TrainingData.of(policy, [new], policy.spaces, torch.device("cpu"))
    for one in found:
        (single,) = shifted.prepare([draw(data, policy.path, 4, generator)])
        assert torch.equal(one.batch.x, single.batch.x) and torch.equal(one.batch.t, single.batch.t)
        for key, noise in one.noise.items():
            assert torch.equal(noise, single.noise[key])
        (kg,), (expected,) = one.shared.values(), single.shared.values()
        assert expected.abs().max() > 0
        torch.testing.assert_close(kg, expected, rtol=1e-4, atol=1e-6 * float(expected.abs().max()))


def test_large_batches_are_prepared_one_by_one(setting, threads):
    threads(1)
    assert batches(setting, size=4)._at_once == 8
    assert batches(setting, size=16)._at_once == 4  # of 8 rows each: 512 rows at once
    assert batches(setting, size=1000)._at_once == batches(setting, latent="mean", energy_at="x0_hat")._at_once == 1


def test_nothing_runs_ahead_where_nothing_is_shared(setting, threads):
    threads(2)
    with batches(setting, latent="mean", energy_at="x0_hat") as plain:
        plain.take()
        assert torch.get_num_threads() == 2
        assert not any(thread.name.startswith("guidance") for thread in threading.enumerate())


def test_a_stopped_run_resumes_to_the_same_bits_with_batches_ahead(setting, threads, tmp_path, monkeypatch):
    new, policy, vae = setting
    threads(2)
    guidance = Guidance(vae, "paper", lam=2.0, clamp=0.1, latent="sample")
    whole = finetune(policy, new, guidance, steps=12, batch=4)
    taken = Prefetcher.take

    def take(self):
        take.count += 1
        if take.count == 5:
            os.kill(os.getpid(), signal.SIGTERM)
        return taken(self)

    take.count = 0
    with monkeypatch.context() as patch:
        patch.setattr(Prefetcher, "take", take)
        with pytest.raises(Stopped, match="stopped at step 5 of 12"):
            finetune(policy, new, guidance, steps=12, batch=4, directory=tmp_path / "run")
    again = finetune(policy, new, guidance, steps=12, batch=4, directory=tmp_path / "run")
    for one, other in zip(whole.policy.parameters(), again.policy.parameters(), strict=True):
        assert torch.equal(one, other)


def test_an_error_in_the_other_thread_reaches_the_caller(setting, threads, monkeypatch):
    threads(2)
    with batches(setting) as broken:
        monkeypatch.setattr(broken._shifted, "prepare", lambda batch: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            broken.take()
