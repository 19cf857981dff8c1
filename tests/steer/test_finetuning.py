from dataclasses import replace

import pytest
import torch

from ate.align.vae import InfoVAE
from ate.align.vae_config import VAEConfig
from ate.data import spaces
from ate.errors import InputError
from ate.policies import build
from ate.steer import Guidance, GuidedPolicy, OptimConfig, finetune, finetune_methods, open_loop, pretrain
from ate.steer.batches import TrainingData, draw


@pytest.fixture
def setting(make_set):
    old, new = make_set("old", joints=7), make_set("new", joints=6, seed=1)
    torch.manual_seed(3)
    vae = InfoVAE(VAEConfig(features=8, latent=8, layers=3, heads=2, feedforward=16, dropout=0.0))
    return build([old], 8, seed=0, width=8, hidden=32), old, new, vae


def weights(policy):
    return torch.cat([p.detach().flatten() for p in policy.parameters()])


@pytest.mark.parametrize("name", ["sample", "epsilon", "flow_noise_at_1"])
@pytest.mark.slow
def test_lambda_zero_is_bit_equal_to_plain_finetuning(make_set, setting, name):
    _, old, new, vae = setting
    policy = build([old], 8, seed=0, width=8, hidden=32, parameterization=name)
    plain = finetune(policy, new, steps=12, seed=5)
    zero = finetune(policy, new, Guidance(vae, "paper", lam=0.0, clamp=0.1), steps=12, seed=5)
    acting = finetune(policy, new, Guidance(vae, "paper", lam=2.0, clamp=0.1), steps=12, seed=5)
    assert torch.equal(weights(plain.policy), weights(zero.policy))
    assert [row["loss"] for row in plain.loss] == [row["loss"] for row in zero.loss]
    assert not torch.equal(weights(plain.policy), weights(acting.policy))


def test_shared_noise_latents_leave_the_batch_stream_alone(setting):
    policy, _, new, vae = setting
    plain = finetune(policy, new, steps=6)
    zero = finetune(policy, new, Guidance(vae, "paper", lam=0.0, latent="sample"), steps=6)
    assert torch.equal(weights(plain.policy), weights(zero.policy))


@pytest.mark.slow
def test_methods_together_equal_methods_alone(setting):
    policy, _, new, vae = setting
    methods = {
        "direct": GuidedPolicy(policy),
        "scratch": GuidedPolicy(policy.fresh(9)),
        "a": GuidedPolicy(policy, Guidance(vae, "paper", lam=2.0, clamp=0.1)),
        "b": GuidedPolicy(policy, Guidance(vae, "paper", lam=0.5, sign=-1)),
        "c": GuidedPolicy(policy, Guidance(vae, "paper", lam=0.5, energy_at="x0_hat")),
        "d": GuidedPolicy(policy, Guidance(vae, "paper", lam=2.0, clamp=0.1, clip="norm", schedule="alpha")),
    }
    together = finetune_methods(methods, new, OptimConfig(steps=10, seed=2))
    for name, method in methods.items():
        alone = finetune(method.policy, new, method.guidance, steps=10, seed=2)
        assert torch.equal(weights(alone.policy), weights(together[name].policy)), name
    assert together["a"].meter and not together["direct"].meter


@pytest.mark.slow
def test_sampled_latents_do_not_see_their_company(setting):
    """Methods whose guidance draws latent noise, of equal and of other widths, each as if it were alone."""
    policy, _, new, vae = setting
    torch.manual_seed(4)
    other = InfoVAE(VAEConfig(features=8, latent=8, layers=3, heads=2, feedforward=16, dropout=0.0))
    wider = InfoVAE(VAEConfig(features=8, latent=12, layers=3, heads=2, feedforward=16, dropout=0.0))
    methods = {
        name: GuidedPolicy(policy, Guidance(encoder, "paper", lam=2.0, latent="sample", energy_at=place))
        for name, encoder, place in [("a", vae, "x_t"), ("b", other, "x_t"), ("c", wider, "x_t"),
                                  ("d", vae, "x0_hat")]
    }  # fmt: skip
    together = finetune_methods(methods, new, OptimConfig(steps=6, seed=2))
    for name, method in methods.items():
        alone = finetune(method.policy, new, method.guidance, steps=6, seed=2)
        assert torch.equal(weights(alone.policy), weights(together[name].policy)), name
    assert len({weights(done.policy).sum().item() for done in together.values()}) == len(methods)


