"""Ways out of pictures and films of robots."""

import sys
from unittest.mock import MagicMock

import h5py
import numpy as np

from ate.data import load
from ate.experiments.settings import ROOT, SHIPPED
from ate.robots.kinematic_table import robot
from ate.sim import opengl
from ate.sim.pictures import render_episodes
from ate.sim.render import Renderer
from ate.sim.rollout import rollout
from ate.viz.figures.footage import episode_pictures, rollout_pictures
from ate.viz.rerun_file import write_rollouts
from tests.conftest import write_episode
from tests.robots.arms import exported
from tests.sim.test_gym_simulator import REACH, stays
from tests.ways.taking import way


@way("sim/opengl.py backend")
def _(p):
    with p.patch.context() as patch:
        patch.setattr(opengl, "TRIAL", "raise SystemExit('no driver')")
        opengl.backend.cache_clear()
        command = yield opengl.backend, r"(apt-get install [\w -]+) \(EGL\)"
    # What both of these do before anything is drawn.
    packages = command.removeprefix("apt-get install ")
    assert all(packages in (ROOT / name).read_text(encoding="utf-8") for name in ("Makefile", "Dockerfile"))
    assert opengl.backend() in opengl.BACKENDS["Linux"]


@way("sim/render.py Renderer.__init__", "sim/render.py Renderer._poses", "sim/render.py Renderer._things")
def _(p):
    episode = load(SHIPPED / "lift" / "adapt" / "ur5e")[0]
    qpos, state = episode.qpos, episode.read("state")
    if p.site.endswith("__init__"):
        for size, smooth in ((2000, 1), (4, 1), (64, 0), (600, 2)):
            named = yield (
                lambda size=size, smooth=smooth: Renderer("ur5e", "lift", size=size, smooth=smooth),
                (r"e\.g\. size=(\d+), smooth=(\d+)$"),
            )
            with Renderer("ur5e", "lift", size=int(named[0]), smooth=int(named[1])):
                pass
        return
    with Renderer("ur5e", "lift") as renderer:
        if p.site.endswith("_poses"):
            line = yield lambda: renderer.frames(qpos[0], state[:1]), r"pass (qpos\[None\])"
            renderer.frames(eval(line, {"qpos": qpos[0]}), state[:1])
            return
        yield lambda: renderer.frames(qpos[:2]), "pass the state that was recorded with qpos, or no task"
        renderer.frames(qpos[:2], state[:2])
    with Renderer("ur5e") as renderer:
        assert len(renderer.frames(qpos[:2])["film"]) == 2


@way("sim/pictures.py render_episodes")
def _(p):
    source = load(SHIPPED / "push" / "adapt" / "ur5e")
    qpos, state = source[0].qpos[:3], source[0].read("state")[:3]
    names = {"joint_names": source.joint_names, "robot": "ur5e", "task": "push", "rate_hz": 20.0}
    file = write_episode(p.set, 0, qpos, **names)
    code = yield lambda: list(render_episodes(load(p.set), folder=p.path)), r"record it, or .* ate\.sim\.render\.(.+)$"
    with eval(code, {"Renderer": Renderer, "robot": "ur5e"}) as renderer:
        assert len(renderer.frames(qpos)["film"]) == 3
    with h5py.File(file, "r+") as handle:
        handle["state"] = state
    (seen,) = render_episodes(load(p.set), folder=p.path)
    assert seen["front"].shape == (3, 64, 64, 3)


@way("viz/figures/footage.py known_arm")
def _(p):
    model = p.path / "arm.urdf"
    model.write_text(exported("ur5e"))
    names = robot("ur5e").joint_names[:-1]
    write_episode(p.set, 0, np.zeros((3, 6), np.float32), robot="theirs", rate_hz=20.0, joint_names=names)
    name = yield lambda: episode_pictures(load(p.set), 0), r"name its URDF or MJCF file as (\w+)$"
    assert len(episode_pictures(load(p.set, **{name: str(model)}), 0, side=16)) == 3


@way("viz/figures/footage.py rollout_pictures", "viz/figures/footage.py rollout_pictures#2")
def _(p):
    def rolled_out(address, **named):
        return rollout(stays, "agent", address, [1], horizon_steps=2, execute=1, **named)

    if p.site.endswith("#2"):
        key = yield lambda: rollout_pictures(rolled_out(REACH, record=True), 0), r"add (\S+) to the simulator's address"
        assert rollout_pictures(rolled_out(f"{REACH},{key}", record=True), 0).ndim == 4
    else:
        name = yield lambda: rollout_pictures(rolled_out(f"{REACH},image=render"), 0), r"pass (\w+)=True$"
        assert rollout_pictures(rolled_out(f"{REACH},image=render", **{name: True}), 0).ndim == 4


@way("viz/rerun_file.py write_rollouts")
def _(p):
    p.patch.setitem(sys.modules, "rerun", MagicMock())

    def written(**named):
        done = rollout(stays, "agent", REACH, [1], horizon_steps=2, execute=1, **named)
        return write_rollouts(done, [0], p.path / "out")

    name = yield written, r"pass (\w+)=True$"
    assert len(written(**{name: True})) == 1
