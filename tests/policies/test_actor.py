"""Actors: policies of ours and of others as functions of one observation, loaded by name, rolled out and measured."""

import sys

import numpy as np
import pytest
import torch

from ate.data import load
from ate.errors import InputError
from ate.experiments.settings import SHIPPED
from ate.policies import build
from ate.policies.actor import Actor, Observation, PolicyActor, chunk_of, reset
from ate.policies.actor_rollout import rollout_actor
from ate.policies.actor_source import actor, is_own, source
from ate.policies.recorded import Recorded
from ate.steer.batches import TrainingData
from ate.steer.evaluation import open_loop

THEIRS = '''
import numpy as np

class Hold:
    """Holds the pose, as far as the scale that its checkpoint names."""

    def __init__(self, checkpoint=None):
        self.scale = 1.0 if checkpoint is None else float(open(checkpoint).read())

    def __call__(self, observation):
        return np.repeat(observation["qpos"][None] * self.scale, 8, axis=0)


def hold(observation):
    return observation["qpos"]


class Loaded:
    @classmethod
    def from_pretrained(cls, checkpoint):
        return hold


class Wants:
    def __init__(self, one, two):
        raise AssertionError


number = 3
'''


@pytest.fixture
def theirs(tmp_path, monkeypatch):
    (tmp_path / "their_policy.py").write_text(THEIRS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "their_policy", raising=False)
    return tmp_path


@pytest.fixture(scope="module")
def ur5e():
    return load(SHIPPED / "lift" / "adapt" / "ur5e").select(range(3))


@pytest.fixture(scope="module")
def small(ur5e):
    return build([ur5e], horizon=8, seed=0, hidden=16, denoising_steps=2)


def test_a_policy_of_ours_acts_as_it_does_in_a_batch_of_one(small, ur5e):
    seen, generator = Recorded(ur5e).observation(5), torch.Generator().manual_seed(3)
    acting = PolicyActor(small)
    reset(acting, 3)
    expected = small.act(seen["qpos"][None], seen["state"][None], generator)[0]
    assert np.array_equal(acting(seen), expected)
    assert not np.array_equal(acting(seen), expected)
    reset(acting, 3)
    assert np.array_equal(acting(seen), expected)
    assert acting.joint_names == ur5e.joint_names and acting.horizon == 8 and isinstance(acting, Actor)


def test_an_observation_of_other_joints_is_refused(small):
    with pytest.raises(InputError, match="qpos of shape"):
        PolicyActor(small)(Observation(qpos=np.zeros(3, np.float32)))


def test_a_policy_of_several_robots_asks_which(make_set):
    several = build([make_set("a"), make_set("b", joints=4)], horizon=4, seed=0, hidden=8)
    with pytest.raises(InputError, match="one of a, b"):
        PolicyActor(several)
    assert len(PolicyActor(several, "b").joint_names) == 5
    with pytest.raises(InputError, match="did you mean 'b'"):
        PolicyActor(several, "bb")


def test_chunks_are_checked():
    seen = Observation(qpos=np.zeros(2, np.float32))
    assert chunk_of(lambda o: torch.ones(2, requires_grad=True), seen).shape == (1, 2)
    for wrong in (np.zeros((4, 3)), np.zeros((1, 4, 2)), np.zeros((0, 2)), np.full((4, 2), np.nan)):
        with pytest.raises(InputError, match="policy"):
            chunk_of(lambda o, wrong=wrong: wrong, seen)


def test_an_episode_begins_with_or_without_a_seed():
    class Seeded:
        def reset(self, seed):
            self.begun = seed

        def __call__(self, observation):
            return observation["qpos"]

    class Unseeded(Seeded):
        def reset(self):
            self.begun = "yes"

    seeded, unseeded = Seeded(), Unseeded()
    for item in (seeded, unseeded, lambda observation: observation["qpos"]):
        reset(item, 7)
    assert (seeded.begun, unseeded.begun) == (7, "yes")


def test_recorded_chunks_are_those_that_policies_train_on(small, ur5e):
    for episodes in (ur5e, load(ur5e[0].path.parent, "action").select(range(3))):
        data = TrainingData.of(small, [episodes], small.spaces, torch.device("cpu"))
        rows = np.array([0, 7, int(episodes.lengths[0]) - 1, int(episodes.lengths.sum()) - 1])
        trained = small.spaces[0].decode(data.chunks.gather(data.chunk_of[torch.from_numpy(rows)])).numpy()
        assert np.allclose(Recorded(episodes).chunks(rows, 8), trained, atol=1e-5)
        assert len(Recorded(episodes)) == len(data)


