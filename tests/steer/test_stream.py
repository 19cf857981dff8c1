"""Batches prepared ahead are the batches, whatever is stopped, stored and resumed in between."""

import os
import signal
import threading

import pytest
import torch

from ate.align.vae import InfoVAE, VAEConfig
from ate.policies import build
from ate.runs.presence import Stopped
from ate.steer import Guidance, finetune
from ate.steer.batches import TrainingData
from ate.steer.shifts import Shifts
from ate.steer.stream import Stream


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


def stream(setting, latent="sample", at="noised"):
    new, policy, vae = setting
    data = TrainingData.of(policy, [new], policy.spaces, torch.device("cpu"))
    shifts = Shifts([Guidance(vae, latent=latent, at=at)], data, policy.path, 3)
    return Stream(data, policy.path, 4, 3, shifts)


def values(prepared):
    return [prepared.batch.x, prepared.batch.t, *prepared.shared.values(), *prepared.noise.values()]


def same(one, other):
    return all(torch.equal(a, b) for a, b in zip(values(one), values(other), strict=True))


def test_ahead_or_not_the_batches_are_the_same(setting, threads):
    threads(1)
    with stream(setting) as alone:
        plain = [alone.take() for _ in range(5)]
    threads(2)
    with stream(setting) as ahead:
        early = [ahead.take() for _ in range(5)]
        assert any(thread.name.startswith("guidance") for thread in threading.enumerate())
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 2
    assert not any(thread.name.startswith("guidance") for thread in threading.enumerate())
    assert all(same(one, other) for one, other in zip(plain, early, strict=True))
    assert not same(plain[0], plain[1])


def test_a_state_is_of_what_was_taken_not_of_what_is_ready(setting, threads):
    threads(2)
    with stream(setting) as first:
        first.take(), first.take()
        state = {name: value.clone() for name, value in first.state_dict().items()}
        third = first.take()
    with stream(setting) as second:
        second.take()
        second.load_state_dict(state)
        assert same(second.take(), third)


def test_nothing_runs_ahead_where_nothing_is_shared(setting, threads):
    threads(2)
    with stream(setting, latent="mean", at="estimate") as plain:
        plain.take()
        assert torch.get_num_threads() == 2
        assert not any(thread.name.startswith("guidance") for thread in threading.enumerate())


def test_a_stopped_run_resumes_to_the_same_bits_with_batches_ahead(setting, threads, tmp_path, monkeypatch):
    new, policy, vae = setting
    threads(2)
    guidance = Guidance(vae, lam=2.0, clamp=0.1, latent="sample")
    whole = finetune(policy, new, guidance, steps=12, batch=4)
    taken = Stream.take

    def take(self):
        take.count += 1
        if take.count == 5:
            os.kill(os.getpid(), signal.SIGTERM)
        return taken(self)

    take.count = 0
    with monkeypatch.context() as patch:
        patch.setattr(Stream, "take", take)
        with pytest.raises(Stopped, match="stopped at step 5 of 12"):
            finetune(policy, new, guidance, steps=12, batch=4, directory=tmp_path / "run")
    again = finetune(policy, new, guidance, steps=12, batch=4, directory=tmp_path / "run")
    for one, other in zip(whole.policy.parameters(), again.policy.parameters(), strict=True):
        assert torch.equal(one, other)


def test_an_error_in_the_other_thread_reaches_the_caller(setting, threads, monkeypatch):
    threads(2)
    with stream(setting) as broken:
        monkeypatch.setattr(broken._shifts, "prepare", lambda batch: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            broken.take()
