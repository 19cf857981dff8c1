"""Retargeted episodes: the tool is where it was, in the new robot's own frame; what cannot be followed is said."""

from dataclasses import replace

import numpy as np
import pytest

from ate.data import load
from ate.data.episodes import Episode, Episodes
from ate.errors import InputError
from ate.experiments.settings import SHIPPED
from ate.robots import chain
from ate.robots.frames import HALF_TURN, Placement
from ate.robots.kinematic_table import ROBOTS
from ate.steer import Bounds, residual_rows, retarget

MILLIMETRE = 1e-3


@pytest.fixture(scope="module")
def panda():
    return load(SHIPPED / "lift" / "pretrain" / "panda").select([0, 1])


@pytest.fixture(scope="module")
def made(panda):
    return {robot: retarget(panda, robot) for robot in ("ur5e", "gen3")}


def tool(robot, qpos):
    """Position and rotation in the table frame by the chain that the simulator uses."""
    arm = ROBOTS[robot]
    position, rotation = chain.pose(arm, qpos[:, : arm.joints].astype(float))
    return position + arm.base, rotation


@pytest.mark.parametrize("robot", ["ur5e", "gen3"])
@pytest.mark.slow
def test_the_tool_is_where_it_was(panda, made, robot):
    assert len(made[robot]) == 2 and made[robot].joint_names == ROBOTS[robot].joint_names
    for old, new in zip(panda, made[robot], strict=True):
        (was, turned), (now, matrix) = tool("panda", old.qpos), tool(robot, new.qpos)
        np.testing.assert_allclose(now, was, atol=1e-5)
        # A symmetric gripper: the same up to half a turn about its line of approach.
        same = np.abs(matrix - turned).max(), np.abs(matrix - turned @ HALF_TURN[:3, :3]).max()
        assert min(same) < 1e-4
        np.testing.assert_array_equal(new.qpos[:, -1], old.qpos[:, -1])
        np.testing.assert_array_equal(new.read("phase"), old.read("phase"))
        assert new.attributes["residual_mm"] < 0.01 and new.attributes["reached"] == 1.0
        assert np.abs(np.diff(new.qpos[:, :-1], axis=0)).max() < 0.3


@pytest.mark.parametrize("robot", ["ur5e", "gen3"])
def test_the_state_is_what_the_new_robot_would_have_recorded(panda, made, robot):
    """The table frame, its own tool axes, and the way from there to the object: as its demonstrations have it."""
    recorded = load(SHIPPED / "lift" / "adapt" / robot).select([0])[0]
    for item in (recorded, *made[robot]):
        state, (position, matrix) = item.read("state"), tool(robot, item.qpos)
        np.testing.assert_allclose(state[:, :3], position, atol=1e-5)
        np.testing.assert_allclose(state[:, 3:6], matrix[:, :, 0], atol=1e-5)
        np.testing.assert_allclose(state[:, 6:9], matrix[:, :, 1], atol=1e-5)
        np.testing.assert_allclose(state[:, 17:20], state[:, 9:12] - state[:, :3], atol=1e-5)
    for old, new in zip(panda, made[robot], strict=True):
        np.testing.assert_array_equal(new.read("state")[:, 9:17], old.read("state")[:, 9:17])
    # Two robots whose home postures stand for two half turns: the columns must differ in sign.
    signs = [np.sign(made[name][0].read("state")[0, 3]) for name in ("ur5e", "gen3")]
    assert signs == [1, -1]


@pytest.mark.slow
def test_what_cannot_be_followed_is_left_out_with_the_reason(panda):
    away = Placement.of("ur5e")
    away = replace(away, base=away.base + np.array([[0, 0, 0, -0.8], *[[0, 0, 0, 0]] * 3]))
    far = retarget(panda, away, bounds=Bounds(position=1.0, rotation=4.0, jump=9.0))
    assert len(far) == 2
    with pytest.raises(InputError, match=r"none within bounds.*mm and .*° off"):
        retarget(panda, away, bounds=Bounds(jump=9.0))
    # One of the two is out of reach: the arm straight up, its hand 1.2 m above the table.
    moved = panda[1].qpos.copy()
    moved[:, :7] = [0, 0, 0, -0.07, 0, 0.2, 0.8]
    stretched = Episode.of("stretched", panda[1].path, qpos=moved)
    both = retarget(replace(panda, items=(panda[0], stretched)), "ur5e")
    assert [item.name for item in both] == ["panda/episode_0000"]
    (dropped,) = both.ledger.dropped
    assert dropped.episode == "panda/stretched" and "mm" in dropped.reason
    rows = {row["episode"]: row for row in residual_rows(both)}
    assert rows["panda/episode_0000"]["kept"] and not rows["panda/stretched"]["kept"]
    assert rows["panda/stretched"]["reason"] == dropped.reason


def test_a_joint_that_jumps_is_left_out(panda):
    jumping = panda[0].qpos[[0, 1, 30, 31]]
    item = Episode.of("jump", panda[0].path, qpos=jumping)
    with pytest.raises(InputError, match="jumps by"):
        retarget(replace(panda, items=(item,)), "ur5e", bounds=Bounds(jump=0.2))


@pytest.mark.slow
def test_a_tool_that_is_half_a_turn_off_is_turned_where_only_that_can_be_followed(panda):
    """Limits around what the episode needs, for a tool described half a turn off: only the other half turn is left."""
    known = Placement.of("ur5e")
    q = retarget(panda.select([0]), known)[0].qpos[:, :-1].astype(float)
    limits = np.stack([q.min(0) - 0.05, q.max(0) + 0.05], axis=1)
    narrow = replace(known.kinematics, limits=limits)
    turned = replace(known, kinematics=narrow, tool=known.tool @ HALF_TURN)
    again = retarget(panda.select([0]), turned)
    np.testing.assert_allclose(again[0].qpos[:, :-1], q, atol=0.05)
    with pytest.raises(InputError, match="none within bounds"):
        retarget(panda.select([0]), turned, symmetric=False)


def test_columns_are_written_as_the_adaptation_data_has_them(panda, made):
    names = ("gripper", *reversed(ROBOTS["ur5e"].joint_names[:-1]))
    other = retarget(panda, "ur5e", joint_names=names)
    np.testing.assert_array_equal(other[0].qpos[:, ::-1][:, :-1], made["ur5e"][0].qpos[:, :-1])
    with pytest.raises(InputError, match="shoulder_pan_joint"):
        retarget(panda, "ur5e", joint_names=("a", "b", "gripper"))
    with pytest.raises(InputError, match="rate"):
        retarget([panda, replace(panda, rate_hz=10.0)], "ur5e")
    with pytest.raises(InputError, match="'gripper'"):
        retarget(without_gripper(panda), "ur5e")


def without_gripper(episodes: Episodes) -> Episodes:
    items = tuple(Episode.of(item.name, item.path, qpos=item.qpos[:, :-1]) for item in episodes)
    return replace(episodes, items=items, joint_names=episodes.joint_names[:-1])
