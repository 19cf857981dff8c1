"""Pictures of the simulated robots: fixed cameras over recorded episodes, rollouts and postures.

    with Renderer("ur5e", "lift", size=64) as renderer:
        pictures = renderer.frames(qpos, state)  # {"front": (N, 64, 64, 3), "wrist": …} uint8

What is drawn comes from what a policy observes, `qpos (N, dof)` and `state (N, 20)` of `ate.sim.tasks`. Recorded and
simulated pictures of the same moment are therefore the same. MuJoCo draws without shadows, reflections and
multisampling.
"""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ate.errors import InputError, unknown
from ate.robots.chain import TOOL as TOOL_LENGTH
from ate.robots.chain import quaternion
from ate.robots.engine import engine
from ate.robots.kinematics import Kinematics
from ate.sim import opengl
from ate.sim.build import STROKE
from ate.sim.scene import GOALS, HIDDEN, MARKS, PIXELS, Scene, scene
from ate.sim.tasks import GOAL, GOAL_RANGE, OBJECT, STATE_NAMES, YAW, Task, task

Array = NDArray[np.float64]
Pictures = NDArray[np.uint8]
POLICY_CAMERAS, FILM = ("front", "wrist"), "film"
APART = 0.08
"""Least distance between the centres of two goal markers, metres."""
# Pixels up to which round shapes have few sides. Of `front` and `wrist` it stays, because shipped weights
# learned from such pictures; of a film, whose pixels are averaged, its own pixels count.
COARSE, COARSE_FILM = 128, 340


