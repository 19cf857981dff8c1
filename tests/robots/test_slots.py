from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ate.errors import InputError
from ate.robots import Role, available, embodiment, profile, roles, slot, slot_name, unify

# RDT's vector as its authors publish it: first slot, last slot, what is there.
PUBLISHED = [
    (0, 9, "right_arm_joint"), (10, 14, "right_gripper_joint"), (15, 24, "right_arm_velocity"),
    (25, 29, "right_gripper_velocity"), (30, 32, "right_end_effector_position"),
    (33, 38, "right_end_effector_rotation"), (39, 41, "right_end_effector_velocity"),
    (42, 44, "right_end_effector_angular_velocity"), (45, 49, "reserved"), (50, 59, "left_arm_joint"),
    (60, 64, "left_gripper_joint"), (65, 74, "left_arm_velocity"), (75, 79, "left_gripper_velocity"),
    (80, 82, "left_end_effector_position"), (83, 88, "left_end_effector_rotation"),
    (89, 91, "left_end_effector_velocity"), (92, 94, "left_end_effector_angular_velocity"), (95, 99, "reserved"),
    (100, 102, "base"), (103, 127, "reserved"),
]  # fmt: skip
BAXTER = tuple(f"{arm}_{joint}" for arm in ("right", "left") for joint in ("s0", "s1", "e0", "e1", "w0", "w1", "w2"))


@dataclass(frozen=True)
class Recording:
    robot: str
    joint_names: tuple[str, ...]


def recording(robot: str, arm: int, gripper: bool = True) -> Recording:
    names = tuple(f"{robot}_joint{i + 1}" for i in range(arm))
    return Recording(robot, (*names, "gripper") if gripper else names)


@pytest.mark.parametrize(("first", "last", "prefix"), PUBLISHED)
def test_the_table_is_rdts(first, last, prefix):
    for place in range(first, last + 1):
        assert slot_name(place).startswith(prefix) and slot(slot_name(place)) == place
    assert sum(last - first + 1 for first, last, _ in PUBLISHED) == 128


def test_unknown_slots_are_refused():
    with pytest.raises(InputError, match="did you mean 'left_arm_joint_0'"):
        slot("left_arm_joint0")
    for place in (-1, 128):
        with pytest.raises(InputError, match="0 to 127"):
            slot_name(place)


@pytest.mark.parametrize(
    ("robot", "slots"),
    [
        ("aloha", (50, 51, 52, 53, 54, 55, 60, 0, 1, 2, 3, 4, 5, 10)),
        ("realman_dual", (*range(50, 57), 60, *range(7), 10)),
        ("baxter", (*range(7), *range(50, 57))),
        ("so101", (0, 1, 2, 3, 4, 10)),
        ("ur5e", (0, 1, 2, 3, 4, 5, 10)),
        ("panda", (*range(7), 10)),
    ],
)
def test_each_robot_takes_its_slots_by_profile_and_by_name(robot, slots):
    known = profile(robot)
    body = embodiment(known)
    assert body.slots == slots and body.width == 128
    assert embodiment(robot, known.joint_names).slots == slots


def test_columns_map_by_name_whatever_their_order():
    names = profile("aloha").joint_names
    shuffled = [names[i] for i in np.random.default_rng(0).permutation(len(names))]
    for robot in (profile("aloha"), "aloha"):
        body = embodiment(profile("aloha"), shuffled)
        assert dict(zip(body.joint_names, body.slots, strict=True))["left_waist"] == 50, robot


def test_alternative_fingers_take_the_gripper_slots():
    names = [*(f"robot0_joint{i + 1}" for i in range(7)), "gripper0_finger_joint1", "gripper0_finger_joint2"]
    assert embodiment(profile("panda"), names).slots == embodiment("panda", names).slots == (*range(7), 10, 11)
    sawyer = [*(f"right_j{i}" for i in range(7)), "r_gripper_l_finger_joint", "r_gripper_r_finger_joint"]
    assert embodiment("sawyer", sawyer).slots == (*range(7), 10, 11)


def test_a_left_finger_does_not_make_a_left_arm():
    found = roles([*(f"joint{i}" for i in range(1, 7)), "left_inner_finger_joint", "right_inner_finger_joint"])
    assert found[-2:] == (Role("right", "gripper", 0), Role("right", "gripper", 1))
    assert roles(["shoulder_lift_joint", "elbow", "leftShoulder"])[0] is None


def test_columns_called_as_slots_take_those():
    names = ["right_end_effector_position_x", "left_arm_velocity_3", "base_angular_velocity"]
    assert embodiment("any", names).slots == (30, 68, 102)


@pytest.mark.parametrize("names", [[f"joint_{i}" for i in range(7)], [f"motor_{i}" for i in range(44)]])
def test_columns_nobody_named_have_no_place(names):
    with pytest.raises(InputError, match=f"{names[0]}, {names[1]}.*without a place"):
        embodiment("mystery", names)


