import numpy as np
import pytest
import torch

from ate.data import spaces
from ate.errors import InputError
from ate.policies import Policy, PolicyConfig, build
from ate.policies.networks import ConvUNet, ResidualMLP
from ate.policies.noise import PARAMETERIZATIONS, NoisePath
from ate.runs import checkpoint


@pytest.fixture
def sets(make_set):
    return make_set("six", joints=6), make_set("seven", joints=7, seed=1)


@pytest.mark.parametrize("network", ["mlp", "unet"])
def test_chunks_have_the_robots_shape_and_units(sets, network):
    policy = build(sets, 8, seed=0, network=network, hidden=16)
    generator = torch.Generator().manual_seed(0)
    for episodes, space in zip(sets, policy.spaces, strict=True):
        qpos, state = episodes[0].qpos[:5], episodes.extra(0, "state")[:5]
        chunk = policy.act(qpos, state, generator, space)
        assert chunk.shape == (5, 8, episodes.dof) and np.isfinite(chunk).all()
        span = space.normalizer.high - space.normalizer.low
        assert (chunk >= space.normalizer.low - span).all() and (chunk <= space.normalizer.high + span).all()


@pytest.mark.parametrize("name", PARAMETERIZATIONS)
def test_denoising_a_known_gaussian_lands_on_it(sets, name):
    """With the exact predictor of N(m, s²) in place of the network, samples have that mean and deviation."""
    mean, std = 0.3, 0.2

    class Exact(torch.nn.Module):
        def forward(self, x, t, observation):
            alpha, sigma = (v[:, None, None] for v in policy.path.alpha_sigma(t))
            clean = mean + alpha * std**2 * (x - alpha * mean) / (alpha**2 * std**2 + sigma**2)
            noise = sigma * (x - alpha * mean) / (alpha**2 * std**2 + sigma**2)
            a0, e = torch.ones_like(clean), torch.zeros_like(clean)
            p, q = policy.path.target(a0, e, t), policy.path.target(e, a0, t)
            return p * clean + q * noise

    policy = build(sets, 8, seed=0, parameterization=name, hidden=16, denoising_steps=100)
    policy.network = Exact()
    observation = torch.zeros(400, 2 * policy.config.features + policy.config.state)
    samples = policy.denoise(observation, torch.ones(8, dtype=torch.bool), torch.Generator().manual_seed(0))
    # 400·8·8 samples: the mean is known to 0.001; 100 steps of discretisation cost a few per cent of the deviation.
    assert float(samples.mean()) == pytest.approx(mean, abs=0.01)
    assert float(samples.std()) == pytest.approx(std, rel=0.06)


def test_unused_slots_stay_zero(sets):
    policy = build(sets, 8, seed=0, hidden=16)
    mask = torch.from_numpy(policy.spaces[0].loss_mask)
    observation = torch.zeros(3, 2 * policy.config.features + policy.config.state)
    samples = policy.denoise(observation, mask, torch.Generator().manual_seed(0))
    assert not samples[..., ~mask].any() and samples[..., mask].all()


def test_save_and_load_act_alike(sets, tmp_path):
    policy = build(sets, 8, seed=0, hidden=16)
    policy.save(tmp_path / "p.safetensors")
    again = Policy.load(tmp_path / "p.safetensors")
    qpos, state = sets[0][0].qpos[:3], sets[0].extra(0, "state")[:3]
    one, two = (p.act(qpos, state, torch.Generator().manual_seed(1)) for p in (policy, again))
    np.testing.assert_array_equal(one, two)


def test_a_checkpoint_that_calls_hidden_width_still_loads(sets, tmp_path):
    build(sets, 8, seed=0, hidden=16).save(tmp_path / "p.safetensors")
    tree = checkpoint.load(tmp_path / "p.safetensors")
    tree["config"]["width"] = tree["config"].pop("hidden")
    checkpoint.save(tmp_path / "earlier.safetensors", tree)
    assert Policy.load(tmp_path / "earlier.safetensors").config.hidden == 16


def test_a_folder_stands_for_its_policy_and_other_checkpoints_are_refused(sets, tmp_path):
    policy = build(sets, 8, seed=0, hidden=16)
    policy.save(tmp_path / "policy.safetensors")
    assert Policy.load(tmp_path).passports == policy.passports
    # What training goes on from, and an alignment.
    for tree in ({"identity": "", "state": {"policy": {}}}, {"kind": "alignment", "config": {}}, [1]):
        checkpoint.save(tmp_path / "last.safetensors", tree)
        with pytest.raises(InputError) as caught:
            Policy.load(tmp_path / "last.safetensors")
        assert "last.safetensors" in caught.value.where and "policy.safetensors" in caught.value.fix


def test_a_policy_is_loaded_onto_the_device_named(sets, tmp_path):
    build(sets, 8, seed=0, hidden=16).save(tmp_path / "p.safetensors")
    assert next(Policy.load(tmp_path / "p.safetensors", device="meta").parameters()).device.type == "meta"


def test_fresh_draws_other_weights_and_leaves_the_global_generator(sets):
    policy = build(sets, 8, seed=0, hidden=16)
    before = torch.get_rng_state()
    fresh = policy.fresh(0)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(a, b) for a, b in zip(policy.parameters(), fresh.parameters(), strict=True))
    other = policy.fresh(1)
    assert not torch.equal(next(policy.network.parameters()), next(other.network.parameters()))


def test_state_of_another_width_is_refused(sets):
    policy = build(sets, 8, seed=0, hidden=16)
    with pytest.raises(InputError) as caught:
        policy.act(sets[0][0].qpos[:2], np.zeros((2, 2), np.float32), torch.Generator())
    assert caught.value.got == "2 columns of state"


def test_recordings_without_state_train_on_joints_alone(make_set):
    episodes = make_set("bare", state=False)
    policy = build([episodes], 8, seed=0, hidden=16)
    assert policy.config.state == 0
    assert policy.act(episodes[0].qpos[:2], None, torch.Generator()).shape == (2, 8, 7)


def test_bad_configurations_are_refused():
    for refused, where, got in (
        (lambda: PolicyConfig(8, 7, 0, network="u-net"), "policy network", "'u-net'"),
        (lambda: PolicyConfig(10, 7, 0, network="unet"), "policy horizon", "10"),
        (lambda: NoisePath("samples"), "parameterization", "'samples'"),
    ):
        with pytest.raises(InputError) as caught:
            refused()
        assert (caught.value.where, caught.value.got) == (where, got)


def test_networks_depend_on_time_and_observation(sets):
    torch.manual_seed(0)
    for network in (ResidualMLP(8, 4, 3, 32), ConvUNet(8, 4, 3, 16)):
        x, t, o = torch.randn(2, 8, 4), torch.tensor([0.2, 0.2]), torch.randn(2, 3)
        base = network(x, t, o)
        assert base.shape == x.shape
        assert not torch.allclose(network(x, t + 0.5, o), base)
        assert not torch.allclose(network(x, t, o + 1), base)


def test_spaces_of_a_policy_share_its_width(sets):
    policy = build(sets, 8, seed=0, width=10, hidden=16)
    assert {space.width for space in policy.spaces} == {10} and spaces(sets)[0].width == 8
