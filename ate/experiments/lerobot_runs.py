"""Runs of lerobot's trainer with the plug-in `lerobot_policy_ate`, read as results: what λ did to success."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ate.errors import InputError
from ate.experiments.methods import MethodSpec
from ate.experiments.results import RunResult
from ate.runs.files import read_json
from ate.steer.guidance_config import GuidanceConfig

CONFIG, METER = "train_config.json", "guidance.json"
# What lerobot-eval writes, and what `ate rollout --json` is asked to write.
OUTCOMES = ("eval_info.json", "rollouts.json")
BASELINE = "direct"


def read(folder: Path) -> RunResult:
    """One run: its last checkpoint's settings and meter, and the outcome of its evaluation.

    Args:
        folder: the `--output_dir` of lerobot-train; the evaluation's file lies anywhere in it.

    Raises:
        InputError: no checkpoint, no evaluation or several.
    """
    configs = sorted(folder.rglob(CONFIG))
    if not configs:
        fix = "name the folder that lerobot-train got as output_dir"
        raise InputError(f"no {CONFIG}", where=str(folder), expected="a run of lerobot", fix=fix)
    files = [file for name in OUTCOMES for file in sorted(folder.rglob(name))]
    if len(files) != 1:
        got = f"{len(files)} evaluations" + (f": {', '.join(map(str, files))}" if files else "")
        fix = f"run lerobot-eval with an output_dir within the run, or ate rollout --json {folder / OUTCOMES[1]}"
        raise InputError(got, where=str(folder), expected="one", fix=fix)
    config, meter = read_json(configs[-1]), configs[-1].parent / METER
    policy = config["policy"]
    lam = float(read_json(meter)["lam"]) if meter.exists() else 0.0
    name = f"λ = {lam:g}" if lam else BASELINE
    guided = {"encoder": "aligned", "guidance": GuidanceConfig(lam=lam)} if lam else {}
    return RunResult(
        MethodSpec(name, **guided),  # type: ignore[arg-type]
        seed=int(config["seed"]),
        parameterization=str(policy.get("prediction_type", policy["type"])),
        demonstrations=0,
        success=successes(files[0]),
        closest=(),
        loss=(),
        meter=tuple(read_json(meter)["rows"]) if meter.exists() else (),
        open_loop={},
        seconds=0.0,
        steps=int(config["steps"]),
    )


def successes(file: Path) -> tuple[bool, ...]:
    """One boolean an episode of an evaluation, in its order; of several tasks in the order of their names and numbers.

    Args:
        file: what `ate rollout --json` wrote, or lerobot-eval: `per_task` since 0.4, `per_episode` before.

    Raises:
        InputError: the file does not say which episodes succeeded.
    """
    tree = read_json(file)
    try:
        hits, got = [bool(hit) for hit in _hits(tree)], f"keys {', '.join(tree)}"
    except (AttributeError, KeyError, TypeError) as error:
        hits, got = [], f"another form: {type(error).__name__}, {error}"
    if not hits:
        fix = "evaluate with lerobot-eval of 0.4 or later, or with ate rollout --json"
        raise InputError(got, where=str(file), expected="success of each episode", fix=fix)
    return tuple(hits)


def _hits(tree: Any) -> Sequence[Any]:
    if "success" in tree:
        return list(tree["success"])
    if "per_episode" in tree:
        return [episode["success"] for episode in tree["per_episode"]]
    # lerobot lists tasks that it evaluates at once in the order in which they end.
    tasks = sorted(tree.get("per_task", ()), key=lambda task: (str(task["task_group"]), task["task_id"]))
    return [hit for task in tasks for hit in task["metrics"]["successes"]]
