"""ManiSkill3 as somebody's simulator: runs in the environment that has it, and not in ours.

gym:benchmarks/maniskill.py:PickCube-v1,…             the module of an address: registers ManiSkill's environments
python benchmarks/maniskill.py FOLDER --episodes 40   demonstrations by its motion planner, as native files

Without Vulkan nothing is rendered: materials are then replaced by an object without effect.
"""

import argparse
import sys
from pathlib import Path

import gymnasium
import numpy as np
import sapien
import sapien.pysapien

STEPS = 100
ARM = [f"panda_joint{i}" for i in range(1, 8)]
PARTS = {"tcp_pose": "tool", "goal_pos": "goal", "obj_pose": "object"}
AXES = ("x", "y", "z", "qw", "qx", "qy", "qz")
OPTIONS = {
    "num_envs": 1, "obs_mode": "state_dict", "control_mode": "pd_joint_pos", "render_backend": "none",
    "sim_backend": "physx_cpu",
}  # fmt: skip


class NoMaterial:
    """Takes what a material takes."""

    def __init__(self, *arguments, **options):
        pass

    def __getattr__(self, name):
        return lambda *arguments, **options: None


def without_vulkan():
    try:
        sapien.render.RenderMaterial()
    except RuntimeError:
        sapien.render.RenderMaterial = sapien.pysapien.render.RenderMaterial = NoMaterial


without_vulkan()
import mani_skill.envs  # noqa: E402, F401, registers the environments, once materials can be made


class Recorder(gymnasium.Wrapper):
    """Keeps what is observed before each step, and the command."""

    def reset(self, **options):
        self.rows = []
        self.seen, info = self.env.reset(**options)
        return self.seen, info

    def step(self, action):
        self.rows.append((self.seen, np.asarray(action, np.float32).ravel()))
        self.seen, *rest = self.env.step(action)
        return (self.seen, *rest)


def array(tensor):
    return np.asarray(tensor, np.float32).reshape(-1)


def columns(rows):
    """qpos and action with an opening from 0 to 1 in the last column, and the state."""
    qpos = np.stack([array(seen["agent"]["qpos"])[:8] for seen, _ in rows])
    action = np.stack([action for _, action in rows])
    qpos[:, 7], action[:, 7] = qpos[:, 7] / 0.04, (action[:, 7] + 1) / 2
    state = np.stack([np.concatenate([array(seen["extra"][name]) for name in PARTS]) for seen, _ in rows])
    return qpos, action, state


def record(folder, task, episodes, seed):
    import h5py
    from mani_skill.examples.motionplanning.panda.solutions import solvePickCube, solvePushCube

    solve = {"PickCube-v1": solvePickCube, "PushCube-v1": solvePushCube}[task]
    env = Recorder(gymnasium.make(task, disable_env_checker=True, **OPTIONS))
    widths = {"tcp_pose": 7, "goal_pos": 3, "obj_pose": 7}
    names = [f"{word}_{axis}" for part, word in PARTS.items() for axis in AXES[: widths[part]]]
    folder.mkdir(parents=True, exist_ok=True)
    kept, first = 0, seed
    while kept < episodes:
        result = solve(env, seed=seed, debug=False, vis=False)
        if result != -1 and bool(np.ravel(result[-1]["success"])[0]):
            with h5py.File(folder / f"episode_{kept:04d}.hdf5", "w") as file:
                file["qpos"], file["action"], file["state"] = columns(env.rows)
                file.attrs.update({
                    "robot": "panda", "task": task, "units": "rad", "rate_hz": 20.0, "seed": seed,
                    "joint_names": [*ARM, "gripper"], "state_names": names,
                })  # fmt: skip
            kept += 1
        seed += 1
    print(f"{task}: {kept} episodes of {seed - first} seeds, in {folder}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--task", default="PickCube-v1")
    parser.add_argument("--episodes", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1_000_000)
    given = parser.parse_args()
    record(given.folder, given.task, given.episodes, given.seed)


if __name__ == "__main__":
    sys.exit(main())
