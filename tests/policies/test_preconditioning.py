"""Preconditioning against Karras et al.'s table, the posterior of a Gaussian, and plain loops."""

import numpy as np
import pytest
import torch

from ate.data import spaces
from ate.errors import InputError
from ate.policies import PolicyConfig, build
from ate.policies.noise import PARAMETERIZATIONS, NoisePath, target_coefficients
from ate.policies.preconditioning import LEAST_DEVIATION, Preconditioned, deviation

S, D, ROWS = 4, 3, 6


class Constant(torch.nn.Module):
    """F that answers the same to everything, and keeps what it was asked."""

    def __init__(self, value):
        super().__init__()
        self.value, self.asked = value, None

    def forward(self, x, t, observation):
        self.asked = x
        return self.value.expand(x.shape)


def case(name, anchor="qpos", value=0.0, seed=0):
    """A preconditioned constant with random inputs, in double precision."""
    generator = torch.Generator().manual_seed(seed)
    path = NoisePath(name)
    s = 0.05 + torch.rand(S, D, generator=generator, dtype=torch.float64)
    core = Constant(torch.full((S, D), value, dtype=torch.float64))
    module = Preconditioned(core, path, anchor, s)
    x = torch.randn(ROWS, S, D, generator=generator, dtype=torch.float64)
    t = path.time(torch.linspace(0.05, 0.9, ROWS, dtype=torch.float64))
    observation = torch.randn(ROWS, D + 2, generator=generator, dtype=torch.float64)
    return module, path, s, x, t, observation


