"""Statistics of checkpoints in the formats of openpi and lerobot, against recordings with planted misfits."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from safetensors.numpy import save_file

from ate.cli.doctor import doctor
from ate.data import load
from ate.data.statistics import Statistics
from ate.diagnose import check_statistics
from ate.errors import InputError
from ate.experiments.settings import SHIPPED
from tests.diagnose.faults import changed, degrees, swapped

LIFT = SHIPPED / "lift" / "adapt" / "ur5e"


@pytest.fixture(scope="module")
def ur5e():
    return load(LIFT).select(range(8))


def of(rows):
    """Every statistic of rows `(n, columns)`."""
    low, high = np.quantile(rows, [0.01, 0.99], axis=0)
    known = {"mean": rows.mean(0), "std": rows.std(0), "min": rows.min(0), "max": rows.max(0), "q01": low, "q99": high}
    return {name: values.astype(float).tolist() for name, values in known.items()}


def stacked(episodes, name):
    return np.concatenate([item.read(name) for item in episodes]).astype(np.float64)


def relative(episodes, horizon=16):
    """openpi's chunks minus the observed joints, the gripper as it is."""
    parts = []
    for item in episodes:
        action, qpos = item.read("action").astype(float), item.read("qpos").astype(float)
        steps = np.minimum(np.arange(len(qpos))[:, None] + np.arange(horizon), len(qpos) - 1)
        chunk = action[steps] - qpos[:, None] * ([1] * 6 + [0])
        parts.append(chunk.reshape(-1, qpos.shape[1]))
    return np.concatenate(parts)


@pytest.fixture
def openpi(ur5e, tmp_path):
    """As openpi writes it, padded to the width of its model."""

    def write(qpos=None, actions=None):
        entries = {"state": of(stacked(ur5e, "qpos") if qpos is None else qpos)}
        entries["actions"] = of(relative(ur5e) if actions is None else actions)
        for entry in entries.values():
            for name in ("min", "max"):
                del entry[name]
            for name in entry:
                entry[name] += [0.0] * 25
        file = tmp_path / "norm_stats.json"
        file.write_text(json.dumps({"norm_stats": entries}))
        return file

    return write


def test_statistics_of_the_same_recordings_fit(ur5e, openpi):
    fit = check_statistics(Statistics.read(openpi()), ur5e)
    assert fit.level == "PASS" and fit.keep == "keep"
    assert fit.outside.keys() == {"qpos", "action"} and list(fit.outside["qpos"]) == list(ur5e.joint_names)
    # Quantiles leave two per cent outside, by what they are.
    if fit.method == "quantiles":
        assert all(share <= 0.021 for share in fit.outside["qpos"].values())
    assert any("action minus qpos" in finding.subject for finding in fit.findings)


@pytest.mark.parametrize(
    ("change", "code", "joints"),
    [
        (degrees, "statistics.degrees", {0, 1, 2, 3, 4, 5}),
        (swapped, "statistics.joint_order", {1, 2}),
    ],
)
def test_a_planted_misfit_is_named_by_joint(ur5e, openpi, change, code, joints):
    wrong = changed(ur5e, qpos=change)
    fit = check_statistics(Statistics.read(openpi()), wrong)
    found = {item.joint for item in fit.findings if item.code == code and item.subject.endswith("qpos")}
    assert found and found <= {ur5e.joint_names[j] for j in joints}
    assert fit.level == "FAIL" and fit.keep == "mend"


def test_another_place_asks_for_own_statistics(ur5e, openpi):
    rows = stacked(ur5e, "qpos")
    moved = rows + np.array([4 * np.ptp(rows[:, 0]), *[0] * 6])
    file = openpi(qpos=moved)
    fit = check_statistics(Statistics.read(file), ur5e)
    assert [item.joint for item in fit.findings if item.code == "statistics.range"] == [ur5e.joint_names[0]]
    assert fit.keep == "own" and fit.outside["qpos"][ur5e.joint_names[0]] == 1.0


