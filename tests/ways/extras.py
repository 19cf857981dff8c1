"""Ways out of packages that are not installed: the extra that a message names brings what is missing."""

import re
import sys
import tomllib

import numpy as np

from ate.data import load
from ate.data.clip import imaging
from ate.data.hub import located
from ate.experiments.model_card import Model
from ate.experiments.settings import ROOT
from ate.policies.lerobot_actor import LeRobotActor
from ate.policies.rdt.loading import download
from ate.policies.rdt.lora import with_lora
from ate.policies.vision.frozen import frozen
from ate.robots.engine import engine
from ate.viz.rerun_file import sdk
from ate.viz.video import mp4
from tests.data.formats import makers, recorded
from tests.policies.rdt import tiny
from tests.ways.taking import way
from tests.ways.worlds import world

LIBRARY = "errors.py library"
# Site, the module that is missing, the package that brings it, and what asks for it.
MISSING = (
    (LIBRARY, "PIL.Image", "pillow", lambda p: imaging("pictures")),
    (LIBRARY, "pyarrow.parquet", "pyarrow", lambda p: load(makers.lerobot_v3(p.set))),
    (LIBRARY, "zarr", "zarr", lambda p: load(p.set)),
    (LIBRARY, "huggingface_hub", "huggingface_hub", lambda p: located("user/arm", download=True)),
    (LIBRARY, "huggingface_hub", "huggingface_hub", lambda p: download()),
    (LIBRARY, "peft", "peft", lambda p: with_lora(tiny.runner())),
    (LIBRARY, "diffusers", "diffusers", lambda p: tiny.runner()),
    (
        "experiments/model_card.py Model.push#2", "huggingface_hub", "huggingface_hub",
        lambda p: Model.of(world().folder / "policy.safetensors").push("a/b"),
    ),
    (LIBRARY, "transformers", "transformers", lambda p: _frozen(p.path)),
    ("robots/engine.py engine", "mujoco", "mujoco", lambda p: engine()),
    ("viz/rerun_file.py sdk", "rerun", "rerun_sdk", lambda p: sdk()),
    ("viz/video.py mp4", "av", "av", lambda p: mp4(np.zeros((1, 8, 8, 3), np.uint8), 20)),
)  # fmt: skip


def _frozen(folder):
    (folder / "config.json").write_text("{}")
    return frozen(folder, "model")


def _extras():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]


def _row(site, module, package, ask):
    @way(site)
    def steps(p):
        """Take the module away, and look for its package in the extra that is named."""
        p.patch.setenv("HF_HOME", str(p.path / "hf"))
        world()
        if module == "zarr":
            recorded.replay_buffer(p.set)
        p.patch.setitem(sys.modules, module, None)
        extra = yield lambda: ask(p), r"^pip install -e '[^']*\[(\w+)\]'$"
        assert package in {re.split(r"[\W]", item.replace("-", "_"))[0] for item in _brought(extra)}, extra

    return steps


def _brought(extra):
    """Requirements of an extra, those of extras that it names included."""
    for item in _extras()[extra]:
        inner = re.fullmatch(r"ate\[(.*)\]", item)
        yield from (part for name in inner[1].split(",") for part in _brought(name)) if inner else [item]


for _missing in MISSING:
    _row(*_missing)


@way("policies/lerobot_actor.py LeRobotActor.load")
def _(p):
    p.patch.setitem(sys.modules, "lerobot", None)
    name = yield lambda: LeRobotActor.load(p.path), r"^pip install (\w+), start this command in lerobot's environment"
    assert name == "lerobot"
