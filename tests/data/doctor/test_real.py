"""Real recordings: the report finds what their SOURCE.json calls dirty, as far as the values show it."""

from collections.abc import Callable

import pytest

from ate.data.doctor import Report, examine
from ate.data.doctor.finding import FAIL, PASS, WARN, Finding
from tests.conftest import REAL


@pytest.fixture
def real() -> Callable[[str], Report]:
    return lambda name: examine(REAL / name / "hdf5")


def _wrong(report: Report, check: str) -> list[Finding]:
    return [finding for finding in report.of(check) if finding.level != PASS]


def test_baxter(real: Callable[[str], Report]) -> None:
    """Widths 14 and 18, repeated rows of 1.9 %, episodes of 18 s at 100 Hz."""
    report = real("robosuite_baxter")
    widths = _wrong(report, "widths")
    assert [finding.subject for finding in widths] == ["episode_0002", "episode_0003"]
    assert all(f.level == FAIL and "14 columns" in f.got and "18" in f.expected for f in widths)
    (repeated,) = _wrong(report, "duplicate frames")
    assert "1.9 %" in repeated.got
    assert repeated.episodes == ("episode_0000",)
    assert _wrong(report, "chunks")[0].code == "chunks.horizon_short"
    # The files themselves say how often their clock ran backwards.
    assert any(f.code == "rates.clock" and "episode_0000: 68" in f.got for f in _wrong(report, "rates"))


def test_panda(real: Callable[[str], Report]) -> None:
    """Widths 7 and 9, end-effector commands beside joints, several tasks."""
    report = real("robosuite_panda")
    (width,) = _wrong(report, "widths")
    assert width.subject == "episode_0005"
    assert "7 columns" in width.got
    (relation,) = _wrong(report, "relation")
    assert "9 columns" in relation.got
    assert "7" in relation.got
    assert _wrong(report, "labels")[0].code == "labels.task"


def test_sawyer(real: Callable[[str], Report]) -> None:
    """Very long episodes; commands are speeds; two rates by their median time steps."""
    report = real("robosuite_sawyer")
    assert _wrong(report, "chunks")[0].code == "chunks.horizon_short"
    assert "episode_0004" in _wrong(report, "chunks")[0].got
    assert "speeds" in _wrong(report, "relation")[0].got
    assert _wrong(report, "rates")[0].episodes == ("episode_0001", "episode_0006", "episode_0007")


def test_adroit(real: Callable[[str], Report]) -> None:
    """27 joints beside 28 actions that exceed [−1, 1]; no rate in the files."""
    report = real("adroit_door_human")
    (relation,) = _wrong(report, "relation")
    assert "27 columns" in relation.got
    assert "28" in relation.got
    assert "beyond [−1, 1]" in relation.got
    assert _wrong(report, "rates")[0].code == "rates.unknown"


def test_gr1(real: Callable[[str], Report]) -> None:
    """18 of 44 columns constant, 5 nearly so, hands commanded on another scale than they are measured."""
    report = real("gr1_lerobot_v20")
    constant = {f.joint for f in _wrong(report, "constants") if f.code == "constants.padded"}
    assert constant == {f"joint_{i}" for i in (*range(13, 22), *range(35, 44))}
    near = {f.joint for f in _wrong(report, "constants") if f.code == "constants.near"}
    assert near == {f"joint_{i}" for i in range(7, 12)}
    scale = {f.joint for f in _wrong(report, "relation") if f.level == WARN}
    assert {f"joint_{i}" for i in range(29, 34)} <= scale
    # The arms themselves follow their commands.
    assert not scale & {f"joint_{i}" for i in range(22, 29)}
