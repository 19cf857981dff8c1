"""Every planted fault is found on its check, and a sound policy on sound recordings passes all of them."""

import json

import pytest
import torch
from click.testing import CliRunner

from ate.cli.diagnose import diagnose
from ate.data import excludes, load
from ate.diagnose import run_checks
from ate.diagnose.gripper_timing import events, matched
from ate.errors import InputError
from ate.experiments.settings import SHIPPED
from tests.diagnose.faults import (
    blind,
    changed,
    degrees,
    holding,
    inverted,
    levels,
    paused,
    recordings,
    reset,
    swapped,
    trained,
)


@pytest.fixture(scope="module")
def sound():
    torch.set_num_threads(1)
    train, held_out = recordings()
    return trained(train), train, held_out


def failed(found):
    return {name for name, level in levels(found).items() if level == "FAIL"}


def test_a_sound_policy_passes_every_rung(sound):
    policy, train, held_out = sound
    further = trained(train, policy, steps=40)
    found = run_checks(further, train, held_out=held_out, start=policy)
    assert set(levels(found).values()) == {"PASS"}, levels(found)
    assert found.level == "PASS" and found.first is None and "8 checks" in found.sentence
    assert "20 of 20" in found.of("replay").got
    unseen = found.errors["held out"]
    assert unseen.scores(unseen.policy).mean() < 0.5 * unseen.scores(unseen.hold).mean()


@pytest.mark.parametrize(
    ("change", "told"),
    [(degrees, "degrees against radians"), (swapped, "joints in another order"), (inverted, "inverted (1 − value)")],
)
def test_recordings_in_other_units_order_or_direction_fail_the_passport(sound, change, told):
    policy, train, _ = sound
    found = run_checks(policy, changed(train, qpos=change, action=change), simulator=False)
    assert {"statistics", "training prediction"} <= failed(found)
    assert told in found.of("statistics").got
    # The first FAIL is further down; it points to where the cause is.
    assert found.first is not None and "see the check statistics" in found.sentence


def test_a_policy_that_holds_still_fails_where_it_shows(sound):
    policy, train, _ = sound
    found = run_checks(holding(policy), train, simulator=False)
    assert {"training prediction", "stuck at start", "state ablation", "gripper events"} <= failed(found)
    assert found.of("stuck at start").got.startswith("stuck in 80 of 80 draws")


def test_pauses_in_the_demonstrations_are_named_as_the_reason(sound):
    _, train, _ = sound
    slow = paused(train, 40)
    found = run_checks(trained(slow), slow, simulator=False).of("stuck at start")
    assert found.level != "PASS" and "20 of 20 demonstrations stand still there too" in found.got
    assert "cut the pauses" in found.fix


@pytest.mark.parametrize("known", [True, False])
def test_a_layer_drawn_anew_is_named_with_and_without_the_start(sound, known):
    policy, train, _ = sound
    found = run_checks(reset(policy), train, simulator=False, start=policy if known else None).of("weights")
    assert found.level == "FAIL" and "network.leave.1.weight" in found.got
    assert ("not loaded" if known else "re-initialised") in found.fix


def test_weights_that_were_never_trained_or_are_broken_fail(sound):
    policy, train, _ = sound
    same = run_checks(policy, train, simulator=False, start=policy).of("weights")
    assert same.level == "FAIL" and "nothing was trained" in same.fix
    broken = policy.moved_to(policy.spaces[0])
    with torch.no_grad():
        broken.network.leave[1].weight[0, 0] = torch.nan
    assert "NaN" in run_checks(broken, train, simulator=False).of("weights").got


def test_a_policy_that_never_saw_the_scene_fails_the_ablation_alone(sound):
    policy, train, _ = sound
    found = run_checks(trained(train, blind(policy)), train, simulator=False)
    assert failed(found) == {"state ablation"} and "causal confusion" in found.of("state ablation").got


def test_one_episode_learnt_by_heart_fails_on_held_out_ones(sound):
    _, train, held_out = sound
    few = train.select(range(1))
    found = run_checks(trained(few), few, held_out=held_out, simulator=False)
    assert levels(found)["held-out prediction"] == "FAIL" and "remembers" in found.of("held-out prediction").fix


def test_events_are_counted_once_and_matched_in_time():
    course = [0.9, 0.5, 0.1, 0.2, 0.5, 0.4, 0.9, 0.1]
    assert events(course, 1 / 3, 2 / 3) == [(2, False), (6, True), (7, False)]
    truth = [(10, False), (30, True)]
    assert matched(truth, [(12, False), (13, False), (36, True)], near=4) == 1
    assert matched(truth, [(12, True)], near=4) == 0


def test_other_columns_are_refused(sound):
    policy, train, _ = sound
    fewer = changed(train, qpos=lambda rows: rows[:, :-1], action=lambda rows: rows[:, :-1])
    with pytest.raises(InputError, match="expected 7 columns"):
        run_checks(policy, fewer, simulator=False)


def test_the_command_says_where_to_look(sound, tmp_path):
    policy, *_ = sound
    policy.save(tmp_path / "good.safetensors")
    reset(policy).save(tmp_path / "bad.safetensors")
    names = [item.name for item in load(SHIPPED / "lift" / "adapt" / "ur5e")][20:]
    excludes.write(tmp_path / "others.txt", dict.fromkeys(names, "not trained on"))
    common = ["--data", str(SHIPPED / "lift" / "adapt" / "ur5e"), "--exclude", str(tmp_path / "others.txt")]
    common += ["--no-simulator", "--json", str(tmp_path / "checks.json")]
    good = CliRunner().invoke(diagnose, ["--policy", str(tmp_path / "good.safetensors"), *common])
    assert good.exit_code == 0, good.output
    checks = json.loads((tmp_path / "checks.json").read_text())["checks"]
    assert len(checks) == 8 and {row["verdict"] for row in checks} <= {"PASS", "WARN", "SKIPPED"}
    bad = CliRunner().invoke(diagnose, ["--policy", str(tmp_path / "bad.safetensors"), *common])
    assert bad.exit_code == 1 and "see the check weights" in bad.output
