"""A made-up set with its made-up report, for what shows reports; nothing here is evidence of anything."""

from pathlib import Path

import numpy as np

from ate.data.doctor.dataset_report import DatasetReport
from ate.data.doctor.finding import FAIL, PASS, WARN, Finding
from ate.data.doctor.report import Report, Triage
from ate.data.ledger import Ledger
from ate.data.loading import DataSet
from tests.conftest import write_episode
from tests.viz.samples import triages

NAMES = ("shoulder_pan_joint", "elbow_joint", "gripper")


def report(rows: tuple[Triage, ...], path: str = "/x") -> Report:
    """A report with one finding a level."""
    findings = (
        Finding(FAIL, "units", "elbow_joint", "from −90 to 90", "within −3.14 to 3.14 rad", "declare degrees <b>"),
        Finding(WARN, "outliers", "episode_0000", "length: +20"),
        Finding(PASS, "files", "all files", "every episode could be opened"),
    )
    return Report(path, "ur5e", "qpos", NAMES, findings, rows, Ledger())


def examined(folder: Path, count: int = 5, exclude: tuple[str, ...] = (), prefix: str = "") -> DatasetReport:
    """A set on disk, of joints of a UR5e, its second file empty, with a report that was not made from it."""
    time = np.linspace(0, 1, 30)[:, None]
    for i in range(count):
        write_episode(folder, i, np.hstack([time + i, 2 * time, time < 0.5]), robot="ur5e", joint_names=list(NAMES))
    (folder / "episode_0001.hdf5").write_bytes(b"")
    whole = DataSet(str(folder)).survey()
    left = {name.removesuffix(".hdf5") for name in exclude}
    rows = tuple(row for row in triages(count, odd=1, unusable=1) if row.episode not in left)
    return DatasetReport(
        "ur5e", prefix, DataSet(str(folder), exclude=exclude), report(rows), whole.episodes, whole.broken
    )