def test_a_joint_that_was_still_in_training_is_named(ur5e, openpi):
    rows = stacked(ur5e, "qpos")
    rows[:, 3] = rows[0, 3]
    fit = check_statistics(Statistics.read(openpi(qpos=rows)), ur5e)
    assert [item.joint for item in fit.findings if item.code == "statistics.constant"] == [ur5e.joint_names[3]]


@pytest.fixture
def lerobot(ur5e, tmp_path):
    """As lerobot's processor saves it: a file of tensors beside the pipeline that says how they are used."""
    flat = {}
    for key, name in (("observation.state", "qpos"), ("action", "action")):
        flat |= {f"{key}.{word}": np.float32(values) for word, values in of(stacked(ur5e, name)).items()}
    save_file(flat, tmp_path / "policy_preprocessor_step_3_normalizer_processor.safetensors")
    modes = {"STATE": "MIN_MAX", "ACTION": "MIN_MAX", "VISUAL": "IDENTITY"}
    steps = [{"registry_name": "normalizer_processor", "config": {"eps": 1e-8, "norm_map": modes}}]
    (tmp_path / "policy_preprocessor.json").write_text(json.dumps({"name": "policy_preprocessor", "steps": steps}))
    return tmp_path


def test_a_checkpoint_of_lerobot_says_how_it_normalises(ur5e, lerobot):
    fit = check_statistics(Statistics.read(lerobot), ur5e)
    assert fit.method == "minimum and maximum" and fit.level == "PASS"
    assert max(fit.outside["qpos"].values()) < 1e-3
    wrong = check_statistics(Statistics.read(lerobot), changed(ur5e, qpos=degrees))
    assert wrong.keep == "mend" and "statistics.degrees" in {item.code for item in wrong.findings}


def test_columns_of_a_lerobot_set_are_matched_by_name(ur5e, tmp_path):
    order = [6, 0, 1, 2, 3, 4, 5]
    names = [ur5e.joint_names[j] for j in order]
    (tmp_path / "meta").mkdir()
    stats = {"observation.state": of(stacked(ur5e, "qpos")[:, order]), "observation.images.top": {"mean": [[[0.5]]]}}
    (tmp_path / "meta" / "stats.json").write_text(json.dumps(stats))
    info = {"features": {"observation.state": {"names": names}}}
    (tmp_path / "meta" / "info.json").write_text(json.dumps(info))
    assert check_statistics(Statistics.read(tmp_path), ur5e).level == "PASS"
    (tmp_path / "meta" / "info.json").unlink()
    assert check_statistics(Statistics.read(tmp_path), ur5e).level == "FAIL"


def test_what_is_no_statistics_is_refused(ur5e, tmp_path, openpi):
    (tmp_path / "config.json").write_text('{"horizon": 16}')
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "uneven.json").write_text('{"norm_stats": {"state": {"mean": [1, 2], "std": [1]}}}')
    (tmp_path / "broken.safetensors").write_bytes(b"no")
    for name in ("config.json", "broken.json", "uneven.json", "broken.safetensors", "missing"):
        with pytest.raises(InputError):
            Statistics.read(tmp_path / name)
    with pytest.raises(InputError, match="looked for"):
        (tmp_path / "empty").mkdir()
        Statistics.read(tmp_path / "empty")
    narrow = json.loads(openpi().read_text())
    narrow["norm_stats"]["state"] = {"mean": [0.0, 1.0], "std": [1.0, 1.0]}
    narrow["norm_stats"].pop("actions")
    (tmp_path / "narrow.json").write_text(json.dumps(narrow))
    with pytest.raises(InputError, match="2 columns of qpos"):
        check_statistics(Statistics.read(tmp_path / "narrow.json"), ur5e)


@pytest.mark.slow
def test_the_doctor_takes_a_checkpoint(ur5e, openpi):
    rows = np.rad2deg(stacked(ur5e, "qpos"))
    result = CliRunner().invoke(doctor, [str(LIFT), "--statistics", str(openpi(qpos=rows))])
    assert result.exit_code == 1 and "mend the recordings" in " ".join(result.output.split())
