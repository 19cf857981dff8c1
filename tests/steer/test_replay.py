"""Replay and guidance at pre-training observations: what is drawn, what is pulled where, and what stays as it was."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from ate.align.vae import InfoVAE
from ate.align.vae_config import VAEConfig
from ate.data.space import spaces
from ate.errors import InputError
from ate.policies import Policy, build
from ate.steer import Goals, Guidance, GuidanceConfig, GuidedPolicy, OptimConfig, Replay, finetune, finetune_methods
from ate.steer.batches import TrainingData, draw
from ate.steer.guided_rows import GuidedSource
from ate.steer.shifted_target import ShiftedTargets
from ate.steer.trainer import Trainer

CPU = torch.device("cpu")


@pytest.fixture
def setting(make_set):
    """A robot's demonstrations, more episodes of it as if retargeted, an encoder of its joints and a policy."""
    new, others = make_set("new", joints=6), make_set("others", joints=6, seed=3, episodes=3)
    torch.manual_seed(3)
    vae = InfoVAE(VAEConfig(features=7, latent=8, layers=3, heads=2, feedforward=16, dropout=0.0))
    policy = build([new], 8, seed=0, hidden=16)
    space = policy.spaces[0]
    goals = Goals.encoded(vae.eval(), [(others, space.compact)], 8)
    return policy, new, Replay.of(others, space), vae, goals


def guided(setting, **options):
    _, _, _, vae, goals = setting
    return Guidance(vae, "tool-motion", goals=goals, **options)


def weights(policy):
    return torch.cat([p.detach().flatten() for p in policy.parameters()])


def trained(setting, guidance=None, replay=None, **options):
    policy, new, *_ = setting
    return finetune(policy, new, guidance, replay=replay, space=policy.spaces[0], batch=16, **options)


def test_a_batch_has_its_share_of_the_replay_and_stays_as_large(setting):
    policy, new, replay, *_ = setting
    for share, count in ((0.5, 8), (0.25, 4), (0.01, 1), (1.0, 16)):
        data = TrainingData.mixed(policy, [new], policy.spaces, replace(replay, share=share), CPU)
        generator = torch.Generator().manual_seed(0)
        seen = torch.cat([data.rows(16, generator)[None] for _ in range(50)])
        assert ((seen >= data.own).sum(1) == count).all() and data.own == int(new.lengths.sum())
        assert seen[seen >= data.own].max() > data.own + 60 and len(draw(data, policy.path, 16, generator).x) == 16
    alone = TrainingData.mixed(policy, [new], policy.spaces, None, CPU)
    assert torch.equal(alone.rows(16, torch.Generator().manual_seed(1)),
                       torch.randint(len(alone), (16,), generator=torch.Generator().manual_seed(1)))  # fmt: skip


@pytest.mark.slow
def test_replayed_episodes_are_learned_from(setting):
    """What only the replay shows is predicted better with it, at its own observations."""
    policy, _, replay, *_ = setting
    data = TrainingData.of(policy, replay.sets, replay.spaces, CPU)
    error = {}
    for name, used in (("with", replay), ("without", None)):
        done = trained(setting, replay=used, steps=150, learning_rate=3e-3).policy
        batch = draw(data, policy.path, 256, torch.Generator().manual_seed(5))
        with torch.no_grad():
            error[name] = float((done(batch.x, batch.t, batch.observation) - batch.target).square().mean())
    assert error["with"] < 0.7 * error["without"]


def test_guidance_of_no_strength_is_direct_fine_tuning_bit_for_bit(setting):
    replay = setting[2]
    direct = weights(trained(setting, steps=5).policy)
    assert torch.equal(weights(trained(setting, guided(setting, lam=0.0), replay, steps=5).policy), direct)
    acting = trained(setting, guided(setting, lam=3.0), replay, steps=5)
    assert not torch.allclose(weights(acting.policy), direct, atol=1e-6)
    # The demonstrations are drawn as they are without guidance, and the meter knows the sampler's noise levels, from
    # pure noise to the last, as far as eight rows can have them.
    levels = [row["t_high"] for row in acting.meter]
    assert len(levels) >= 7 and levels[0] <= 0.2 and levels[-1] == 1.0


