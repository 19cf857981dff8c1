"""Where things are: frames of cameras, cameras together, and an encoder that learns it."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from ate.errors import InputError
from ate.policies.vision import Encoder, EncoderConfig, FitConfig, fit_encoder, grounding
from ate.policies.vision.encoder import GROUPS
from ate.policies.vision.eyes import Eyes
from ate.policies.vision.grounding import Seen
from ate.policies.vision.localisation import localisation
from ate.policies.vision.moment import Moments

from .conftest import TINY

RNG = np.random.default_rng(0)


def yawed(angle):
    return np.stack([np.cos(4 * angle), np.sin(4 * angle)], -1)


def test_what_the_hand_sees_is_carried_to_the_table_and_back():
    count = 20
    # A tool that points down, turned about its own axis and tilted by nothing.
    turn = Rotation.from_euler("z", RNG.uniform(-3, 3, (count, 1))) * Rotation.from_euler("x", np.pi)
    position, rotation = RNG.normal(size=(count, 3)), turn.as_matrix()
    angle = RNG.uniform(-3, 3, count)
    truth = {"object": RNG.normal(size=(count, 3)), "goal": RNG.normal(size=(count, 3)), "yaw": 0.7 * yawed(angle)}
    there = grounding.for_camera("wrist", truth, position, rotation)
    assert np.abs(there["object"] - truth["object"]).max() > 0.1
    back = grounding.of_camera("wrist", there, position, rotation)
    for name in GROUPS:
        np.testing.assert_allclose(back[name], truth[name], atol=1e-9)
    # Seen from above and from below, a cube turns the other way; its own angle to the tool's x axis is what counts.
    own = np.arctan2(rotation[:, 1, 0], rotation[:, 0, 0])
    np.testing.assert_allclose(there["yaw"], 0.7 * yawed(own - angle), atol=1e-9)
    assert grounding.for_camera("front", truth, position, rotation) == truth


def test_cameras_together_are_weighted_by_their_precision():
    def one(value, spread):
        return Seen({n: np.full((1, k), value) for n, k in GROUPS.items()}, {n: np.array([spread]) for n in GROUPS})

    both = grounding.fused([one(0.0, 1.0), one(3.0, 0.5)])
    np.testing.assert_allclose(both.mean["object"], 3.0 * 4 / 5)
    np.testing.assert_allclose(both.spread["goal"], (1 / 5) ** 0.5)


def test_pictures_of_another_size_are_refused():
    with pytest.raises(InputError) as caught:
        Encoder(TINY)(torch.zeros(1, 2, 64, 64, 3, dtype=torch.uint8), torch.zeros(1, 4))
    assert caught.value.where == "encoder of pictures" and "(N, 2, 32, 32, 3)" in caught.value.expected


def test_any_size_of_pictures_has_points_on_its_maps():
    for size in (30, 33):
        encoder = Encoder(EncoderConfig(size=size, maps=8, hidden=16, mixtures=2, words=4))
        located = encoder(torch.zeros(1, 2, size, size, 3, dtype=torch.uint8), torch.zeros(1, 4))
        assert located["wrist"].mean["object"].shape == (1, 3)


def test_an_encoder_is_read_back_and_a_policy_is_none(tmp_path):
    encoder = Encoder(TINY, seed=3)
    encoder.save(tmp_path / "encoder.safetensors")
    again = Encoder.load(tmp_path / "encoder.safetensors")
    pictures, words = torch.randint(0, 255, (2, 2, 32, 32, 3), dtype=torch.uint8), torch.rand(2, 4)
    for name, said in again(pictures, words).items():
        torch.testing.assert_close(said.mean["goal"], encoder(pictures, words)[name].mean["goal"])
    from ate.runs import checkpoint

    checkpoint.save(tmp_path / "other.safetensors", {"config": {}})
    with pytest.raises(InputError) as caught:
        Encoder.load(tmp_path / "other.safetensors")
    assert "encoder" in caught.value.got


def spots(count, seed):
    """Pictures of a red and a blue spot in both cameras; the tool is in the origin and turned by nothing."""
    rng = np.random.default_rng(seed)
    at = rng.uniform(-0.1, 0.1, (count, 2, 2))
    pictures = np.full((count, 2, 32, 32, 3), 120, np.uint8)
    pixel = np.round((at / 0.1 + 1) / 2 * 27).astype(int)
    for i, places in enumerate(pixel):
        for colour, (x, y) in enumerate(places):
            pictures[i, :, y : y + 4, x : x + 4] = ((230, 30, 30), (30, 30, 230))[colour]
    where = np.concatenate([at, np.zeros((count, 2, 1))], -1)
    truth = {"object": where[:, 0], "yaw": np.zeros((count, 2))}
    goals = np.stack([where[:, 1], where[:, 0]], 1)
    eye = np.broadcast_to(np.eye(3), (count, 3, 3))
    return Moments(
        "place", pictures, np.zeros((count, 3)), eye, truth, goals, rng.integers(0, 2, count), np.zeros(count, bool)
    )


@pytest.mark.slow
def test_an_encoder_learns_where_the_object_is_and_which_spot_the_words_mean():
    config = EncoderConfig(size=32, maps=8, hidden=32, mixtures=4, words=4)
    encoder, train, held_out = Encoder(config), spots(400, 0), spots(100, 1)
    before = localisation(Eyes(encoder.eval(), "place"), held_out)[-1]
    losses = []
    fit_encoder(encoder, [train], FitConfig(steps=120, batch=32, learning_rate=5e-3), lambda _, x: losses.append(x))
    after = localisation(Eyes(encoder, "place"), held_out)[-1]
    assert after.camera == "both" and after.moments == 100
    assert after.object_median < 12 < before.object_median and losses[-1] < losses[0]
    # Which spot is the goal, the words alone say: to point between the two is 60 mm off.
    assert after.goal < 35 < before.goal
