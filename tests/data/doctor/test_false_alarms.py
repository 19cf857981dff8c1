"""Clean sets of many kinds: nothing fails, and no warning comes that is not right about the kind."""

import numpy as np
import pytest

from ate.data.doctor import examine
from ate.data.doctor.finding import FAIL, WARN
from tests.data.doctor.clean_commands import closing_command, fingers
from tests.data.doctor.clean_kinds import KINDS, Kind, write
from tests.data.doctor.demonstration import UR5E
from tests.data.doctor.planted import copy, two_arms


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.slow
def test_no_false_alarm(name, tmp_path):
    findings = examine(write(tmp_path / "set", KINDS[name])).findings
    assert [(f.code, f.subject, f.got) for f in findings if f.level == FAIL] == []
    assert {f.code for f in findings if f.level == WARN} <= KINDS[name].warns


def _found(path, level, code, **options):
    return {f.subject for f in examine(path, **options).findings if (f.level, f.code) == (level, code)}


def _padded(columns):
    def fault(index, arrays, attributes):
        for series in ("qpos", "action"):
            arrays[series][:, columns] = 0

    return fault


def test_padding_that_commands_hold_as_well_fails(tmp_path):
    """Zeros in both series: a joint that was not recorded, or a whole arm."""
    path = copy(UR5E, tmp_path / "joint", _padded([5]), episodes=8)
    assert _found(path, FAIL, "constants.padded", robot="ur5e") == {"wrist_3_joint"}
    whole = two_arms(tmp_path / "arm", UR5E, UR5E, _padded(list(range(7))), episodes=8)
    assert len(_found(whole, WARN, "constants.padded")) == 7


def test_commands_in_the_series_that_is_trained_on_fail(tmp_path):
    data = write(tmp_path / "set", Kind(closing_command, source="action"))
    assert _found(data, FAIL, "relation.opposite") == {"gripper"}


def test_zeros_in_targets_of_another_width_fail(tmp_path):
    """Two fingers are measured and one opening is commanded: the arm's commands are targets all the same."""

    def fault(d):
        fingers(d)
        d.action[9:11] = 0

    assert _found(write(tmp_path / "set", Kind(fault)), FAIL, "values.zeros_middle") == {"action"}


@pytest.mark.slow
def test_a_switch_is_no_angle(tmp_path):
    """Commands that are −3 or 3, of a hand (Fourier GR1), do not wrap; a joint that hums at π does."""

    def switch(index, arrays, attributes):
        arrays["action"][:, 6] = np.where(np.arange(len(arrays["action"])) % 20 < 12, -3, 3)

    def hums(index, arrays, attributes):
        noise = np.random.default_rng(index).normal(np.pi, 2e-3, (len(arrays["qpos"]), 1))
        arrays["qpos"][:, 5:6] = arrays["action"][:, 5:6] = (noise + np.pi) % (2 * np.pi) - np.pi

    def renamed(index, arrays, attributes):
        switch(index, arrays, attributes)
        attributes["joint_names"] = [f"joint_{name}" for name in "abcdef"] + ["toe"]

    assert _found(copy(UR5E, tmp_path / "switch", renamed, episodes=8), FAIL, "motion.action_wraps") == set()
    assert _found(copy(UR5E, tmp_path / "hums", hums, episodes=8), FAIL, "motion.wraps") == {"wrist_3_joint"}
