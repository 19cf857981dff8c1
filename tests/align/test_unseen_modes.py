"""A planted mode is found, a true subset of modes passes, and the p-value is what it says."""

import numpy as np
import pytest

from ate.align.evaluate.unseen_modes import Far, _permutation_test, unseen_mode
from ate.errors import InputError

from .worlds import World

SEEDS = range(20)


def p_values(adapt, seeds=SEEDS, pretrain_episodes=60, adapt_episodes=30):
    values = []
    for seed in seeds:
        world = World(seed)
        latents = *world.pretrained(pretrain_episodes), *adapt(world, adapt_episodes)
        values.append(unseen_mode(*latents, seed=seed, permutations=999).p)
    return np.array(values)


@pytest.mark.parametrize(
    ("adapt", "seeds"), [(World.subset, SEEDS), (World.widest, range(8)), (World.pretrained, range(8))]
)
@pytest.mark.slow
def test_true_modes_pass(adapt, seeds):
    found = p_values(adapt, seeds)
    # Of 20 tests at the level 0.01, three or more fail in one case of a thousand.
    assert (found < 0.01).sum() <= 2
    assert np.median(found) > 0.1


@pytest.mark.slow
def test_a_planted_mode_of_a_tenth_of_the_chunks_is_found():
    assert (p_values(lambda world, count: world.planted(count, 0.1)) < 0.01).sum() >= 19


@pytest.mark.slow
def test_a_planted_mode_of_a_twentieth_of_the_chunks_is_mostly_found():
    assert (p_values(lambda world, count: world.planted(count, 0.05), range(8)) < 0.01).sum() >= 6


@pytest.mark.slow
def test_a_tenth_of_the_episodes_in_a_planted_mode_is_found_when_they_are_many():
    found = p_values(
        lambda world, count: world.planted_episodes(count, 0.1), range(5), pretrain_episodes=120, adapt_episodes=50
    )
    assert (found < 0.01).sum() >= 4


@pytest.mark.slow
def test_chunks_of_an_episode_are_not_independent():
    """One odd adaptation episode of ten is no evidence, however many chunks it has."""
    found = p_values(
        lambda world, count: world.planted_episodes(count, 0.1), range(5), pretrain_episodes=40, adapt_episodes=10
    )
    assert (found > 0.05).all()


def test_p_value_against_all_permutations():
    """One fold of 5 episodes, 2 of them adaptation and the worst two: 1 of the 10 permutations is as bad."""
    far = np.array([9.0, 8.0, 0.0, 1.0, 2.0])
    rows = np.column_stack([np.zeros(5), [1, 1, 0, 0, 0], far, np.full(5, 10.0)])
    found = _permutation_test(rows, 20_000, np.random.default_rng(0))
    assert found.p == pytest.approx(0.1, abs=0.01) and found.attainable == pytest.approx(0.1)
    assert found.share == pytest.approx(0.85) and found.null[0] == pytest.approx(0.1)
    assert found.episodes == (3, 2)
    none = np.column_stack([np.zeros(5), [1, 1, 0, 0, 0], np.zeros(5), np.full(5, 10.0)])
    assert _permutation_test(none, 99, np.random.default_rng(0)).p == 1.0


def test_far_is_measured_in_the_local_spacing():
    random = np.random.default_rng(0)
    dense, sparse = 0.1 * random.normal(size=(500, 2)), 10 + random.normal(size=(500, 2))
    far = Far.beyond(np.concatenate([dense[:400], sparse[:400]]), np.concatenate([dense[400:], sparse[400:]]))
    assert list(far(np.array([[1.0, 1.0], [11.0, 11.0], [5.0, 5.0], [0.0, 0.0]]))) == [True, False, True, False]


def test_same_seed_same_answer_and_too_few_episodes():
    world = World(0)
    latents = *world.pretrained(20), *world.pretrained(8)
    assert unseen_mode(*latents, seed=3) == unseen_mode(*latents, seed=3)
    with pytest.raises(InputError) as error:
        unseen_mode(*world.pretrained(3), *latents[2:])
    assert error.value.got.startswith("3 ")
