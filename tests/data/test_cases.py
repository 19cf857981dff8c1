"""Inputs that people have met, as `ate doctor` reports them: findings by code, what the ledger says, and ways out.

The inputs are bent copies of the project's own demonstrations, or were made from a layout's documentation.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from ate.data import DataSet, Episodes, excludes
from ate.data.doctor import examine
from ate.data.doctor.finding import FAIL, WARN, Finding
from ate.data.doctor.report import Report
from ate.data.space import spaces
from tests.conftest import write_episode
from tests.data.doctor.planted import DATA

CASES = Path(__file__).parents[1] / "cases"
# Findings of the small sets themselves: three seconds of one motion, no rate in some files.
ORDINARY = {
    "constants.near", "rates.unknown", "lag.none", "gripper.metres", "gripper.angle", "gripper.starts_closed",
    "relation.widths", "relation.scale", "motion.clipped", "chunks.long_horizon",
}  # fmt: skip


@dataclass(frozen=True)
class Case:
    """What is right.

    Attributes:
        path: below the case's folder.
        robot: profile that is named.
        fails: codes and subjects that fail; nothing else does.
        warns: codes that warn, besides ordinary ones.
        ledger: pieces of what the ledger says.
        episodes: how many are kept.
        columns: how many there are.
    """

    path: str = ""
    robot: str = ""
    fails: frozenset[tuple[str, str]] = frozenset()
    warns: frozenset[str] = frozenset()
    ledger: tuple[str, ...] = ()
    episodes: int = 8
    columns: int = 8


def fails(*codes: tuple[str, str]) -> frozenset[tuple[str, str]]:
    return frozenset(codes)


TABLE = {
    "ros_column_order": Case("ur5e_ros", columns=7, ledger=("columns by name: read as shoulder_pan_joint",)),
    "panda_ros_order": Case(ledger=("columns by name: read as panda_joint1",)),
    "csv_episode_column": Case(
        columns=7, warns=frozenset({"names.missing"}),
        ledger=("episode (number of an episode)", "step (number of a step)", "8 episodes came in"),
    ),
    "csv_velocities_efforts_commands": Case(
        columns=6, episodes=4,
        ledger=("qd_elbow_joint (velocity)", "effort_elbow_joint (force or current)", "keys found: cmd_elbow_joint"),
    ),
    "csv_blank_separated": Case(columns=6, episodes=2, ledger=("actual_q_0", "target_q_5")),
    "gen3_wraps_at_pi": Case(fails=fails(("motion.wraps", "joint_1"))),
    "gen3_whole_turn_off": Case(
        robot="gen3",
        fails=fails(("units.turn", "joint_4"), ("units.turn", "joint_6"), ("motion.turns_apart", "joint_1"),
                    ("motion.turns_apart", "joint_5")),
    ),
    "libero_euler_at_pi": Case(
        fails=fails(("motion.wraps", "roll"), ("motion.wraps", "yaw")), warns=frozenset({"names.pose"})
    ),
    "zero_action_head": Case(fails=fails(("values.zeros_head", "action"))),
    "zero_rows": Case(fails=fails(("values.zeros_middle", "qpos"))),
    "zero_rows_60": Case(fails=fails(("values.zeros_middle", "qpos"))),
    "zero_tail": Case(robot="panda", fails=fails(("values.zeros_tail", "qpos, action"))),
    "lerobot_nested_names": Case(),
    "lerobot_two_grippers": Case(warns=frozenset({"names.pose", "names.twice"})),
    "profile_knows_nothing": Case(
        robot="panda", columns=6, episodes=3, fails=fails(("names.other_robot", "all joints"))
    ),
    "npz_terminals": Case(episodes=6, warns=frozenset({"names.missing"}), ledger=("6 episodes came in", "terminals")),
    "lerobot_files_not_listed": Case(
        episodes=5, warns=frozenset({"files.unlisted"}),
        ledger=("3 files not listed", "episode_000005.parquet", "episode_000006.parquet", "episode_000007.parquet"),
    ),
    "exclude_list_by_hand": Case("set"),
    "lerobot_empty_episode": Case(
        episodes=7, fails=fails(("files.unreadable", "episode_000003")), ledger=("exclude episode_000003",)
    ),
    "rdt_task_folders": Case(episodes=12, columns=14, ledger=("12 episodes came in, 12 kept",)),
    "v3_stale_boundary": Case(
        warns=frozenset({"files.listed_elsewhere"}), ledger=("episode_000004 is listed in data/chunk-000/file-000",)
    ),
    "robomimic_masks": Case(
        episodes=6, columns=9, ledger=("mask/train (5), mask/valid (3)", "demo_3, demo_4 in both", "not used")
    ),
}  # fmt: skip


def data(name: str) -> DataSet:
    case = TABLE[name]
    return DataSet(str(CASES / name / case.path), robot=case.robot)


def failed(report: Report) -> set[tuple[str, str]]:
    return {(f.code, f.subject) for f in report.findings if f.level == FAIL}


@pytest.mark.parametrize("name", TABLE)
def test_what_is_right(name: str) -> None:
    case, report = TABLE[name], examine(data(name), robot=TABLE[name].robot)
    kept = [entry for entry in report.ledger.entries if entry.kept]
    assert (len(kept), len(report.joint_names)) == (case.episodes, case.columns)
    assert failed(report) == case.fails
    assert {f.code for f in report.findings if f.level == WARN} - ORDINARY == case.warns
    lines = " ".join(report.ledger.lines())
    assert [piece for piece in case.ledger if piece not in lines] == []
    assert report.counts()[FAIL] == len([row for row in report.rows() if row["level"] == FAIL])


@pytest.mark.parametrize("name", [name for name, case in TABLE.items() if case.fails])
@pytest.mark.slow
def test_ways_out_lead_out(name: str, tmp_path: Path) -> None:
    """What the fixes advise is done, to the command or to a copy of the set, until nothing fails: twice at most."""
    chosen, robot = data(name), TABLE[name].robot
    for step in range(3):
        findings = [f for f in examine(chosen, robot=robot).findings if f.level == FAIL]
        if not findings:
            return
        fixes = [f.fix for f in findings]
        robot = next((m[1] for fix in fixes if (m := re.search(r"--robot (\w+)", fix))), robot)
        left_out = tuple(m[1] for fix in fixes for m in re.finditer(r"^exclude (episode_\d+)", fix))
        chosen = DataSet(chosen.path, robot=robot, exclude=(*chosen.exclude, *left_out))
        if not left_out and robot == TABLE[name].robot:
            chosen = DataSet(str(mended(chosen.load(), findings, tmp_path / str(step))), robot=robot)
    assert failed(examine(chosen, robot=robot)) == set()


def mended(episodes: Episodes, findings: list[Finding], folder: Path) -> Path:
    """A copy of a set, changed as the findings advise."""
    arm = [j for j, joint in enumerate(episodes.joint_names) if "gripper" not in joint]
    for index, item in enumerate(episodes):
        whole = {name: np.array(item.read(name)) for name in ("qpos", "action") if item.has(name)}
        arrays = {name: rows for name, rows in whole.items() if rows.shape == whole["qpos"].shape}
        for finding in findings:
            if not finding.episodes or item.name in finding.episodes:
                arrays = {name: _changed(rows, finding, episodes.joint_names) for name, rows in arrays.items()}
        lost = np.any([(rows[:, arm] == 0).all(axis=1) for rows in arrays.values()], axis=0)
        arrays = {name: _without(rows, lost, findings) for name, rows in arrays.items()}
        qpos = arrays.pop("qpos")
        write_episode(folder, index, qpos, **arrays, joint_names=list(episodes.joint_names), rate_hz=episodes.rate_hz)
    return folder


def _changed(rows: np.ndarray, finding: Finding, names: tuple[str, ...]) -> np.ndarray:
    turns = -2 * np.pi if finding.fix.startswith("subtract 2π") else 2 * np.pi
    if finding.code == "motion.wraps":
        rows[:, names.index(finding.joint)] = np.unwrap(rows[:, names.index(finding.joint)])
    elif finding.code in ("motion.turns_apart", "units.turn"):
        rows[:, names.index(finding.joint)] += turns
    return rows


def _without(rows: np.ndarray, lost: np.ndarray, findings: list[Finding]) -> np.ndarray:
    codes = {finding.code for finding in findings}
    if codes & {"values.zeros_head", "values.zeros_tail"}:
        return rows[~lost]
    if "values.zeros_middle" in codes:
        kept = np.flatnonzero(~lost)
        columns = [np.interp(np.arange(len(rows)), kept, rows[kept, j]) for j in range(rows.shape[1])]
        return np.stack(columns, axis=1).astype(np.float32)
    return rows


@pytest.mark.parametrize(
    ("one", "other"),
    [(CASES / "ros_column_order/ur5e_usual", CASES / "ros_column_order/ur5e_ros"),
     (DATA / "lift/pretrain/panda", CASES / "panda_ros_order")],
)  # fmt: skip
@pytest.mark.slow
def test_ros_order_takes_the_usual_slots(one: Path, other: Path) -> None:
    a, b = (dict(zip(s.joint_names, s.embodiment.slots, strict=True)) for s in spaces([_set(one), _set(other)]))
    assert a == b and list(a.values()) == list(range(len(a)))
    assert failed(examine(other, against=one)) == set()


def _set(path: Path) -> Episodes:
    return DataSet(str(path)).load()


def test_a_list_by_hand_leaves_its_episodes_out() -> None:
    names = excludes.names(str(CASES / "exclude_list_by_hand/bad.txt"))
    report = examine(DataSet(str(CASES / "exclude_list_by_hand/set"), exclude=names))
    assert names and {entry.episode for entry in report.ledger.dropped} == set(names) and not failed(report)


def test_an_episode_in_the_wrong_file_is_excluded_alone() -> None:
    episodes = DataSet(str(CASES / "v3_stale_boundary"), exclude=("episode_000004",)).load()
    assert len(episodes) == 7
    whole = DataSet(str(CASES / "v3_stale_boundary")).load()
    assert all(np.isfinite(whole.series(i)).all() for i in range(8))


def test_a_mask_leaves_its_demonstrations_out() -> None:
    episodes = DataSet(str(CASES / "robomimic_masks"), exclude=("mask/valid",)).load()
    assert [item.name for item in episodes] == ["demo_0", "demo_1", "demo_2"]


def test_commands_pair_up_with_the_joints() -> None:
    episodes = DataSet(str(CASES / "csv_velocities_efforts_commands"), joints=("q_*",)).load()
    assert episodes[0].column_names("action") == episodes.joint_names and episodes.dof == 6
    assert np.abs(episodes[0].read("action") - episodes[0].qpos).max() < 0.5


def test_tasks_are_one_set_with_names_of_their_own() -> None:
    episodes = DataSet(str(CASES / "rdt_task_folders")).load()
    assert {item.name.partition("/")[0] for item in episodes} == {"close_glasses_box", "fold_towel"}
