"""Sets as they are seen, policies with eyes, and what must not change for anybody else."""

import copy

import numpy as np
import pytest
import torch

from ate.data import load
from ate.data.space import spaces
from ate.errors import InputError
from ate.policies import Policy, build
from ate.policies.vision import Encoder, Eyes
from ate.policies.vision.seen import EYES, eyes_of, is_seen, see, seen_by, seen_marks, write
from ate.robots.frames import Placement
from ate.sim.rollout import rollout
from ate.sim.tasks import STATE_NAMES
from ate.steer.retargeting import retarget

from .conftest import TINY, started


def test_a_seen_set_is_the_same_set_with_what_is_seen_in_place_of_the_state(pair, eyes):
    episodes, seen = pair
    assert seen.digest == episodes.digest and seen.joint_names == episodes.joint_names and seen.task == "lift"
    assert is_seen(seen) and not is_seen(episodes) and seen_by(seen) == eyes.digest
    before, after = episodes.extra(1, "state"), seen.extra(1, "state")
    assert seen[1].column_names("state") == eyes.columns and eyes.columns[:20] == STATE_NAMES
    assert after.shape == (len(before), 20 + TINY.words)
    np.testing.assert_array_equal(after[:, :9], before[:, :9])
    # Nothing of where things are comes from the state.
    assert (np.abs(after[:, 9:17] - before[:, 9:17]) > 1e-6).mean() > 0.9
    np.testing.assert_allclose(after[:, 17:20], after[:, 9:12] - after[:, :3], atol=1e-6)
    assert seen_marks([episodes]) == [] and seen_marks([episodes, seen]) == ["", eyes.digest]


def test_eyes_lie_beside_their_set_and_other_ones_are_refused(pair, eyes, tmp_path):
    episodes, seen = pair
    assert eyes_of(episodes) is None
    found = eyes_of(seen)
    assert found is not None and found.digest == eyes.digest and found.columns == eyes.columns
    file = seen[0].path.parent / EYES
    kept = file.read_bytes()
    Eyes(Encoder(TINY, seed=9), "lift").save(file)
    with pytest.raises(InputError) as caught:
        eyes_of(seen)
    file.write_bytes(kept)
    assert caught.value.where == str(file) and eyes.digest in caught.value.expected


def test_a_seen_set_whose_eyes_cannot_be_written_is_not_there(pair, eyes, tmp_path, monkeypatch):
    def full(self, file):
        raise OSError("No space left on device")

    seen = see(pair[0], eyes)
    with monkeypatch.context() as patch:
        patch.setattr(Eyes, "save", full)
        with pytest.raises(InputError):
            write(seen, eyes, tmp_path / "seen")
    assert not list(tmp_path.iterdir())
    write(seen, eyes, tmp_path / "seen")
    assert eyes_of(load(tmp_path / "seen")).digest == eyes.digest


def test_another_task_and_a_state_of_another_kind_are_refused(pair, eyes, make_set):
    with pytest.raises(InputError) as caught:
        see(pair[0], eyes.changed(task="push"))
    assert "push" in caught.value.expected
    with pytest.raises(InputError) as caught:
        see(pair[1], eyes)
    assert "simulator" in caught.value.fix


def test_words_and_pictures_both_count_in_what_is_seen():
    eyes = Eyes(Encoder(TINY).eval(), "place", instruction="right")
    qpos, state = started("gen3", "place")
    scene = eyes.scene(state)
    rows = eyes.see("gen3", qpos, state, scene)
    wrong = eyes.changed(instruction="wrong colour")
    listened = wrong.see("gen3", qpos, state, wrong.scene(state))
    assert np.abs(listened[:, 14:17] - rows[:, 14:17]).max() > 1e-5 and (listened[:, 20:] != rows[:, 20:]).any()
    pictures = eyes.pictures("gen3", qpos, state, scene)
    assert pictures.shape == (3, 2, 32, 32, 3) and pictures.std() > 10
    grey = eyes.shown_of(state, eyes.look("gen3", qpos, np.full_like(pictures, 128), scene.words), scene.words)
    assert np.abs(grey[:, 9:12] - rows[:, 9:12]).max() > 1e-5
    assert eyes.digest != wrong.digest and eyes.digest != eyes.changed(cameras=("wrist",)).digest