def test_refused_columns_are_named():
    with pytest.raises(InputError, match=r"columns left_hand_5, left_leg_0.*waist_2 without a place"):
        embodiment(profile("gr1_arms"))
    with pytest.raises(InputError, match="columns camera without"):
        embodiment(profile("panda"), [*profile("panda").joint_names, "camera"])
    with pytest.raises(InputError, match="columns a_joint11 without"):
        embodiment("a", [f"a_joint{i + 1}" for i in range(11)])
    with pytest.raises(InputError, match="gripper"):
        embodiment(profile("panda"), ["gripper", "panda_finger_joint1"])


def test_compact_single_arms_start_at_slot_0_and_their_gripper_is_last():
    six, seven = unify([recording("six", 6), recording("seven", 7)])
    assert six.slots == (0, 1, 2, 3, 4, 5, 7) and seven.slots == tuple(range(8)) and six.width == 8
    assert unify([recording("six", 6)], 12)[0].slots == (0, 1, 2, 3, 4, 5, 11)
    plain, eight = unify([recording("plain", 5, gripper=False), recording("eight", 8, gripper=False)])
    assert plain.slots == tuple(range(5)) and eight.width == 8
    mixed = Recording("mixed", ("a", "gripper", "b"))
    assert unify([mixed])[0].slots == (0, 2, 1)
    fingers = Recording("panda", (*(f"robot0_joint{i}" for i in range(1, 8)), "left_finger", "right_finger"))
    assert unify([fingers])[0].slots == tuple(range(9))
    left = Recording("left", (*(f"left_s{i}" for i in range(3)), "gripper"))
    assert unify([left])[0].slots == (0, 1, 2, 3)


def test_compact_two_arms_pad_each_part_to_the_widest():
    aloha = Recording("aloha", profile("aloha").joint_names)
    baxter, single = Recording("baxter", BAXTER), recording("panda", 7)
    two, wide, one = unify([aloha, baxter, single])
    assert two.width == 7 + 7 + 1 + 1
    assert two.slots == (7, 8, 9, 10, 11, 12, 14, 0, 1, 2, 3, 4, 5, 15)
    assert wide.slots == tuple(range(14))
    assert one.slots == (0, 1, 2, 3, 4, 5, 6, 15)
    again = unify([aloha, baxter, single], profiles=[profile("aloha"), profile("baxter"), None])
    assert [body.slots for body in again] == [two.slots, wide.slots, one.slots]


def test_a_single_gripper_is_last_also_beside_a_robot_of_two_fingers():
    names = (*(f"robot0_joint{i}" for i in range(1, 8)), "gripper0_finger_joint1", "gripper0_finger_joint2")
    fingers, single = unify(
        [Recording("panda", names), Recording("ur5e", profile("ur5e").joint_names)],
        profiles=[profile("panda"), profile("ur5e")],
    )
    assert fingers.slots == tuple(range(9)) and single.slots == (0, 1, 2, 3, 4, 5, 8)


def test_compact_keeps_columns_of_neither_arm_between_arms_and_grippers():
    body = embodiment(profile("gr1_arms"), layout="compact")
    assert sorted(body.slots) == list(range(44))
    places = dict(zip(body.joint_names, body.slots, strict=True))
    assert (places["right_shoulder_pitch"], places["left_shoulder_pitch"], places["left_leg_0"]) == (0, 7, 14)
    assert (places["left_hand_0"], places["right_hand_5"]) == (32, 43)


def test_widths_and_layouts_that_cannot_be_are_refused():
    with pytest.raises(InputError, match=r"8 joints.*at most 7"):
        unify([recording("seven", 7)], 7)
    with pytest.raises(InputError, match="128 slots"):
        unify([recording("seven", 7)], 64, "rdt")
    with pytest.raises(InputError, match="did you mean 'compact'"):
        unify([recording("seven", 7)], layout="compakt")
    with pytest.raises(InputError, match="one profile a set"):
        unify([recording("seven", 7)], profiles=[])
    with pytest.raises(InputError, match="no columns"):
        embodiment("panda")
    assert [body.width for body in unify([recording("seven", 7), recording("six", 6)], layout="rdt")] == [128, 128]


@settings(max_examples=60, deadline=None)
@given(st.data())
@pytest.mark.slow
def test_scatter_then_gather_is_exact_and_leaves_every_other_slot_zero(data):
    names = data.draw(
        st.permutations(profile(data.draw(st.sampled_from(sorted(set(available()) - {"gr1_arms"})))).joint_names)
    )
    layout = data.draw(st.sampled_from(["rdt", "compact"]))
    body = embodiment("robot", names, layout)
    assert len(set(body.slots)) == len(names) and body.width == (128 if layout == "rdt" else len(names))
    shape = (data.draw(st.integers(0, 3)), data.draw(st.integers(1, 3)), len(names))
    kind = data.draw(st.sampled_from([np.float32, np.float64]))
    values = data.draw(arrays(kind, shape))
    wide = body.scatter(values)
    assert wide.dtype == values.dtype and wide.shape == (*shape[:-1], body.width)
    np.testing.assert_array_equal(body.gather(wide), values)
    assert not wide[..., ~body.used].any()
    np.testing.assert_array_equal(body.gather(body.scatter(torch.from_numpy(values))).numpy(), values)
