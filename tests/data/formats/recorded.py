"""Small sets in the layouts of simulators and of large data sets, written as their documentation has them.

All are of the episodes of `truth`: two columns of an arm, one of a gripper.
"""

import json

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.data.formats.truth import LENGTHS, NAMES, truth


def demonstrations(folder, name, fill):
    """An HDF5 file `data/demo_0`, `data/demo_1`, …; `fill(group, qpos, action)` writes one of them."""
    folder.mkdir(parents=True, exist_ok=True)
    with h5py.File(folder / name, "w") as handle:
        handle.create_group("data")
        for number in range(2):
            fill(handle.create_group(f"data/demo_{number}"), *truth(number))
    return folder


def libero(folder):
    def fill(group, qpos, action):
        n = len(qpos)
        group["actions"], group["obs/joint_states"], group["obs/gripper_states"] = action, qpos[:, :2], qpos[:, 2:]
        group["obs/ee_pos"], group["dones"] = np.zeros((n, 3)), np.zeros(n, np.uint8)
        group["states"] = np.concatenate([np.arange(n)[:, None] * 0.05, np.ones((n, 8))], 1)

    return demonstrations(folder, "pick_up_the_bowl_demo.hdf5", fill)


def isaaclab(folder):
    def fill(group, qpos, action):
        group["actions"], group["states/articulation/robot/joint_position"] = action, qpos
        group["states/articulation/robot/joint_velocity"] = np.zeros_like(qpos)
        group["states/rigid_object/cube/root_pose"] = np.zeros((len(qpos), 7))
        group["obs/joint_pos"], group["obs/joint_vel"] = qpos - qpos[:1], np.zeros_like(qpos)
        group["initial_state/articulation/robot/joint_position"] = qpos[:1]

    demonstrations(folder, "dataset.hdf5", fill)
    with h5py.File(folder / "dataset.hdf5", "r+") as handle:
        handle["data"].attrs["env_args"] = json.dumps(
            {"env_name": "Isaac-Reach-UR10-v0", "type": 2, "sim_args": {"dt": 0.01, "decimation": 5}}
        )
    return folder


def maniskill(folder, observed=True):
    folder.mkdir(parents=True, exist_ok=True)
    with h5py.File(folder / "trajectory.h5", "w") as handle:
        for number in range(2):
            qpos, action = truth(number)
            whole = np.concatenate([qpos, qpos[-1:] + 1])
            group = handle.create_group(f"traj_{number}")
            group["actions"], group["success"] = action, np.zeros(len(action), bool)
            if observed:
                group["obs/agent/qpos"], group["obs/agent/qvel"] = whole, np.zeros_like(whole)
            state = np.concatenate([np.zeros((len(whole), 13)), whole, np.ones_like(whole)], 1)
            group["env_states/articulations/arm"] = state
            group["env_states/actors/cube"] = np.zeros((len(whole), 13))
    environment = {"env_id": "PickCube-v1", "env_kwargs": {"robot_uids": "arm", "control_mode": "pd_joint_pos"}}
    (folder / "trajectory.json").write_text(json.dumps({"env_info": environment, "episodes": []}))
    return folder


def maniskill_states(folder):
    return maniskill(folder, observed=False)


# RoboTwin records what was measured: its next row is the command.
WITHOUT_ACTION = ("robotwin",)


def robotwin(folder, vector=True):
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(2):
        qpos, _ = truth(number)
        with h5py.File(folder / f"episode{number}.hdf5", "w") as handle:
            handle["joint_action/left_arm"], handle["joint_action/left_gripper"] = qpos[:, :2], qpos[:, 2]
            handle["endpose/left_endpose"] = np.zeros((len(qpos), 7))
            if vector:
                handle["joint_action/vector"] = qpos
    return folder


def droid(folder):
    for number in range(2):
        qpos, action = truth(number)
        day = folder / ("Fri_Jul__7_09:42:23_2023", "Sat_Jul__8_10:11:00_2023")[number]
        day.mkdir(parents=True)
        with h5py.File(day / "trajectory.h5", "w") as handle:
            state = handle.create_group("observation/robot_state")
            state["joint_positions"], state["gripper_position"] = qpos[:, :2], qpos[:, 2]
            state["cartesian_position"] = np.zeros((len(qpos), 6))
            handle["action/joint_position"], handle["action/gripper_position"] = action[:, :2], action[:, 2]
            handle["action/joint_velocity"] = np.zeros((len(qpos), 2))
            handle["observation/timestamp/control/step_start"] = 1_688_722_943_000 + 66 * np.arange(len(qpos))
    return folder


def agibot(folder):
    for number in range(2):
        qpos, action = truth(number)
        episode = folder / str(648642 + number)
        episode.mkdir(parents=True)
        with h5py.File(episode / "proprio_stats.h5", "w") as handle:
            for group, values in (("state", qpos), ("action", action)):
                handle[f"{group}/joint/position"], handle[f"{group}/effector/position"] = values[:, :2], values[:, 2:]
                handle[f"{group}/waist/position"] = np.zeros((0,))
            handle["state/joint/current_value"] = np.zeros((len(qpos), 2))
            handle["timestamp"] = 1_730_000_000_000_000_000 + 33_333_333 * np.arange(len(qpos))
    return folder


