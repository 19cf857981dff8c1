"""robomimic, written: one HDF5 file, `data/demo_0/actions` and `data/demo_0/obs/robot0_joint_pos` and so on.

Joints are float32 as they are; what has no recorded action gets the row measured next, which is what a position servo
should be told now.
"""

import json
from pathlib import Path

import h5py
import numpy as np

from ate.data.episodes import Episodes
from ate.data.units import quantities
from ate.robots import GRIPPER

FILE = "demo.hdf5"


def write(episodes: Episodes, folder: Path) -> None:
    """Write `demo.hdf5` into a folder: joints, the gripper on its own, and the state as `obs/object`.

    Raises:
        InputError: values that cannot be read.
    """
    arm = [i for i, name in enumerate(episodes.joint_names) if name != GRIPPER]
    gripper = [i for i, name in enumerate(episodes.joint_names) if name == GRIPPER]
    settings = {"robots": [episodes.robot], "control_freq": episodes.rate_hz}
    environment = {"env_name": episodes.task or "", "type": 1, "env_kwargs": settings}
    with h5py.File(folder / FILE, "w") as handle:
        data = handle.create_group("data")
        data.attrs["total"] = int(episodes.lengths.sum())
        data.attrs["env_args"] = json.dumps(environment)
        if units := quantities(episodes[0]):
            data.attrs["units"] = units
        for number, item in enumerate(episodes):
            group, qpos = data.create_group(f"demo_{number}"), item.qpos
            group.attrs["num_samples"] = len(qpos)
            group.attrs["origin"] = f"{item.path}, episode {item.name}"[:10_000]
            following = np.concatenate([qpos[1:], qpos[-1:]])
            group["actions"] = item.read("action") if item.has("action") else following
            group["rewards"] = np.zeros(len(qpos), np.float32)
            group["dones"] = np.eye(1, len(qpos), len(qpos) - 1, dtype=np.int64)[0]
            obs = group.create_group("obs")
            obs["robot0_joint_pos"] = qpos[:, arm]
            if gripper:
                obs["robot0_gripper_qpos"] = qpos[:, gripper]
            if item.has("state"):
                obs["object"] = item.read("state")
