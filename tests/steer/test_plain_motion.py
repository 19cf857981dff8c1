"""Guidance by plain tool motion: postures of one tool motion are equal to it, whatever the joints."""

import numpy as np
import torch

from ate.data.space import spaces
from ate.data.tool_space import tool_spaces
from ate.robots.frames import Placement
from ate.steer.encoder import IdentityEncoder, MotionIdentityEncoder
from ate.steer.guidance import Guidance
from tests.align.test_tool_encoder import CHUNK, moving


def test_it_pulls_to_the_tool_motion_and_leaves_the_posture_free():
    arm, place = moving("gen3", 2, 0), Placement.of("gen3")
    space, tool = spaces([arm])[0].compact, tool_spaces([arm], [place])[0]
    raw = arm[0].qpos[None, 5 : 5 + CHUNK]
    rows = place.rows(raw[..., :7].astype(float), raw[..., 7])
    # Another elbow: the seventh joint leaves a posture free.
    start = raw[0, 0, :7].astype(float)
    start[2] += 0.4
    pose = rows[:, 0]
    q, missed = place.follow(np.repeat(pose[:, None], 30, 1), start)
    q, missed = place.follow(rows, q[0, -1])
    assert missed.position.max() < 1e-5 and np.abs(q[0, 0] - raw[0, 0, :7]).max() > 0.05
    other = np.concatenate([q, raw[..., 7:]], -1).astype(np.float32)
    a0, x = (torch.from_numpy(space.encode(part)) for part in (raw, other))

    plain = Guidance(
        MotionIdentityEncoder(space, tool, CHUNK), "tool-motion", latent="mean", observations="demonstrations"
    )
    joints = Guidance(IdentityEncoder(8, CHUNK), "tool-motion", latent="mean", observations="demonstrations")
    moved = torch.from_numpy(space.encode(arm[1].qpos[None, 5 : 5 + CHUNK]))
    assert plain.gradient(x, a0).abs().max() < 0.01 * plain.gradient(moved, a0).abs().max()
    assert joints.gradient(x, a0).abs().max() > 0.05 * joints.gradient(moved, a0).abs().max()
    # The energy is the squared distance of the tool motions themselves.
    there = place.rows(arm[1].qpos[None, 5 : 5 + CHUNK, :7].astype(float), arm[1].qpos[None, 5 : 5 + CHUNK, 7])
    gap = tool.normalizer.normalize(there) - tool.normalizer.normalize(rows)
    measured = plain.latents(moved) - plain.latents(a0)
    np.testing.assert_allclose(measured.numpy(), gap.reshape(1, -1), atol=2e-5)
    coder = plain.vae
    assert torch.equal(coder.decode(coder.encode(x).mean, CHUNK), coder.as_decoded(x))