def robomind(folder):
    for number in range(2):
        qpos, action = truth(number)
        episode = folder / f"1017_16312{number}" / "data"
        episode.mkdir(parents=True)
        with h5py.File(episode / "trajectory.hdf5", "w") as handle:
            for arm, values in (("puppet", qpos), ("master", action)):
                handle[f"{arm}/joint_position_left"] = values[:, :2]
                handle[f"{arm}/joint_position_right"] = values[:, 2:]
            handle["puppet/end_effector"] = np.zeros((len(qpos), 6))
    return folder


def replay_buffer(folder, version=2):
    """A replay buffer of Diffusion Policy."""
    import zarr

    folder.mkdir(parents=True, exist_ok=True)
    qpos, action = (np.concatenate(parts) for parts in zip(*(tuple(truth(n)) for n in range(2)), strict=True))
    root = zarr.open_group(str(folder / "replay_buffer.zarr"), mode="w", zarr_format=version)
    for name, values in (("robot_joint", qpos), ("action", action), ("robot_joint_vel", 0 * qpos)):
        root.create_array(f"data/{name}", data=values, chunks=(7, 3))
    root.create_array("data/timestamp", data=np.arange(len(qpos)) * 0.1, chunks=(7,))
    root.create_array("meta/episode_ends", data=np.cumsum(LENGTHS), chunks=(2,))
    return folder


def replay_buffer_v3(folder):
    return replay_buffer(folder, version=3)


def lerobot_v1(folder):
    (folder / "data").mkdir(parents=True)
    (folder / "meta_data").mkdir()
    (folder / "meta_data" / "info.json").write_text(json.dumps({"codebase_version": "v1.6", "fps": 20, "video": True}))
    tables = []
    for number in range(2):
        qpos, action = truth(number)
        n = len(qpos)
        columns = {"observation.state": qpos.tolist(), "action": action.tolist(), "episode_index": [number] * n}
        columns |= {"frame_index": list(range(n)), "next.done": [False] * n, "index": list(range(n))}
        tables.append(pa.table(columns))
    pq.write_table(pa.concat_tables(tables), folder / "data/train-00000-of-00001.parquet", row_group_size=5)
    return folder


def unitree(folder):
    """Episodes of xr_teleoperate: a folder each, two parts of the robot."""
    for number in range(2):
        episode = folder / f"episode_{number:04d}"
        episode.mkdir(parents=True)
        steps = []
        for i, rows in enumerate(zip(*truth(number), strict=True)):
            parts = [
                {"left_arm": {"qpos": row[:2], "qvel": []}, "left_ee": {"qpos": row[2:]}, "body": {"qpos": []}}
                for row in (row.tolist() for row in rows)
            ]
            steps.append({"idx": i, "colors": {"color_0": "a.jpg"}, "states": parts[0], "actions": parts[1]})
        info = {"version": "1.0.0", "image": {"width": 640, "fps": 30}, "joint_names": {"left_arm": list(NAMES[:2])}}
        (episode / "data.json").write_text(json.dumps({"info": info, "text": {"goal": "lift"}, "data": steps}))
    return folder


def json_lists(folder):
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(2):
        qpos, action = (values.tolist() for values in truth(number))
        said = {"qpos": qpos, "action": action, "joint_names": list(NAMES), "rate_hz": 20}
        (folder / f"episode_{number}.json").write_text(json.dumps(said))
    return folder


def joint_states(folder, program="rostopic"):
    """What a program writes of /joint_states, and of what a controller wished for."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(2):
        qpos, action = (values.tolist() for values in truth(number))
        if program == "rostopic":
            head = "%time,field.header.seq,field.header.stamp,field.header.frame_id"
            head += "".join(f",field.name{i}" for i in range(3)) + "".join(
                f",field.actual.positions{i}" for i in range(3)
            )
            head += "".join(f",field.actual.velocities{i}" for i in range(3))
            head += "".join(f",field.desired.positions{i}" for i in range(3))
            begin, step, between = 1_700_000_000_000_000_000, 50_000_000, ["base", *NAMES]
        else:
            topics = [f"/joint_states/{name}" for name in NAMES]
            head = ",".join(["__time", *(f"{topic}/position" for topic in topics), *(f"{t}/velocity" for t in topics)])
            head += "".join(f",/controller/desired/{name}/position" for name in NAMES)
            begin, step, between = 1_700_000_000.0, 0.05, []
        lines = [head]
        for i, (row, wished) in enumerate(zip(qpos, action, strict=True)):
            first = [repr(begin + i * step)] + ([str(i), repr(begin), *between] if between else [])
            lines.append(",".join([*first, *map(repr, row), "0", "0", "0", *map(repr, wished)]))
        (folder / f"episode_{number}.csv").write_text("\n".join(lines) + "\n")
    return folder


def plotjuggler(folder):
    return joint_states(folder, "PlotJuggler")


MAKERS = {
    "ros": (joint_states, plotjuggler),
    "libero": (libero,),
    "isaaclab": (isaaclab,),
    "maniskill": (maniskill, maniskill_states),
    "robotwin": (robotwin,),
    "droid": (droid,),
    "agibot": (agibot,),
    "robomind": (robomind,),
    "zarr": (replay_buffer, replay_buffer_v3),
    "lerobot_v1": (lerobot_v1,),
    "json": (unitree, json_lists),
}
