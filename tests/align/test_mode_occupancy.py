"""Which mode chunks are in, what modes are made of, and how adaptation occupies them."""

import math

import numpy as np
import pytest
import torch

import ate.align
from ate.align.evaluate.mode_occupancy import composition, entropy_of, membership, mode_report, occupancy_table
from ate.align.latents import Latents
from ate.align.mixture import Mixture
from ate.align.priors import Gaussian
from ate.errors import InputError

CENTRES = np.array([[-10.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
MIXTURE = Mixture(torch.tensor([0.5, 0.25, 0.25]), torch.tensor(CENTRES).float(), torch.ones(3, 2))


def latents(mode, episodes, robot, seed=0, shift=0.0, chunks=10):
    """Chunks of episodes in a mode each, `mode (episodes,)`."""
    random = np.random.default_rng(seed)
    group = np.repeat(np.arange(episodes), chunks)
    mean = CENTRES[np.asarray(mode)[group]] + 0.8 * random.normal(size=(len(group), 2)) + shift
    return Latents(
        mean=mean.astype(np.float32),
        std=np.full(mean.shape, 0.6, np.float32),
        robot=np.full(len(group), robot),
        set=np.zeros(len(group), np.int64),
        episode=np.array([f"episode_{i}" for i in range(episodes)])[group],
        group=group,
        start=np.tile(np.arange(chunks), episodes),
    )


@pytest.fixture(scope="module")
def before():
    """Robot `left` in modes 0 and 2, robot `right` in modes 1 and 2."""
    left = latents([0] * 30 + [2] * 10, 40, "left", 1)
    right = latents([1] * 30 + [2] * 10, 40, "right", 2)
    return Latents.concat([left, right])


def test_each_chunk_is_in_the_mode_it_was_drawn_from(before):
    found = membership(MIXTURE, before)
    expected = np.linalg.norm(before.mean[:, None] - CENTRES, axis=-1).argmin(1)
    np.testing.assert_array_equal(found.mode, expected)
    np.testing.assert_allclose(found.probability.sum(1), 1.0, atol=1e-5)
    assert found.certainty.min() > 0.99


def test_density_of_one_gaussian_is_in_closed_form():
    one = latents([0], 1, "left")
    found = membership(Gaussian(torch.tensor([-10.0, 0.0]), torch.ones(2)), one)
    assert found.probability.tolist() == [[1.0]] * 10
    squares = ((one.mean - CENTRES[0]) ** 2 + 0.6**2).sum(1)
    np.testing.assert_allclose(found.density, -0.5 * squares - math.log(2 * math.pi), rtol=1e-4)


def test_modes_are_made_of_the_robots_tasks_and_episodes_in_them(before):
    first, second, shared = composition(MIXTURE, before, tasks=("lift", "push"))
    assert first.robots == pytest.approx({"left": 1.0}, abs=1e-6) or first.robots["left"] > 0.999
    assert second.robots["right"] > 0.999 and second.tasks["push"] > 0.999
    assert shared.robots["left"] == pytest.approx(0.5, abs=1e-3) and shared.tasks["lift"] == pytest.approx(
        0.5, abs=1e-3
    )
    assert first.share == pytest.approx(30 / 80, abs=1e-3) and first.weight == 0.5
    assert first.episode_count == pytest.approx(30, abs=0.1) and shared.episode_count == pytest.approx(20, abs=0.1)
    assert len(first.episodes) == 5 and all(name.startswith("left/episode_") for name in first.episodes)
    assert first.start == (2.0, 4.0, 7.0)
    assert composition(MIXTURE, before)[0].tasks == {}


def test_tasks_are_one_a_set(before):
    with pytest.raises(InputError, match="1 tasks for 2 sets"):
        composition(MIXTURE, before, tasks=("lift",))


def table_of(before, after, held=None):
    old = membership(MIXTURE, before)
    null = before.group % 4 == 0 if held is None else held
    rows = occupancy_table(old, before, null, membership(MIXTURE, after), len(np.unique(after.group)))
    return {row["measure"]: row for row in rows}


def test_a_robot_like_the_others_is_within_the_null(before):
    table = table_of(before, latents([0] * 15 + [2] * 5, 20, "new", 3))
    for row in table.values():
        assert row["null_low"] - 0.02 <= row["value"] <= row["null_high"] + 0.02, row


def test_a_robot_in_one_mode_has_no_entropy(before):
    table = table_of(before, latents([2] * 20, 20, "new", 3))
    row = table["entropy of occupancy"]
    assert row["value"] < 0.01 < 0.2 < row["null_low"]
    assert table["effective modes"]["value"] == pytest.approx(1.0, abs=0.01)
    assert table["share outside all modes"]["value"] < 0.05


def test_a_robot_outside_all_modes_is_told_apart_though_each_chunk_has_a_mode(before):
    table = table_of(before, latents([2] * 20, 20, "new", 3, shift=6.0))
    row = table["share outside all modes"]
    assert row["value"] > 0.95 and row["null_high"] < 0.1


def test_entropy():
    assert entropy_of(np.array([0.25] * 4)) == pytest.approx(math.log(4))
    assert entropy_of(np.array([1.0, 0.0])) == 0.0


@pytest.mark.slow
def test_report_of_an_alignment(robots, tiny):
    config = tiny.with_options(prior="mixture", mmd_reference="modes", mixture_components=2)
    report = mode_report(ate.align.fit(*robots, preset=config), *robots, tasks=("one", "two"))
    assert len(report.modes) == 2 and report.modes[0].weight >= report.modes[1].weight
    assert sum(mode.share for mode in report.modes) == pytest.approx(1.0, abs=1e-4)
    assert report.adapt.sum() == pytest.approx(1.0, abs=1e-4) and report.adapt.shape == (2,)
    assert len(report.membership.mode) == sum(n - 7 for n in robots[1].lengths)
    assert 1.0 <= report.value("effective modes") <= 2.0


def test_report_with_a_gaussian_prior_has_one_mode(robots, tiny):
    report = mode_report(ate.align.fit(*robots, preset=tiny.with_options(pretrain_steps=5, adapt_steps=5)), *robots)
    assert len(report.modes) == 1 and report.value("entropy of occupancy") == 0.0