class Renderer:
    """Draws one robot, with one task or alone. Belongs to the thread that made it; close it, or use it with `with`.

    Attributes:
        arm: kinematics of the robot.
        task: the task, or None.
        cameras: names of the cameras that are drawn.
        size: height and width of a picture in pixels.
        look: everything of a picture but its moment, for keys of caches.

    Args:
        robot: name, model file or kinematics of a robot (`Kinematics.of`).
        task_name: a task of `ate.sim.tasks`, or None for the arm alone on a floor.
        cameras: `front` and `wrist`, which policies see, and `film`, which shows the whole arm. None for the two, or
            without a task for `film`, the only one then.
        size: pixels of the sides, or (height, width).
        smooth: a picture is drawn this many times as wide and high, and averaged. It costs the square of that.

    Raises:
        InputError: an unknown robot, task or camera, a size out of range, or no backend (`ate.sim.opengl.backend`).
    """

    def __init__(
        self,
        robot: str | Kinematics,
        task_name: str | None = None,
        cameras: Sequence[str] | None = None,
        size: int | tuple[int, int] = 64,
        smooth: int = 1,
    ) -> None:
        mujoco = engine("pictures", "draws the simulated robots")
        self.arm = robot if isinstance(robot, Kinematics) else Kinematics.of(robot)
        self.task: Task | None = None if task_name is None else task(task_name)
        self.cameras = tuple(cameras or (POLICY_CAMERAS if self.task else (FILM,)))
        self.size = (size, size) if isinstance(size, int) else size
        if min(self.size) < 8 or max(self.size) * smooth > PIXELS or smooth < 1:
            raise InputError(f"size={self.size}, smooth={smooth}", where="Renderer",
                             expected=f"sides of 8 to {PIXELS} pixels, smooth times larger included",
                             fix="pass e.g. size=64, smooth=1")  # fmt: skip
        self._scene: Scene = scene(self.arm, self.task, _fine(self.cameras, max(self.size), smooth))
        model = self._scene.model
        names = [model.camera(i).name for i in range(model.ncam)]
        for name in self.cameras:
            if name not in names:
                raise unknown(name, names, where=f"camera of {self.arm.name}")
        self.look = (self._scene.text, self.arm.to_tree(), self.size, smooth, mujoco.__version__)
        self._smooth = smooth
        self._data = mujoco.MjData(model)
        height, width = (side * smooth for side in self.size)
        self._context = opengl.context(width, height)
        self._pixels = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100.value)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN.value, self._pixels)
        self._rect = mujoco.MjrRect(0, 0, width, height)
        self._buffer = np.empty((height, width, 3), np.uint8)
        self._geoms = mujoco.MjvScene(model, maxgeom=model.ngeom + 8)
        for flag in (
            mujoco.mjtRndFlag.mjRND_SHADOW,
            mujoco.mjtRndFlag.mjRND_REFLECTION,
            mujoco.mjtRndFlag.mjRND_SKYBOX,
        ):
            self._geoms.flags[flag] = 0
        self._option = mujoco.MjvOption()
        self._views = []
        for name in self.cameras:
            view = mujoco.MjvCamera()
            view.type, view.fixedcamid = mujoco.mjtCamera.mjCAMERA_FIXED, model.camera(name).id
            self._views.append(view)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the context; nothing can be drawn afterwards."""
        # OpenGL frees by number in whatever context is current.
        self._context.make_current()
        self._pixels.free()
        self._context.free()

    def frames(
        self,
        qpos: ArrayLike,
        state: ArrayLike | None = None,
        other: ArrayLike | None = None,
        colors: Sequence[str] | None = None,
        paint: ArrayLike | None = None,
    ) -> dict[str, Pictures]:
        """Pictures (N, height, width, 3) uint8 of N moments, by camera.

        Args:
            qpos: (N, dof) joints in radians and the gripper's opening; (N, n) draws the gripper open.
            state: (N, 20) of `ate.sim.tasks.observation`; needed with a task.
            other: (N, 3) or (3,) centre of the second marker, which is not the goal (`other_goal`); hidden when None.
            colors: of the goal's marker, then of the other one; those of `ate.sim.scene.GOALS` when None.
            paint: (N, 2, 3) or (2, 3) colours in [0, 1] of the arm's links and of its housings; its own when None.

        Raises:
            InputError: a wrong shape, or an unknown colour.
        """
        joints = np.asarray(qpos, float)
        positions, turns = self._poses(joints)
        if self.task is not None:
            self._things(positions, turns, self.task, state, other, colors)
        mujoco, model = engine(), self._scene.model
        own = model.geom_rgba.copy()
        coats = None if paint is None else np.broadcast_to(np.asarray(paint, float), (len(joints), 2, 3))
        self._context.make_current()
        drawn = {name: np.empty((len(joints), *self.size, 3), np.uint8) for name in self.cameras}
        for i, (position, turn) in enumerate(zip(positions, turns, strict=True)):
            self._data.mocap_pos[:], self._data.mocap_quat[:] = position, turn
            if coats is not None:
                for geoms, color in zip(self._scene.arm, coats[i], strict=True):
                    model.geom_rgba[geoms, :3] = color
            mujoco.mj_kinematics(model, self._data)
            mujoco.mj_camlight(model, self._data)
            for name, view in zip(self.cameras, self._views, strict=True):
                drawn[name][i] = self._draw(mujoco, view)
        model.geom_rgba[:] = own
        return drawn

    def _draw(self, mujoco: Any, view: Any) -> Pictures:
        mujoco.mjv_updateScene(
            self._scene.model, self._data, self._option, None, view, mujoco.mjtCatBit.mjCAT_ALL.value, self._geoms
        )
        mujoco.mjr_render(self._rect, self._geoms, self._pixels)
        mujoco.mjr_readPixels(self._buffer, None, self._rect, self._pixels)
        upright = self._buffer[::-1]
        if self._smooth == 1:
            return upright
        # Eight times as fast as numpy's mean over blocks.
        total = np.zeros((*self.size, 3), np.uint32)
        for row in range(self._smooth):
            for column in range(self._smooth):
                total += upright[row :: self._smooth, column :: self._smooth]
        count = self._smooth**2
        return ((total + count // 2) // count).astype(np.uint8)

    def _poses(self, qpos: Array) -> tuple[Array, Array]:
        """Positions (N, bodies, 3) and quaternions (N, bodies, 4) with everything but the arm out of sight."""
        built = self._scene
        if qpos.ndim != 2:
            raise InputError(f"shape {qpos.shape}", where="pictures", expected=f"(N, {self.arm.joints + 1}) joints",
                             fix="pass qpos[None] for one moment")  # fmt: skip
        turns, shifts = self.arm.products(qpos)
        count = len(built.place)
        positions = np.broadcast_to(HIDDEN, (len(qpos), count, 3)).copy()
        rotations = np.broadcast_to(np.eye(3), (len(qpos), count, 3, 3)).copy()
        positions[:, built.place["stand"]] = built.base
        for i in range(len(self.arm.screws)):
            row = built.place[f"link{i}"]
            positions[:, row], rotations[:, row] = shifts[:, i] + built.base, turns[:, i]
        tool, matrix = self.arm.forward(qpos)
        tool = tool + built.base
        if built.hand:
            tool = tool - TOOL_LENGTH * matrix[:, :, 2]
            opening = qpos[:, -1] if qpos.shape[1] > self.arm.joints else np.ones(len(qpos))
            for name, side in (("left", STROKE), ("right", -STROKE)):
                row = built.place[name]
                positions[:, row] = tool + side * np.clip(opening, 0, 1)[:, None] * matrix[:, :, 1]
                rotations[:, row] = matrix
        positions[:, built.place["hand"]], rotations[:, built.place["hand"]] = tool, matrix
        return positions, quaternion(rotations)

    def _things(
        self, positions: Array, turns: Array, task: Task, state: ArrayLike | None, other: ArrayLike | None,
        colors: Sequence[str] | None,
    ) -> None:  # fmt: skip
        """Put object and markers where the state has them."""
        rows = np.asarray(np.zeros(0) if state is None else state, float)
        if rows.shape != (len(positions), len(STATE_NAMES)):
            got = "none" if state is None else f"shape {rows.shape}"
            raise InputError(got, where=f"state for pictures of {task.name}",
                             expected=f"({len(positions)}, {len(STATE_NAMES)}), a row a moment",
                             fix="pass the state that was recorded with qpos, or no task")  # fmt: skip
        place = self._scene.place
        positions[:, place["object"]] = rows[:, OBJECT]
        cosine, sine = rows[:, YAW].T
        half = np.arctan2(sine, cosine) / 8
        turns[:, place["object"], 0], turns[:, place["object"], 3] = np.cos(half), np.sin(half)
        names = GOALS[task.name] if colors is None else tuple(colors)
        centres = (rows[:, GOAL], None if other is None else np.asarray(other, float))
        if task.goal is None:
            return
        for name, centre in zip(names, centres, strict=False):
            if name not in MARKS:
                raise unknown(name, MARKS, where="colour of a goal marker")
            if centre is not None:
                flat = np.broadcast_to(centre, (len(positions), 3)).copy()
                flat[:, 2] = 0.0
                positions[:, place[name]] = flat


def _fine(cameras: Sequence[str], size: int, smooth: int) -> bool:
    """Whether round shapes need many sides."""
    return size > COARSE_FILM if set(cameras) == {FILM} else size * smooth > COARSE


def other_goal(task_name: str, state: ArrayLike) -> Array | None:
    """Where the second marker of an episode lies, (3,) or (N, 3) metres; None for a task with fewer than two markers.

    It follows from the first row of the episode alone: drawn like a goal (same range, same distance from the object),
    `APART` or more from the goal, so that either marker could be the goal.

    Args:
        task_name: a task.
        state: (20,) or (N, 20), the *first* state of one episode or of N.
    """
    which = task(task_name)
    if len(GOALS[which.name]) < 2 or which.goal is None:
        return None
    rows = np.asarray(state, np.float32)
    if rows.ndim == 2:
        return np.array([other_goal(task_name, row) for row in rows])
    start, goal = rows[OBJECT][:2].astype(float), rows[GOAL][:2].astype(float)
    # A tenth of a millimetre: the same episode has the same marker however its numbers were stored.
    seed = np.round(np.concatenate([start, goal]) * 1e4).astype(np.int64) + 100_000
    generator = np.random.default_rng(seed)
    while True:
        spot = generator.uniform(-GOAL_RANGE, GOAL_RANGE, 2)
        if which.goal[0] <= np.hypot(*(spot - start)) <= which.goal[1] and np.hypot(*(spot - goal)) >= APART:
            return np.array([*spot, which.half])
