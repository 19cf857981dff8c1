"""Attach by an alignment: other columns and statistics are reached, what does not fit is refused."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from ate.errors import InputError
from ate.policies import build
from ate.steer import Guidance, attach
from ate.steer.reconstruction import check_reconstruction
from tests.steer.lines import line_alignment, line_robots
from tests.steer.loops import B, S
from tests.steer.strangers import DiffusionPolicy


@pytest.fixture(scope="module")
def robots(tmp_path_factory):
    return line_robots(tmp_path_factory.mktemp("robots"))


@pytest.fixture(scope="module")
def alignment(robots):
    return line_alignment(robots, S)


def clean(alignment, robots, size=B):
    """Chunks of the new robot in the alignment's units, and raw."""
    raw = torch.from_numpy(robots[1].series(0)[: size * S].copy()).view(size, S, 5)
    return alignment.space.compact.encode(raw), raw


@pytest.mark.slow
def test_an_alignment_reaches_other_columns_and_statistics(alignment, robots):
    """Shuffled, padded, differently normalised columns get the shift of the alignment's own, in their units."""
    a0, raw = clean(alignment, robots)
    noise, t = torch.randn(a0.shape, generator=torch.Generator().manual_seed(3)), torch.tensor([5, 30, 60, 80])
    own = DiffusionPolicy(S, 5, "sample")
    names = alignment.joint_names
    with attach(own, alignment, "paper", lam=1.0, joints=names, statistics="alignment") as guided:
        own(a0, noise, t)
        plain = guided.shift

    order = [4, 2, 0, 1, 3]
    center, spread = torch.tensor([0.1, -0.2, 0.3, 0.0, 0.5]), torch.tensor([0.5, 2.0, 1.0, 0.7, 3.0])
    theirs = nn.functional.pad((raw[..., order] - center) / spread, (0, 3))
    half = torch.from_numpy(alignment.space.normalizer.half_range)
    # The same noise in joint units: policy units times spread are encoder units times half range.
    their_noise = nn.functional.pad(noise[..., order] * half[order] / spread, (0, 3))
    policy = DiffusionPolicy(S, 8, "sample")
    joints = [names[i] for i in order]
    with attach(policy, alignment, "paper", lam=1.0, joints=joints, statistics=(center, spread)) as guided:
        policy(theirs, their_noise, t)
        found = guided.shift
    scale = spread / half[order]
    torch.testing.assert_close(found[..., :5], plain[..., order] * scale, atol=1e-5, rtol=1e-3)
    assert torch.equal(found[..., 5:], torch.zeros(B, S, 3))


@pytest.mark.slow
def test_what_does_not_fit_the_alignment_is_refused(alignment, robots):
    a0, raw = clean(alignment, robots)
    t = torch.tensor([5, 30, 60, 80])

    def step(policy, values, **options):
        options = {"joints": alignment.joint_names, "statistics": "alignment", **options}
        with attach(policy, alignment, "paper", lam=1.0, **options):
            policy(values, torch.randn_like(values), t)

    with pytest.raises(InputError, match=r"S = 6, the chunk length"):
        step(DiffusionPolicy(4, 5), a0[:, :4])
    with pytest.raises(InputError, match="every joint of the alignment, 'joint3'"):
        step(DiffusionPolicy(S, 5), a0, joints=["joint1", "joint2", "elbow", "joint4", "gripper"])
    with pytest.raises(InputError, match=r"in normalised units, .* statistics="):
        step(DiffusionPolicy(S, 5), raw * 57.3)
    jagged = a0.sign()
    with pytest.raises(InputError, match=r"which come back with an error .* statistics="):
        step(DiffusionPolicy(S, 5), torch.where(torch.arange(S)[:, None] % 2 == 0, jagged, -jagged))


@pytest.mark.slow
def test_an_alignment_that_was_trained_little_is_not_taken_for_wrong_units(alignment, robots):
    """What it leaves on its own data is the measure: actions it misses by half are its own where it left a third."""
    a0, _ = clean(alignment, robots)
    half_off = a0 + 0.6 * torch.sign(torch.randn(a0.shape, generator=torch.Generator().manual_seed(0)))
    with pytest.raises(InputError, match="come back with an error"):
        check_reconstruction(alignment, half_off, "actions")
    assert alignment.metrics["adapt"][-1]["reconstruction"] < 0.1
    little = replace(alignment, metrics={**alignment.metrics, "adapt": [{"step": 1.0, "reconstruction": 0.1}]})
    check_reconstruction(little, half_off, "actions")
    with pytest.raises(InputError, match="come back with an error"):
        check_reconstruction(little, 57.3 * a0, "actions")


@pytest.mark.parametrize("anchor", ["none", "middle"])
def test_our_own_policy_in_a_loop_of_the_users(alignment, robots, anchor):
    options = {"parameterization": "flow_noise_at_1", "hidden": 16, "anchor": anchor}
    policy = build(robots, S, 0, alignment.space.width, **options)
    policy = policy.moved_to(alignment.space)
    a0 = alignment.space.encode(clean(alignment, robots)[1])
    noise, t = torch.randn(a0.shape), torch.full((B,), 0.5)
    observation = torch.zeros(B, 2 * alignment.space.width)
    with attach(policy, alignment, "paper", lam=2.0, clamp=0.1) as guided:
        x = policy.path.noised(a0, noise, t)
        prediction = policy(x, t, observation)
    bare = policy(x, t, observation)
    own = Guidance.of(alignment, "paper", lam=2.0, clamp=0.1).shift(x, a0, torch.full((B,), -1.0))
    torch.testing.assert_close(prediction - bare, own, atol=1e-6, rtol=1e-5)
    assert guided.steps == 1 and guided.hook_point.kind == "ours"
