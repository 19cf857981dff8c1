"""The expert solves every task with every robot, and what it did can be replayed."""

import numpy as np
import pytest

pytest.importorskip("mujoco", reason="the simulator is an extra")

from ate.robots.kinematic_table import ROBOTS, robot
from ate.sim.build import GRIP_FORCE, STROKE, TRANSMISSION
from ate.sim.demos import AFTER, demonstrate, replay
from ate.sim.environments import Environments
from ate.sim.expert import PHASE_NAMES, SCRIPTS, Expert
from ate.sim.tasks import TASKS

SEEDS = range(4)


@pytest.mark.parametrize("name", ROBOTS)
@pytest.mark.parametrize("what", TASKS)
@pytest.mark.slow
def test_expert_and_both_replays_succeed(name, what):
    demos = demonstrate(name, what, SEEDS)
    assert [d.success for d in demos] == [True] * len(SEEDS)
    assert replay(name, what, demos, measured=False) == len(SEEDS)
    assert replay(name, what, demos, measured=True) == len(SEEDS)


@pytest.mark.parametrize("what", TASKS)
def test_episodes_are_well_formed(what):
    arm = robot("xarm6")
    expected = [PHASE_NAMES.index(phase.name) for phase in SCRIPTS[what]]
    for demo in demonstrate("xarm6", what, SEEDS):
        n = len(demo.qpos)
        assert demo.qpos.shape == demo.action.shape == (n, 7) and demo.state.shape == (n, 20)
        assert AFTER < n < TASKS[what].steps
        assert np.all(demo.action[:, :6] >= arm.limits[:, 0] - 1e-6)
        assert np.all(demo.action[:, :6] <= arm.limits[:, 1] + 1e-6)
        assert set(np.unique(demo.action[:, 6])) <= {0.0, 1.0}
        visited = demo.phase[np.append(True, np.diff(demo.phase) != 0)]
        assert list(visited) == expected[: len(visited)] and len(visited) >= len(expected) - 1
        # the commanded joints never jump: 0.3 rad in 1/20 s would be 6 rad/s
        assert np.abs(np.diff(demo.action[:, :6], axis=0)).max() < 0.3


def test_gripper_reads_its_drive_and_the_cube_holds_the_pads_apart():
    (demo,) = demonstrate("panda", "lift", [0])
    with Environments("panda", "lift", [0]) as world:
        for action in demo.action:
            world.step(action[None])
        # the pads are the cube's 4 cm apart (of 8), less some soft contact; the drive's spring is stretched by 5 mm
        assert 0.47 < world.fingers[0] < 0.50
        assert np.isclose(world.fingers[0] - world.opening[0], GRIP_FORCE / TRANSMISSION / STROKE, atol=0.01)
    assert np.allclose(demo.qpos[:8, -1], 1.0, atol=0.01)
    held = demo.qpos[demo.phase == PHASE_NAMES.index("lift"), -1]
    assert np.ptp(held) < 0.03


def test_expert_acts_row_by_row():
    with Environments("gen3", "place", range(6)) as many, Environments("gen3", "place", [4]) as one:
        batch = Expert("gen3", "place", range(6)).act(*many.observe())
        alone = Expert("gen3", "place", [4]).act(*one.observe())
    assert np.allclose(batch[0][4], alone[0][0], atol=1e-12) and batch[1][4] == alone[1][0]


def test_expert_does_not_win_on_a_wrong_robot():
    # The same commands on an arm they were not made for: kinematics matter.
    demos = demonstrate("xarm7", "lift", SEEDS)
    with Environments("iiwa14", "lift", SEEDS) as world:
        for t in range(60):
            world.step(np.stack([d.action[min(t, len(d.action) - 1)] for d in demos]))
        assert not world.success.any()
