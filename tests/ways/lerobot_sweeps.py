"""Ways out of sweeps of lerobot's trainer."""

import os
import re
import shutil
import sys
from dataclasses import replace
from functools import partial

import yaml

from ate.cli.lerobot import refuse_options
from ate.experiments.lerobot_job import check_environment
from ate.experiments.lerobot_sweep import LeRobotSweep
from ate.experiments.settings import ROOT
from tests.experiments.test_lerobot_sweep import STAND_IN, described
from tests.ways.taking import way


def _ready(p):
    """A folder with an alignment; a package stands in for lerobot."""
    for name, text in STAND_IN.items():
        (p.path / "site" / name).parent.mkdir(parents=True, exist_ok=True)
        (p.path / "site" / name).write_text(text, encoding="utf-8")
    p.patch.setenv("PYTHONPATH", os.pathsep.join([str(p.path / "site"), *sys.path]))
    (p.path / "alignment").mkdir(exist_ok=True)
    (p.path / "alignment/vae.safetensors").write_bytes(b"one")


def _sweep(p, **changes):
    return LeRobotSweep.read(described(p.path, **changes))


@way("cli/lerobot.py refuse_options")
def _(p):
    _ready(p)
    parts = yield (
        lambda: p.ate("sweep", described(p.path), "--rollouts", 5),
        r"write what lerobot is to know into the file, under (train) or (evaluate)$",
    )
    assert parts == ("train", "evaluate")
    _sweep(p, **{parts[1]: {"robot": "ur5e", "rollouts": 5}})
    refuse_options({"seeds": "2"})


@way("experiments/lerobot_job.py check_environment", "experiments/lerobot_job.py check_environment#2")
def _(p):
    check = partial(check_environment, policy="ate_diffusion")
    if p.site.endswith("#2"):
        p.patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
        folder = yield lambda: check(sys.executable), r"pip install --no-deps -e CLONE CLONE/(\S+) "
        assert (ROOT / folder / "pyproject.toml").is_file() and (ROOT / "pyproject.toml").is_file()
    else:
        field = yield lambda: check(str(p.path / "python")), r"write (\w+): with the path of lerobot's interpreter"
        _ready(p)
        assert getattr(_sweep(p, **{field: sys.executable}), field) == sys.executable
    _ready(p)
    check(sys.executable)


@way("experiments/lerobot_job.py LeRobotJob.check")
def _(p):
    _ready(p)
    first = _sweep(p, seeds=1).jobs(p.path / "runs")[0]
    (p.path / "runs" / first.name).mkdir(parents=True)
    first._write(trained=True)
    other = {"train": {"policy.type": "ate_diffusion", "steps": 30}}
    option = yield lambda: _sweep(p, seeds=1, **other).jobs(p.path / "runs"), r"name another folder with (--run)"
    assert option == "--run"
    _sweep(p, seeds=1, **other).jobs(p.path / "others")
    yield lambda: _sweep(p, seeds=1, **other).jobs(p.path / "runs"), "or remove this one"
    shutil.rmtree(p.path / "runs" / first.name)
    _sweep(p, seeds=1, **other).jobs(p.path / "runs")


@way(*(f"experiments/lerobot_sweep.py LeRobotSweep.__post_init__{n}" for n in ("", "#2", "#3", "#4", "#5")))
def _(p):
    _ready(p)
    good = _sweep(p)
    end = p.site[-2:]
    if end == "__":
        yield lambda: replace(good, seeds=0), "correct it"
        replace(good, seeds=1)
    elif end == "#2":
        fields = yield (
            lambda: replace(good, train={**good.train, "seed": 3}),
            r"leave it out; λ and seeds are (lams) and (seeds) of the file",
        )
        replace(good, **dict(zip(fields, ((0.3, 1.0), 4), strict=True)))
    elif end == "#3":
        bare = {name: value for name, value in good.train.items() if name != "policy.type"}
        field, *policies = yield (
            lambda: replace(good, train=bare),
            r"write (policy\.type): (\w+), (\w+) or (\w+)$",
        )
        for policy in policies:
            replace(good, train={**bare, field: policy})
    elif end == "#4":
        yield lambda: replace(good, alignment=str(p.path / "none")), "make one with ate align, or correct the path"
        replace(good, alignment=str(p.path / "alignment"))
    else:
        first, second = yield (
            lambda: replace(good, evaluate={"rollouts": 3}),
            r"write (\w+): NAME for ate rollout, or ([\w.]+): NAME for lerobot-eval",
        )
        for field, name in ((first, "ur5e"), (second, "pusht")):
            replace(good, evaluate={field: name})


@way("experiments/lerobot_sweep.py LeRobotSweep.read")
def _(p):
    _ready(p)
    (p.path / "short.yaml").write_text("lerobot: python3\n")
    page = yield lambda: LeRobotSweep.read(p.path / "short.yaml"), r"(\S+\.md) has a whole file"
    (text,) = re.findall(r"```yaml\n(lerobot:.*?)```", (ROOT / page).read_text(), re.S)
    whole = {**yaml.safe_load(text), "alignment": str(p.path / "alignment")}
    (p.path / "whole.yaml").write_text(yaml.safe_dump(whole))
    LeRobotSweep.read(p.path / "whole.yaml")
