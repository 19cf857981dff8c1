from dataclasses import replace

import numpy as np
import pytest
import torch

from ate.policies import Policy, build
from ate.policies.observation import StateFeatures, points
from ate.runs import checkpoint
from ate.steer.batches import TrainingData, draw

NAMES = ("tool_x", "tool_y", "tool_z", "tool_r11", "object_x", "object_y", "object_z", "object_tool_x", "goal_x")


def named(episodes, names):
    """The episodes with a random state under these names, metres."""
    items, rng = [], np.random.default_rng(0)
    for item in episodes:
        again = type(item).of(
            item.name, item.path, **{key: item.read(key) for key in ("qpos", "action")},
            state=rng.uniform(-0.1, 0.1, (len(item), len(names))).astype(np.float32),
        )  # fmt: skip
        items.append(replace(again, attributes={**item.attributes, "state_names": names}))
    return replace(episodes, items=tuple(items))


def test_points_are_found_by_name_the_tool_first():
    # The goal has no y and z; `object_tool` is an offset already.
    assert points(NAMES) == {"tool": (0, 1, 2), "object": (4, 5, 6)}
    names = ("goal_x", "goal_y", "goal_z", "tool_x", "tool_y", "tool_z")
    assert list(points(names)) == ["tool", "goal"]
    assert points(()) == {} == points(("x", "y", "z"))


def test_fine_features_are_saturated_offsets_in_metres(make_set):
    episodes = named(make_set("six"), NAMES)
    features = StateFeatures.of([episodes], fine=True)
    state = np.zeros((2, len(NAMES)), np.float32)
    state[0, [0, 4]] = 0.05, 0.06  # the object 1 cm before the tool
    state[1, [2, 6]] = 0.30, 0.00  # and 30 cm below it
    given = features(state)
    assert given.shape == (2, features.width) == (2, len(NAMES) + 6)
    fine = given[:, len(NAMES) :]
    np.testing.assert_allclose(fine[0], [np.tanh(1 / 3), 0, 0, np.tanh(1.0), 0, 0], atol=1e-6)
    np.testing.assert_allclose(fine[1], [0, 0, -np.tanh(10), 0, 0, -np.tanh(30)], atol=1e-6)


def test_the_line_from_object_to_goal_says_where_the_tool_is(make_set):
    names = tuple(f"{word}_{axis}" for word in ("tool", "object", "goal") for axis in "xyz")
    features = StateFeatures.of([named(make_set("six"), names)], fine=True)
    turn = np.deg2rad(30.0)
    along, left = np.array([np.cos(turn), np.sin(turn), 0]), np.array([-np.sin(turn), np.cos(turn), 0])
    thing = np.array([0.01, -0.02, 0.02])
    state = np.concatenate([thing - 0.03 * along + 0.01 * left, thing, thing + 0.12 * along])[None]
    line = features(state)[0, len(names) + 3 * 6 :]
    np.testing.assert_allclose(line[:3], along, atol=1e-5)
    np.testing.assert_allclose(line[3:5], [-0.5, np.sqrt(3) / 2], atol=1e-5)  # 120°
    np.testing.assert_allclose(line[5:7], [np.tanh(-1), np.tanh(-3)], atol=1e-5)
    np.testing.assert_allclose(line[7:], [*np.tanh(left / 3), *np.tanh(left)], atol=1e-5)


def test_a_point_that_never_moves_has_no_fine_features(make_set):
    names = tuple(f"{word}_{axis}" for word in ("tool", "object", "goal") for axis in "xyz")
    episodes = named(make_set("six"), names)
    still = []
    for item in episodes:
        state = item.read("state").copy()
        state[:, 6:] = 0.0
        again = type(item).of(item.name, item.path, qpos=item.qpos, state=state)
        still.append(replace(again, attributes=item.attributes))
    features = StateFeatures.of([replace(episodes, items=tuple(still))], fine=True)
    assert features.points == ((0, 1, 2), (3, 4, 5)) and features.tool


def test_the_tools_own_rotation_is_left_out_where_tool_motion_says_it(make_set):
    episodes = named(make_set("six"), NAMES)
    assert StateFeatures.of([episodes], own_tool=False).kept == (0, 1, 2, 4, 5, 6, 7, 8)
    assert StateFeatures.of([episodes]).kept == tuple(range(len(NAMES)))


