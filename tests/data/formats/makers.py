"""Small sets in every layout, all of the same two episodes: what a reader gives is compared with the truth."""

import json
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.conftest import write_episode
from tests.data.formats import recorded
from tests.data.formats.truth import LENGTHS, NAMES, truth


def native(folder):
    for number in range(2):
        qpos, action = truth(number)
        write_episode(folder, number, qpos, action=action, robot="arm", rate_hz=20.0, joint_names=list(NAMES))
    return folder


def aloha(folder, width=3):
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(2):
        qpos, action = truth(number, width)
        with h5py.File(folder / f"episode_{number}.hdf5", "w") as handle:
            handle["observations/qpos"], handle["action"] = qpos, action
            handle["observations/qvel"] = qpos
            handle["observations/images/cam_high"] = np.zeros((LENGTHS[number], 2, 2, 3), np.uint8)
    return folder


def robomimic(folder, demos=("demo_2", "demo_10"), robots=("Panda",)):
    folder.mkdir(parents=True, exist_ok=True)
    with h5py.File(folder / "low_dim.hdf5", "w") as handle:
        data = handle.create_group("data")
        env = {"env_name": "Lift", "type": 1, "env_kwargs": {"control_freq": 20, "robots": list(robots)}}
        data.attrs["env_args"] = json.dumps(env)
        for number, name in enumerate(demos):
            qpos, action = truth(number)
            data[f"{name}/actions"] = action
            data[f"{name}/obs/robot0_joint_pos"], data[f"{name}/obs/robot0_gripper_qpos"] = qpos[:, :2], qpos[:, 2:]
            data[f"{name}/obs/object"] = qpos
    return folder


MODEL = """<mujoco><worldbody>
  <body name="cube"><freejoint name="cube_free"/></body>
  <body name="door"><joint name="door_hinge"/></body>
  <body name="base"><body name="upper"><joint name="shoulder"/>
    <body name="lower"><joint name="elbow" type="hinge"/><body name="hand"><joint name="gripper" type="slide"/></body>
  </body></body></body>
</worldbody><tendon><fixed name="grip"><joint joint="gripper" coef="1"/></fixed></tendon>
<actuator><motor joint="shoulder"/><motor joint="elbow"/><position tendon="grip"/></actuator></mujoco>"""


def robosuite(folder, model=MODEL, beside=True):
    (folder / "models").mkdir(parents=True, exist_ok=True)
    (folder / "models" / "m.xml").write_text(model)
    with h5py.File(folder / "demo.hdf5", "w") as handle:
        data = handle.create_group("data")
        data.attrs["env_info"] = json.dumps({"env_name": "Door", "robots": "Arm"})
        for number in range(2):
            qpos, action = truth(number)
            n = len(qpos)
            time, others, speeds = np.arange(n)[:, None] * 0.05, np.ones((n, 8)), np.zeros((n, 10))
            demo = data.create_group(f"demo_{number + 1}")
            demo["states"] = np.concatenate([time, others, qpos, speeds], 1)
            demo["actions"], demo["left_dpos"] = action, np.zeros((n, 0))
            demo.attrs["model_file"] = "m.xml" if beside else model
    return folder


def info(version, template, names=NAMES, **more):
    """The text of `meta/info.json`."""
    feature = {"dtype": "float32", "shape": [3], "names": list(names) if isinstance(names, tuple) else names}
    features = {
        "observation.state": feature, "action": feature, "timestamp": {"dtype": "float32", "shape": [1]},
        "observation.images.top": {"dtype": "video", "shape": [4, 4, 3], "names": None},
    }  # fmt: skip
    return json.dumps(
        {
            "codebase_version": version, "robot_type": "arm", "fps": 20, "chunks_size": 1, "data_path": template,
            "features": features, **more,
        }
    )  # fmt: skip


