from dataclasses import replace

import numpy as np
import pytest
import torch

from ate.data import load
from ate.data.tool_space import tool_spaces
from ate.experiments import preparation
from ate.experiments.base_policy import BaseRow, BaseSuccess, base_success
from ate.experiments.preparation import pretrain_policy
from ate.experiments.settings import SHIPPED, settings
from ate.experiments.summary import base_rows
from ate.policies import Policy, build
from ate.robots.frames import HALF_TURN, Placement
from ate.runs.files import read_json, write_json
from benchmarks.weights import ship

pytest.importorskip("mujoco")


@pytest.fixture(scope="module")
def sets():
    return tuple(load(SHIPPED / "lift" / "pretrain" / name).select([0, 1]) for name in ("panda", "xarm6"))


def test_below_80_per_cent_nothing_can_be_judged():
    rows = BaseRow("a", "lift", 100, 100), BaseRow("b", "lift", 60, 100)
    enough, short = (BaseSuccess("sample", "joints", (rows[0], replace(rows[1], successes=n))) for n in (60, 59))
    assert enough.judges and not short.judges
    assert short.sentence.startswith("Cannot judge") and not enough.sentence.startswith("Cannot")
    assert (short.total.successes, short.total.rollouts, short.total.robot) == (159, 200, "all")
    # Wilson 1927 for 60 of 100: (0.6 + z²/200 ± z·√(0.24/100 + z²/40000)) / (1 + z²/100) with z = 1.959964.
    assert rows[1].interval == pytest.approx((0.5020, 0.6906), abs=1e-4)
    assert "least on b, 59%" in short.sentence and "(diffusion, in joints)" in short.sentence
    whole, _ = base_rows([enough, short])
    assert (whole["a"], whole["b"], whole["all"], whole["transfer can be judged"]) == ("100%", "60%", "80%", "yes")


@pytest.mark.slow
def test_a_base_policy_is_rolled_out_once_and_read_back(sets, tmp_path):
    policy = build(sets, 16, 0, hidden=16)
    policy.save(tmp_path / "policy.safetensors")
    found = base_success(tmp_path / "policy.safetensors", sets, rollouts=2)
    assert [(row.robot, row.task, row.rollouts) for row in found.rows] == [("panda", "lift", 2), ("xarm6", "lift", 2)]
    assert not found.judges and found.space == "joints"  # an untrained one
    kept = tmp_path / "own_success_2.json"
    tree = read_json(kept)
    tree["rows"][0]["successes"] = 2
    write_json(kept, tree)
    assert base_success(tmp_path / "policy.safetensors", sets, rollouts=2).total.successes == 2


def test_robots_without_a_simulator_have_no_verdict(make_set, tmp_path):
    assert base_success(tmp_path / "none.safetensors", [make_set("six", joints=6)]) is None


@pytest.mark.slow
def test_a_policy_in_tool_space_acts_on_robots_it_was_not_trained_on(sets, tmp_path):
    small = replace(settings({"profile": "smoke"}), run=str(tmp_path), pretrain_steps=2, width=16)
    file = pretrain_policy(small, sets, 0, "sample", [Placement.of(s.robot) for s in sets])
    policy = Policy.load(file)
    assert policy.config.robots == () and policy.config.features == 10
    new = load(SHIPPED / "lift" / "adapt" / "ur5e").select([0])
    moved = policy.moved_to(policy.spaces[0].of_robot(new, Placement.of("ur5e")))
    qpos, state = new[0].qpos[:3], new.extra(0, "state")[:3]
    chunk = moved.act(qpos, state, torch.Generator().manual_seed(0))
    assert chunk.shape == (3, 16, new.dof) and np.isfinite(chunk).all()


def test_a_tools_half_turn_is_not_seen_in_tool_space(sets):
    """Two robots whose own tool frames differ by half a turn observe the same, to the bit, for equal tool poses."""
    panda = sets[0]
    placed = Placement.of("panda")
    turned = Placement(
        replace(placed.kinematics, mount=placed.kinematics.mount @ HALF_TURN), placed.base, HALF_TURN @ placed.tool
    )
    spaces = tool_spaces([panda, panda], [placed, turned])
    policy = build([panda, panda], 16, 0, acted_in=spaces, fine=True, hidden=16)
    qpos, state = panda[0].qpos[:4], panda.extra(0, "state")[:4].copy()
    other = state.copy()
    other[:, 3:9] *= -1  # the first two columns of the rotation, as the turned robot's own convention records them
    one, two = policy.observation(qpos, state, spaces[0]), policy.observation(qpos, other, spaces[1])
    np.testing.assert_allclose(one, two, atol=1e-6)


def test_shipped_states_name_tool_and_object_and_the_goal_where_there_is_one(sets):
    names, policy = sets[0][0].column_names("state"), build(sets, 16, 0, hidden=16, fine=True)
    # Lift has no goal: its columns are 0.
    assert [names[at[0]] for at in policy.state.points] == ["tool_x", "object_x"] and policy.state.tool
    push = load(SHIPPED / "push" / "pretrain" / "panda").select([0, 1])
    policy = build([push], 16, 0, hidden=16, fine=True)
    assert [names[at[0]] for at in policy.state.points] == ["tool_x", "object_x", "goal_x"]


def test_shipped_weights_spare_the_training_of_the_same_policy_alone(sets, tmp_path, monkeypatch):
    monkeypatch.setattr(preparation, "SHIPPED", tmp_path / "shipped")
    small = replace(settings({"profile": "smoke"}), run=str(tmp_path / "one"), pretrain_steps=2, width=16)
    made = pretrain_policy(small, sets, 8, "sample")
    ship(made)
    again = pretrain_policy(replace(small, run=str(tmp_path / "two")), sets, 8, "sample")
    trained, taken = (Policy.load(file).state_dict() for file in (made, again))
    assert all(torch.equal(taken[name], value.half().float()) for name, value in trained.items())
    assert not list(again.parent.glob("*.jsonl")), "it was trained"
    other = pretrain_policy(replace(small, run=str(tmp_path / "two"), pretrain_steps=3), sets, 8, "sample")
    assert other.parent.name != again.parent.name and list(other.parent.glob("*.jsonl"))
