"""The checks on policies that are not ours: callables that show what they do and no more."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from ate.cli.diagnose import diagnose
from ate.data import load
from ate.diagnose import run_checks
from ate.policies.actor import PolicyActor
from tests.data.test_column_order import permuted
from tests.diagnose.faults import levels, recordings, trained

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def sound():
    train, held_out = recordings()
    return trained(train), train, held_out


def test_a_sound_policy_passes_as_a_callable_too(sound):
    policy, train, held_out = sound
    train, held_out = train.select(range(4)), held_out.select(range(3))
    diagnosis = run_checks(PolicyActor(policy), train, held_out=held_out, simulator=False)
    shown = levels(diagnosis)
    # What a callable does not show is skipped, with what would show it.
    assert shown.pop("normalization") == "SKIPPED" and "--statistics" in diagnosis.of("normalization").fix
    assert "FAIL" not in shown.values() and shown["input_ablation"] == "PASS"
    own = run_checks(policy, train, held_out=held_out, simulator=False)
    error = {name: found.scores(found.policy).mean() for name, found in own.errors.items()}
    called = {name: found.scores(found.policy).mean() for name, found in diagnosis.errors.items()}
    assert all(abs(called[name] / error[name] - 1) < 0.1 for name in error)


def test_a_callable_that_holds_its_pose_is_recognised(sound):
    _, train, _ = sound

    def hold(observation):
        return np.repeat(observation["qpos"][None], 16, 0)

    diagnosis = run_checks(hold, train, simulator=False)
    shown = levels(diagnosis)
    assert shown["training_error"] == shown["stuck_at_start"] == shown["input_ablation"] == "FAIL"
    assert shown["weights"] == "SKIPPED" and "network" in diagnosis.of("weights").fix


def test_a_callable_of_other_joints_fails_by_name(sound):
    policy, train, _ = sound
    acting = PolicyActor(policy)

    class Renamed:
        joint_names = (*acting.joint_names[:-1], "claw")
        reset, network = acting.reset, acting.network

        def __call__(self, observation):
            return acting(observation)

    found = run_checks(Renamed(), train.select(range(2)), simulator=False).of("normalization")
    assert found.level == "FAIL" and "claw in the policy" in found.got


def test_columns_that_were_moved_are_named_to_a_policy_without_names(tmp_path):
    episodes = load(permuted("lift/adapt/ur5e", tmp_path, (2, 1, 0, 3, 4, 5, 6)))

    def hold(observation):
        return np.repeat(observation["qpos"][None], 16, 0)

    hold_by_name = Named(hold, episodes.joint_names)
    nameless, named = (run_checks(actor, episodes, simulator=False) for actor in (hold, hold_by_name))
    assert nameless.of("normalization").level == "WARN" and named.of("normalization").level == "SKIPPED"


class Named:
    """A callable with names of its joints."""

    def __init__(self, actor, joint_names):
        self._actor, self.joint_names = actor, joint_names

    def __call__(self, observation):
        return self._actor(observation)


def test_a_class_that_the_user_names_is_diagnosed(tmp_path, monkeypatch):
    (tmp_path / "own_policy_class.py").write_text(
        "import numpy as np\n\n\nclass Mine:\n    def __init__(self, file):\n        self.add = np.load(file)\n\n"
        "    def __call__(self, observation):\n        return observation['qpos'] + self.add\n"
    )
    np.save(tmp_path / "checkpoint.npy", np.zeros((8, 7)))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    words = ["--policy", "own_policy_class:Mine", "--checkpoint", "checkpoint.npy", "--no-simulator"]
    words += ["--data", str(recordings()[0][0].path.parent), "--json", "found.json"]
    result = CliRunner().invoke(diagnose, words)
    assert result.exit_code == 1, result.output
    found = {check["check"]: check["verdict"] for check in json.loads((tmp_path / "found.json").read_text())["checks"]}
    assert [*found.values()].count("SKIPPED") == 3 and [*found.values()].count("FAIL") >= 2
