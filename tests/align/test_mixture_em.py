"""The fit of the mixture prior: moments, planted modes, collapse, and the choice of K."""

import math

import pytest
import torch

from ate.align.mixture_em import FLOOR, fit_mixture
from ate.align.priors import aggregated
from ate.align.vae import Posterior
from ate.errors import InputError


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def planted(modes, per_mode=300, d=3, seed=0, episodes=10):
    """Posteriors around separated modes: means, standard deviations, episode of each, mode of each."""
    g = generator(seed)
    centres = 8.0 * torch.randn(modes, d, generator=g)
    mode = torch.arange(modes).repeat_interleave(per_mode)
    mean = centres[mode] + torch.randn(len(mode), d, generator=g)
    std = 0.1 + 0.2 * torch.rand(len(mode), d, generator=g)
    return mean, std, torch.arange(len(mode)) % episodes, centres


def stream(mean, std, batch=100):
    return (Posterior(m, s) for m, s in zip(mean.split(batch), std.split(batch), strict=True))


@pytest.mark.parametrize("batch", [100, 77])
def test_one_component_fitted_is_the_aggregated_posterior(batch):
    mean, std, episode, _ = planted(3)
    expected = aggregated(stream(mean, std, batch))
    found = fit_mixture(stream(mean, std, batch), episode, components=1)
    assert torch.equal(found.mean[0], expected.mean) and torch.equal(found.std[0], expected.std)
    assert found.weights.tolist() == [1.0]


@pytest.mark.slow
def test_planted_modes_are_found_and_counted():
    mean, std, episode, centres = planted(4)
    found = fit_mixture(stream(mean, std), episode)
    assert len(found) == 4 and max(found.scores, key=found.scores.get) == 4
    nearest = torch.cdist(centres, found.mean).min(1)
    assert sorted(nearest.indices.tolist()) == [0, 1, 2, 3] and float(nearest.values.max()) < 0.3
    torch.testing.assert_close(found.weights, torch.full((4,), 0.25), atol=1e-3, rtol=0)
    torch.testing.assert_close(found.std.square().mean(), (1.0 + std.square().mean()), rtol=0.05, atol=0)


@pytest.mark.parametrize("components", [2, 5])
def test_any_number_keeps_the_moments(components):
    mean, std, episode, _ = planted(3)
    found = fit_mixture(stream(mean, std), episode, components=components).moments
    expected = aggregated(stream(mean, std))
    torch.testing.assert_close(found.mean, expected.mean, atol=1e-4, rtol=1e-5)
    torch.testing.assert_close(found.std, expected.std)


def test_width_of_the_posteriors_counts():
    """Means alone would give components without width."""
    mean = torch.tensor([[-5.0], [5.0]]).repeat(50, 1)
    found = fit_mixture(stream(mean, torch.full_like(mean, 0.5)), torch.arange(100) % 4, components=2)
    torch.testing.assert_close(found.std, torch.full((2, 1), 0.5))


@pytest.mark.slow
def test_same_seed_same_bits_and_more_data_are_thinned():
    mean, std, episode, _ = planted(4)
    one, two = (fit_mixture(stream(mean, std), episode, seed=3, most=400) for _ in range(2))
    assert torch.equal(one.mean, two.mean) and torch.equal(one.weights, two.weights) and one.scores == two.scores
    assert len(one) == 4


def test_collapsed_latents_give_one_sound_mode():
    mean, std = torch.ones(200, 3), torch.ones(200, 3)
    found = fit_mixture(stream(mean, std), torch.arange(200) % 5, components=8)
    torch.testing.assert_close(found.weights, torch.ones(len(found)) / len(found))
    q = Posterior(mean[:4], std[:4])
    torch.testing.assert_close(found.kl(q, q.sample(generator())), torch.zeros(4), atol=1e-5, rtol=0)
    assert len(fit_mixture(stream(mean, std), torch.arange(200) % 5)) == 1


def test_variance_has_a_floor():
    mean = torch.tensor([[-5.0, 0.0], [5.0, 1e-3]]).repeat(50, 1)
    found = fit_mixture(stream(mean, torch.full_like(mean, 1e-6)), torch.arange(100) % 4, components=2)
    expected = math.sqrt(FLOOR) * aggregated(stream(mean, torch.full_like(mean, 1e-6))).std
    torch.testing.assert_close(found.std, expected.expand(2, 2), rtol=1e-4, atol=0)
    assert torch.isfinite(found.log_prob(torch.randn(5, 2))).all()


@pytest.mark.parametrize(
    ("components", "episodes", "match"), [(500, 10, "500 components for 400 chunks"), (0, 1, "1 training episode")]
)
def test_what_cannot_be_fitted_is_refused(components, episodes, match):
    mean, std, _, _ = planted(4, per_mode=100)
    with pytest.raises(InputError, match=match):
        fit_mixture(stream(mean, std), torch.arange(400) % episodes, components)
