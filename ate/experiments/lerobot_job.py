"""One run of lerobot's trainer and its evaluation, in lerobot's own interpreter; done once."""

import json
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ate.errors import InputError
from ate.runs.files import read_json, write_json

# Imports what a run imports, and says whether lerobot discovers the policy of the plug-in.
CHECK = """
import sys
import ate.steer
import lerobot_policy_ate
from lerobot.configs.policies import PreTrainedConfig
from lerobot.utils.import_utils import register_third_party_plugins
register_third_party_plugins()
known = [n for n in PreTrainedConfig.get_known_choices() if hasattr(PreTrainedConfig.get_choice_class(n), "alignment")]
sys.exit(0 if sys.argv[1] in known else f"policies of the plug-in: {', '.join(sorted(known)) or 'none'}")
"""


class RunFailed(RuntimeError):
    """lerobot's trainer or an evaluation ended with an error."""


def words(options: Mapping[str, Any]) -> list[str]:
    """Options as `--name=value`, as lerobot's and our commands read them."""
    return [f"--{name}={value if isinstance(value, str) else json.dumps(value)}" for name, value in options.items()]


def check_environment(python: str, policy: str) -> None:
    """Whether an interpreter has lerobot, ate and the plug-in with this policy.

    Raises:
        InputError: something is missing there, with the last line of its error.
    """
    try:
        ended = subprocess.run([python, "-c", CHECK, policy], capture_output=True, text=True, errors="replace")
    except OSError as error:
        fix = "write lerobot: with the path of lerobot's interpreter, .venv-lerobot/bin/python say"
        raise InputError(f"{python!r}, which does not start", where="lerobot", expected="Python", fix=fix) from error
    if ended.returncode:
        message = _last(ended.stderr)
        fix = "in that environment: pip install --no-deps -e CLONE CLONE/plugins/lerobot_policy_ate (docs/policy.md)"
        expected = f"lerobot, ate and the plug-in with {policy}"
        raise InputError(message, where=f"environment of {python}", expected=expected, fix=fix)


@dataclass(frozen=True)
class LeRobotJob:
    """One training and its evaluation.

    Attributes:
        folder: the run's, which lerobot makes; its record and log lie beside it.
        python: lerobot's interpreter.
        train: arguments of the interpreter that train.
        evaluate: arguments that evaluate, without the checkpoint; its outcome goes to `evaluation` in the folder.
        checkpoint: the option that names the checkpoint.
        inputs: hashes of files that the options name.
    """

    folder: str
    python: str
    train: tuple[str, ...]
    evaluate: tuple[str, ...]
    checkpoint: str
    inputs: Mapping[str, str]

    @property
    def key(self) -> str:
        """The folder."""
        return self.folder

    @property
    def name(self) -> str:
        """The folder's own name, e.g. `lam-1-seed-0`."""
        return Path(self.folder).name

    @property
    def log(self) -> Path:
        """What trainer and evaluation print."""
        return Path(f"{self.folder}.log")

    @property
    def done(self) -> bool:
        """Whether it is trained and evaluated as asked."""
        record = self._read()
        return bool(record.get("trained")) and record.get("evaluated") == list(self.evaluate)

    def check(self) -> None:
        """Refuse a folder that holds another run.

        Raises:
            InputError: it was trained with other options or on other data, or nothing says how.
        """
        record, place = self._read(), Path(self.folder)
        if not place.exists():
            return
        changed = set(self.train).symmetric_difference(record.get("train", ())) | {
            f"{name} with other contents" for name in self.inputs if self.inputs[name] != record["inputs"].get(name)
        } if record else {"no record"}  # fmt: skip
        if changed:
            got = f"a run of other options: {', '.join(sorted(changed))[:300]}"
            fix = "name another folder with --run, or remove this one"
            raise InputError(got, where=self.folder, expected="a run of this sweep, or none", fix=fix)

    def __call__(self) -> None:
        """Train unless that is done, and evaluate.

        Raises:
            RunFailed: either ended with an error.
        """
        self.check()
        if not self._read().get("trained"):
            # What a stopped run left: `check` has found that it is this one's.
            shutil.rmtree(self.folder, ignore_errors=True)
            self._write(trained=False)
            self._run(self.train, "training")
            self._write(trained=True)
        checkpoints = sorted(Path(self.folder).glob("checkpoints/[0-9]*/pretrained_model"))
        if not checkpoints:
            raise RunFailed(f"training left no checkpoint ({self.log})")
        evaluation = Path(self.folder) / "evaluation"
        shutil.rmtree(evaluation, ignore_errors=True)
        evaluation.mkdir()
        self._run((*self.evaluate, f"{self.checkpoint}={checkpoints[-1]}"), "evaluation")
        self._write(trained=True, evaluated=list(self.evaluate))

    def _run(self, arguments: tuple[str, ...], what: str) -> None:
        with self.log.open("ab") as log:
            command = [self.python, *arguments]
            ended = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        if ended.returncode:
            message = _last(self.log.read_text(encoding="utf-8", errors="replace"))
            raise RunFailed(f"{what} ended with exit code {ended.returncode}: {message} ({self.log})")

    def _read(self) -> dict[str, Any]:
        record = Path(f"{self.folder}.json")
        content: dict[str, Any] = read_json(record) if record.exists() else {}
        return content

    def _write(self, **state: Any) -> None:
        write_json(Path(f"{self.folder}.json"), {"train": self.train, "inputs": dict(self.inputs), **state})


def _last(text: str) -> str:
    lines = [line.split("\r")[-1].strip() for line in text.splitlines() if line.strip()]
    return f"{lines[-1]!r:.300}" if lines else "nothing printed"
