"""The scorecard tells collapsed, shifted and matched latents apart."""

import numpy as np
import pytest

import ate.align
from ate.align import scorecard
from ate.align.evaluate.activity import active_units
from ate.align.evaluate.containment import _score, containment
from ate.align.evaluate.projection import balanced, plane
from ate.align.evaluate.reconstruction import reconstruction_error
from ate.align.evaluate.scorecard import Verdict, verdict
from ate.align.evaluate.unseen_modes import unseen_mode, votes
from ate.errors import InputError

from .worlds import World


@pytest.fixture(scope="module")
def clouds():
    """40 episodes of 50 chunks in four modes of 8 dimensions, and a sampler of the same."""
    random = np.random.default_rng(0)
    modes = 4 * random.normal(size=(4, 8))

    def sample(count, modes=modes):
        return modes[random.integers(len(modes), size=count)] + random.normal(size=(count, 8))

    return sample(2000), np.repeat(np.arange(40), 50), sample, modes


def code(clouds, adapt):
    pretrain, group, *_ = clouds
    return verdict(pretrain, adapt, containment(pretrain, group, adapt))[0]


def test_matched_latents_are_inside(clouds):
    assert code(clouds, clouds[2](500)) is Verdict.INSIDE


def test_a_subset_of_modes_is_inside(clouds):
    assert code(clouds, clouds[2](500, clouds[3][:1])) is Verdict.INSIDE


def test_shifted_latents_are_outside(clouds):
    assert code(clouds, clouds[2](500) + 6.0) is Verdict.OUTSIDE


def test_latents_half_in_a_new_mode_are_partly_outside(clouds):
    adapt = np.concatenate([clouds[2](350), clouds[2](150, -clouds[3][:1] - 8)])
    assert code(clouds, adapt) is Verdict.PARTLY_OUTSIDE


def test_collapsed_latents_are_dead_even_inside(clouds):
    point = clouds[0][:1] + 1e-3 * np.random.default_rng(1).normal(size=(500, 8))
    assert code(clouds, point) is Verdict.DEAD


def test_dead_pretraining_is_dead(clouds):
    flat = np.zeros_like(clouds[0])
    assert verdict(flat, clouds[2](100), containment(*clouds[:2], clouds[2](100)))[0] is Verdict.DEAD


def test_null_of_the_null(clouds):
    contained = containment(*clouds[:2], clouds[2](500))
    assert abs(contained.precision - contained.precision_null[0]) < 0.1
    assert 0.0 <= contained.tail_null[1] <= contained.tail_null[0] <= contained.tail_null[2] < 0.05


def test_precision_against_brute_force():
    random = np.random.default_rng(0)
    reference, points = random.normal(size=(60, 3)), random.normal(size=(40, 3)) * 2
    distances = np.linalg.norm(reference[:, None] - reference[None], axis=-1)
    radii = np.sort(distances, axis=1)[:, 5]
    inside = [bool((np.linalg.norm(p - reference, axis=1) <= radii).any()) for p in points]
    assert _score(reference, reference[:20], points, points)[0] == pytest.approx(np.mean(inside))


def test_active_units():
    latents = np.zeros((100, 3))
    latents[:, 1] = np.linspace(-1, 1, 100)
    latents[:, 2] = 0.05 * latents[:, 1]
    assert active_units(latents) == 1


def test_too_few_episodes_for_a_null():
    with pytest.raises(InputError) as error:
        containment(np.zeros((30, 2)), np.repeat(np.arange(3), 10), np.zeros((5, 2)))
    assert error.value.got.startswith("3 ")


@pytest.mark.slow
def test_scorecard_of_an_alignment(robots, tiny):
    alignment = ate.align.fit(*robots, preset=tiny)
    card = scorecard(alignment, *robots)
    assert card == scorecard(alignment, *robots)
    held = [i for i, e in enumerate(robots[1]) if e.name in alignment.held_out["adapt"]]
    raw = robots[1].select(held)[0].qpos
    windows = np.stack([raw[i : i + 8] for i in range(len(raw) - 7)])
    import torch

    space = alignment.space.compact
    x = torch.from_numpy(space.encode(windows))
    decoded = space.decode(alignment.vae.decode(alignment.vae.encode(x).mean, 8)).numpy()
    expected = np.abs(decoded - windows).mean((0, 1))
    errors = reconstruction_error(alignment, robots[1].select(held))
    np.testing.assert_allclose(list(errors.values()), expected, rtol=1e-3)
    assert card.value("reconstruction error, joint_2") == pytest.approx(expected[2], rel=1e-3)
    assert isinstance(card.code, Verdict)
    assert all(isinstance(row["in_verdict"], bool) for row in card.table)
    decisive = {row["measure"] for row in card.table if row["in_verdict"]}
    assert decisive.isdisjoint({"MMD²", "MMD², p-value", "Fréchet distance²", "classifier two-sample test", "coverage"})
    assert {"precision", "tail below 1 % density", "unseen mode, p-value"} <= decisive
    mean = np.mean([value for name, value in errors.items()])
    assert card.value("reconstruction error, mean") == pytest.approx(mean)


@pytest.mark.parametrize("seed", [0, 1, 2, 7])
@pytest.mark.slow
def test_verdicts_over_seeds(seed):
    world = World(seed)
    pretrain, group = world.pretrained(60)
    matched, names = world.subset(30)
    direction = np.sign(world.random.normal(size=8))
    cases = {
        Verdict.INSIDE: matched,
        Verdict.OUTSIDE: matched + 6.0 * direction,
        Verdict.DEAD: pretrain.mean(0) + 1e-3 * world.random.normal(size=matched.shape),
        Verdict.PARTLY_OUTSIDE: world.planted(30, 0.3)[0],
    }
    for expected, adapt in cases.items():
        unseen = unseen_mode(pretrain, group, adapt, names, seed, permutations=999)
        assert verdict(pretrain, adapt, containment(pretrain, group, adapt, seed), unseen)[0] is expected


@pytest.mark.slow
def test_outside_chunks_are_found_one_by_one():
    far = []
    for seed in range(6):
        world = World(seed)
        far.append(votes(*world.pretrained(60), world.planted(30, 0.2)[0], np.random.default_rng(0)).reshape(30, 40))
    far = np.array(far)
    assert far[..., 32:].mean() > 0.9 and far[..., :32].mean() < 0.1


def test_a_map_shows_both_sets_in_balance():
    rows = balanced(2000, 100, seed=3)
    assert [len(r) for r in rows] == [200, 100] and all((np.diff(r) > 0).all() for r in rows)
    np.testing.assert_array_equal(rows[0], balanced(2000, 100, seed=3)[0])
    assert [len(r) for r in balanced(500, 900, seed=0, most=50)] == [50, 50]
    with pytest.raises(InputError) as error:
        plane(np.zeros((5, 3)), method="umpa")
    assert "umap" in error.value.fix
