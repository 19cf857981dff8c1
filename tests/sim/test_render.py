"""Pictures show what the state says, the same on every way to them; without a driver one error says what to install."""

import os
import subprocess
import sys
from pathlib import Path

import mujoco
import numpy as np
import pytest

from ate.data import load
from ate.errors import InputError
from ate.robots.chain import home
from ate.robots.kinematic_table import ROBOTS, robot
from ate.sim import opengl, pictures
from ate.sim.build import build_model
from ate.sim.environments import Environments
from ate.sim.pictures import render_episodes
from ate.sim.render import APART, Renderer, other_goal
from ate.sim.scene import MARKS, OBJECTS
from ate.sim.tasks import GOAL, GOAL_RANGE, OBJECT

DATA = Path(__file__).parents[2] / "data"
SIZE = 96


def start(task: str, seeds: range, name: str = "ur5e") -> tuple[np.ndarray, np.ndarray]:
    with Environments(name, task, seeds, threads=1) as environments:
        return environments.observe()


def spot(picture: np.ndarray, color: tuple[float, float, float]) -> np.ndarray | None:
    """Column and row of the middle of what has a colour; None where nothing has it."""
    direction = np.array(color) / np.linalg.norm(color)
    values = picture.astype(float)
    cosine = values @ direction / np.maximum(np.linalg.norm(values, axis=-1), 1)
    rows, columns = np.nonzero((cosine > 0.97) & (values.max(-1) > 60))
    return np.array([columns.mean(), rows.mean()]) if len(rows) >= 4 else None


def projected(renderer: Renderer, camera: str, point: np.ndarray) -> np.ndarray:
    """Where a fixed camera of the scene sees a point."""
    seen = renderer._scene.model.camera(camera)
    turn = np.zeros(9)
    mujoco.mju_quat2Mat(turn, seen.quat)
    x, y, z = turn.reshape(3, 3).T @ (point - seen.pos)
    half = renderer.size[0] / 2
    scale = half / np.tan(np.radians(seen.fovy[0]) / 2)
    return np.array([half + scale * x / -z, half - scale * y / -z])


@pytest.mark.slow
def test_object_and_markers_are_where_the_state_has_them() -> None:
    qpos, state = start("place", range(6), "panda")
    other = other_goal("place", state)
    assert other is not None
    # The arm stands upright, out of the way.
    qpos[:, :-1] = [0.0, 0.0, 0.0, -0.07, 0.0, 0.0, 0.0]
    compared = 0
    with Renderer("panda", "place", cameras=["front"], size=SIZE) as renderer:
        seen = renderer.frames(qpos, state, other)["front"]
        swapped = renderer.frames(qpos, state, other, ["yellow", "blue"])["front"]
        for i in range(len(qpos)):
            for color, point in ((OBJECTS["box"], state[i, OBJECT]), (MARKS["blue"], state[i, GOAL] * [1, 1, 0]),
                                 (MARKS["yellow"], other[i] * [1, 1, 0])):  # fmt: skip
                found, expected = spot(seen[i], color), projected(renderer, "front", point)
                if ((expected < 4) | (expected > SIZE - 5)).any():
                    continue
                assert found is not None and np.abs(found - expected).max() < 2.5
                compared += 1
            blue, was = spot(swapped[i], MARKS["blue"]), spot(seen[i], MARKS["yellow"])
            assert (blue is None) == (was is None)
            assert blue is None or was is None or np.abs(blue - was).max() < 1.5
    # The others lie at the edge of the picture or outside of it.
    assert compared >= 12


@pytest.mark.slow
def test_robots_tasks_and_cameras_look_different() -> None:
    shown = {}
    for name in ROBOTS:
        qpos, state = start("push", range(1), name)
        with Renderer(name, "push") as renderer:
            for camera, seen in renderer.frames(qpos, state).items():
                assert seen.shape == (1, 64, 64, 3) and seen.dtype == np.uint8 and np.ptp(seen) > 100
                shown[name, camera] = seen[0].astype(int)
    front = [seen for (_, camera), seen in shown.items() if camera == "front"]
    apart = [np.abs(a - b).mean() for i, a in enumerate(front) for b in front[:i]]
    assert min(apart) > 1.0
    # The camera of the wrist sees the table and the fingers, which are the same for all.
    wrists = [seen for (_, camera), seen in shown.items() if camera == "wrist"]
    assert max(np.abs(a - wrists[0]).mean() for a in wrists[1:]) < 25


