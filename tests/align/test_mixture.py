"""The mixture prior against closed forms, quadrature and planted modes."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

import ate.align
from ate.align.alignment import Alignment
from ate.align.config import PRESETS
from ate.align.divergences import kl, mmd
from ate.align.losses import Target
from ate.align.mixture import Mixture, as_mixture, prior_from_tree
from ate.align.priors import Gaussian, standard
from ate.align.vae import Posterior
from ate.errors import InputError
from ate.runs import checkpoint


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def three(d=4, seed=0, spread=2.0):
    """Three overlapping components in float64."""
    mean = spread * torch.randn(3, d, generator=generator(seed), dtype=torch.float64)
    std = 0.5 + torch.rand(3, d, generator=generator(seed + 1), dtype=torch.float64)
    return Mixture(torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64), mean, std)


def some_posteriors(count, d=4, seed=5):
    mean = 2.0 * torch.randn(count, d, generator=generator(seed), dtype=torch.float64)
    return Posterior(mean, 0.2 + torch.rand(count, d, generator=generator(seed + 1), dtype=torch.float64))


def exact_kl(posterior, mixture, points=4001):
    """KL of one-dimensional posteriors by quadrature."""
    grid = torch.linspace(-30, 30, points, dtype=torch.float64)
    q = torch.distributions.Normal(posterior.mean, posterior.std).log_prob(grid)
    component = torch.distributions.Normal(mixture.mean, mixture.std).log_prob(grid[None])
    p = (component + mixture.weights.log()[:, None]).logsumexp(0)
    return torch.trapezoid(q.exp() * (q - p), grid, dim=1)


def test_log_prob_is_that_of_torch_distributions():
    mixture, z = three(), torch.randn(20, 4, generator=generator(3), dtype=torch.float64)
    parts = torch.distributions.Independent(torch.distributions.Normal(mixture.mean, mixture.std), 1)
    theirs = torch.distributions.MixtureSameFamily(torch.distributions.Categorical(mixture.weights), parts)
    torch.testing.assert_close(mixture.log_prob(z), theirs.log_prob(z))
    torch.testing.assert_close(mixture.responsibilities(z).sum(1), torch.ones(20, dtype=torch.float64))


def test_samples_have_the_shares_and_moments_of_the_mixture():
    mixture = three(spread=6.0)
    z = mixture.sample(torch.randn(100_000, mixture.noise_width, generator=generator(), dtype=torch.float64))
    torch.testing.assert_close(mixture.responsibilities(z).mean(0), mixture.weights, atol=6e-3, rtol=0)
    torch.testing.assert_close(z.mean(0), mixture.moments.mean, atol=0.1, rtol=0)
    torch.testing.assert_close(z.std(0), mixture.moments.std, rtol=0.02, atol=0)


def test_one_component_is_the_gaussian_without_any_noise():
    q, p = some_posteriors(6), Gaussian(torch.randn(4).double(), torch.rand(4).double() + 0.5)
    one = as_mixture(p)
    expected = kl(q.mean, q.std, p.mean, p.std)
    torch.testing.assert_close(one.kl(q, q.sample(generator())), expected.sum(1))
    torch.testing.assert_close(one.kl(q), expected.sum(1))
    torch.testing.assert_close(one.forward_kl(q), kl(p.mean, p.std, q.mean, q.std))
    noise = torch.randn(5, 5).double()
    torch.testing.assert_close(one.sample(noise), p.sample(noise[:, :4]))


def test_reverse_kl_is_unbiased():
    mixture = Mixture(*(torch.tensor(x, dtype=torch.float64) for x in ([0.7, 0.3], [[-1.0], [2.0]], [[1.0], [0.5]])))
    q = Posterior(torch.tensor([[0.5], [1.2], [-3.0]]).double(), torch.tensor([[1.0], [0.3], [2.0]]).double())
    exact = exact_kl(q, mixture)
    count = 20_000
    many = Posterior(q.mean.repeat(count, 1), q.std.repeat(count, 1))
    draws = mixture.kl(many, many.sample(torch.randn(3 * count, 1, generator=generator(), dtype=torch.float64)))
    draws = draws.view(count, 3)
    error = draws.std(0) / math.sqrt(count)
    assert ((draws.mean(0) - exact).abs() < 4.0 * error + 1e-6).all()
    assert (mixture.kl(q) >= exact - 1e-9).all() and (mixture.kl(q) > exact + 0.01).any()


def test_far_apart_components_leave_kl_to_the_nearest_and_its_weight():
    mean = torch.tensor([[-50.0] * 4, [50.0] * 4], dtype=torch.float64)
    mixture = Mixture(torch.tensor([0.25, 0.75], dtype=torch.float64), mean, torch.ones_like(mean))
    q = Posterior(mean + 0.5, torch.full_like(mean, 0.3))
    expected = kl(q.mean, q.std, mixture.mean, mixture.std).sum(1) - mixture.weights.log()
    torch.testing.assert_close(mixture.kl(q, q.sample(generator())), expected)
    torch.testing.assert_close(mixture.kl(q), expected)


def test_variance_is_far_below_plain_monte_carlo():
    mixture, q = three(d=16, spread=1.0), some_posteriors(8, d=16)
    noise = torch.randn(500, *q.mean.shape, generator=generator(), dtype=torch.float64)
    zs = q.mean + q.std * noise
    ours = torch.stack([mixture.kl(q, z) for z in zs])
    normal = torch.distributions.Normal(q.mean, q.std)
    plain = torch.stack([normal.log_prob(z).sum(1) - mixture.log_prob(z) for z in zs])
    assert float((ours.mean(0) - plain.mean(0)).abs().max()) < 0.8
    assert float(ours.var(0).mean()) < 0.05 * float(plain.var(0).mean())


def test_gradient_is_that_of_the_exact_kl():
    mixture = Mixture(*(torch.tensor(x, dtype=torch.float64) for x in ([0.6, 0.4], [[-1.0], [1.5]], [[0.8], [0.6]])))
    mean = torch.tensor([[0.3]], dtype=torch.float64, requires_grad=True)
    std = torch.tensor([[0.9]], dtype=torch.float64, requires_grad=True)
    exact = torch.autograd.grad(exact_kl(Posterior(mean, std), mixture).sum(), (mean, std))
    count = 200_000
    noise = torch.randn(count, 1, generator=generator(), dtype=torch.float64)
    q = Posterior(mean.expand(count, 1), std.expand(count, 1))
    ours = torch.autograd.grad(mixture.kl(q, q.sample(noise)).mean(), (mean, std))
    for found, expected in zip(ours, exact, strict=True):
        torch.testing.assert_close(found, expected, atol=0.01, rtol=0)
    bound = torch.autograd.grad(mixture.kl(Posterior(mean, std)).sum(), (mean, std))
    assert max(abs(float(b - e)) for b, e in zip(bound, exact, strict=True)) > 0.02


def test_forward_kl_is_right_and_pulls_like_its_gaussian():
    mixture, q = three(), some_posteriors(5)
    z = mixture.sample(torch.randn(200_000, 5, generator=generator(), dtype=torch.float64))
    cross = torch.stack(
        [torch.distributions.Normal(m, s).log_prob(z).sum(1).mean() for m, s in zip(q.mean, q.std, strict=True)]
    )
    torch.testing.assert_close(mixture.forward_kl(q).sum(1), mixture.log_prob(z).mean() - cross, atol=0.02, rtol=0.01)
    mean = q.mean.clone().requires_grad_()
    pulls = [
        torch.autograd.grad(Target(p, p, forward=True).kl(Posterior(mean, q.std)).sum(), mean)[0]
        for p in (mixture, mixture.moments)
    ]
    torch.testing.assert_close(*pulls)


def test_shapes_are_checked():
    with pytest.raises(InputError, match="weights, mean and std"):
        Mixture(torch.ones(2), torch.zeros(3, 4), torch.ones(3, 4))


def test_priors_survive_a_checkpoint(tmp_path):
    mixture = replace(three(3), scores={1: -2.5, 3: -2.0})
    for prior in (mixture, standard(3)):
        checkpoint.save(tmp_path / "p.safetensors", prior.to_tree())
        again = prior_from_tree(checkpoint.load(tmp_path / "p.safetensors"))
        assert type(again) is type(prior)
        assert torch.equal(again.mean, prior.mean) and torch.equal(again.std, prior.std)
    assert prior_from_tree(mixture.to("cpu").to_tree()).scores == mixture.scores


def settle(target, start, weight, steps=250, batch=64):
    """Means of chunks (N, 2) trained on KL and `weight` · MMD alone, without reconstruction."""
    g = generator(7)
    mean, log_std = start.clone().requires_grad_(), torch.zeros_like(start).requires_grad_()
    optimizer = torch.optim.Adam([mean, log_std], lr=0.05)
    for _ in range(steps):
        index = torch.randint(len(start), (batch,), generator=g)
        q = Posterior(mean[index], log_std[index].exp())
        z = q.sample(torch.randn(batch, 2, generator=g))
        reference = target.sample(torch.randn(batch, target.reference.noise_width, generator=g), q)
        loss = target.kl(q, z).mean() + weight * mmd(z, reference, scale=target.reference.moments.std)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return mean.detach()


@pytest.mark.parametrize("weight", [0.0, 1.0])
@pytest.mark.slow
def test_a_subset_settles_in_its_mode_of_a_mixture_but_not_of_its_gaussian(weight):
    """Chunks that start beside one of two modes; without the MMD, the reverse KL alone does it."""
    centres = torch.tensor([[-6.0, 0.0], [6.0, 0.0]])
    mixture = Mixture(torch.tensor([0.5, 0.5]), centres, torch.ones(2, 2))
    start = centres[1] + torch.tensor([-2.0, 1.0]) + 0.3 * torch.randn(64, 2, generator=generator(1))
    gaussian = mixture.moments
    in_mode = settle(Target(mixture, mixture, occupied=True), start, weight)
    astray = settle(Target(gaussian, gaussian), start, weight)
    distance = [(m - centres[1]).norm(dim=1).mean().item() for m in (in_mode, astray)]
    assert distance[0] < 1.0 < 3.0 < distance[1]


@pytest.mark.slow
def test_mixture_alignment_trains_saves_and_realigns(robots, tiny, tmp_path):
    config = tiny.with_options(prior="mixture", mmd_reference="modes", mixture_components=3)
    alignment = ate.align.fit(*robots, preset=config, directory=tmp_path / "one")
    assert len(alignment.prior) == 3 and all(math.isfinite(r["loss"]) for r in alignment.metrics["adapt"])
    again = Alignment.load(tmp_path / "one")
    assert torch.equal(again.prior.weights, alignment.prior.weights)
    np.testing.assert_array_equal(again.encode(robots[1]).mean, alignment.encode(robots[1]).mean)
    refitted = ate.align.fit(*robots, preset=config, directory=tmp_path / "one").prior
    assert torch.equal(refitted.mean, alignment.prior.mean) and torch.equal(refitted.std, alignment.prior.std)
    other = ate.align.realign(again, robots[1], seed=0)
    np.testing.assert_array_equal(other.encode(robots[1]).mean, alignment.encode(robots[1]).mean)
    assert ate.align.scorecard(alignment, *robots).value("KL to prior, per dimension") > 0


@pytest.mark.slow
def test_a_mixture_of_one_trains_like_the_gaussian_up_to_the_reference_noise(robots, tiny):
    """With no MMD nothing else differs, so the weights agree to rounding."""
    plain = tiny.with_options(mmd_weight=0.0, dropout=0.0, adapt_steps=5, pretrain_steps=5)
    one = ate.align.fit(*robots, preset=plain)
    other = ate.align.fit(*robots, preset=plain.with_options(prior="mixture", mixture_components=1))
    assert torch.equal(one.prior.mean, other.prior.mean[0]) and torch.equal(one.prior.std, other.prior.std[0])
    first, second = one.metrics["adapt"][0], other.metrics["adapt"][0]
    assert first["kl"] == pytest.approx(second["kl"], rel=1e-4)


@pytest.mark.slow
def test_weight_of_the_kl_in_stage_two_leaves_stage_one_alone(robots, tiny):
    short = tiny.with_options(pretrain_steps=5, adapt_steps=5)
    one, other = (ate.align.fit(*robots, preset=short.with_options(adapt_kl_weight=w)) for w in (None, 1.0))
    same = ate.align.fit(*robots, preset=short.with_options(adapt_kl_weight=short.kl_weight))
    assert torch.equal(one.prior.mean, other.prior.mean)
    assert not torch.equal(one.vae.embed.weight, other.vae.embed.weight)
    assert torch.equal(one.vae.embed.weight, same.vae.embed.weight)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"prior": "mixtur"}, "mixture"),
        ({"mixture_components": -1}, "mixture_components"),
        ({"adapt_kl_weight": -0.1}, "adapt_kl_weight"),
        ({"prior": "mixture", "moments": "released"}, "moments"),
        ({"mmd_reference": "modes"}, "mmd_reference"),
    ],
)
def test_options_are_checked(tiny, options, match):
    with pytest.raises(InputError, match=match):
        tiny.with_options(**options)


@pytest.mark.parametrize("size", ["smoke", "demo", "paper"])
def test_mixture_presets_differ_in_stage_two_alone(size):
    one, other = PRESETS[size].to_dict(), PRESETS[f"{size}-mixture"].to_dict()
    assert {k for k in one if one[k] != other[k]} == {"prior", "mmd_reference", "adapt_kl_weight"}