def frames(number, fixed=False, **more):
    """An episode's rows as a table."""
    qpos, action = truth(number)
    kind = pa.list_(pa.float32(), 3) if fixed else pa.list_(pa.float32())
    columns = {
        "observation.state": pa.array(qpos.tolist(), kind), "action": pa.array(action.tolist(), kind),
        "timestamp": pa.array(np.arange(len(qpos), dtype=np.float32) / 20),
        "episode_index": pa.array(np.full(len(qpos), number)),
    }  # fmt: skip
    return pa.table({**columns, **more})


def lerobot_v2(folder, version="v2.1"):
    meta = folder / "meta"
    meta.mkdir(parents=True)
    template = "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet"
    (meta / "info.json").write_text(info(version, template))
    with (meta / "episodes.jsonl").open("w") as lines:
        for number in range(2):
            lines.write(json.dumps({"episode_index": number, "tasks": ["lift"], "length": LENGTHS[number]}) + "\n")
            file = folder / f"data/chunk-{number:03d}/episode_{number:06d}.parquet"
            file.parent.mkdir(parents=True)
            pq.write_table(frames(number), file)
    return folder


def lerobot_v3(folder, group=5):
    (folder / "meta/episodes/chunk-000").mkdir(parents=True)
    (folder / "data/chunk-000").mkdir(parents=True)
    (folder / "meta/info.json").write_text(
        info("v3.0", "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet", {"motors": list(NAMES)})
    )
    table = pa.concat_tables([frames(0, True), frames(1, True)])
    pq.write_table(table, folder / "data/chunk-000/file-000.parquet", row_group_size=group)
    listing = {
        "episode_index": [0, 1], "length": list(LENGTHS), "data/chunk_index": [0, 0], "data/file_index": [0, 0],
        "dataset_from_index": [0, LENGTHS[0]], "dataset_to_index": [LENGTHS[0], sum(LENGTHS)],
        "tasks": [["lift"], ["lift"]],
    }  # fmt: skip
    pq.write_table(pa.table(listing), folder / "meta/episodes/chunk-000/file-000.parquet")
    tasks = pa.table({"task_index": [0], "__index_level_0__": ["lift"]})
    pq.write_table(tasks, folder / "meta/tasks.parquet")
    return folder


def npz(folder, compressed=False):
    folder.mkdir(parents=True, exist_ok=True)
    save = np.savez_compressed if compressed else np.savez
    for number in range(2):
        qpos, action = truth(number)
        save(folder / f"episode_{number}.npz", qpos=qpos, action=action, joint_names=np.array(NAMES), rate_hz=20.0)
    return folder


def npz_packed(folder, fortran=False):
    folder.mkdir(parents=True, exist_ok=True)
    qpos, action = (np.concatenate(parts) for parts in zip(*(tuple(truth(n)) for n in range(2)), strict=True))
    order = np.asfortranarray if fortran else np.ascontiguousarray
    ends = np.cumsum(LENGTHS)
    np.savez(folder / "all.npz", qpos=order(qpos), action=order(action), episode_ends=ends)
    return folder


def csv(folder, header=True, delimiter=","):
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(2):
        qpos, action = truth(number)
        first = delimiter.join(["time", *NAMES, *(f"action_{name}" for name in NAMES)])
        rows = np.concatenate([np.arange(len(qpos))[:, None] / 20, qpos, action], 1) if header else qpos
        lines = [first] * header + [delimiter.join(f"{value!r}" for value in row.tolist()) for row in rows]
        (folder / f"episode_{number}.csv").write_text("\n".join(lines) + "\n")
    return folder


# Layout → its makers.
MAKERS = {
    "native": (native,),
    "aloha": (aloha,),
    "robomimic": (robomimic,),
    "robosuite": (robosuite,),
    "lerobot": (lerobot_v2, lerobot_v3),
    "npz": (npz, npz_packed),
    "csv": (csv,),
    **recorded.MAKERS,
}


def all_sets():
    """`(layout, maker)` of every maker."""
    return [(layout, maker) for layout, makers in MAKERS.items() for maker in makers]


def written(folder: Path) -> list[Path]:
    """Files of a set that a hostile case may cut off, largest role first."""
    return sorted(path for path in folder.rglob("*") if path.is_file())
