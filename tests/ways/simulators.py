"""Ways out of simulators and rollouts."""

import sys
from types import SimpleNamespace

import numpy as np

from ate.sim import Environments, record
from ate.sim.gym_address import GymAddress
from ate.sim.gym_simulator import GymEnvironments, describe
from ate.sim.rollout import rollout_many
from tests.sim.test_gym_simulator import REACH, stays, to_goal
from tests.ways.taking import way


@way("sim/demos.py record", "sim/demos.py _refuse_existing")
def _(p):
    folder = p.path / "demos"
    if p.site.endswith("record"):
        yield lambda: record(folder, "ur5e", "lift", 0), "choose again"
    else:
        folder.mkdir()
        (folder / "x").write_text("x")
        yield lambda: record(folder, "ur5e", "lift", 1), "name another one or move it away"
        folder.rename(p.path / "moved")
    record(folder, "ur5e", "lift", 1)


@way("sim/environments.py Environments.__init__", "sim/environments.py Environments.step",
     "sim/environments.py Environments.step#2")  # fmt: skip
def _(p):
    if p.site.endswith("__init__"):
        line = yield lambda: Environments("ur5e", "lift", []), r"pass e\.g\. (range\(50\))"
        assert list(eval(line)) and Environments("ur5e", "lift", range(1))
        return
    with Environments("ur5e", "lift", [1]) as environments:
        if p.site.endswith("#2"):
            yield lambda: environments.step(np.full((1, 7), np.nan)), "check the policy's output"
        else:
            name = yield lambda: environments.step(np.zeros((1, 3))), r"see Robot\.(\w+) for the order"
            assert len(getattr(environments.arm, name)) == 7
        environments.step(np.zeros((1, 7)))


@way("sim/gym_address.py GymAddress.parse", "sim/gym_address.py GymAddress._check",
     "sim/gym_address.py GymAddress._check#2", "sim/gym_address.py GymAddress._check#3",
     "sim/gym_address.py GymAddress._ends")  # fmt: skip
def _(p):
    end = p.site.split(".")[-1]
    if end == "parse":
        text = yield lambda: GymAddress.parse("gym:"), r"write e\.g\. (.*)$"
        GymAddress.parse(text)
    elif end == "_check":
        yield lambda: GymAddress.parse("gym:a/B-v0,qpos=at[:"), "write it so"
        GymAddress.parse("gym:a/B-v0,qpos=at[0:7]")
    elif end == "_check#2":
        yield lambda: GymAddress.parse("gym:a/B-v0,python=/nowhere/python"), "the path of its bin/python"
        GymAddress.parse(f"gym:a/B-v0,python={sys.executable}")
    elif end == "_check#3":
        yield lambda: GymAddress.parse("gym:a/B-v0,timeout=0"), "leave them out"
        GymAddress.parse("gym:a/B-v0")
    else:
        ends = yield lambda: GymAddress.parse("gym:a/B-v0,gripper=open"), r"write e\.g\. (\S+)$"
        GymAddress.parse(f"gym:a/B-v0,gripper={ends}")


@way("sim/gym_simulator.py GymSimulator.limit")
def _(p):
    from ate.sim import gym_simulator
    from ate.sim.gym_simulator import GymSimulator

    p.patch.setattr(gym_simulator, "describe", lambda _: SimpleNamespace(steps=0))
    name = yield lambda: GymSimulator("agent", GymAddress.parse(REACH)).limit, r"say it with (\w+)=$"
    assert GymSimulator("agent", GymAddress.parse(f"{REACH},{name}=30")).limit == 30


@way("sim/gym_simulator.py GymEnvironments.__init__", "sim/gym_simulator.py GymEnvironments.step",
     "sim/gym_simulator.py _check_columns")  # fmt: skip
def _(p):
    address = GymAddress.parse(REACH)
    if p.site.endswith("__init__"):
        line = yield lambda: GymEnvironments(address, []), r"pass e\.g\. (range\(50\))"
        assert list(eval(line))
    elif p.site.endswith("_check_columns"):
        wide = GymAddress.parse(REACH.replace("qpos=agent/at", "qpos=agent/at+goal"))
        keys = yield lambda: GymEnvironments(wide, [1]), r"qpos=KEY\[first:last\].* an observation has (.*)$"
        address = GymAddress.parse(REACH.replace("agent/at", f"{keys.split(' ')[0]}[0:2]"))
    else:
        with GymEnvironments(address, [1]) as environments:
            yield lambda: environments.step(np.full((1, 2), np.nan)), "check the policy's output"
            environments.step(np.zeros((1, 2)))
    with GymEnvironments(address, [1]):
        pass
    assert describe(address).dof == 2


@way("sim/rollout.py rollout_many", "sim/rollout.py rollout_many#2", "sim/rollout.py _chunk")
def _(p):
    if p.site.endswith("#2"):
        yield lambda: rollout_many([], "agent", REACH, [1]), "pass some"
    elif p.site.endswith("_chunk"):
        yield lambda: rollout_many([stays], "agent", REACH, [1], execute=9), "or pass a smaller execute"
    else:
        yield lambda: rollout_many([stays], "agent", REACH, [1], execute=0), "leave the default"
        deep = lambda qpos, state: np.repeat(qpos[:, None], 16, 1)  # noqa: E731
        rollout_many([deep], "agent", REACH, [1])
    rollout_many([to_goal], "agent", REACH, [1], execute=4)
