"""One folder a task: one set where the files name one robot and its joints, else one set a folder."""

import numpy as np
import pytest

from ate.data import DataSet, load, load_sets
from ate.data.doctor import examine, examine_sets
from ate.errors import InputError
from tests.conftest import write_episode
from tests.data.formats.makers import aloha

ARM = ["base", "elbow", "gripper"]


def tasks(folder, **of_task):
    """Folders of two episodes each; options are attributes of their files."""
    for name, attributes in of_task.items():
        for index in range(2):
            rows = np.random.default_rng(index).normal(size=(20, 3)).astype(np.float32)
            write_episode(folder / name, index, rows, **attributes)
    return folder


def test_tasks_of_one_robot_are_one_set(tmp_path):
    folder = tasks(
        tmp_path / "set", fold={"robot": "arm", "joint_names": ARM}, wipe={"robot": "arm", "joint_names": ARM}
    )
    episodes = load(folder)
    assert [item.name for item in episodes] == [f"{task}/episode_000{i}" for task in ("fold", "wipe") for i in range(2)]
    assert len(load_sets(folder)) == 1 and len(examine_sets(folder)) == 1
    left = load(folder, exclude=["fold/episode_0001"])
    assert len(left) == 3 and left.ledger.dropped[0].episode == "fold/episode_0001"
    assert len(load_sets(folder, exclude=["fold/episode_0001"])[0]) == 3
    with pytest.raises(InputError, match="did you mean 'fold/episode_0001'"):
        load(folder, exclude=["fold/episode_0007"])


def test_columns_in_another_order_are_one_set_too(tmp_path):
    other = ["gripper", "elbow", "base"]
    folder = tasks(tmp_path / "set", a={"robot": "arm", "joint_names": ARM}, b={"robot": "arm", "joint_names": other})
    assert load(folder).dof == 3
    np.testing.assert_array_equal(load(folder)[0].qpos, load(folder)[2].qpos[:, ::-1])


def test_layouts_that_name_no_robot(tmp_path):
    """RDT's own layout: columns are named after ALOHA's two arms."""
    for task in ("close_box", "fold_towel"):
        aloha(tmp_path / "set" / task, 14)
    episodes = load(tmp_path / "set")
    assert len(episodes) == 4 and episodes.ledger.layout == "aloha"
    assert examine(tmp_path / "set").joint_names == episodes.joint_names


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"robot": "arm", "joint_names": ARM}, {"robot": "other", "joint_names": ARM}),
        ({"joint_names": ARM}, {"joint_names": ["base", "wrist", "gripper"]}),
        ({"robot": "arm"}, {"robot": "arm"}),
    ],
)
def test_other_folders_are_robots(one, other, tmp_path):
    folder = tasks(tmp_path / "set", first=one, second=other)
    assert len(load_sets(folder)) == 2 and not DataSet(str(folder)).task_folders()
    with pytest.raises(InputError, match="folders are one set where their files name one robot") as caught:
        load(folder)
    # Its way out: one of the folders.
    assert "name the folder" in caught.value.fix and len(load(folder / "first")) == 2


def test_folders_called_like_robots_are_robots(tmp_path):
    folder = tasks(tmp_path / "set", panda={"joint_names": ARM}, ur5e={"joint_names": ARM})
    assert [item.robot for item in load_sets(folder)] == ["panda", "ur5e"]
