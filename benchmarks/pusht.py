"""PushT by a scripted expert, as recordings of two robots: the agent itself, and one whose axes are turned.

python -m benchmarks.pusht FOLDER            writes FOLDER/turned (pre-training) and FOLDER/pusht (adaptation)

The expert tries pushes in a copy of the environment and carries out the one that brings the corners of the block
nearest to where they belong. Every episode starts as its seed says, from 1,000,000 on, so that no rollout seed is
demonstrated.
"""

import sys
from itertools import pairwise
from pathlib import Path

import gymnasium
import h5py
import numpy as np

FIRST, STEPS, ENOUGH = 1_000_000, 220, 0.8
EPISODES = {"turned": 60, "pusht": 15}
FAR, SPEED, LONGEST, TRIED = 115.0, 22.0, 110.0, 48
SIDE = 512.0


def made():
    import gym_pusht  # noqa: F401, registers the environment

    options = {"obs_type": "environment_state_agent_pos", "disable_env_checker": True}
    return gymnasium.make("gym_pusht/PushT-v0", **options).unwrapped


def corners(env):
    return np.asarray(env.get_obs()["environment_state"], float).reshape(-1, 2)


def wanted(env):
    """Where the corners belong."""
    env.reset(seed=0)
    place(env, (50, 50), env.goal_pose[:2], env.goal_pose[2])
    return corners(env)


def place(env, agent, block, angle):
    """Put agent and block somewhere; the angle first, because it turns the block about its centre of gravity."""
    env.agent.position = [float(x) for x in agent]
    env.block.angle = float(angle)
    env.block.position = [float(x) for x in block]
    env.space.reindex_shapes_for_body(env.block)


def centre(env):
    return np.array(env.block.local_to_world(env.block.center_of_gravity))


def push(angle, aside, length, middle):
    """Start and end of a push through a point `aside` of the block's centre."""
    along = -np.array([np.cos(angle), np.sin(angle)])
    start = middle - FAR * along + aside * np.array([-along[1], along[0]])
    return start, start + length * along


def best_push(env, copy, goal, rng):
    """The push of many that brings the corners nearest."""
    middle, found = centre(env), (np.inf, None)
    for _ in range(TRIED):
        start, end = push(rng.uniform(-np.pi, np.pi), rng.uniform(-60, 60), rng.uniform(60, FAR + LONGEST), middle)
        if min(*start, *end) < 20 or max(*start, *end) > SIDE - 20:
            continue
        copy.reset(seed=0)
        place(copy, start, env.block.position, env.block.angle)
        for share in np.linspace(0, 1, max(2, int(np.linalg.norm(end - start) / SPEED)))[1:]:
            copy.step(start + share * (end - start))
        copy.step(end)
        error = np.linalg.norm(corners(copy) - goal, axis=1).mean()
        if error < found[0]:
            found = error, (start, end)
    return found[1]


def way(at, start, end, middle):
    """Targets a step: around the block, then along the push."""
    first, last = (np.arctan2(*(point - middle)[::-1]) for point in (at, start))
    turn = (last - first + np.pi) % (2 * np.pi) - np.pi
    radius = max(FAR, np.linalg.norm(at - middle) * 0.9)
    arc = [
        middle + radius * np.array([np.cos(first + s * turn), np.sin(first + s * turn)]) for s in np.linspace(0, 1, 12)
    ]
    points, targets = [at, *arc, start, end], []
    for a, b in pairwise(points):
        count = max(1, int(np.linalg.norm(b - a) / SPEED))
        targets += [a + (b - a) * (i + 1) / count for i in range(count)]
    return [np.clip(target, 15, SIDE - 15) for target in targets]


def demonstrate(env, copy, goal, seed):
    """One episode: positions, commands, states, and the coverage it ended with."""
    rng = np.random.default_rng(seed)
    observation, _ = env.reset(seed=seed)
    rows, targets, covered = [], [], 0.0
    while len(rows) < STEPS and covered < ENOUGH:
        if not targets:
            chosen = best_push(env, copy, goal, rng)
            if chosen is None:
                break
            targets = way(np.asarray(observation["agent_pos"], float), *chosen, centre(env))
        # As it is recorded, so that it does the same when it is sent again.
        target = targets.pop(0).astype(np.float32)
        rows.append((observation["agent_pos"], target, observation["environment_state"]))
        observation, _, _, _, info = env.step(target)
        covered = float(info["coverage"])
    return [np.asarray(part, np.float32) for part in zip(*rows, strict=True)], covered


def turned(xy):
    """The same place for a robot whose axes are turned a quarter."""
    return np.stack([SIDE - xy[:, 1], xy[:, 0]], axis=1)


def record(folder, robot, episodes, seed):
    env, copy = made(), made()
    goal = wanted(copy)
    folder.mkdir(parents=True, exist_ok=True)
    kept = 0
    while kept < episodes:
        (qpos, action, state), covered = demonstrate(env, copy, goal, seed)
        if covered >= ENOUGH:
            with h5py.File(folder / f"episode_{kept:04d}.hdf5", "w") as file:
                file["qpos"], file["action"] = (turned(x) if robot == "turned" else x for x in (qpos, action))
                file["state"] = state
                names = {"robot": robot, "task": "push the T to its place", "units": "m", "rate_hz": 10.0}
                file.attrs.update({**names, "joint_names": ["x", "y"], "seed": seed})
            kept += 1
        seed += 1
    print(f"{robot}: {kept} episodes of {seed % 10_000} seeds cover {ENOUGH:.0%}")


def main(folder):
    for place, (robot, episodes) in enumerate(EPISODES.items()):
        record(Path(folder) / robot, robot, episodes, FIRST + 10_000 * place)


if __name__ == "__main__":
    main(sys.argv[1])
