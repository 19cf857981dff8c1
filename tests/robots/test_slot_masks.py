import json

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from ate.cli.mask import mask_command
from ate.errors import InputError
from ate.robots import available, check_slot_mask, embodiment, profile, slot, slot_mask, unify

README = [0, 1, 2, 3, 4, 5, 10, 51, 52, 53, 54, 55, 60]
SOUND = [0, 1, 2, 3, 4, 5, 10, 50, 51, 52, 53, 54, 55, 60]
WITH_SLOTS = sorted(set(available()) - {"gr1_arms"})


def kinds(given, robot=None):
    return {item.kind: item for item in check_slot_mask(given, None if robot is None else profile(robot))}


def test_the_mask_without_slot_50_is_told_by_name():
    odd = kinds(README)
    assert set(odd) == {"gap", "asymmetry"}
    assert odd["gap"].slots == odd["asymmetry"].slots == (50,)
    assert "left_arm_joint_0 (slot 50)" in odd["gap"].text
    assert "6 right arm joints against 5 left" in odd["asymmetry"].text
    assert "left_waist (left_arm_joint_0, slot 50)" in kinds(README, "aloha")["missing"].text


@pytest.mark.parametrize("robot", WITH_SLOTS)
def test_masks_made_from_names_are_never_odd_and_any_slot_left_out_is_told(robot):
    known = profile(robot)
    made = slot_mask(known)
    assert made == tuple(sorted(embodiment(known).slots))
    assert not check_slot_mask(made) and not check_slot_mask(made, known)
    for place in made:
        odd = check_slot_mask([other for other in made if other != place], known)
        assert any(item.kind == "missing" and item.slots == (place,) for item in odd)


def test_a_row_of_128_zeros_and_ones_is_a_mask_too():
    for given_slots in (README, SOUND):
        row = np.zeros(128, dtype=int)
        row[given_slots] = 1
        for form in (row, row.tolist(), row.astype(bool), row.astype(np.uint8)):
            assert check_slot_mask(form) == check_slot_mask(given_slots)


@pytest.mark.parametrize(
    ("given_slots", "kind", "slots", "text"),
    [
        ([0, 1, 3, 4], "gap", (2,), "right_arm_joint_2 (slot 2) left out between"),
        ([*SOUND, 45], "reserved", (45,), "slot 45 reserved"),
        ([*SOUND, 15], "mixed", (15,), "right_arm_velocity_0 (slot 15)"),
        ([*SOUND, 80, 81], "mixed", (80, 81), "left_end_effector_position_x (slot 80)"),
        ([*SOUND, 5, 5], "duplicate", (5,), "right_arm_joint_5 (slot 5) more than once"),
        ([*SOUND, 128, -1], "range", (-1, 128), "slots -1, 128 outside"),
        ([0, 1, 2, 60], "lone gripper", (60,), "left_gripper_joint_0 (slot 60) without any joint of the left arm"),
        ([*SOUND[:-1]], "asymmetry", (60,), "1 right gripper joints against 0 left"),
        ([0, 1, 2, 11], "gap", (10,), "right_gripper_joint_0 (slot 10) left out"),
        ([], "empty", (), "no slot"),
    ],
)
def test_each_oddity_is_told_by_name(given_slots, kind, slots, text):
    odd = kinds(given_slots)
    assert odd[kind].slots == slots and text in odd[kind].text
    assert set(odd) == {kind}


def test_a_robots_missing_and_extra_joints_are_told_by_name():
    odd = kinds(SOUND, "panda")
    assert "panda_joint7 (right_arm_joint_6, slot 6)" in odd["missing"].text
    assert odd["extra"].slots == (50, 51, 52, 53, 54, 55, 60)
    # Its two fingers are alternatives to the gripper column.
    assert not check_slot_mask([*range(7), 10, 11], profile("panda"))


def test_a_robot_that_is_odd_itself_may_have_an_odd_mask(tmp_path):
    path = tmp_path / "odd.toml"
    path.write_text('joints = [{ name = "a", index = 1 }, { name = "b", arm = "left" }, { name = "x", part = "base" }]')
    known = profile(path)
    assert slot_mask(known) == (1, 50, 100)
    assert not check_slot_mask(slot_mask(known), known)
    assert {"gap", "asymmetry"} <= {oddity.kind for oddity in check_slot_mask(slot_mask(known))}


@pytest.mark.parametrize(
    "given_slots",
    ["text", [0.0, 1.0], [[0, 1]], [[0], [1, 2]], [10**400], [None], ["0"], 3, np.zeros(127, int), [True, False]],
)
def test_what_is_no_mask_is_refused(given_slots):
    with pytest.raises(InputError, match="a list of slots, or 128"):
        check_slot_mask(given_slots)


def test_only_embodiments_of_128_slots_have_a_mask():
    class Columns:
        robot = "panda"
        joint_names = profile("panda").joint_names

    with pytest.raises(InputError, match="128 slots"):
        slot_mask(unify([Columns()])[0])


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(-5, 200), max_size=40))
@pytest.mark.slow
def test_oddities_name_only_slots_that_are_odd(places):
    for robot in (None, profile("aloha")):
        if len(places) > 2 and set(places) <= {0, 1}:
            continue
        for item in check_slot_mask(places, robot):
            assert item.text
            if item.kind in ("gap", "missing"):
                assert not set(item.slots) & set(places)
            elif item.kind in ("mixed", "reserved", "range", "duplicate", "extra", "lone gripper"):
                assert set(item.slots) <= set(places)


def run(*arguments):
    return CliRunner().invoke(mask_command, arguments)


def test_the_command_checks_a_mask():
    odd = run(json.dumps(README))
    assert odd.exit_code == 1 and "left_arm_joint_0 (slot 50)" in odd.output
    assert run(json.dumps(SOUND), "--robot", "aloha").exit_code == 0
    assert run(json.dumps(README), "--robot", "aloha").exit_code == 1


def test_the_command_shows_a_robots_mask_with_names():
    shown = run("--robot", "aloha")
    lines = shown.output.splitlines()
    assert shown.exit_code == 0 and json.loads(lines[0]) == SOUND
    assert lines[8].split() == ["50", "left_arm_joint_0", "left_waist"]
    assert slot("left_arm_joint_0") == 50


@pytest.mark.parametrize(
    "arguments",
    [(), ("0,1,2",), ("[0, 1.5]",), ("{}",), ('["__import__"]',), ("[" * 100_000,), (f"[{'9' * 5000}]",),
     ("[0]", "--robot", "alhoa"), ("--robot", "gr1_arms")],
)  # fmt: skip
def test_bad_input_of_the_command_is_one_message(arguments):
    assert isinstance(run(*arguments).exception, InputError)
