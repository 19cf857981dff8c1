"""Sweeps of lerobot's trainer: the commands that are run, what is done once, what fails, what is refused.

A package of the name `lerobot` stands in for the real one, which `make lerobot` runs.
"""

import json
import os
import sys

import pytest
import yaml
from click.testing import CliRunner

from ate.cli.compare import sweep
from ate.errors import InputError
from ate.experiments.lerobot_job import RunFailed, check_environment
from ate.experiments.lerobot_runs import read
from ate.experiments.lerobot_sweep import LeRobotSweep, is_lerobot

STAND_IN = {
    "lerobot/scripts/lerobot_train.py": """
import json, pathlib, sys
given = dict(word[2:].split("=", 1) for word in sys.argv[1:])
lam = float(given.get("policy.lam", 0))
print("trains λ =", lam)
if lam == 9:
    sys.exit("CUDA out of memory")
out = pathlib.Path(given["output_dir"]) / "checkpoints" / given["steps"].zfill(6) / "pretrained_model"
out.mkdir(parents=True)
policy = {"type": given["policy.type"], "prediction_type": "sample", "given": given}
(out / "train_config.json").write_text(json.dumps({"seed": int(given["seed"]), "steps": int(given["steps"]),
                                                   "policy": policy}))
if lam:
    rows = [{"t_low": 0.0, "t_high": 0.1, "ratio": 0.2, "clamped": 0.0}]
    (out / "guidance.json").write_text(json.dumps({"lam": lam, "steps": 1, "rows": rows}))
""",
    "lerobot/scripts/lerobot_eval.py": """
import json, pathlib, sys
given = dict(word[2:].split("=", 1) for word in sys.argv[1:])
config = json.loads((pathlib.Path(given["policy.path"]) / "train_config.json").read_text())
count, guided = int(given["eval.n_episodes"]), (pathlib.Path(given["policy.path"]) / "guidance.json").exists()
hits = [(i + config["seed"]) % (2 if guided else 5) == 0 for i in range(count)]
task = {"task_group": "lift", "task_id": 0, "metrics": {"successes": hits}}
tree = {"per_task": [task], "overall": {"n_episodes": count}}
(pathlib.Path(given["output_dir"]) / "eval_info.json").write_text(json.dumps(tree))
""",
    "lerobot/configs/policies.py": """
class Config:
    alignment = ""
class PreTrainedConfig:
    @staticmethod
    def get_known_choices():
        return {"ate_diffusion": Config, "diffusion": object}
    @staticmethod
    def get_choice_class(name):
        return PreTrainedConfig.get_known_choices()[name]
""",
    "lerobot/utils/import_utils.py": "def register_third_party_plugins():\n    pass\n",
    "lerobot_policy_ate/__init__.py": "",
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with an alignment and a stand-in of lerobot that this interpreter finds."""
    site = tmp_path / "site"
    for name, text in STAND_IN.items():
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text(text, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(site), *sys.path]))
    (tmp_path / "alignment").mkdir()
    (tmp_path / "alignment" / "vae.safetensors").write_bytes(b"one")
    return tmp_path


def described(folder, **changes):
    """The file of a sweep."""
    fields = {
        "lerobot": sys.executable, "alignment": str(folder / "alignment"), "lams": [1], "seeds": 2,
        "train": {"policy.type": "ate_diffusion", "steps": 20, "policy.down_dims": [64, 128]},
        "evaluate": {"env.type": "pusht", "eval.n_episodes": 10},
    }  # fmt: skip
    file = folder / "sweep.yaml"
    file.write_text(yaml.safe_dump({**fields, **changes}), encoding="utf-8")
    return file


def asked(folder, *options, **changes):
    words = [str(described(folder, **changes)), "--run", str(folder / "runs"), *options]
    return CliRunner().invoke(sweep, words)


def starts(folder):
    """How often the trainer was started, by run."""
    return {file.stem: file.read_text().count("trains") for file in (folder / "runs").glob("lam-*.log")}


@pytest.mark.slow
def test_every_run_is_trained_and_evaluated_once(folder):
    ended = asked(folder)
    assert ended.exit_code == 0, ended.output
    assert "20 of 20" not in ended.output and ended.output.count("of 20") == 2 and "against direct" in ended.output
    assert starts(folder) == {f"lam-{lam}-seed-{seed}": 1 for lam in (0, 1) for seed in (0, 1)}
    result = read(folder / "runs" / "lam-1-seed-1")
    assert result.lam == 1 and result.seed == 1 and len(result.success) == 10
    given = json.loads(next((folder / "runs").rglob("lam-1-seed-1/**/train_config.json")).read_text())["policy"][
        "given"
    ]
    assert given["policy.alignment"].endswith("alignment") and given["policy.push_to_hub"] == "false"
    assert given["policy.down_dims"] == "[64, 128]"
    plain = json.loads(next((folder / "runs").rglob("lam-0-seed-1/**/train_config.json")).read_text())["policy"][
        "given"
    ]
    assert "policy.alignment" not in plain
    assert (folder / "runs" / "report.html").exists() and (folder / "runs" / "cells.csv").exists()
    # More λ: the finished runs stay. More episodes: evaluated again, not trained again.
    assert "2 to do" in asked(folder, "--lams", "1,2").output
    again = asked(folder, evaluate={"env.type": "pusht", "eval.n_episodes": 15})
    assert "of 30" in again.output and set(starts(folder).values()) == {1}


def test_a_run_that_fails_is_named_and_tried_again(folder):
    ended = asked(folder, lams=[1, 9], seeds=1)
    assert ended.exit_code == 1 and "failed: lam-9-seed-0" in ended.output and "CUDA out of memory" in ended.output
    assert "1 to do" in asked(folder, lams=[1, 9], seeds=1).output
    assert starts(folder) == {"lam-0-seed-0": 1, "lam-1-seed-0": 1, "lam-9-seed-0": 2}
    (job, *_) = LeRobotSweep.read(described(folder, lams=[9], seeds=1)).jobs(folder / "runs")[1:]
    with pytest.raises(RunFailed, match="exit code 1"):
        job()


@pytest.mark.slow
def test_a_folder_of_another_run_is_refused(folder):
    asked(folder, seeds=1)
    with pytest.raises(InputError, match="steps=30"):
        LeRobotSweep.read(
            described(folder, seeds=1, train={"policy.type": "ate_diffusion", "steps": 30})
        ).jobs(folder / "runs")  # fmt: skip
    (folder / "alignment" / "vae.safetensors").write_bytes(b"two")
    with pytest.raises(InputError, match="alignment with other contents"):
        LeRobotSweep.read(described(folder, seeds=1)).jobs(folder / "runs")
    (folder / "strange" / "lam-0-seed-0").mkdir(parents=True)
    with pytest.raises(InputError, match="no record"):
        LeRobotSweep.read(described(folder)).jobs(folder / "strange")


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"alignment": "nowhere"}, "ate align"),
        ({"train": {"steps": 3}}, "policy.type"),
        ({"train": {"policy.type": "ate_diffusion", "seed": 3}}, "seed"),
        ({"evaluate": {"robo": "ur5e"}}, "robot"),
        ({"evaluate": {"rollouts": 3}}, "env.type"),
        ({"seeds": 0}, "seeds"),
        ({"lams": []}, "lams"),
        ({"lam": [1]}, "lams"),
    ],
)
def test_what_does_not_fit_is_refused_before_training(folder, changes, named):
    with pytest.raises(InputError, match=named):
        LeRobotSweep.read(described(folder, **changes))


def test_missing_fields_and_foreign_options_are_refused(folder):
    file = folder / "short.yaml"
    file.write_text("lerobot: python3\n")
    assert is_lerobot(file)
    with pytest.raises(InputError, match="alignment, train, evaluate"):
        LeRobotSweep.read(file)
    ended = asked(folder, "--clamps", "1", "--pretrain", "data")
    assert isinstance(ended.exception, InputError)
    assert "--clamps" in str(ended.exception) and "--pretrain" in str(ended.exception)


def test_an_environment_without_the_plug_in_is_refused(folder, monkeypatch):
    check_environment(sys.executable, "ate_diffusion")
    with pytest.raises(InputError, match="policies of the plug-in: ate_diffusion"):
        check_environment(sys.executable, "diffusion")
    with pytest.raises(InputError, match="does not start"):
        check_environment(str(folder / "python"), "ate_diffusion")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    with pytest.raises(InputError, match="lerobot_policy_ate"):
        check_environment(sys.executable, "ate_diffusion")