def test_a_painted_arm_changes_where_the_arm_is_and_keeps_its_colours() -> None:
    qpos, state = start("lift", range(2))
    coat = np.broadcast_to((0.05, 0.9, 0.1), (2, 2, 3))
    with Renderer("ur5e", "lift", size=SIZE) as renderer:
        own, painted, again = (renderer.frames(qpos, state, paint=paint)["front"] for paint in (None, coat, None))
    np.testing.assert_array_equal(own, again)
    changed, red = np.any(own != painted, axis=-1), spot(own[0], OBJECTS["box"])
    # Table, floor, gripper and cube stay.
    assert 0.02 < changed.mean() < 0.5 and red is not None
    assert not changed[0, int(red[1]), int(red[0])]
    green = painted[changed].astype(int)
    assert np.mean((green[:, 1] > 2 * green[:, 0]) & (green[:, 1] > 2 * green[:, 2])) > 0.95


@pytest.mark.slow
def test_drawn_arm_is_the_simulated_one() -> None:
    generator = np.random.default_rng(0)
    for name in ROBOTS:
        arm, model = robot(name), build_model(name, "lift")
        qpos, state = start("lift", range(1), name)
        qpos[0, :-1] = home(name) + generator.uniform(-0.5, 0.5, arm.joints)
        data = mujoco.MjData(model)
        data.qpos[: arm.joints], data.qpos[arm.joints : arm.joints + 2] = qpos[0, :-1], 0.04 * qpos[0, -1]
        mujoco.mj_forward(model, data)
        with Renderer(name, "lift", size=16) as renderer:
            renderer.frames(qpos, state)
            drawn, place = renderer._data, renderer._scene.place
            for body in ("hand", "left", "right"):
                at = data.body(body).xpos.copy()
                if body != "hand":
                    # The frame of a drawn finger is the hand's, moved sideways.
                    at -= data.body("hand").xmat.reshape(3, 3)[:, 2] * 0.090
                np.testing.assert_allclose(drawn.mocap_pos[place[body]], at, atol=1e-6)
            for i in range(arm.joints):
                geom = drawn.geom_xpos[renderer._scene.model.body(f"link{i}").geomadr[0]]
                if np.linalg.norm(geom) and i + 1 < arm.joints:
                    body = model.body(f"link{i + 1}")
                    np.testing.assert_allclose(geom, data.geom_xpos[body.geomadr[0]], atol=1e-6)


def test_a_recorded_moment_looks_like_the_simulated_one() -> None:
    episode = load(DATA / "push" / "adapt" / "ur5e")[0]
    qpos, state = start("push", range(episode.attributes["seed"], episode.attributes["seed"] + 1))
    with Renderer("ur5e", "push") as renderer:
        simulated, recorded = renderer.frames(qpos, state), renderer.frames(episode.qpos[:1], episode.read("state")[:1])
    for camera in simulated:
        np.testing.assert_array_equal(simulated[camera], recorded[camera])


def test_second_marker_could_be_the_goal_and_follows_from_the_start() -> None:
    _, state = start("place", range(40))
    other = other_goal("place", state)
    assert other is not None
    assert (np.abs(other[:, :2]) <= GOAL_RANGE).all()
    distance = np.linalg.norm(other[:, :2] - state[:, OBJECT][:, :2], axis=1)
    assert distance.min() >= 0.10 and distance.max() <= 0.20
    assert np.linalg.norm(other[:, :2] - state[:, GOAL][:, :2], axis=1).min() >= APART
    np.testing.assert_array_equal(other_goal("place", state.astype(np.float64)), other)
    np.testing.assert_array_equal(other_goal("place", state[7]), other[7])
    assert other_goal("push", state) is None and other_goal("lift", state) is None


def test_arm_of_a_file_is_drawn_as_its_skeleton(tmp_path: Path) -> None:
    file = tmp_path / "arm.urdf"
    file.write_text(
        '<robot name="arm"><link name="base"/><link name="a"/><link name="b"/><link name="tip"/>'
        '<joint name="turn" type="revolute"><parent link="base"/><child link="a"/><origin xyz="0 0 0.2"/>'
        '<axis xyz="0 0 1"/><limit lower="-2" upper="2" effort="1" velocity="1"/></joint>'
        '<joint name="bend" type="revolute"><parent link="a"/><child link="b"/><origin xyz="0 0 0.3"/>'
        '<axis xyz="0 1 0"/><limit lower="-2" upper="2" effort="1" velocity="1"/></joint>'
        '<joint name="end" type="fixed"><parent link="b"/><child link="tip"/><origin xyz="0 0 0.4"/></joint></robot>'
    )
    with Renderer(str(file), cameras=["film"], size=SIZE) as renderer:
        seen = renderer.frames([[0.0, 0.2], [0.0, 1.2], [1.0, 1.2]])["film"].astype(int)
    assert min(np.abs(seen[0] - seen[1]).mean(), np.abs(seen[1] - seen[2]).mean()) > 1