@pytest.mark.parametrize("kind", ["sample", "epsilon", "v", "flow_noise_at_1"])
@pytest.mark.parametrize("latent", ["mean", "decoded"])
def test_the_gradient_is_that_of_the_latent_distance(make_set, kind, latent):
    """λ·‖E(â0) − goal‖², or λ·‖â0 − D(goal)‖², over all numbers of the rows, by finite differences in weights."""
    new = make_set("new", joints=3, episodes=2)
    torch.manual_seed(1)
    vae = InfoVAE(VAEConfig(features=4, latent=4, layers=1, heads=1, feedforward=8, dropout=0.0)).double()
    policy = build([new], 4, seed=0, hidden=8, depth=1, parameterization=kind)
    goals = Goals.encoded(vae.float().eval(), [(new, policy.spaces[0].compact)], 4)
    guidance = Guidance(vae, "tool-motion", lam=3.0, latent=latent, goals=goals)
    data = TrainingData.of(policy, [new], policy.spaces, CPU)
    rows = GuidedSource(data, 8, policy.config.denoising_steps, 0).draw()
    policy, vae = policy.double(), vae.double()
    rows = replace(rows, **{name: getattr(rows, name).double() for name in ("a0", "noise", "observation", "mask")})
    goals.latents = goals.latents.double() + 0.3
    x, t = rows.denoised(policy)
    _alpha, sigma = policy.path.alpha_sigma(t)

    def energy():
        estimate = policy.path.split(x, policy(x, t, rows.observation), t)[0].clamp(-1.5, 1.5)
        goal = goals.latents[rows.chunk_index]
        away = vae.encode(estimate).mean - goal if latent == "mean" else estimate - vae.decode(goal, 4)
        return 3.0 * away.square().sum() / (8 * 4 * 4)

    trainer = Trainer("x", GuidedPolicy(policy, guidance), OptimConfig(), ShiftedTargets([], data, policy.path, 0), CPU)
    trainer._pull(guidance, trainer._meter, rows).backward()
    pairs = []
    for parameter in policy.parameters():
        for place in np.random.default_rng(0).integers(0, parameter.numel(), 3):
            flat, step = parameter.detach().view(-1), 1e-5
            before = float(flat[place])
            ends = []
            for sign in (1, -1):
                flat[place] = before + sign * step
                with torch.no_grad():
                    ends.append(float(energy()))
            flat[place] = before
            pairs.append((float(parameter.grad.view(-1)[place]), (ends[0] - ends[1]) / (2 * step)))
    found, expected = np.array(pairs).T
    # x_t is where the policy is: no gradient goes through it, and none is counted by the differences either.
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=1e-5 * np.abs(expected).max())
    assert np.abs(expected).max() > 1e-4 and float(sigma.min()) > 0


def test_every_noise_level_of_the_sampler_has_its_share_of_the_rows(setting):
    policy, _, replay, *_ = setting
    policy = Policy(replace(policy.config, denoising_steps=4), policy.spaces, policy.state)
    data = TrainingData.of(policy, replay.sets, replay.spaces, CPU)
    rows = GuidedSource(data, 16, 4, 0).draw()
    assert rows.steps.bincount().tolist() == [4] * 4
    x, t = rows.denoised(policy)
    assert torch.equal(x[:4], rows.noise[:4]) and t.tolist() == [1.0] * 4 + [0.75] * 4 + [0.5] * 4 + [0.25] * 4
    # Three steps on, by hand.
    moved = rows.noise[12:]
    for now, following in ((1.0, 0.75), (0.75, 0.5), (0.5, 0.25)):
        times = [torch.full((4,), value) for value in (now, following)]
        with torch.no_grad():
            moved = policy.denoised(moved, *times, rows.observation[12:]) * rows.mask[12:]
    torch.testing.assert_close(x[12:], moved)


