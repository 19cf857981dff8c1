"""Gymnasium environments as simulators: the same rollouts by any route, and every way to be wrong said."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ate.errors import InputError
from ate.sim.gym_address import GymAddress, absolute, of_result
from ate.sim.gym_process import process_of, release
from ate.sim.gym_simulator import describe
from ate.sim.rollout import rollout, rollout_many
from ate.sim.simulator import known, simulator
from tests.sim.reach import FASTEST, NEAR, STEPS, Reach

REACH = f"gym:{Path(__file__).with_name('reach.py')}:Reach-v0,qpos=agent/at,state=goal"


def to_goal(qpos, state):
    return np.repeat(state[:, None], 4, 1)


def stays(qpos, state):
    return np.repeat(qpos[:, None], 4, 1)


def by_hand(seed):
    """Steps to the first success of going straight to the goal, in this process."""
    env = Reach()
    env.reset(seed=seed)
    for step in range(1, STEPS + 1):
        if env.step(env.goal.astype(np.float32))[2]:
            return step
    return None


def test_rollouts_equal_the_environment_driven_by_hand():
    seeds = [7, 0, 11, 3]
    outcome = rollout(to_goal, "agent", REACH, seeds, execute=4)
    assert outcome.success.all() and outcome.steps.tolist() == [by_hand(seed) for seed in seeds]
    assert outcome.task == "gym:Reach-v0" and not len(outcome.closest)
    still = rollout(stays, "agent", REACH, seeds, execute=3)
    assert not still.success.any() and set(still.steps.tolist()) == {STEPS}
    for steps in (STEPS + 9, STEPS - 9):
        longer = rollout(stays, "agent", f"{REACH},steps={steps}", seeds[:1], execute=3)
        assert longer.steps.tolist() == [steps]


def test_policies_together_give_what_each_gives_alone_and_tracks_say_where_they_were():
    seeds = range(3)
    both = rollout_many([to_goal, stays], "agent", REACH + ",image=render", seeds, execute=4, record=True)
    for policy, outcome in zip((to_goal, stays), both, strict=True):
        alone = rollout(policy, "agent", REACH + ",image=render", seeds, execute=4, record=True)
        assert (alone.success == outcome.success).all() and (alone.steps == outcome.steps).all()
        assert np.array_equal(alone.tracks.qpos, outcome.tracks.qpos)
    tracks = both[0].tracks
    moved = np.abs(np.diff(tracks.qpos, axis=1)).max()
    assert 0.9 * FASTEST < moved <= FASTEST + 1e-6 and tracks.tool.shape[-1] == 0
    assert tracks.image.dtype == np.uint8 and max(tracks.image.shape[2:4]) <= 128 and tracks.image.max() == 255


def test_another_interpreter_columns_of_an_array_and_success_by_reward_give_the_same():
    bare = REACH.replace("qpos=agent/at,state=goal", "qpos=[0:2],state=[2:4],option.bare=true")
    address = f"{bare},success=reward>=-{NEAR},python={sys.executable}"
    usual, other = (rollout(to_goal, "agent", text, range(3), execute=4) for text in (REACH, address))
    assert (usual.steps == other.steps).all() and other.success.all()


def test_gripper_counts_as_the_data_do():
    address = REACH.replace("state=goal", "state=goal,gripper=-1:1,command=-1:1")
    seen = []
    rollout(lambda q, s: seen.append(q) or np.repeat(q[:, None], 4, 1), "agent", address, range(2), execute=4)
    raw = []
    rollout(lambda q, s: raw.append(q) or np.repeat(q[:, None], 4, 1), "agent", REACH, range(2), execute=4)
    assert np.allclose(seen[0][:, 1], (raw[0][:, 1] + 1) / 2) and np.allclose(seen[0][:, 0], raw[0][:, 0])
    # What is sent back as it was observed moves nothing.
    assert np.allclose(seen[-1], seen[0], atol=1e-5)


def test_a_simulator_describes_itself_and_a_result_does_not_depend_on_where_it_runs():
    found = describe(GymAddress.parse(REACH))
    assert (found.dof, found.state, found.actions, found.steps) == (2, 2, 2, STEPS)
    assert simulator("agent", REACH).limit == STEPS and simulator("ur5e", "lift").limit == 60
    assert simulator("agent", REACH + ",steps=5").limit == 5
    assert known("agent", REACH) and known("ur5e", "lift") and not known("agent", "lift")
    assert of_result(f"{REACH},python=/x,image=render,timeout=3") == REACH and of_result("lift") == "lift"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"Reach-v0": "Raech-v0"}, "'Reach-v0'"),
        ({"agent/at": "agent/att"}, "'agent/at'"),
        ({"qpos=agent/at": "qpos=agent/at+goal"}, "4 columns of qpos and actions of 2 numbers"),
        ({"qpos=agent/at": "qpos=agent/at[0:9]"}, "columns of 2"),
        ({"state=goal": "success=won"}, "is_success"),
        ({"state=goal": "image=eye"}, "image="),
        ({"reach.py": "raech.py"}, "no file"),
        ({"state=goal": "option.colour=red"}, "TypeError"),
        ({"state=goal": "option.fault=raises"}, "ValueError: no such place"),
        ({"state=goal": "option.fault=dies"}, "code 3, its last line 'ran out of ideas'"),
        ({"state=goal": "option.fault=hangs,timeout=1"}, "within 1 s"),
        ({"state=goal": "stat=goal"}, "'state'"),
        ({"state=goal": "python=/nowhere/python"}, "no file /nowhere/python"),
        ({"state=goal": "gripper=open"}, "CLOSED:OPEN"),
        ({"gym:": "gym"}, "gym:ID"),
    ],
)
def test_what_is_wrong_is_said_and_the_next_rollout_works(change, words):
    text = REACH
    for old, new in change.items():
        text = text.replace(old, new)
    with pytest.raises(InputError) as caught:
        GymAddress.parse(text)
        rollout(stays, "agent", text, range(2), execute=4, record=True)
    assert words in str(caught.value)
    assert not rollout(stays, "agent", REACH, range(2), horizon_steps=1, execute=1).success.any()


def test_a_busy_process_is_not_shared():
    address = replace(GymAddress.parse(REACH), timeout=60.0)
    first = process_of(address)
    second = process_of(address)
    assert first is not second
    release(second)
    release(first)
    assert first.alive and not second.alive and process_of(address) is first
    release(first)


@pytest.mark.slow
def test_pusht_does_again_what_its_expert_did():
    """A package of others, by the address that a user writes: sent again from its seed, an episode succeeds."""
    from benchmarks import pusht

    env, copy, seed = pusht.made(), pusht.made(), 1_010_000
    (qpos, action, state), covered = pusht.demonstrate(env, copy, pusht.wanted(copy), seed)
    parts = "qpos=agent_pos,state=environment_state,success=coverage>=0.8"
    address = f"gym:gym_pusht/PushT-v0,{parts},option.obs_type=environment_state_agent_pos"
    seen = []

    def sent(at, around):
        seen.append((at[0], around[0]))
        return action[None, len(seen) - 1 : len(seen)]

    outcome = rollout(sent, "agent", address, [seed], execute=1, horizon_steps=len(action))
    assert covered >= 0.8 and outcome.success.all() and outcome.steps[0] == len(action)
    assert np.array_equal([row for row, _ in seen], qpos) and np.array_equal([row for _, row in seen], state)


def test_files_of_an_address_are_found_from_any_folder(monkeypatch):
    here = Path(__file__).parent
    monkeypatch.chdir(here)
    text = f"gym:reach.py:Reach-v0,qpos=agent/at,python={Path(sys.executable).name}"
    monkeypatch.setattr(Path, "home", lambda: here)
    assert absolute(text) == f"gym:{here}/reach.py:Reach-v0,qpos=agent/at,python={here}/{Path(sys.executable).name}"
    assert absolute(REACH) == REACH
