"""Sets that are another form of a layout: other names, tables of a controller, two hands, folders, a layout by keys."""

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.data.formats import makers, recorded
from tests.data.formats.truth import LENGTHS, truth

# By keys, as `--layout` takes them.
KEYED = "qpos=session/left/q+session/left/grip,action=session/cmd"


def openpi(folder):
    """LeRobot v2.1 with the names that openpi's converters write."""
    makers.lerobot_v2(folder)
    info = folder / "meta" / "info.json"
    renamed = info.read_text().replace('"observation.state"', '"state"').replace('"action"', '"actions"')
    info.write_text(renamed)
    for file in folder.glob("data/*/*.parquet"):
        table = pq.read_table(file)
        names = {"observation.state": "state", "action": "actions"}
        pq.write_table(table.rename_columns([names.get(name, name) for name in table.column_names]), file)
    return folder


def robomimic_arm(folder):
    """robomimic of a robot without a profile: the fingers of the truth are in no robot's metres."""
    return makers.robomimic(folder, robots=("Arm",))


def rtde(folder):
    """What record.py of UR's RTDE client writes: cells parted by blanks, columns by number."""
    folder.mkdir(parents=True)
    for number in range(2):
        qpos, action = truth(number)
        head = ["timestamp", *(f"actual_q_{i}" for i in range(3)), *(f"target_q_{i}" for i in range(3))]
        rows = np.column_stack([100_000 + np.arange(len(qpos)) * 0.05, qpos, action])
        lines = [" ".join(head), *(" ".join(map(repr, row.tolist())) for row in rows)]
        (folder / f"robot_data_{number}.csv").write_text("\n".join(lines) + "\n")
    return folder


def two_hands(folder):
    """AgiBot: two arms of one joint, two hands of one finger, the right one still in step with the left."""
    recorded.agibot(folder)
    for number, file in enumerate(sorted(folder.glob("*/proprio_stats.h5"))):
        with h5py.File(file, "r+") as handle:
            for group, values in zip(("state", "action"), truth(number), strict=True):
                del handle[f"{group}/joint"], handle[f"{group}/effector"]
                handle[f"{group}/joint/position"] = values[:, [0, 1] * 7]
                handle[f"{group}/effector/position"] = values[:, [2, 2]]
    return folder


def folder_an_episode(folder):
    """A file of one name in a folder an episode, in a layout that has one file an episode."""
    for number in range(2):
        qpos, action = truth(number)
        (folder / f"episode_{number:04d}").mkdir(parents=True)
        with h5py.File(folder / f"episode_{number:04d}" / "robot.h5", "w") as handle:
            handle["qpos"], handle["action"] = qpos, action
    return folder


def keyed(folder):
    """Names of nobody: `KEYED` says which they are."""
    folder.mkdir(parents=True)
    for number in range(2):
        qpos, action = truth(number)
        with h5py.File(folder / f"take_{number}.h5", "w") as handle:
            handle["session/left/q"], handle["session/left/grip"] = qpos[:, :2], qpos[:, 2:]
            handle["session/cmd"] = action
    return folder


def many_in_one_table(folder):
    """All episodes in one table, with a column that numbers them."""
    folder.mkdir(parents=True)
    lines = ["episode,step,shoulder,elbow,gripper,action_shoulder,action_elbow,action_gripper"]
    for number in range(2):
        for step, (row, wished) in enumerate(zip(*truth(number), strict=True)):
            lines.append(",".join(map(repr, [number, step, *row.tolist(), *wished.tolist()])))
    (folder / "demos.csv").write_text("\n".join(lines) + "\n")
    return folder


def terminals(folder):
    """One archive of D4RL's names: a mark at the last row of each episode."""
    folder.mkdir(parents=True)
    qpos, action = (np.concatenate(parts) for parts in zip(*(tuple(truth(n)) for n in range(2)), strict=True))
    marks = np.zeros(len(qpos), bool)
    marks[np.cumsum(LENGTHS) - 1] = True
    np.savez(folder / "dataset.npz", qpos=qpos, actions=action, terminals=marks)
    return folder


def lone_parquet(folder):
    """One parquet with all episodes, without metadata."""
    folder.mkdir(parents=True)
    tables = []
    for number in range(2):
        qpos, action = truth(number)
        columns = {"qpos": qpos.tolist(), "action": action.tolist(), "episode_index": [number] * len(qpos)}
        tables.append(pa.table(columns))
    pq.write_table(pa.concat_tables(tables), folder / "train.parquet")
    return folder


# Maker → the layout that it is read as, and the `--layout` that it needs.
VARIANTS = {
    robomimic_arm: ("robomimic", None),
    openpi: ("lerobot", None),
    rtde: ("csv", None),
    two_hands: ("agibot", None),
    folder_an_episode: ("native", None),
    keyed: ("keyed", KEYED),
    many_in_one_table: ("csv", None),
    terminals: ("npz", None),
    lone_parquet: ("lerobot_v1", None),
}