def test_guided_loss_is_the_shifted_target_loss(setting):
    """One step by hand: the gradient of ‖prediction − (target − shift)‖² moves the weights as training does."""
    policy, _, new, vae = setting
    guidance = Guidance(vae, "paper", lam=1.5, clamp=0.2)
    trained = finetune(policy, new, guidance, steps=1, batch=16, seed=4)
    space = trained.policy.spaces[0]
    mine = policy.moved_to(space)
    data = TrainingData.of(mine, [new], [space], torch.device("cpu"))
    batch = draw(data, mine.path, 16, torch.Generator().manual_seed(4))
    target = batch.target - guidance.shift(batch.x, batch.a0, mine.path.coefficient(batch.t))
    error = (mine(batch.x, batch.t, batch.observation) - target).square() * batch.mask
    (error.sum() / (batch.mask.sum() * 8)).backward()
    optimizer = torch.optim.AdamW(mine.parameters(), lr=3e-4, weight_decay=1e-6)
    optimizer.step()
    torch.testing.assert_close(weights(mine), weights(trained.policy), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("options", [{"energy_at": "x0_hat"}, {"clip": "norm"}, {"schedule": "alpha"}, {"clamp": 0.02}])
def test_every_option_reaches_the_weights(setting, options):
    policy, _, new, vae = setting
    usual = {"lam": 2.0, "clamp": 0.1}
    plain = finetune(policy, new, Guidance(vae, "paper", **usual), steps=4)
    other = finetune(policy, new, Guidance(vae, "paper", **{**usual, **options}), steps=4)
    assert not torch.equal(weights(plain.policy), weights(other.policy))


@pytest.mark.slow
def test_finetuning_leaves_its_inputs_alone_and_learns(setting):
    policy, _, new, _ = setting
    before = weights(policy).clone()
    trained = finetune(policy, new, steps=200, learning_rate=2e-3)
    assert torch.equal(weights(policy), before)
    # From ~1 (predicting nothing) a network of this size must fall well below half on four episodes.
    assert trained.loss[-1]["loss"] < 0.5 * trained.loss[0]["loss"]
    error = open_loop(trained.policy, new)
    untrained = open_loop(policy.moved_to(trained.policy.spaces[0]), new)
    assert set(error) == set(new.joint_names)
    assert sum(error.values()) < sum(untrained.values())


@pytest.mark.slow
def test_finetuning_resumes_to_the_same_bits(setting, tmp_path):
    policy, _, new, vae = setting
    guidance = Guidance(vae, "paper", lam=1.0, clamp=0.1)
    whole = finetune(policy, new, guidance, steps=40, seed=1)
    finetune(policy, new, guidance, steps=20, seed=1, directory=tmp_path)  # a run that stopped half way
    resumed = finetune(policy, new, guidance, steps=40, seed=1, directory=tmp_path)
    assert torch.equal(weights(whole.policy), weights(resumed.policy))
    assert whole.meter == resumed.meter


@pytest.mark.slow
def test_a_directory_of_another_finetuning_is_refused(setting, tmp_path):
    policy, _, new, vae = setting
    finetune(policy, new, Guidance(vae, "paper", lam=1.0, clamp=0.1), steps=20, directory=tmp_path)
    for guidance, seed in (
        (Guidance(vae, "paper", lam=2.0, clamp=0.1), 0),
        (None, 0),
        (Guidance(vae, "paper", lam=1.0, clamp=0.1), 1),
    ):
        with pytest.raises(InputError, match="another run"):
            finetune(policy, new, guidance, steps=40, seed=seed, directory=tmp_path)
    with pytest.raises(InputError, match="another run"):
        finetune(policy, new.select([0, 1]), Guidance(vae, "paper", lam=1.0, clamp=0.1), steps=40, directory=tmp_path)


def test_observations_are_paired_with_what_follows(setting):
    policy, old, _, _ = setting
    data = TrainingData.of(policy, [old], policy.spaces, torch.device("cpu"))
    decoded = policy.spaces[0].decode(data.chunks.gather(data.chunk_of[:1]))[0].numpy()
    assert abs(decoded - old[0].qpos[1:9]).max() < 1e-5  # measured positions lead by one step
    last = int(old.lengths[0]) - 1
    held = policy.spaces[0].decode(data.chunks.gather(data.chunk_of[last : last + 1]))[0].numpy()
    assert abs(held - old[0].qpos[-1]).max() < 1e-5


@pytest.mark.slow
def test_pretraining_serves_robots_of_several_widths(make_set):
    sets = (make_set("p", joints=7), make_set("q", joints=6, seed=2))
    trained = pretrain(build(sets, 8, seed=0, hidden=32), sets, OptimConfig(60, 32, 2e-3, lr_schedule="cosine"))
    assert trained.loss[-1]["loss"] < trained.loss[0]["loss"]


@pytest.mark.parametrize(("change", "words"), [({"steps": 0}, "steps"), ({"stpes": 3}, "did you mean 'steps'")])
def test_bad_budgets_are_refused(setting, change, words):
    with pytest.raises(InputError, match=words):
        finetune(setting[0], setting[2], **change)


def test_mismatches_of_guidance_and_policy_are_refused(setting, make_set):
    policy, _, new, vae = setting
    with pytest.raises(InputError, match="the policy's horizon"):
        finetune(policy, new, Guidance(vae, "paper", horizon=16))
    narrow = InfoVAE(VAEConfig(features=6, latent=8, layers=3, heads=2, feedforward=16))
    with pytest.raises(InputError, match="encoder of 6 columns"):
        finetune(policy, new, Guidance(narrow, "paper"))
    with pytest.raises(InputError, match="at most 8"):
        finetune(policy, make_set("wide", joints=9))
    other = finetune(policy, make_set("other", joints=6, seed=8), steps=1).policy.spaces[0]
    foreign, commands = replace(new, joint_names=(*"abcdef", "gripper")), replace(new, source="action")
    with pytest.raises(InputError, match="joints a, b, c"):
        finetune(policy, foreign, space=spaces([new], 8)[0])
    with pytest.raises(InputError, match="pre-trained on"):
        finetune(policy, commands)
    with pytest.raises(InputError, match=r"passport \w{16}.*expected passport \w{16} .*statistics differ"):
        finetune(
            policy, new, Guidance(vae, "paper", space=other), space=finetune(policy, new, steps=1).policy.spaces[0]
        )


@pytest.mark.slow
def test_an_encoder_of_the_robots_own_columns_finds_its_slots(setting):
    """The full-width encoder and its restriction to the robot's slots steer alike, because the other slots are 0."""
    policy, _, new, vae = setting
    space = finetune(policy, new, steps=1).policy.spaces[0]
    own = vae.restricted(space.embodiment.slots)
    wide = finetune(policy, new, Guidance(vae, "paper", lam=2.0, clamp=0.1, mask=space.loss_mask), steps=8)
    found = finetune(policy, new, Guidance(own, "paper", lam=2.0, clamp=0.1), steps=8)
    torch.testing.assert_close(weights(found.policy), weights(wide.policy), atol=1e-5, rtol=1e-4)
    assert not torch.equal(weights(found.policy), weights(finetune(policy, new, steps=8).policy))


def test_guidances_that_differ_in_lambda_and_clamp_alone_share_their_gradient(setting):
    _, _, _, vae = setting
    mask = torch.ones(8, dtype=torch.bool)
    one, two = (
        Guidance(vae, "paper", lam=2.0, clamp=0.1, mask=mask),
        Guidance(vae, "paper", lam=0.5, mask=mask.clone().numpy(), sign=-1),
    )
    assert one.gradient_key == two.gradient_key
    assert (
        len(
            {
                one.gradient_key,
                Guidance(vae, "paper", lam=2.0).gradient_key,
                Guidance(vae, "paper", lam=2.0, reduction="mean", mask=mask).gradient_key,
            }
        )
        == 3
    )
