"""Anchors: found where they are known to be, and what they do to a stage 2."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import ate.align
from ate.align import Alignment, correspondence, stages
from ate.align.anchors import AnchorPool, Anchors, pull
from ate.align.config import PRESETS
from ate.align.losses import Target, losses
from ate.align.motion import PATH
from ate.align.priors import aggregated, posteriors, standard
from ate.align.vae import InfoVAE
from ate.align.vae_config import VAEConfig
from ate.data.chunks import chunk, concat
from ate.errors import InputError

from .cartesian import CHUNK, Planted, cartesian, goals, planted
from .conftest import robot


@pytest.fixture(scope="module")
def mixed():
    """Robots of other joints whose tools go to goals of one distribution."""
    random = np.random.default_rng(7)
    sets = tuple(cartesian(n, goals(24, i), i, mixing=random.normal(size=(4, 5 + i))) for i, n in enumerate(("a", "b")))
    return sets, cartesian("c", goals(16, 5), 5, mixing=random.normal(size=(4, 6)))


@pytest.fixture(scope="module")
def anchored(mixed, tiny):
    return ate.align.fit(*mixed, preset=tiny.with_options(anchor_weight=1.0, pretrain_steps=10, adapt_steps=10))


def test_anchors_are_the_chunks_of_the_same_motion():
    one, two = goals(6, 1), goals(6, 2)
    sets = (cartesian("one", one, 1), cartesian("two", two, 2))
    adapt = cartesian("new", np.concatenate([two[3:], one[:2]]), 3)
    alignment = planted(sets, adapt, lambda x: x[:, 0, :4])
    pool = AnchorPool.of(alignment.pretrain_vae, sets, alignment.pretrain_spaces, CHUNK, 0)
    chunks = alignment.chunks(adapt)
    each = 24 - CHUNK + 1
    truth = [first * each + np.arange(each) for first in (6 + 3, 6 + 4, 6 + 5, 0, 1)]
    np.testing.assert_array_equal(pool.find(adapt, chunks)[:, 0], np.concatenate(truth))
    # Their latents are those of the twins' chunks.
    anchors = pool.anchors(adapt, chunks).gather(torch.tensor([2 * each + 4]))
    torch.testing.assert_close(anchors[0, 0], torch.tensor(sets[1][5].qpos[4, :4]))


def test_robots_without_a_tool_are_no_anchors(tiny):
    sets = (robot("seven", 8, 4, 1), cartesian("one", goals(4, 1), 1))
    spaces = stages.spaces(sets)
    vae = Planted(lambda x: x[:, 0, :4])
    assert len(AnchorPool.of(vae, sets, spaces, CHUNK, 0).mean) == 4 * (24 - CHUNK + 1)
    with pytest.raises(InputError, match="seven"):
        AnchorPool.of(vae, sets[:1], spaces[:1], CHUNK, 0)
    options = tiny.with_options(anchor_weight=1.0, pretrain_steps=1, adapt_steps=1)
    with pytest.raises(InputError, match="new: no ee_pose"):
        ate.align.fit(sets, robot("new", 7, 4, 3), preset=options)


def test_a_large_pool_is_drawn_from(monkeypatch):
    monkeypatch.setattr("ate.align.anchors.MOST_CHUNKS", 50)
    sets = (cartesian("one", goals(9, 1), 1), cartesian("two", goals(2, 2), 2))
    spaces = stages.spaces(sets)
    pool = AnchorPool.of(Planted(lambda x: x[:, 0, :4]), sets, spaces, CHUNK, 0)
    assert len(pool.mean) == len(pool.motion) == 25 + 25


def test_pull_is_the_distance_to_the_nearest_anchor():
    mean = torch.tensor([[0.0, 0.0], [1.0, 1.0]])
    anchors = torch.tensor([[[4.0, 0.0], [0.0, 2.0]], [[1.0, 1.0], [9.0, 9.0]]])
    # In units of (2, 1): (4 + 0) / 2 and (0 + 4) / 2 for the first chunk, 0 for the second.
    assert float(pull(mean, anchors, torch.tensor([2.0, 1.0]))) == 1.0
    gathered = Anchors(torch.arange(6.0).reshape(3, 2), torch.tensor([[0, 2], [1, 1]])).gather(torch.tensor([1, 0]))
    assert gathered.tolist() == [[[2, 3], [2, 3]], [[0, 1], [4, 5]]]


@pytest.mark.slow
def test_weight_zero_leaves_training_as_it_is(mixed, tiny, monkeypatch):
    """No anchor is looked for, the loss is the three terms to the bit, and so are the weights."""
    torch.manual_seed(0)
    vae, x = InfoVAE(VAEConfig(5, 8, 3, 2, 16)), torch.randn(4, 8, 5)
    target, noise, mask = Target(standard(8), standard(8)), torch.randn(4, 8), torch.ones(4, 1, 5, dtype=torch.bool)
    found = losses(vae, x, mask, target, noise, noise.flip(0), tiny)
    total = (
        tiny.reconstruction_weight * found["reconstruction"]
        + tiny.kl_weight * found["kl"]
        + tiny.mmd_weight * found["mmd"]
    )
    assert found.keys() == {"loss", "reconstruction", "kl", "mmd"} and torch.equal(found["loss"], total)

    short = tiny.with_options(pretrain_steps=5, adapt_steps=5)
    plain = ate.align.fit(*mixed, preset=short)
    # Anchors that are there but weigh nothing change no weight: they draw no noise and add no gradient.
    there = planted_pool(plain, mixed[0])
    adapt = stages._adapt
    monkeypatch.setattr(stages, "_adapt", lambda run, vae, prior, pool: adapt(run, vae, prior, there))
    anchored = ate.align.fit(*mixed, preset=short)
    assert plain.anchors is None and "anchor" in anchored.metrics["adapt"][0]
    for key, value in plain.vae.state_dict().items():
        assert torch.equal(value, anchored.vae.state_dict()[key]), key


def planted_pool(alignment, sets):
    return AnchorPool.of(alignment.pretrain_vae, sets, alignment.pretrain_spaces, CHUNK, 0)


@pytest.mark.slow
def test_anchored_training_raises_correspondence(tiny):
    """φ is planted: its latents are the motion. Moments alone do not tell ψ which motion belongs where."""
    sets = (cartesian("one", goals(24, 1), 1), cartesian("two", goals(24, 2), 2))
    adapt = cartesian("new", goals(16, 5), 5, mixing=np.random.default_rng(7).normal(size=(4, 6)))
    bare = planted(sets, sets[0], lambda x: 10 * torch.cat([x[:, 4, :4] - x[:, 0, :4], x[:, 7, :4] - x[:, 0, :4]], 1))
    bare.vae.config = VAEConfig(7, 8, 3, 2, 16)
    options = {"adapt_steps": 150, "learning_rate": 5e-3, "dropout": 0.0, "kl_weight": 1e-3, "schedule": "cosine"}
    chunks = concat([bare.chunks(s, space) for s, space in zip(sets, bare.pretrain_spaces, strict=True)])
    rows, held = {}, {}
    for weight in (0.0, 1.0):
        start = replace(
            bare,
            config=tiny.with_options(anchor_weight=weight, **options),
            prior=aggregated(posteriors(bare.vae, chunks)),
            anchors=planted_pool(bare, sets),
        )
        result = ate.align.realign(start, adapt)
        rows[weight] = correspondence(result, sets, adapt, permutations=199).row(PATH)
        held[weight] = result.metrics["adapt"]
    assert rows[1.0]["share"] > 0.35 > 0.15 > rows[0.0]["share"]
    assert rows[1.0]["p_same_time"] == 1 / 200
    assert "anchor" not in held[0.0][0] and held[1.0][-1]["held_anchor"] < 0.5 * held[1.0][0]["held_anchor"]


@pytest.mark.slow
def test_saved_anchors_serve_another_stage_two(mixed, anchored, tmp_path):
    anchored.save(tmp_path)
    few = mixed[1].select(range(5))
    one, other = (ate.align.realign(a, few, seed=3) for a in (anchored, Alignment.load(tmp_path)))
    assert "anchor" in one.metrics["adapt"][0]
    for key, value in one.vae.state_dict().items():
        assert torch.equal(value, other.vae.state_dict()[key]), key
    chunks = chunk(few, CHUNK, one.space.compact)
    np.testing.assert_array_equal(one.anchors.find(few, chunks), other.anchors.find(few, chunks))


def test_presets():
    for size in ("demo", "smoke"):
        assert PRESETS[f"{size}-anchored"].anchor_weight > 0 == PRESETS[size].anchor_weight
    with pytest.raises(InputError, match="anchor_weight"):
        PRESETS["demo"].with_options(anchor_weight=-1.0)
