"""Scenes that are drawn anew, so that the arm does not tell where things are; markers that an encoder has to see."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ate.data import load
from ate.experiments.settings import SHIPPED
from ate.policies.vision import Encoder, EncoderConfig, Eyes, localisation, moments
from ate.policies.vision.encoder import UNIT
from ate.policies.vision.fitting import jittered
from ate.policies.vision.markers import PALETTE, WEIGHT, Markers, placed
from ate.policies.vision.moment import states
from ate.policies.vision.scatter import SHARE, painted, scattered, touched
from ate.sim.render import APART, other_goal
from ate.sim.scene import arm_colors
from ate.sim.tasks import GOAL, GOAL_RANGE, OBJECT, TOOL, YAW

from .conftest import TINY


def shipped(task, count=12):
    return load(SHIPPED / task / "pretrain" / "panda").select(range(count))


def turn_of(columns):
    return np.arctan2(columns[:, 1], columns[:, 0])


@pytest.mark.parametrize("task", ["lift", "push", "place"])
def test_what_was_touched_stays_and_most_of_the_rest_lies_elsewhere(task):
    episodes, generator = shipped(task), np.random.default_rng(0)
    moved, count = 0, 0
    for i in range(len(episodes)):
        state = states(episodes, i)
        before, held = state.copy(), touched(state)
        other = other_goal(task, state[0])
        out, markers = scattered(task, state, [state[0, GOAL], *([] if other is None else [other])], generator)
        np.testing.assert_array_equal(state, before)
        np.testing.assert_array_equal(out[held][:, OBJECT], state[held][:, OBJECT])
        np.testing.assert_array_equal(out[held][:, YAW], state[held][:, YAW])
        # The arm is where it was.
        np.testing.assert_array_equal(out[:, : OBJECT.start], state[:, : OBJECT.start])
        np.testing.assert_array_equal(out[:, OBJECT.stop - 1], state[:, OBJECT.stop - 1])
        np.testing.assert_allclose(out[:, 17:20], out[:, OBJECT] - out[:, TOOL], atol=1e-6)
        moved += np.any(out[~held][:, OBJECT] != state[~held][:, OBJECT], axis=1).sum()
        count += (~held).sum()
        if task == "place":
            assert np.linalg.norm(markers[0] - markers[1], axis=1).min() >= APART
        if task != "lift":
            np.testing.assert_allclose(out[:, GOAL], markers[0], atol=1e-6)
            assert np.abs(markers[0][:, :2]).max() <= GOAL_RANGE
            assert np.mean(np.any(markers[0] != markers[0][0], axis=1)) > 0.5 * SHARE
    # Within four deviations of a share of so many.
    assert abs(moved / count - SHARE) < 4 * np.sqrt(SHARE * (1 - SHARE) / count)


def test_the_tool_tells_the_yaw_in_a_demonstration_and_no_longer_in_a_scattered_one():
    episodes, generator = shipped("lift", 40), np.random.default_rng(0)
    recorded, anew = [], []
    for i in range(len(episodes)):
        state = states(episodes, i)
        out, _ = scattered("lift", state, [state[0, GOAL]], generator)
        near = ~touched(state) & (np.linalg.norm(state[:, OBJECT] - state[:, TOOL], axis=1) < 0.08)
        # The tool's first axis in the table: a quarter turn looks the same.
        tool = 4 * np.arctan2(state[near, 4], state[near, 3])
        for rows, into in ((state[near], recorded), (out[near], anew)):
            into.append(np.abs(np.angle(np.exp(1j * (turn_of(rows[:, YAW]) - tool)))) / 4)
    aligned, loose = (np.degrees(np.concatenate(part)) for part in (recorded, anew))
    assert np.median(aligned) < 2
    # Uniform over a quarter turn would be 22.5°; a quarter of the moments stay.
    assert np.median(loose) > 12


def test_pictures_show_the_things_where_the_truth_has_them(monkeypatch):
    # A grey arm: one in the cube's red would be taken for it here.
    monkeypatch.setattr("ate.policies.vision.scatter.painted", lambda _, count, __: np.full((count, 2, 3), 0.5))
    eyes = Eyes(Encoder(EncoderConfig(maps=8, hidden=16, mixtures=2, words=4)).eval(), "lift")
    drawn = moments(eyes, shipped("lift", 8), 2, seed=3)
    red = drawn.pictures[:, 0].astype(float)
    cube = (red[..., 0] > 110) & (red[..., 1] < 70) & (red[..., 2] < 70)
    # Pixels of the cube alone, where the arm hides none of it.
    whole = cube.sum((1, 2)) >= 12
    rows, columns = np.indices(cube.shape[1:])
    at = np.stack([(cube * grid).sum((1, 2)) / np.maximum(cube.sum((1, 2)), 1) for grid in (columns, rows)], 1)[whole]
    flat = drawn.truth["object"][whole]
    lying = np.abs(flat[:, 2] - 0.02) < 0.002
    at, flat = at[lying], flat[lying, :2]
    assert len(at) > 40
    # A camera is a projective map: nearly linear and quadratic over the table.
    design = np.column_stack([np.ones(len(at)), at, at**2, at[:, :1] * at[:, 1:]])
    weights, *_ = np.linalg.lstsq(design[::2], flat[::2], rcond=None)
    off = np.linalg.norm(design[1::2] @ weights - flat[1::2], axis=1)
    assert np.median(off) < 0.006 and np.ptp(flat, axis=0).min() > 0.1


def test_most_arms_are_painted_and_the_others_have_their_own_colours():
    colors = painted("panda", 2000, np.random.default_rng(0))
    own = np.all(np.isclose(colors, arm_colors("panda")), axis=(1, 2))
    assert abs(own.mean() - (1 - SHARE)) < 4 * np.sqrt(SHARE * (1 - SHARE) / 2000)
    assert colors.min() >= 0 and colors.max() <= 1 and np.ptp(colors[~own], axis=0).min() > 0.9


def test_scattered_moments_follow_from_the_seed(eyes):
    episodes = shipped("lift", 2)
    first, again, other = (moments(eyes, episodes, 8, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.pictures, again.pictures)
    assert np.any(first.truth["object"] != other.truth["object"])


def test_without_jitter_pictures_and_arms_are_as_they_are(eyes):
    plain, painted_ = (moments(eyes, shipped("lift", 1), 8, 1, paint) for paint in (False, True))
    # The same scenes: only the colours of the arm differ.
    np.testing.assert_array_equal(plain.truth["object"], painted_.truth["object"])
    assert np.any(plain.pictures != painted_.pictures)
    generator = torch.Generator().manual_seed(0)
    some = torch.from_numpy(plain.pictures[:4])
    as_drawn, lit = jittered(some, generator, False), jittered(some, generator)
    torch.testing.assert_close(as_drawn, some.permute(0, 1, 4, 2, 3).float() / 127.5 - 1)
    # Brightness 0.12, contrast 0.12 and gain 0.08 of values up to 1: more than rounding, less than another picture.
    assert 0.02 < (lit - as_drawn).abs().mean() < 0.5


def test_only_markers_of_the_scene_are_learned_from():
    encoder = Encoder(TINY)
    markers, points = Markers(encoder, 0), torch.rand(5, TINY.points)
    blue = torch.rand(5, 3) * UNIT
    places, there = placed({"blue": blue}, 5)
    assert there.sum() == 5 and there[:, PALETTE.index("blue")].all()
    with torch.no_grad():
        head = markers.heads["front"]
        head.weight.zero_()
        head.bias.zero_()
        rows = slice(3 * PALETTE.index("blue"), 3 * PALETTE.index("blue") + 3)
        # Far off in the other colours, half a metre off along x in its own.
        head.bias.fill_(99.0)
        head.bias[rows] = torch.tensor([5.0, 0.0, 0.0])
        loss = markers.loss("front", points, torch.zeros_like(places), there)
    # Huber: |e| − β/2, in units of a tenth of a metre.
    torch.testing.assert_close(loss, torch.tensor(WEIGHT * (5.0 - 0.1)))


def test_a_cube_that_was_touched_counts_neither_for_the_yaw_nor_near(eyes):
    drawn = moments(eyes, shipped("lift", 3), 8)
    some = localisation(eyes, drawn)[-1]
    none = localisation(eyes, replace(drawn, touched=np.ones(len(drawn), bool)))[-1]
    assert drawn.touched.any() and some.yaw is not None
    assert none.yaw is None and none.near is None and none.object == some.object