def test_goals_are_encoded_and_decoded_once(setting, monkeypatch):
    """A step encodes the estimates alone, as many rows as guidance has; between decoded chunks it runs no network."""
    calls = []
    for name in ("encode", "decode"):
        usual = getattr(InfoVAE, name)
        monkeypatch.setattr(
            InfoVAE, name, lambda self, x, *rest, n=name, u=usual: calls.append((n, len(x))) or u(self, x, *rest)
        )
    trained(setting, guided(setting, latent="mean"), setting[2], steps=3)
    assert calls == [("encode", 8)] * 3
    calls.clear()
    trained(setting, guided(setting), setting[2], steps=3)
    assert calls == [("decode", len(setting[4].latents))]


def test_goals_of_others_are_never_ones_own(setting):
    lengths, goals = setting[2].sets[0].lengths, setting[4]
    shuffled = goals.of_others(lengths, 0)
    first = np.cumsum([0, *lengths])
    for start, end in itertools.pairwise(first):
        own = goals.latents[start:end]
        assert not any(torch.equal(row, other) for row in shuffled.latents[start:end] for other in own)
    assert shuffled.latents.shape == goals.latents.shape


@pytest.mark.slow
def test_methods_of_several_replays_equal_each_alone(setting, tmp_path):
    policy, new, replay, *_ = setting
    untranslated = Replay(replay.sets, spaces(replay.sets, policy.config.features), 0.5)
    methods = {
        "direct": GuidedPolicy(policy),
        "replay": GuidedPolicy(policy, None, replay),
        "less": GuidedPolicy(policy, None, replace(replay, share=0.25)),
        "untranslated": GuidedPolicy(policy, None, untranslated),
        "guided": GuidedPolicy(policy, guided(setting), replay),
        "stronger": GuidedPolicy(policy, guided(setting, lam=30.0), replay),
        "shuffled": GuidedPolicy(
            policy, Guidance(setting[3], "tool-motion", goals=setting[4].of_others(replay.sets[0].lengths, 0)), replay
        ),
    }
    optim = OptimConfig(steps=4, batch=16)
    together = finetune_methods(methods, new, optim, space=policy.spaces[0], directory=tmp_path)
    assert list(together) == list(methods)
    for name, method in methods.items():
        alone = finetune_methods({name: method}, new, optim, space=policy.spaces[0])[name]
        assert torch.equal(weights(alone.policy), weights(together[name].policy)), name
    assert len({weights(done.policy).numpy().tobytes() for done in together.values()}) == len(methods)


@pytest.mark.parametrize("at_pretraining", [False, True])
@pytest.mark.slow
def test_a_stopped_training_goes_on_to_the_same_bits(setting, tmp_path, at_pretraining):
    replay = setting[2]
    guidance = guided(setting) if at_pretraining else None
    trained(setting, guidance, replay, steps=45, directory=tmp_path)
    resumed = trained(setting, guidance, replay, steps=90, directory=tmp_path)
    assert torch.equal(weights(resumed.policy), weights(trained(setting, guidance, replay, steps=90).policy))
    # Other goals, or another share, are another training.
    other = Guidance(setting[3], "tool-motion", goals=setting[4].of_others(replay.sets[0].lengths, 0))
    with pytest.raises(InputError):
        trained(setting, other if at_pretraining else None, replace(replay, share=0.25), steps=95, directory=tmp_path)


def test_what_does_not_fit_is_refused(setting, make_set):
    policy, new, replay, vae, goals = setting
    with pytest.raises(InputError, match="no goals"):
        Guidance(vae, "tool-motion")
    with pytest.raises(InputError, match="energy_at"):
        GuidanceConfig(observations="pretraining", energy_at="x_t")
    with pytest.raises(InputError, match="decoded"):
        GuidanceConfig(latent="decoded")
    fewer = Goals(goals.latents[:-1], goals.length)
    with pytest.raises(InputError, match="goals"):
        trained(setting, Guidance(vae, "tool-motion", goals=fewer), replay, steps=1)
    with pytest.raises(InputError, match="leave stacked out"):
        method = GuidedPolicy(policy, guided(setting), replay)
        finetune_methods({"a": method}, new, OptimConfig(steps=1), space=policy.spaces[0], stacked=True)
    with pytest.raises(InputError, match="share of a batch"):
        replace(replay, share=0.0)
    wide = make_set("wide", joints=9)
    with pytest.raises(InputError, match="width"):
        trained(setting, None, Replay((wide,), spaces([wide])), steps=1)
