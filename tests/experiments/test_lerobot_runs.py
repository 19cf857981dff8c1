"""Runs of lerobot read back: settings, meter, evaluation, and what they say together."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from ate.cli.lerobot import lerobot
from ate.errors import InputError
from ate.experiments.lerobot_runs import read, successes


def write(folder, lam, seed, success, form="per_task"):
    checkpoint = folder / "checkpoints" / "000020" / "pretrained_model"
    checkpoint.mkdir(parents=True)
    policy = {"type": "ate_diffusion", "prediction_type": "sample", "lam": lam or None}
    (checkpoint / "train_config.json").write_text(json.dumps({"seed": seed, "steps": 20, "policy": policy}))
    if lam:
        rows = [{"t_low": 0.0, "t_high": 0.1, "ratio": 0.2, "clamped": 0.0}]
        (checkpoint / "guidance.json").write_text(json.dumps({"lam": lam, "steps": 20, "rows": rows}))
    hits = [bool(hit) for hit in success]
    halves = [{"task_group": "sim", "task_id": i, "metrics": {"successes": half}} for i, half in
              enumerate((hits[:3], hits[3:]))]  # fmt: skip
    trees = {
        "per_task": {"per_task": halves, "overall": {"n_episodes": len(hits)}},
        "per_episode": {"per_episode": [{"success": hit} for hit in hits], "aggregated": {}},
    }
    (folder / "eval_info.json").write_text(json.dumps(trees[form]))
    return folder


@pytest.mark.parametrize("form", ["per_task", "per_episode"])
def test_a_run_is_a_result(form, tmp_path):
    result = read(write(tmp_path, 0.3, 4, [1, 0, 0, 1, 1], form))
    assert (result.method, result.seed, result.steps, result.lam) == ("λ = 0.3", 4, 20, 0.3)
    assert result.success == (True, False, False, True, True) and len(result.meter) == 1
    assert result.parameterization == "sample"


@pytest.mark.parametrize("version", ["0.4.4", "0.6.1"])
def test_the_evaluation_that_lerobot_wrote_is_read(version):
    """Two tasks of five episodes from seed 40 on, written as tests/lerobot/test_evaluation.py does."""
    file = Path(__file__).parent / "evaluations" / f"lerobot-{version}.json"
    hits = successes(file)
    assert hits == tuple(seed % every == 0 for every in (2, 3) for seed in range(40, 45))
    assert json.loads(file.read_text())["overall"]["pc_success"] == pytest.approx(100 * np.mean(hits))


def test_a_grid_is_compared_with_the_runs_without_guidance(tmp_path):
    rng = np.random.default_rng(0)
    runs = [
        write(tmp_path / f"{lam}-{seed}", lam, seed, rng.random(40) < 0.3 + 0.6 * (lam == 1))
        for lam in (0, 0.3, 1)
        for seed in (1, 2)
    ]
    text = CliRunner().invoke(lerobot, list(map(str, runs))).output
    assert text.count("of 80") == 3 and "against direct" in text and "interval" in text
    alone = CliRunner().invoke(lerobot, list(map(str, runs[2:4]))).output
    assert "nothing to compare with" in alone


def test_what_is_no_run_is_refused(tmp_path):
    with pytest.raises(InputError, match="train_config"):
        read(tmp_path)
    run = write(tmp_path / "run", 0, 1, [1, 0])
    (run / "eval_info.json").rename(tmp_path / "kept.json")
    with pytest.raises(InputError, match="0 evaluations"):
        read(run)
    unsaid = {"task_group": "sim", "task_id": 0, "metrics": {"pc_success": 50.0}}
    for tree in ({"overall": {"pc_success": 50.0}}, {"per_task": [unsaid]}, {"per_episode": 3}, [0.5]):
        (tmp_path / "kept.json").write_text(json.dumps(tree))
        with pytest.raises(InputError, match="success of each episode"):
            successes(tmp_path / "kept.json")
