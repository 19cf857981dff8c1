"""Gaps in clocks: seen in json too, and nothing is interpolated across one."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from ate.cli.main import cli
from ate.data import load
from ate.data.doctor import examine
from ate.data.rate import at_rate
from tests.conftest import write_episode

RATE, ROWS, AT = 20.0, 60, 31


def line(seconds):
    """Joints that go on with time."""
    return np.column_stack([0.4 * seconds - 1, 0.3 * seconds]).astype(np.float32)


def stamps(gap=0.6, rows=ROWS):
    seconds = np.arange(rows) / RATE
    seconds[AT:] += gap
    return seconds


def native(folder, seconds, episodes=3):
    for number in range(episodes):
        write_episode(folder, number, line(seconds), time=seconds, rate_hz=RATE, action=line(seconds + 0.1))
    return folder


@pytest.mark.parametrize("form", ["columns", "steps", "table"])
@pytest.mark.parametrize(("name", "scale"), [("timestamp", 1.0), ("time_ms", 1e3)])
def test_a_gap_in_the_clock_of_json_is_named(form, name, scale, tmp_path):
    seconds = stamps()
    for number in range(3):
        rows, clock = line(seconds).tolist(), (seconds * scale).tolist()
        if form == "columns":
            value = {"qpos": rows, name: clock}
        elif form == "steps":
            value = [{"qpos": row, name: stamp} for row, stamp in zip(rows, clock, strict=True)]
        else:
            value = [{"elbow": row[0], "wrist": row[1], name: t} for row, t in zip(rows, clock, strict=True)]
        (tmp_path / f"e{number}.json").write_text(json.dumps(value))
    report = examine(tmp_path)
    (gap,) = [finding for finding in report.findings if finding.code == "rates.gap"]
    assert f"between rows {AT - 1} and {AT}" in gap.got and len(gap.episodes) == 3
    assert load(tmp_path).rate_hz == pytest.approx(RATE)
    assert not any(name in key for entry in report.ledger.entries for key in entry.keys.ignored)


def test_a_json_rate_is_compared_with_its_clock(tmp_path):
    for number in range(3):
        seconds = np.arange(ROWS) / 50
        value = {"qpos": line(seconds).tolist(), "timestamp": seconds.tolist(), "rate_hz": 30}
        (tmp_path / f"e{number}.json").write_text(json.dumps(value))
    assert "rates.timestamps" in {finding.code for finding in examine(tmp_path).findings if finding.level == "FAIL"}


def test_an_episode_is_cut_at_a_gap_before_its_rate_is_changed(tmp_path):
    seconds = stamps()
    folder = native(tmp_path / "set", seconds)
    done = CliRunner().invoke(cli, ["convert", str(folder), str(tmp_path / "out"), "--rate", "40"])
    assert done.exit_code == 0 and "episode_0000 was cut" in done.output
    made = load(tmp_path / "out")
    assert list(made.lengths) == 3 * [2 * AT - 1, 2 * (ROWS - AT) - 1]
    # Both parts lie on the line, each from its own start: no row is between the two.
    for part, start in ((made[0], 0.0), (made[1], seconds[AT])):
        np.testing.assert_allclose(part.qpos, line(start + np.arange(len(part)) / 40), atol=1e-5)
    assert examine(tmp_path / "out").of("rates")[0].level == "PASS"


def test_a_second_take_is_an_episode_of_its_own(tmp_path):
    seconds = stamps(gap=-1.0)
    assert list(at_rate(load(native(tmp_path, seconds, 1)), 10).lengths) == [16, 15]


def test_rows_that_come_when_they_come_are_taken_at_their_times(tmp_path):
    random = np.random.default_rng(0)
    seconds = np.concatenate([[0], np.cumsum(np.where(random.random(99) < 0.2, 0.4, 0.05))])
    made = at_rate(load(native(tmp_path, seconds, 1)), 10)
    np.testing.assert_allclose(made[0].qpos, line(np.arange(len(made[0])) / 10), atol=1e-5)
    assert len(made) == 1 and (len(made[0]) - 1) / 10 == pytest.approx(seconds[-1], abs=0.1)


def test_a_steady_clock_changes_nothing(tmp_path):
    seconds = np.arange(ROWS) / RATE
    timed, bare = native(tmp_path / "timed", seconds, 1), tmp_path / "bare"
    write_episode(bare, 0, line(seconds), rate_hz=RATE)
    assert np.array_equal(at_rate(load(timed), 15)[0].qpos, at_rate(load(bare), 15)[0].qpos)