def test_wrong_input_is_named() -> None:
    with pytest.raises(InputError) as error:
        Renderer("ur5e", "lift", cameras=["frnt"])
    assert error.value.where == "camera of ur5e" and "front" in error.value.fix
    with pytest.raises(InputError) as error:
        Renderer("ur5e", "lift", size=2000)
    assert "1024" in error.value.expected
    with Renderer("ur5e", "lift") as renderer:
        with pytest.raises(InputError) as error:
            renderer.frames(np.zeros((3, 7)))
        assert error.value.got == "none"
        with pytest.raises(InputError) as error:
            renderer.frames(np.zeros(7), np.zeros((1, 20)))
        assert "qpos[None]" in error.value.fix


def test_without_a_driver_one_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    opengl.backend.cache_clear()
    monkeypatch.setattr(opengl, "TRIAL", "raise SystemExit('no driver {name}')")
    with pytest.raises(InputError) as error:
        opengl.backend()
    opengl.backend.cache_clear()
    assert "no driver egl" in error.value.got and "no driver osmesa" in error.value.got
    assert "libegl1" in error.value.fix and "libosmesa6" in error.value.fix


@pytest.mark.slow
def test_pictures_come_where_mujoco_is_told_not_to_draw() -> None:
    code = (
        "import numpy as np; from ate.sim.render import Renderer\n"
        "with Renderer('panda', cameras=['film'], size=16) as r: assert np.ptp(r.frames(np.zeros((1, 8)))['film']) > 20"
    )
    environment = {**os.environ, "MUJOCO_GL": "disabled", "PYOPENGL_PLATFORM": "glx"}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=120)


@pytest.mark.slow
def test_episodes_are_drawn_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    episodes = load(DATA / "place" / "adapt" / "gen3").select(range(2))
    first = list(render_episodes(episodes, size=32, folder=tmp_path))
    assert [seen["front"].shape for seen in first] == [(len(item), 32, 32, 3) for item in episodes]
    assert len(list(tmp_path.rglob("*.npz"))) == 4
    frames = Renderer.frames

    def refuse(*_: object, **__: object) -> dict[str, np.ndarray]:
        raise AssertionError("drawn again")

    monkeypatch.setattr(Renderer, "frames", refuse)
    for again, seen in zip(render_episodes(episodes, size=32, folder=tmp_path), first, strict=True):
        for camera in seen:
            np.testing.assert_array_equal(again[camera], seen[camera])
    with pytest.raises(AssertionError):
        list(render_episodes(episodes, size=32, folder=tmp_path, colors=["yellow", "blue"]))
    monkeypatch.setattr(Renderer, "frames", frames)
    cut, spoiled, *_ = sorted(tmp_path.rglob("*.npz"))
    cut.write_bytes(cut.read_bytes()[:100])
    whole = spoiled.read_bytes()
    spoiled.write_bytes(whole[:200] + b"\xff" * 50 + whole[250:])
    for again, seen in zip(render_episodes(episodes, size=32, folder=tmp_path), first, strict=True):
        for camera in seen:
            np.testing.assert_array_equal(again[camera], seen[camera])
    other = next(render_episodes(episodes, size=32, folder=tmp_path, robot="iiwa14"))
    assert (other["front"] != first[0]["front"]).any()


def test_cache_lies_where_the_user_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ATE_CACHE", str(tmp_path))
    assert pictures.cache() == tmp_path / "pictures"
    monkeypatch.delenv("ATE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert pictures.cache() == tmp_path / "ate" / "pictures"


@pytest.mark.slow
def test_a_smooth_picture_is_the_mean_of_what_is_drawn() -> None:
    qpos, state = start("lift", range(1))
    with Renderer("ur5e", "lift", ["film"], (30, 48), smooth=3) as renderer:
        (seen,) = renderer.frames(qpos, state)["film"]
        drawn = renderer._buffer[::-1].reshape(30, 3, 48, 3, 3).mean(axis=(1, 3))
    assert np.ptp(drawn) > 100 and np.abs(seen - drawn).max() <= 0.5
