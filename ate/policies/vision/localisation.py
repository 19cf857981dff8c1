"""Localisation: how far from where things are an encoder sees them, by camera, in millimetres and degrees."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ate.policies.vision import grounding
from ate.policies.vision.eyes import Eyes
from ate.policies.vision.grounding import Seen
from ate.policies.vision.instruction import COLOURS, WORDINGS
from ate.policies.vision.moment import Moments

Array = NDArray[np.float64]
BOTH = "both"
NEAR = 0.06
"""Metres from tool to object within which a grasp is decided."""


@dataclass(frozen=True)
class Errors:
    """Of one camera on one set of moments.

    Attributes:
        camera: its name, or `both`.
        object, object_median: error of the object's centre, mm.
        near: mean error where the tool is within `NEAR` of an object that nothing has touched, mm; None where it
            never is. A cube in the gripper is where the gripper is, and turned as it is.
        yaw: median error of a cube's yaw until it is touched, degrees; None for a disc.
        goal: median error of the goal that is meant, mm; None for a task without one.
        moments: how many.
    """

    camera: str
    object: float
    object_median: float
    near: float | None
    yaw: float | None
    goal: float | None
    moments: int


def localisation(eyes: Eyes, moments: Moments) -> list[Errors]:
    """Errors of each camera and of both together, with the instruction in its usual wording."""
    texts = [WORDINGS[moments.task][0].format(goal=(COLOURS[moments.task] or ("",))[k]) for k in moments.colour]
    parts = {
        name: Seen(grounding.of_camera(name, own.mean, moments.position, moments.rotation), own.spread)
        for name, own in eyes.by_camera(moments.pictures, eyes.encoder.words_of(texts)).items()
    }
    return [
        _errors(name, part.mean, moments) for name, part in {**parts, BOTH: grounding.fused([*parts.values()])}.items()
    ]


def _errors(camera: str, mean: Mapping[str, Array], moments: Moments) -> Errors:
    wanted = moments.goals[np.arange(len(moments)), moments.colour]
    apart = 1000 * np.linalg.norm(mean["object"] - moments.truth["object"], axis=1)
    goal = 1000 * np.linalg.norm(mean["goal"] - wanted, axis=1)
    near = np.linalg.norm(moments.truth["object"] - moments.position, axis=1) < NEAR
    near, free = near & ~moments.touched, ~moments.touched
    turn = [np.arctan2(yaw[:, 1], yaw[:, 0]) for yaw in (mean["yaw"], moments.truth["yaw"])]
    off = np.degrees(np.abs(np.angle(np.exp(1j * (turn[0] - turn[1])))) / 4)
    return Errors(
        camera, float(apart.mean()), float(np.median(apart)), float(apart[near].mean()) if near.any() else None,
        float(np.median(off[free])) if moments.truth["yaw"][free].any() else None,
        float(np.median(goal)) if COLOURS[moments.task] else None, len(moments),
    )  # fmt: skip
