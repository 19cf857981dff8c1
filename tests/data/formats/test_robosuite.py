import h5py
import numpy as np
import pytest

from ate.data import load
from ate.data.formats import mujoco_model
from ate.errors import InputError
from tests.conftest import REAL
from tests.data.formats.makers import MODEL, robosuite


def test_driven_joints_are_picked_by_the_model(tmp_path):
    episodes = load(robosuite(tmp_path / "set"))
    assert episodes.joint_names == ("shoulder", "elbow", "gripper")
    assert (episodes.robot, episodes.task, episodes.rate_hz) == ("Arm", "Door", 20.0)
    assert episodes[0].attributes["units"] == "rad (hinges), m (slides)"
    assert "left_dpos (shape (12, 0))" in episodes[0].keys.ignored


def test_a_model_in_the_attribute_is_the_same(tmp_path):
    beside, inside = load(robosuite(tmp_path / "a")), load(robosuite(tmp_path / "b", beside=False))
    assert beside.digest == inside.digest


def test_a_body_counts_its_own_joints_before_those_inside_it():
    said = """<mujoco><worldbody><body><body><joint name="inner"/></body>
    <frame><joint name="outer" type="ball"/></frame></body></worldbody>
    <actuator><motor joint="inner"/></actuator></mujoco>"""
    model = mujoco_model.parse(said, "x")
    assert [(j.name, j.address) for j in model.joints] == [("outer", 0), ("inner", 4)] and model.width == 1 + 5 + 4


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("<!DOCTYPE m [<!ENTITY a 'b'>]>" + MODEL, "document type"),
        ("<mujoco>", "no XML"),
        (MODEL.replace("<actuator>", "<include file='x.xml'/><actuator>"), "include"),
        (MODEL.replace('name="door_hinge"', 'name="door_hinge" type="free"'), "expected 33: time"),
        (MODEL.replace('type="slide"', 'type="screw"'), "'screw'"),
        ("<mujoco><worldbody/></mujoco>", "without joints"),
        (MODEL.split("<tendon>")[0] + "</mujoco>", "0 of them driven"),
    ],
)
def test_models_whose_addresses_cannot_be_told_are_refused(model, said, tmp_path):
    with pytest.raises(InputError, match=said):
        load(robosuite(tmp_path / "set", model))


@pytest.mark.parametrize("name", ["../../secret.xml", "/etc/hostname", "gone.xml", "a\nb", "x" * 2000])
def test_the_model_lies_in_its_folder(name, tmp_path):
    (tmp_path / "secret.xml").write_text(MODEL)
    folder = robosuite(tmp_path / "set")
    with h5py.File(folder / "demo.hdf5", "r+") as handle:
        for demo in handle["data"].values():
            demo.attrs["model_file"] = name
    with pytest.raises(InputError):
        load(folder, layout="robosuite")


def test_clocks_that_jump_do_not_change_the_rate(tmp_path):
    folder = robosuite(tmp_path / "set")
    with h5py.File(folder / "demo.hdf5", "r+") as handle:
        handle["data/demo_1/states"][6:, 0] -= 0.25
    assert load(folder).rate_hz == 20.0


def test_the_real_set_equals_its_independent_conversion():
    folder = REAL / "robosuite_panda"
    raw, converted = load(folder / "raw" / "lift" / "panda"), load(folder / "hdf5" / "episode_0000.hdf5")
    assert raw.ledger.layout == "robosuite" and raw.joint_names == converted.joint_names
    assert (raw.robot, raw.task, raw.rate_hz) == ("Panda", "Lift", 20.0)
    np.testing.assert_array_equal(raw[0].qpos, converted[0].qpos)
    np.testing.assert_array_equal(raw[0].read("action"), converted[0].read("action"))
