"""From table to model: the model's kinematics are the table's, its bounds too, and its servos follow."""

import numpy as np
import pytest

mujoco = pytest.importorskip("mujoco", reason="the simulator is an extra")

from ate.errors import InputError  # noqa: E402
from ate.robots.chain import TOOL, home, pose, quaternion  # noqa: E402
from ate.robots.kinematic_table import ROBOTS, robot  # noqa: E402
from ate.sim.build import STROKE, build_model  # noqa: E402
from ate.sim.tasks import TASKS  # noqa: E402


@pytest.mark.parametrize("name", ROBOTS)
def test_forward_kinematics_is_that_of_the_model(name):
    arm, model = robot(name), build_model(name, "lift")
    data = mujoco.MjData(model)
    rng = np.random.default_rng(3)
    for q in rng.uniform(arm.limits[:, 0], arm.limits[:, 1], (20, arm.joints)):
        data.qpos[: arm.joints] = q
        mujoco.mj_kinematics(model, data)
        hand = data.body("hand")
        tool = hand.xpos + TOOL * hand.xmat.reshape(3, 3)[:, 2]
        position, matrix = pose(arm, q)
        assert np.allclose(position + arm.base, tool, atol=1e-6)
        assert np.isclose(abs(quaternion(matrix) @ hand.xquat), 1.0, atol=1e-6)


@pytest.mark.parametrize("name", ROBOTS)
@pytest.mark.parametrize("what", TASKS)
def test_layout_limits_and_compensation(name, what):
    arm, model = robot(name), build_model(name, what)
    n = arm.joints
    assert model.nu == n + 1 and model.nq == n + 2 + 7
    assert [model.joint(i).name for i in range(n)] == list(arm.joint_names[:-1])
    assert np.allclose(model.jnt_range[:n], arm.limits) and np.allclose(model.actuator_ctrlrange[:n], arm.limits)
    assert np.allclose(model.actuator_forcerange[:n, 1], arm.torque)
    bodies = [model.body(i) for i in range(1, model.nbody)]
    moving = [b for b in bodies if b.name not in ("base", "object")]
    assert all(model.body_gravcomp[b.id] == 1 for b in moving)
    assert model.body_gravcomp[model.body("object").id] == 0
    links = sum(float(b.mass[0]) for b in moving if b.name.startswith("link"))
    assert 0.5 * arm.mass < links <= arm.mass


@pytest.mark.parametrize("name", ROBOTS)
def test_the_arm_holds_its_home_posture_without_sag(name):
    arm, model = robot(name), build_model(name, "lift")
    data = mujoco.MjData(model)
    data.qpos[: arm.joints] = home(name)
    data.qpos[arm.joints : arm.joints + 2] = STROKE
    data.qpos[arm.joints + 2] = 0.3  # the cube out of the way
    data.ctrl[:] = [*home(name), STROKE]
    for _ in range(200):
        mujoco.mj_step(model, data)
    assert np.allclose(data.qpos[: arm.joints], home(name), atol=1e-3)


@pytest.mark.parametrize("name", ROBOTS)
def test_every_joint_follows_a_step_alike(name):
    # Critically damped at 30 rad/s: 1 - (1 + wt) exp(-wt) of a small step is done after t; 0.80 at 0.1 s.
    arm, model = robot(name), build_model(name, "lift")
    data = mujoco.MjData(model)
    for joint in range(arm.joints):
        mujoco.mj_resetData(model, data)
        data.qpos[: arm.joints] = home(name)
        data.qpos[arm.joints + 2] = 0.3
        data.ctrl[: arm.joints] = home(name)
        data.ctrl[joint] += 0.02
        for _ in range(20):
            mujoco.mj_step(model, data)
        done = (data.qpos[joint] - home(name)[joint]) / 0.02
        assert 0.55 < done < 1.05, arm.joint_names[joint]


def test_fingers_move_together():
    model = build_model("panda", "lift")
    data = mujoco.MjData(model)
    data.qpos[:7] = home("panda")
    data.qpos[9] = 0.3
    data.ctrl[:] = [*home("panda"), 0.02]
    for _ in range(200):
        mujoco.mj_step(model, data)
    assert np.allclose(data.qpos[7:9], 0.02, atol=5e-4)


def test_unknown_names_are_refused():
    for names, got, nearest in ((("ur5", "lift"), "'ur5'", "'ur5e'"), (("ur5e", "pusch"), "'pusch'", "'push'")):
        with pytest.raises(InputError) as caught:
            build_model(*names)
        assert caught.value.got == got and nearest in caught.value.fix
