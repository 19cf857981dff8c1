"""Reconstruction compared with a PCA, the aggregated posterior, outliers, controls, and the row of a benchmark."""

import numpy as np
import pytest
import torch

import ate.align
from ate.align import fit_one_stage, scorecard, untrained
from ate.align.evaluate.activity import gap, latent_moments
from ate.align.evaluate.benchmark import _scores
from ate.align.evaluate.reconstruction import joint_units, pca_error
from ate.align.evaluate.unseen_modes import outliers
from ate.align.latents import Latents
from ate.align.priors import Gaussian

from .conftest import robot


@pytest.fixture(scope="module")
def alignment(robots, tiny):
    return ate.align.fit(*robots, preset=tiny)


@pytest.mark.slow
def test_pca_of_enough_dimensions_loses_nothing_and_of_one_more_than_two(alignment, robots):
    adapt = robots[1]
    train, held = adapt.select([0, 1, 2, 3]), adapt.select([4, 5])
    errors = [pca_error(alignment, train, held, dimension) for dimension in (1, 4, 56)]
    mean = [np.mean(list(e.values())) for e in errors]
    assert mean[0] > mean[1] > 10 * mean[2]
    everything = pca_error(alignment, adapt, adapt, 56)
    assert max(everything.values()) < 1e-5


@pytest.mark.slow
def test_pca_against_a_singular_value_decomposition(alignment, robots):
    adapt, space = robots[1].select([4]), alignment.space.compact
    rows = np.concatenate([
        np.stack([space.encode(e.qpos)[i : i + 8].ravel() for i in range(len(e) - 7)]) for e in robots[1].select([0, 1])
    ]).astype(np.float64)  # fmt: skip
    test = np.stack([space.encode(adapt[0].qpos)[i : i + 8].ravel() for i in range(33)]).astype(np.float64)
    axes = np.linalg.svd(rows - rows.mean(0))[2][:3]
    back = (test - rows.mean(0)) @ axes.T @ axes + rows.mean(0)
    shape = (-1, 8, 7)
    expected = np.abs(space.decode(back.reshape(shape)) - space.decode(test.reshape(shape))).mean((0, 1))
    found = pca_error(alignment, robots[1].select([0, 1]), adapt, 3)
    np.testing.assert_allclose(list(found.values()), expected, rtol=1e-3)


def test_units_are_those_of_the_profile(robots):
    assert set(joint_units(robots[1]).values()) == {"data units"}
    named = robot("ur5e", 7, 2, 0)
    profile = ate.robots.profile("ur5e")
    known = type(named)(named.items, "qpos", "ur5e", profile.joint_names, 20.0)
    assert joint_units(known)[profile.joint_names[0]] == "rad"


def test_gap_to_the_prior_is_zero_for_its_own_moments():
    random = np.random.default_rng(0)
    mean, std = random.normal(size=(500, 2)).astype(np.float32), np.full((500, 2), 0.5, np.float32)
    blank = np.zeros(500, int)
    moments = latent_moments(Latents(mean, std, blank, blank, blank, blank, blank))
    np.testing.assert_allclose(moments.std.numpy() ** 2, mean.var(0) + 0.25, rtol=1e-5)
    assert np.abs(gap(moments, moments)["kl"]).max() < 1e-9
    found = gap(Gaussian(torch.tensor([1.0]), torch.tensor([2.0])), Gaussian(torch.tensor([0.0]), torch.tensor([0.5])))
    assert found["mean"] == pytest.approx(2.0) and found["variance"] == pytest.approx(16.0)
    assert found["kl"] == pytest.approx(0.5 * (16 + 4 - 1 - np.log(16)))


def test_outside_episode_and_joint_are_named(alignment, robots):
    """One adaptation episode is put far away in the latent space; in it, joint_3 has other values."""
    pretrain, adapt = alignment.encode_pretrain(robots[0]), alignment.encode(robots[1])
    moved = adapt.episode == "episode_0002"
    near = pretrain.mean[np.arange(len(adapt)) % len(pretrain)]
    latents = Latents(**{**vars(adapt), "mean": np.where(moved[:, None], near + 50.0, near)})
    series = [item.qpos.copy() for item in robots[1]]
    series[2][:, 3] += 5.0
    items = [type(e).of(e.name, e.path, qpos=q) for e, q in zip(robots[1], series, strict=True)]
    episodes = type(robots[1])(tuple(items), "qpos", "new", robots[1].joint_names, 20.0)
    outside = outliers(alignment, pretrain, latents, episodes)
    assert next(iter(outside.episodes.items())) == ("episode_0002", 1.0)
    assert next(iter(outside.joints)) == "joint_3"


@pytest.mark.slow
def test_controls_keep_stage_one_and_change_the_encoder(alignment, robots):
    alone, blank = fit_one_stage(alignment, robots[1]), untrained(alignment)
    for control in (alone, blank):
        assert control.pretrain_vae is alignment.pretrain_vae
        assert not torch.equal(control.vae.embed.weight, alignment.vae.embed.weight)
        assert not control.vae.training
    moments = alone.prior.moments
    assert float(moments.mean.abs().max()) == 0.0 and float(moments.std.min()) == 1.0
    assert alone.metrics["adapt"] and not blank.metrics["adapt"]
    assert torch.equal(untrained(alignment).vae.embed.weight, blank.vae.embed.weight)


@pytest.mark.slow
def test_row_of_a_benchmark_holds_the_scorecard(alignment, robots):
    """The reconstruction of an untrained encoder is worse, that of the PCA the same."""
    trained, blank = (_scores(scorecard(a, *robots)) for a in (alignment, untrained(alignment)))
    card = scorecard(alignment, *robots)
    assert trained["verdict"] == card.code and trained["precision"] == card.value("precision")
    assert trained["precision_null"] == card.row("precision")["null"]
    assert trained["reconstruction"] < blank["reconstruction"]
    assert trained["pca_reconstruction"] == blank["pca_reconstruction"]