def test_a_state_without_names_is_given_whole(make_set):
    features = StateFeatures.of([make_set("six")], fine=True, own_tool=False)
    assert features.points == () and features.kept == tuple(range(5))
    assert StateFeatures.of([make_set("bare", state=False)], fine=True) is None


def test_far_states_are_bounded(make_set):
    features = StateFeatures.of([make_set("six")])
    assert features(np.full((1, 5), 1e6, np.float32)).max() == 3.0


def test_robots_are_named_and_any_other_is_not(make_set):
    sets = [make_set("one", joints=6), make_set("two", joints=6, seed=1)]
    policy = build(sets, 8, seed=0, hidden=16, named=True)
    qpos, state = sets[0][0].qpos[:2], sets[0].extra(0, "state")[:2]
    own = [policy.observation(qpos, state, space)[:, -2:].tolist() for space in policy.spaces]
    assert own == [[[1.0, 0.0]] * 2, [[0.0, 1.0]] * 2]
    other = replace(policy.spaces[0], embodiment=replace(policy.spaces[0].embodiment, name="new"))
    assert not policy.moved_to(other).observation(qpos, state, other)[:, -2:].any()


def test_joint_noise_is_on_what_is_observed_in_training_alone(make_set):
    episodes = make_set("six", joints=6)
    quiet, noisy = (build([episodes], 8, seed=0, hidden=16, joint_noise=noise) for noise in (0.0, 0.05))
    cpu = torch.device("cpu")
    data, clean = (TrainingData.of(policy, [episodes], policy.spaces, cpu) for policy in (noisy, quiet))
    assert torch.equal(data.observation, clean.observation) and clean.noise is None
    one, other = (draw(d, noisy.path, 4000, torch.Generator().manual_seed(0)) for d in (data, clean))
    assert all(torch.equal(getattr(one, name), getattr(other, name)) for name in ("a0", "x", "t", "target"))
    apart = one.observation - other.observation
    space = noisy.spaces[0]
    radians = apart[:, : space.width].numpy()[:, list(space.embodiment.slots)] * space.normalizer.half_range
    # Deviations of 4,000 numbers are known to 1.1 %: 5 of those.
    np.testing.assert_allclose(radians[:, :6].std(0), 0.05, rtol=0.056)
    assert not radians[:, 6].any() and not apart[:, space.width :].any()


def test_a_checkpoint_of_version_0_1_acts_as_it_did(make_set, tmp_path):
    episodes = make_set("six", joints=6)
    policy = build([episodes], 8, seed=0, hidden=16)
    policy.save(tmp_path / "p.safetensors")
    tree = checkpoint.load(tmp_path / "p.safetensors")
    for name in ("film", "anchor", "robots", "joint_noise"):
        del tree["config"][name]
    for name in ("kept", "points", "tool"):
        del tree["state"][name]
    checkpoint.save(tmp_path / "earlier.safetensors", tree)
    qpos, state = episodes[0].qpos[:3], episodes.extra(0, "state")[:3]
    again = Policy.load(tmp_path / "earlier.safetensors")
    one, two = (p.act(qpos, state, torch.Generator().manual_seed(1)) for p in (policy, again))
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("film", [False, True])
def test_a_block_scales_and_shifts_as_written(film):
    """`h + narrow(silu(widen(norm(h))·(1 + a) + b))`: a = 0 and b the condition itself without FiLM."""
    from ate.policies.networks import ResidualMLP

    torch.manual_seed(0)
    network = ResidualMLP(4, 3, 5, 16, depth=2, film=film)
    x, t, o = torch.randn(2, 4, 3), torch.rand(2), torch.randn(2, 5)
    condition = network.condition(torch.cat([o, network.time(t)], -1))
    h = network.enter(x.flatten(1)) + condition
    for i in range(2):
        a, b = network.film[i](condition).split(16, -1) if film else (torch.zeros(2, 16), condition)
        inside = network.widen[i](network.norms[i](h))
        h = h + network.narrow[i](torch.nn.functional.silu(inside + a * inside + b))
    torch.testing.assert_close(network(x, t, o), network.leave(h).view(x.shape))
