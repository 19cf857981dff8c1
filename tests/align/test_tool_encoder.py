"""Alignment by tool motion: one encoder for every robot, through its kinematics."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import ate.align
from ate.align import Alignment
from ate.align.tool_encoder import ToolEncoder
from ate.align.vae import InfoVAE
from ate.align.vae_config import VAEConfig
from ate.data.episodes import Episode, Episodes
from ate.data.space import spaces
from ate.data.tool_space import tool_spaces
from ate.errors import InputError
from ate.robots.frames import Placement
from ate.steer.guidance import Guidance

CHUNK = 8


def moving(robot, count, seed, steps=30, names=None):
    """Episodes of a built-in arm that wanders around its home posture and closes its gripper halfway."""
    placement, random = Placement.of(robot), np.random.default_rng(seed)
    arm = placement.kinematics
    time = np.linspace(0, 1, steps)[:, None]
    items = []
    for i in range(count):
        q = arm.rest + 0.3 * random.uniform(-1, 1, arm.joints) * np.sin(np.pi * time)
        qpos = np.concatenate([q, (time < 0.5).astype(float)], 1).astype(np.float32)
        items.append(Episode.of(f"episode_{i:04d}", Path(f"/{robot}/episode_{i:04d}.hdf5"), qpos=qpos))
    return Episodes(tuple(items), "qpos", robot, names or (*arm.joint_names, "gripper"), 20.0)


@pytest.fixture(scope="module")
def arms():
    return (moving("panda", 4, 0), moving("iiwa14", 4, 1)), moving("ur5e", 4, 2)


@pytest.fixture(scope="module")
def motion(arms, tiny):
    return ate.align.fit(*arms, preset=tiny.with_options(columns="tool", adapt_init="shared"))


def encoder(arms, dtype=torch.float32):
    adapt = arms[1]
    torch.manual_seed(0)
    vae = InfoVAE(VAEConfig(10, latent=8, layers=1, heads=2, feedforward=16, dropout=0.0)).to(dtype).freeze()
    tool = tool_spaces([adapt], [Placement.of("ur5e")])[0]
    return ToolEncoder(vae, spaces([adapt])[0], tool)


@pytest.mark.slow
def test_gradients_through_the_kinematics_are_those_of_finite_differences(arms):
    coder = encoder(arms, torch.float64)
    x = torch.rand(2, CHUNK, 7, dtype=torch.float64, requires_grad=True) - 0.5
    assert torch.autograd.gradcheck(lambda v: coder.encode(v).mean, (x,), eps=1e-6, atol=1e-6)


@pytest.mark.slow
def test_equal_tool_motion_of_two_robots_has_one_latent(motion, arms):
    panda, adapt = motion.seen[0], motion.seen[-1]
    raw = arms[1][0].qpos[None, :CHUNK]
    rows = adapt.placement.rows(raw[..., :6].astype(float), raw[..., 6])
    q, missed = panda.placement.follow(rows, None)
    assert missed.position.max() < 1e-5
    of_panda = panda.encode(np.concatenate([q, raw[..., 6:]], -1).astype(np.float32))
    old = motion.pretrain_vae.encode(torch.from_numpy(of_panda)).mean
    new = motion.encoder.encode(torch.from_numpy(motion.space.compact.encode(raw))).mean
    torch.testing.assert_close(old, new, atol=2e-4, rtol=0)
    other = torch.from_numpy(motion.space.compact.encode(arms[1][1].qpos[None, 10 : 10 + CHUNK]))
    assert float((motion.encoder.encode(other).mean - new).abs().max()) > 0.02


@pytest.mark.slow
def test_both_stages_are_one_network_and_guidance_takes_joints(motion, arms):
    assert motion.vae is motion.pretrain_vae and motion.metrics["adapt"] == []
    assert motion.encoder is motion.encoder and motion.encoder.config.features == 7
    latents = motion.encode(arms[1])
    assert motion.chunks(arms[1]).width == 10 and latents.mean.shape[1] == 8
    guidance = Guidance.of(motion)
    x = torch.rand(3, CHUNK, motion.space.width)
    g = guidance.gradient(x, torch.zeros_like(x))
    slots = list(motion.space.embodiment.slots)
    unused = [i for i in range(motion.space.width) if i not in slots]
    assert float(g[..., slots].abs().min(dim=1).values.max()) > 0 and not g[..., unused].any()


def test_a_loaded_alignment_gives_the_same_bits(motion, arms, tmp_path):
    motion.save(tmp_path)
    again = Alignment.load(tmp_path, device="cpu")
    assert again.vae is again.pretrain_vae
    x = torch.rand(2, CHUNK, 7)
    assert torch.equal(again.encoder.encode(x).mean, motion.encoder.encode(x).mean)
    np.testing.assert_array_equal(again.encode(arms[1]).mean, motion.encode(arms[1]).mean)
    assert again.seen[-1].placement.kinematics.speed[0] == np.inf


def test_realign_takes_new_statistics_of_the_joints_and_keeps_the_network(motion, arms):
    again = ate.align.realign(motion, arms[1].select([0, 1, 2]), seed=1, device="cpu")
    assert again.vae is motion.vae and again.digests["adapt"] != motion.digests["adapt"]
    assert not np.array_equal(again.space.normalizer.low, motion.space.normalizer.low)
    raw = arms[1][3].qpos[None, :CHUNK]
    found = [a.encoder.encode(torch.from_numpy(a.space.compact.encode(raw))).mean for a in (motion, again)]
    torch.testing.assert_close(*found, atol=1e-4, rtol=0)


def test_refit_keeps_stage_one(motion, arms):
    again = ate.align.refit(motion, *arms, preset=motion.config.with_options(prior="mixture", mixture_components=2))
    assert again.vae is motion.pretrain_vae and len(again.prior.weights) == 2


@pytest.mark.slow
def test_a_control_trained_on_the_new_robot_alone_has_its_own_encoder(motion, arms):
    control = ate.align.fit_one_stage(motion, arms[1], device="cpu")
    assert control.vae is not motion.vae and control.pretrain_vae is motion.pretrain_vae
    assert control.encoder.encode(torch.zeros(1, CHUNK, 7)).mean.shape == (1, 8)


def test_a_robot_without_kinematics_is_refused_and_a_placement_helps(arms, tiny):
    config = tiny.with_options(columns="tool", adapt_init="shared", pretrain_steps=2)
    stranger = replace(arms[1], robot="arm of ours")
    with pytest.raises(InputError, match="arm of ours") as error:
        ate.align.fit(arms[0], stranger, preset=config)
    assert "arm.urdf" in error.value.fix
    found = ate.align.fit(arms[0], stranger, preset=config, placements={"arm of ours": Placement.of("ur5e")})
    assert found.encoder.tool.embodiment.name == "arm of ours"


def test_a_shared_network_needs_tool_motion(tiny):
    with pytest.raises(InputError, match="columns"):
        tiny.with_options(adapt_init="shared")


def test_spaces_of_two_robots_are_refused(arms):
    good = encoder(arms)
    with pytest.raises(InputError, match="one robot"):
        ToolEncoder(good.vae, spaces([arms[0][0]])[0], good.tool)


def test_translated_joints_put_the_tool_where_the_decoder_says(motion, arms):
    x = motion.chunks(arms[0][0], motion.seen[0]).gather(torch.arange(3))
    joints = motion.translate(x)
    assert joints.shape == (3, CHUNK, 7)
    wanted = motion.vae.decode(motion.pretrain_vae.encode(x).mean, CHUNK)
    got = motion.seen[-1].encode(joints)
    half = motion.seen[-1].normalizer.half_range[:3]
    # An untrained network asks for what this arm may not reach; where it does, the tool is there.
    gap = ((got - wanted)[..., :3] * torch.from_numpy(half)).norm(dim=-1)
    assert float(gap.median()) < 1e-3