@pytest.mark.parametrize("name", PARAMETERIZATIONS)
@pytest.mark.parametrize("anchor", ["middle", "qpos"])
def test_the_clean_chunk_in_a_prediction_is_that_of_the_paper(name, anchor):
    """D = c_skip·y + c_out·F(c_in·y) of arXiv 2206.00364, table 1, at the noise level σ/α, of a0 − m."""
    module, path, s, x, t, observation = case(name, anchor, value=0.7)
    clean, noise = path.split(x, module(x, t, observation), t)
    alpha, sigma = (v.double()[:, None, None] for v in path.alpha_sigma(t))
    m = observation[:, None, :D] if anchor == "qpos" else 0.0
    level, y = sigma / alpha, x / alpha - m
    c_skip = s**2 / (level**2 + s**2)
    c_out, c_in = level * s / (level**2 + s**2).sqrt(), 1 / (level**2 + s**2).sqrt()
    torch.testing.assert_close(module.core.asked, c_in * y, rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(clean, m + c_skip * y + c_out * 0.7, rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(alpha * clean + sigma * noise, x, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", PARAMETERIZATIONS)
def test_without_the_network_the_prediction_is_the_mean_of_a_gaussian(name):
    """Drawn from a0 ~ N(m, s²): what the first two terms leave is unpredictable from x, and has the scale of F."""
    path, m, s = NoisePath(name), 0.3, 0.2
    generator = torch.Generator().manual_seed(0)
    count = 200_000
    a0 = m + s * torch.randn(count, 1, 1, generator=generator, dtype=torch.float64)
    noise = torch.randn(count, 1, 1, generator=generator, dtype=torch.float64)
    t = path.time(torch.full((count,), 0.4, dtype=torch.float64))
    x, target = path.noised(a0, noise, t), path.target(a0, noise, t)
    core = Constant(torch.zeros(1, 1, dtype=torch.float64))
    module = Preconditioned(core, path, "qpos", torch.full((1, 1), s, dtype=torch.float64))
    observation = torch.full((count, 1), m, dtype=torch.float64)
    left = target - module(x, t, observation)
    core.value = torch.ones(1, 1, dtype=torch.float64)
    scale = (module(x, t, observation) - (target - left))[0].abs()
    # Means of 200,000 numbers are known to 0.0022 of their deviation: 5 of those.
    assert float(left.mean() / scale) == pytest.approx(0.0, abs=0.011)
    assert float((left * core.asked).mean() / scale) == pytest.approx(0.0, abs=0.011)
    assert float(left.std() / scale) == pytest.approx(1.0, abs=0.01)
    assert float(core.asked.std()) == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("name", PARAMETERIZATIONS)
@pytest.mark.parametrize("time", [0.0, 1.0])
def test_predictions_are_finite_at_both_ends_of_the_path(name, time):
    module, _, _, x, _, observation = case(name, value=0.5)
    t = torch.full((ROWS,), time, dtype=torch.float64)
    prediction = module(x, t, observation)
    assert prediction.isfinite().all() and float(prediction.abs().max()) < 100
    if time == 0.0 and name == "sample":  # without noise the clean chunk is x itself
        torch.testing.assert_close(prediction, x)


@pytest.mark.parametrize("name", PARAMETERIZATIONS)
def test_a_chunk_and_posture_moved_together_move_the_prediction_along(name):
    module, path, _, x, t, observation = case(name, value=0.5)
    moved = torch.tensor([0.2, -0.4, 1.0], dtype=torch.float64)
    alpha, sigma = path.alpha_sigma(t)
    p, _ = target_coefficients(name, alpha, sigma)
    there = observation.clone()
    there[:, :D] += moved
    shifted = module(x + alpha[:, None, None] * moved, t, there)
    expected = module(x, t, observation) + p[:, None, None] * moved
    torch.testing.assert_close(shifted, expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("source", ["qpos", "action"])
@pytest.mark.parametrize("anchor", ["middle", "qpos"])
def test_deviation_is_that_of_plain_loops(make_set, source, anchor):
    from dataclasses import replace

    sets = [replace(make_set(f"r{n}", joints=n, seed=n, episodes=2, steps=9), source=source) for n in (6, 7)]
    known = spaces(sets)
    got = deviation(sets, known, S, anchor)
    slot = known[1].embodiment.slots[6]  # the joint that only one of the robots has
    for column in (known[0].embodiment.slots[0], slot):
        for s in range(S):
            squares = []
            for episodes, space in zip(sets, known, strict=True):
                if not space.loss_mask[column]:
                    continue
                for i, episode in enumerate(episodes):
                    series, q = space.encode(episodes.series(i)), space.encode(episode.qpos)
                    for t in range(len(episode)):
                        row = min(t + s + (source == "qpos"), len(episode) - 1)
                        m = q[t, column] if anchor == "qpos" else 0.0
                        squares.append((series[row, column] - m) ** 2)
            assert float(got[s, column]) == pytest.approx(np.sqrt(np.mean(squares)), rel=1e-4)


def test_deviations_have_a_floor_and_unused_slots_one(make_set):
    episodes = make_set("six", joints=6)
    s = deviation([episodes], spaces([episodes], 9), S, "qpos")
    unused = ~spaces([episodes], 9)[0].loss_mask
    assert unused.any() and (s[:, torch.from_numpy(unused)] == 1).all()
    module = Preconditioned(torch.nn.Identity(), NoisePath("sample"), "qpos", torch.zeros(S, D))
    assert (module.deviation == LEAST_DEVIATION).all()


def test_statistics_travel_with_copies_and_checkpoints(make_set, tmp_path):
    from ate.policies import Policy

    sets = [make_set("six", joints=6), make_set("seven", joints=7, seed=1)]
    policy = build(sets, S, 0, hidden=16, anchor="qpos", film=True, named=True, fine=True, joint_noise=0.01)
    policy.save(tmp_path / "p.safetensors")
    again = Policy.load(tmp_path / "p.safetensors")
    assert again.config == policy.config and again.config.robots == ("six", "seven")
    for other in (again, policy.fresh(3)):
        assert torch.equal(other.network.deviation, policy.network.deviation)
    qpos, state = sets[1][0].qpos[:3], sets[1].extra(0, "state")[:3]
    one, two = (p.act(qpos, state, torch.Generator().manual_seed(1), p.spaces[1]) for p in (policy, again))
    np.testing.assert_array_equal(one, two)


def test_an_unknown_anchor_is_refused():
    with pytest.raises(InputError) as caught:
        PolicyConfig(8, 7, 0, anchor="pose")
    assert (caught.value.where, caught.value.got) == ("policy anchor", "'pose'")
