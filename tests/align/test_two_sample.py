"""Two-sample measures against closed forms, brute force and their null."""

import numpy as np
import pytest
import torch

from ate.align.divergences import mmd
from ate.align.evaluate.two_sample import classifier_area, coverage, differences, frechet_squared, mmd_p_value

from .worlds import World


def test_frechet_of_diagonal_gaussians():
    random = np.random.default_rng(0)
    x, y = random.normal(size=(100_000, 3)), 2.0 + 3.0 * random.normal(size=(100_000, 3))
    assert frechet_squared(x, y) == pytest.approx(3 * 2.0**2 + 3 * (3.0 - 1.0) ** 2, rel=0.02)
    assert frechet_squared(x, x) == pytest.approx(0.0, abs=1e-6)


def test_coverage_against_brute_force():
    random = np.random.default_rng(0)
    reference, points = random.normal(size=(50, 3)), 1.0 + random.normal(size=(20, 3))
    between = np.linalg.norm(reference[:, None] - reference[None], axis=-1)
    radius = np.sort(between, axis=1)[:, 5]
    held = (np.linalg.norm(reference[:, None] - points[None], axis=-1) <= radius[:, None]).any(1)
    assert coverage(reference, points) == pytest.approx(held.mean())


def test_mmd_p_value_against_all_permutations():
    """Two episodes of the second sample among six: 15 permutations, each computed again."""
    random = np.random.default_rng(1)
    points, episode = random.normal(size=(30, 2)), np.repeat(np.arange(6), 5)
    points[episode >= 4] += 0.7
    values = []
    for one in range(6):
        for other in range(one):
            second = np.isin(episode, [one, other])
            values.append(float(mmd(torch.from_numpy(points[~second]), torch.from_numpy(points[second]))))
    expected = np.mean(np.array(values) >= values[-1] - 1e-12)  # the last pair is (5, 4)
    found = mmd_p_value(points[:20], episode[:20], points[20:], episode[20:], permutations=4000)
    assert found == pytest.approx(expected, abs=0.02)


@pytest.mark.slow
def test_mmd_p_value_holds_its_level_with_dependent_chunks():
    worlds = [World(seed) for seed in range(20)]
    ps = np.array([mmd_p_value(*w.pretrained(12), *w.pretrained(6), 0, 199) for w in worlds])
    # Of 20 tests at the level 0.05, five or more fail in three cases of a thousand. Permuting chunks fails nearly
    # always.
    assert (ps < 0.05).sum() <= 4
    by_chunk = [mmd_p_value(x, np.arange(len(x)), y, np.arange(len(y)), 0, 99)
                for w in worlds[:5] for x, y in [(w.pretrained(12)[0], w.pretrained(6)[0])]]  # fmt: skip
    assert sum(p < 0.05 for p in by_chunk) >= 4


def test_classifier_is_at_chance_or_certain():
    random = np.random.default_rng(0)
    x, y = random.normal(size=(400, 4)), random.normal(size=(400, 4))
    group = np.repeat(np.arange(20), 20)
    assert abs(classifier_area(x, group, y, group) - 0.5) < 0.07
    assert classifier_area(x, group, y + 8.0, group) > 0.99
    assert np.isnan(classifier_area(x, group, y, np.zeros(400, int)))


@pytest.mark.slow
def test_matched_differences_are_within_their_null_and_a_subset_is_not():
    world = World(0)
    pretrain = world.pretrained(60)
    matched, subset = differences(*pretrain, *world.pretrained(60)), differences(*pretrain, *world.subset(60))
    for name in ("mmd", "frechet", "classifier"):
        low, high = matched.null[name][1:]
        slack = high - low
        assert matched.value[name] < high + slack, name
        assert subset.value[name] > subset.null[name][2], name
    assert matched.mmd_p > 0.01 > subset.mmd_p
    assert subset.value["coverage"] < matched.value["coverage"]