def test_other_rows_joints_and_state(ur5e):
    recorded = Recorded(ur5e)
    seen = recorded.observation(4, qpos_of=9, state_of=11)
    assert np.array_equal(seen["qpos"], recorded.qpos[9]) and np.array_equal(seen["state"], recorded.state[11])
    assert seen["task"] == "lift"


def test_the_open_loop_error_of_a_callable(small, ur5e):
    """A policy of ours as a callable has the error that it has as a policy, up to its noise; holding is known."""
    own, called = open_loop(small, ur5e), open_loop(PolicyActor(small), ur5e)
    assert own.keys() == called.keys()
    assert np.allclose(list(own.values()), list(called.values()), rtol=0.2)
    recorded = Recorded(ur5e)
    every = np.arange(len(recorded))
    known = np.abs(recorded.chunks(every, 4) - recorded.qpos[:, None]).mean((0, 1))
    held = open_loop(lambda o: np.repeat(o["qpos"][None], 4, 0), ur5e)
    assert np.allclose(list(held.values()), known[[n in held for n in ur5e.joint_names]], rtol=0.1)


def test_policies_by_name(theirs, small):
    seen = Observation(qpos=np.arange(3, dtype=np.float32))
    (theirs / "scale.txt").write_text("2")
    assert actor("their_policy:Hold")(seen).shape == (8, 3)
    assert actor("their_policy:Hold", theirs / "scale.txt")(seen)[0].tolist() == [0, 2, 4]
    assert actor("their_policy:hold")(seen) is seen["qpos"]
    assert actor("their_policy:Loaded", "anything")(seen) is seen["qpos"]
    small.save(theirs / "own.safetensors")
    own = actor(str(theirs / "own.safetensors"))
    assert isinstance(own, PolicyActor) and is_own(str(theirs / "own.safetensors")) and not is_own("their_policy:Hold")
    made, several = source(str(theirs / "own.safetensors"))
    assert several and made() is not made()
    made, several = source("their_policy:Hold")
    assert not several and made() is made()


def test_policies_in_a_file(theirs, tmp_path_factory):
    seen = Observation(qpos=np.arange(3, dtype=np.float32))
    folder = tmp_path_factory.mktemp("elsewhere")
    # Called like a module that is there, and with one of its own in the same folder.
    (folder / "helper_of_theirs.py").write_text("FACTOR = 3\n")
    text = "from helper_of_theirs import FACTOR\n\n\ndef act(observation):\n    return observation['qpos'] * FACTOR\n"
    (folder / "json.py").write_text(text)
    assert actor(f"{folder / 'json.py'}:act")(seen).tolist() == [0, 3, 6]
    assert actor("their_policy.py:Hold")(seen).shape == (8, 3)
    (theirs / "scale.txt").write_text("2")
    assert actor("./their_policy.py:Hold", theirs / "scale.txt")(seen)[0].tolist() == [0, 2, 4]
    for name, text in {"their_policy.py:Hodl": "did you mean 'Hold'", "nowhere.py:Hold": "no such file"}.items():
        with pytest.raises(InputError, match=text):
            actor(name)
    (folder / "lacking.py").write_text("import no_such_package\n")
    with pytest.raises(InputError, match="no module 'no_such_package'"):
        actor(f"{folder / 'lacking.py'}:act")


def test_names_that_are_no_policy_are_refused(theirs, small):
    small.save(theirs / "own.safetensors")
    wrong = {
        "no_such_module:Policy": "no module",
        "their_policy:Hodl": "did you mean 'Hold'",
        "their_policy:number": "callable",
        "their_policy:Wants": "TypeError",
        "missing.safetensors": "no such file",
    }
    for name, text in wrong.items():
        with pytest.raises(InputError, match=text):
            actor(name)
    with pytest.raises(InputError, match="leave --checkpoint away"):
        actor(str(theirs / "own.safetensors"), "file")


@pytest.mark.slow
def test_rollouts_of_an_actor_are_those_of_single_episodes(small):
    """Each episode alone, with the noise of its own seed, whatever came before it."""
    one = rollout_actor(PolicyActor(small), "ur5e", "lift", [4], record=True)
    both = rollout_actor(PolicyActor(small), "ur5e", "lift", [3, 4], record=True)
    assert both.seeds.tolist() == [3, 4] and both.closest[1] == one.closest[0]
    steps = one.tracks.qpos.shape[1]
    assert np.array_equal(both.tracks.qpos[1, :steps], one.tracks.qpos[0])
    with pytest.raises(InputError, match="execute"):
        rollout_actor(lambda o: o["qpos"], "ur5e", "lift", [0])
    with pytest.raises(InputError, match="seeds"):
        rollout_actor(PolicyActor(small), "ur5e", "lift", [])