def test_rows_between_two_looks_show_what_the_last_one_saw_and_where_the_tool_is_now(pair, eyes):
    episodes, seen = pair
    whole, few = (each.extra(1, "state") for each in (seen, see(episodes, eyes, every=3)))
    np.testing.assert_allclose(few[::3], whole[::3], atol=1e-6)
    np.testing.assert_array_equal(few[:, 9:17], few[np.arange(len(few)) // 3 * 3, 9:17])
    np.testing.assert_allclose(few[:, :9], whole[:, :9], atol=1e-6)
    np.testing.assert_allclose(few[:, 17:20], few[:, 9:12] - few[:, :3], atol=1e-6)
    assert seen_by(see(episodes, eyes, every=3)) == f"{eyes.digest}-3"


def test_another_robot_in_the_pictures_changes_what_is_seen_but_not_the_joints(pair, eyes):
    episodes, seen = pair
    moved = retarget([episodes], "ur5e")
    redrawn = see(episodes, eyes, drawn=moved)
    assert seen_by(redrawn) == f"{eyes.digest}-ur5e" and redrawn.digest == episodes.digest
    np.testing.assert_array_equal(redrawn.extra(0, "state")[:, :9], seen.extra(0, "state")[:, :9])
    assert np.abs(redrawn.extra(0, "state")[:, 9:17] - seen.extra(0, "state")[:, 9:17]).max() > 1e-6


def test_a_retargeted_seen_set_keeps_what_was_seen_and_has_the_new_robots_tool(pair):
    _, seen = pair
    moved = retarget(
        [seen], Placement.of("ur5e"), joint_names=[*Placement.of("ur5e").kinematics.joint_names, "gripper"]
    )
    before, after = seen.extra(0, "state"), moved.extra(0, "state")
    np.testing.assert_array_equal(after[:, 9:17], before[:, 9:17])
    np.testing.assert_allclose(after[:, :3], before[:, :3], atol=1e-3)
    assert seen_by(moved) == seen_by(seen)


@pytest.fixture
def policy(pair, eyes):
    made = build([pair[1]], 8, seed=0, hidden=16, fine=True)
    made.eyes = eyes
    return made


def test_a_policy_keeps_its_eyes_and_does_not_train_them(policy, pair, eyes, tmp_path):
    policy.save(tmp_path / "policy.safetensors")
    again = Policy.load(tmp_path / "policy.safetensors")
    assert again.eyes is not None and again.eyes.digest == eyes.digest
    assert copy.deepcopy(policy).eyes is eyes and policy.fresh(1).eyes is eyes
    blind = build([pair[0]], 8, seed=0, hidden=16)
    ours = sum(p.numel() for p in policy.parameters())
    assert ours < sum(p.numel() for p in eyes.encoder.parameters()) + sum(p.numel() for p in blind.parameters())
    assert not any(name.startswith("eyes") for name in policy.state_dict())
    blind.save(tmp_path / "blind.safetensors")
    assert Policy.load(tmp_path / "blind.safetensors").eyes is None


def test_a_policy_with_eyes_acts_on_pictures_in_rollouts(policy, pair):
    space = spaces([scene_like(pair, "panda")], policy.config.features)[0]
    done = rollout(
        policy.moved_to(space).acting(torch.Generator().manual_seed(0)), "panda", "lift", range(2), horizon_steps=9
    )
    assert done.steps.tolist() == [9, 9]
    acting = policy.moved_to(space).acting(torch.Generator().manual_seed(0))
    qpos, state = started("panda")
    acting(qpos, state)
    with pytest.raises(InputError) as caught:
        acting(qpos[:2], state[:2])
    assert caught.value.where == "eyes"


def scene_like(pair, robot):
    assert pair[0].robot == robot
    return pair[0]


def test_an_actor_sees_the_pictures_and_words_of_its_observation(policy, pair):
    """Those that are given, or those that are drawn of the simulator's state: the same where both are of one moment."""
    from ate.policies.actor import Observation, PolicyActor

    actor = PolicyActor(policy.moved_to(spaces([pair[0]], policy.config.features)[0]), "panda")
    (qpos, *_), (state, *_) = started("panda")
    drawn = actor(Observation(qpos=qpos, state=state))
    scene = policy.eyes.scene(state[None])
    pictures = policy.eyes.pictures("panda", qpos[None], state[None], scene)[0]
    images = dict(zip(("front", "wrist"), pictures, strict=True))
    actor.reset(0)
    np.testing.assert_allclose(actor(Observation(qpos=qpos, images=images, task=scene.sentences[0])), drawn, atol=1e-4)
    actor.reset(0)
    other = {name: np.ascontiguousarray(image[:, ::-1]) for name, image in images.items()}
    assert np.abs(actor(Observation(qpos=qpos, images=other, task=scene.sentences[0])) - drawn).max() > 1e-6
