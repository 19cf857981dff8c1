"""Every planted fault fails its check, and a sound policy on sound recordings passes all of them."""

import json
from dataclasses import replace

import pytest
import torch
from click.testing import CliRunner

from ate.cli.diagnose import diagnose
from ate.data import excludes, load
from ate.diagnose import run_checks
from ate.diagnose.gripper_timing import count, events, matched
from ate.diagnose.input_ablation import effects
from ate.diagnose.normalization import joint_ranges
from ate.diagnose.prediction_error import OVERFIT, overfitting
from ate.diagnose.stuck_at_start import DRAWS, starts
from ate.diagnose.weights import faults
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
    predictions,
    recordings,
    reset,
    swapped,
    trained,
)

# Each trains a small policy.
pytestmark = pytest.mark.slow
NAMES = (
    "replay", "training_error", "held_out_error", "gripper_timing", "stuck_at_start", "input_ablation", "weights",
    "normalization",
)  # fmt: skip


@pytest.fixture(scope="module")
def sound():
    torch.set_num_threads(1)
    train, held_out = recordings()
    return trained(train), train, held_out


def failed(diagnosis):
    return {name for name, level in levels(diagnosis).items() if level == "FAIL"}


def test_a_sound_policy_passes_every_check(sound):
    policy, train, held_out = sound
    further = trained(train, policy, steps=40)
    diagnosis = run_checks(further, train, held_out=held_out, start=policy)
    assert levels(diagnosis) == dict.fromkeys(NAMES, "PASS")
    assert diagnosis.level == "PASS" and diagnosis.first is None
    assert not any(check.fix for check in diagnosis.checks)
    unseen = diagnosis.errors["held out"]
    assert unseen.scores(unseen.policy).mean() < 0.5 * unseen.scores(unseen.hold).mean()


@pytest.mark.parametrize(("change", "cause"), [(degrees, "degrees"), (swapped, "joint order"), (inverted, "inverted")])
def test_recordings_in_other_units_order_or_direction_fail_the_normalization(sound, change, cause):
    policy, train, _ = sound
    wrong = changed(train, qpos=change, action=change)
    diagnosis = run_checks(policy, wrong, simulator=False)
    assert {"normalization", "training_error"} <= failed(diagnosis)
    assert cause in {joint.cause for joint in joint_ranges(predictions(policy, wrong))}
    # The first FAIL is further down; it points to where the cause is.
    assert diagnosis.first.code == "training_error" and "normalization" in diagnosis.first.fix


def test_a_gripper_whose_ends_are_swapped_is_recognised(sound):
    policy, train, _ = sound
    counts = count(predictions(policy, train), 0, 4)
    assert counts.matched > 0 and not counts.swapped_ends
    assert replace(counts, matched=counts.inverted, inverted=counts.matched).swapped_ends


def test_a_policy_that_holds_still_fails_where_it_shows(sound):
    policy, train, _ = sound
    diagnosis = run_checks(holding(policy), train, simulator=False)
    assert {"training_error", "stuck_at_start", "input_ablation", "gripper_timing"} <= failed(diagnosis)
    measured = starts(predictions(holding(policy), train), 0)
    assert measured.stuck.all() and measured.stuck.shape == (DRAWS, 20) and not measured.waiting.any()


def test_pauses_in_the_demonstrations_are_named_as_the_reason(sound):
    _, train, _ = sound
    slow = paused(train, 40)
    policy = trained(slow)
    assert run_checks(policy, slow, simulator=False).of("stuck_at_start").level != "PASS"
    assert starts(predictions(policy, slow), 0).waiting.all()


@pytest.mark.parametrize("known", [True, False])
def test_a_layer_initialised_again_is_named_with_and_without_the_start(sound, known):
    policy, train, _ = sound
    start = policy if known else None
    assert run_checks(reset(policy), train, simulator=False, start=start).of("weights").level == "FAIL"
    fault = "uncorrelated with the start" if known else "as initialised"
    assert faults(reset(policy), start)[fault] == ["network.leave.1.weight"]


def test_weights_that_were_never_trained_or_are_broken_fail(sound):
    policy, train, _ = sound
    assert run_checks(policy, train, simulator=False, start=policy).of("weights").level == "FAIL"
    assert len(faults(policy, policy)["all of them as at the start"]) == len(policy.state_dict())
    broken = policy.moved_to(policy.spaces[0])
    with torch.no_grad():
        broken.network.leave[1].weight[0, 0] = torch.nan
    assert faults(broken, None) == {"not finite": ["network.leave.1.weight"]}
    assert run_checks(broken, train, simulator=False).of("weights").level == "FAIL"


def test_after_few_steps_predictions_are_measured_and_not_judged(sound):
    policy, train, _ = sound
    judged = run_checks(reset(policy), train, simulator=False)
    early = run_checks(reset(policy), train, simulator=False, steps=20)
    assert judged.of("training_error").level == "FAIL" and early.of("training_error").level == "SKIPPED"
    assert early.of("training_error").got == judged.of("training_error").got
    assert early.of("normalization") == judged.of("normalization")
    assert run_checks(reset(policy), train, simulator=False, steps=100).level == "FAIL"


def test_a_policy_that_never_observed_the_scene_fails_the_ablation_alone(sound):
    policy, train, _ = sound
    confused = trained(train, blind(policy))
    assert failed(run_checks(confused, train, simulator=False)) == {"input_ablation"}
    qpos, state = effects(predictions(confused, train), 0)
    assert qpos.used and not state.used


def test_one_episode_learnt_by_heart_fails_on_held_out_ones(sound):
    _, train, held_out = sound
    few = train.select(range(1))
    diagnosis = run_checks(trained(few), few, held_out=held_out, simulator=False)
    assert levels(diagnosis)["held_out_error"] == "FAIL" and levels(diagnosis)["training_error"] != "FAIL"
    assert overfitting(diagnosis.errors["held out"], diagnosis.errors["training"]) > OVERFIT


def test_events_are_counted_once_and_matched_in_time():
    course = [0.9, 0.5, 0.1, 0.2, 0.5, 0.4, 0.9, 0.1]
    assert events(course, 1 / 3, 2 / 3) == [(2, False), (6, True), (7, False)]
    truth = [(10, False), (30, True)]
    assert matched(truth, [(12, False), (13, False), (36, True)], near=4) == 1
    assert matched(truth, [(12, True)], near=4) == 0


def test_other_columns_are_refused(sound):
    policy, train, _ = sound
    fewer = changed(train, qpos=lambda rows: rows[:, :-1], action=lambda rows: rows[:, :-1])
    with pytest.raises(InputError) as caught:
        run_checks(policy, fewer, simulator=False)
    assert caught.value.got == "6 columns" and "7 columns" in caught.value.expected


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
    assert tuple(row["check"] for row in checks) == tuple(name.replace("_", " ") for name in NAMES)
    assert {row["verdict"] for row in checks} <= {"PASS", "WARN", "SKIPPED"}
    bad = CliRunner().invoke(diagnose, ["--policy", str(tmp_path / "bad.safetensors"), *common])
    assert bad.exit_code == 1
    levels_of_bad = {r["check"]: r["verdict"] for r in json.loads((tmp_path / "checks.json").read_text())["checks"]}
    assert levels_of_bad["weights"] == "FAIL"
