"""A gymnasium environment that a user may have: a point on a table goes to a goal.

Loaded by the child of a simulator (`gym:…/reach.py:Reach-v0`), so it imports numpy and gymnasium alone.
"""

import os
import time
from typing import ClassVar

import gymnasium
import numpy as np

STEPS, FASTEST, NEAR = 30, 0.1, 0.1


class Reach(gymnasium.Env):
    metadata: ClassVar = {"render_modes": ["rgb_array"]}

    def __init__(self, fault="", bare=False, render_mode=None):
        print("packages print")
        self.fault, self.bare, self.render_mode = fault, bare, render_mode
        self.action_space = gymnasium.spaces.Box(-1, 1, (2,), np.float32)
        one = gymnasium.spaces.Box(-1, 1, (2,), np.float64)
        self.observation_space = gymnasium.spaces.Dict({"agent": gymnasium.spaces.Dict({"at": one}), "goal": one})

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.at, self.goal = self.np_random.uniform(-0.8, 0.8, (2, 2))
        return self._observed(), {}

    def step(self, action):
        if self.fault == "dies":
            os.write(2, b"ran out of ideas\n")
            os._exit(3)
        if self.fault == "hangs":
            time.sleep(60)
        if self.fault == "raises":
            raise ValueError("no such place")
        self.at = self.at + np.clip(action - self.at, -FASTEST, FASTEST)
        near = bool(np.linalg.norm(self.at - self.goal) < NEAR)
        return self._observed(), -float(np.linalg.norm(self.at - self.goal)), near, False, {"is_success": near}

    def render(self):
        picture = np.zeros((256, 300, 3), np.uint8)
        picture[tuple((127 * (self.at + 1)).astype(int))] = 255
        return picture

    def _observed(self):
        if self.bare:
            return np.concatenate([self.at, self.goal])
        return {"agent": {"at": self.at.copy()}, "goal": self.goal.copy()}


gymnasium.register("Reach-v0", entry_point=Reach, max_episode_steps=STEPS)
