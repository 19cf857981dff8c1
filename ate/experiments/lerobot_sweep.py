"""Sweeps of lerobot's own trainer with the plug-in `lerobot_policy_ate`: λ × training seed, from one small file.

    lerobot: .venv-lerobot/bin/python      # the interpreter that has lerobot, the plug-in and ate
    alignment: runs/ur5e                   # what guides
    lams: [0.3, 1]                         # λ = 0, without the alignment, always joins
    seeds: 2
    train:                                 # options of lerobot-train, without their dashes
      policy.type: ate_diffusion
      dataset.repo_id: local/lift_ur5e
      dataset.root: lift_ur5e
      steps: 1000
    evaluate:                              # options of `ate rollout`, or with env.type those of lerobot-eval
      robot: ur5e
      rollouts: 50

Each run is a folder, `lam-1-seed-0`, with its record and log beside it. What is trained is not trained again, and what
was stopped in between begins again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from ate.errors import InputError, unknown
from ate.experiments.lerobot_job import LeRobotJob, words
from ate.runs.files import file_digest
from ate.runs.options import kinds_of, typed
from ate.runs.yaml import read_mapping

MARK = "lerobot"
# Options that the sweep sets itself.
OWN_OF_TRAINING = ("seed", "output_dir", "policy.alignment", "policy.lam", "resume", "config_path")
OWN_OF_EVALUATION = ("policy.path", "output_dir")
# Nothing leaves the machine unless the file says so.
LOCAL = {"policy.push_to_hub": False, "wandb.enable": False}
# What `ate rollout` may be told, in the place of lerobot's own environments.
ROLLOUT = ("robot", "task", "simulator", "rollouts", "first-seed", "execute")
TRAINER, EVALUATOR = "lerobot.scripts.lerobot_train", "lerobot.scripts.lerobot_eval"
ACTOR = "ate.policies.lerobot_actor:LeRobotActor"


def is_lerobot(file: Path) -> bool:
    """Whether a sweep's file is one of lerobot's trainer.

    Raises:
        InputError: no YAML file.
    """
    return MARK in read_mapping(file)


@dataclass(frozen=True)
class LeRobotSweep:
    """What to train and how to evaluate it.

    Attributes:
        lerobot: the interpreter of lerobot's environment, which also has the plug-in and ate.
        alignment: folder of `ate align`.
        train: options of lerobot-train by name, without dashes.
        evaluate: options of `ate rollout`; with `env.type` those of lerobot-eval.
        lams: λ axis, above 0; λ = 0 always joins.
        seeds: training seeds, 0 … seeds − 1.

    Raises:
        InputError: a value out of range, an option that the sweep sets itself, an option unknown to `ate rollout`, or
            no such alignment.
    """

    lerobot: str
    alignment: str
    train: Mapping[str, Any]
    evaluate: Mapping[str, Any]
    lams: tuple[float, ...] = (1.0,)
    seeds: int = 2
    inputs: Mapping[str, str] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        for name, least, values in (("lams", 0, self.lams), ("seeds", 1, (self.seeds,))):
            if not values or min(values) < least:
                got = ", ".join(f"{value:g}" for value in values) or "no value"
                raise InputError(got, where=f"sweep, {name}", expected=f"{least} or more", fix="correct it")
        for part, own in (("train", OWN_OF_TRAINING), ("evaluate", OWN_OF_EVALUATION)):
            strange = [name for name in getattr(self, part) if name in own]
            if strange:
                fix = "leave it out; λ and seeds are lams and seeds of the file"
                expected = "options that the sweep does not set itself"
                raise InputError(", ".join(strange), where=f"sweep, {part}", expected=expected, fix=fix)
        if not self.train.get("policy.type"):
            fix = "write policy.type: ate_diffusion, ate_smolvla or ate_pi05"
            raise InputError("no policy.type", where="sweep, train", expected="a policy of the plug-in", fix=fix)
        if not Path(self.alignment).is_dir():
            fix = "make one with ate align, or correct the path"
            raise InputError(repr(self.alignment), where="sweep, alignment", expected="a folder of ate align", fix=fix)
        for name in () if self.by_lerobot else self.evaluate:
            if name.replace("_", "-") not in ROLLOUT:
                raise unknown(name, ROLLOUT, where="sweep, evaluate (with env.type it takes lerobot-eval's options)")
        if not self.by_lerobot and not self.evaluate.get("robot"):
            fix = "write robot: NAME for ate rollout, or env.type: NAME for lerobot-eval"
            raise InputError("no robot", where="sweep, evaluate", expected="where to roll out", fix=fix)
        object.__setattr__(self, "inputs", self._inputs())

    @classmethod
    def read(cls, file: Path, **given: Any) -> "LeRobotSweep":
        """A file's sweep; values that are given win over it.

        Raises:
            InputError: no YAML file, an unknown or missing field, a value of another type, or as the constructor.
        """
        kinds = {name: kind for name, kind in kinds_of(LeRobotSweep).items() if name != "inputs"}
        values = {**typed(kinds, read_mapping(file), str(file)), **typed(kinds, given, "options")}
        missing = [item.name for item in fields(cls)[:4] if item.name not in values]
        if missing:
            fix = "docs/policy.md has a whole file"
            raise InputError(f"no {', '.join(missing)}", where=str(file), expected="all fields of a sweep", fix=fix)
        return cls(**values)

    @property
    def by_lerobot(self) -> bool:
        """Whether lerobot-eval judges, or `ate rollout`."""
        return "env.type" in self.evaluate

    def jobs(self, folder: Path) -> tuple[LeRobotJob, ...]:
        """One job a seed and λ, λ = 0 first.

        Raises:
            InputError: a run of other options is in its place.
        """
        lams = dict.fromkeys([0.0, *self.lams])
        made = tuple(self._job(folder, lam, seed) for seed in range(self.seeds) for lam in lams)
        for job in made:
            job.check()
        return made

    def _job(self, folder: Path, lam: float, seed: int) -> LeRobotJob:
        out = folder / f"lam-{lam:g}-seed-{seed}"
        guided = {"policy.alignment": self.alignment, "policy.lam": lam} if lam else {}
        options = {**LOCAL, **self.train, **guided, "seed": seed, "output_dir": str(out)}
        if self.by_lerobot:
            evaluate = ("-m", EVALUATOR, *words({**self.evaluate, "output_dir": str(out / "evaluation")}))
        else:
            named = {name.replace("_", "-"): value for name, value in self.evaluate.items()}
            where = {"policy": ACTOR, "json": str(out / "evaluation" / "rollouts.json")}
            evaluate = ("-m", "ate", "rollout", *words({**named, **where}))
        inputs = self.inputs if lam else {k: v for k, v in self.inputs.items() if k != "alignment"}
        return LeRobotJob(
            str(out), self.lerobot, ("-m", TRAINER, *words(options)), evaluate,
            "--policy.path" if self.by_lerobot else "--checkpoint", inputs,
        )  # fmt: skip

    def _inputs(self) -> dict[str, str]:
        """Hashes of what the options only point at: the alignment, and the statistics of a local data set."""
        files = {"alignment": sorted(Path(self.alignment).glob("*.safetensors"))}
        root = self.train.get("dataset.root")
        files["dataset"] = sorted(Path(str(root)).glob("meta/*.json")) if root else []
        return {name: " ".join(file_digest(file)[:16] for file in paths) for name, paths in files.items() if paths}
