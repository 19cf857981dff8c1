"""Guidance on lerobot's own DiffusionPolicy, SmolVLA, π0 and π0.5: run by `make lerobot`, skipped elsewhere."""

import pytest
import torch
from torch import nn

pytest.importorskip("lerobot", reason="lerobot has an environment of its own: make lerobot")

from ate.errors import InputError
from ate.steer import attach
from tests.lerobot.hand import actions_of, overheard, shift, shifted_target_loss
from tests.lerobot.policies import BATCH, HORIZON, JOINTS, PADDED, POLICIES, build, import_torchvision, old
from tests.steer.lines import line_alignment, line_robots

import_torchvision()

LAM, CLAMP = 2.0, 0.05
FLOW = POLICIES[1:]


@pytest.fixture(scope="module")
def robots(tmp_path_factory):
    return line_robots(tmp_path_factory.mktemp("robots"))


@pytest.fixture(scope="module")
def alignment(robots):
    return line_alignment(robots, HORIZON)


@pytest.fixture(scope="module")
def actions(robots):
    return actions_of(robots[1], BATCH)


@pytest.fixture
def case(request, monkeypatch, actions):
    return build(request.param, monkeypatch, actions.values)


def gradients(policy):
    found = {name: p.grad.clone() for name, p in policy.named_parameters() if p.grad is not None}
    policy.zero_grad()
    return found


def seeded(step):
    torch.manual_seed(7)
    return step()


def guided_step(case, alignment, actions, lam=LAM, clamp=CLAMP):
    with attach(case.policy, alignment, "paper", lam=lam, clamp=clamp, **actions.words) as guided:
        loss = seeded(case.loss)
    return loss, guided


def check_equal(case, alignment, actions):
    """The hooked step is the hand-written one, in loss and in the gradient of every weight."""
    loss, guided = guided_step(case, alignment, actions)
    loss.backward()
    found = gradients(case.policy)
    wanted = seeded(lambda: shifted_target_loss(case, alignment, actions, LAM, CLAMP))
    wanted.backward()
    assert loss.item() == pytest.approx(wanted.item(), rel=1e-5)
    theirs = gradients(case.policy)
    assert found.keys() == theirs.keys() and found
    for name, value in found.items():
        torch.testing.assert_close(value, theirs[name], atol=1e-5 * float(theirs[name].abs().max()) + 1e-8, rtol=1e-4)
    assert guided.steps == 1


@pytest.mark.parametrize("case", POLICIES, indirect=True)
def test_the_hooked_loss_and_its_gradients_are_the_shifted_targets(case, alignment, actions):
    check_equal(case, alignment, actions)
    # And not because the shift is too small to be seen.
    assert abs(guided_step(case, alignment, actions)[0].item() - seeded(case.loss).item()) > 1e-3


@pytest.mark.parametrize("kind", ["epsilon", "sample"])
def test_both_predictions_of_diffusion_policy(kind, alignment, actions, monkeypatch):
    check_equal(build("DiffusionPolicy", monkeypatch, actions.values, prediction_type=kind), alignment, actions)


@pytest.mark.parametrize("case", POLICIES, indirect=True)
def test_with_lambda_zero_a_step_is_bit_equal(case, alignment, actions):
    loss, _ = guided_step(case, alignment, actions, lam=0.0)
    loss.backward()
    found = gradients(case.policy)
    plain = seeded(case.loss)
    plain.backward()
    assert torch.equal(loss, plain)
    for name, value in gradients(case.policy).items():
        assert torch.equal(value, found[name])


@pytest.mark.parametrize("case", POLICIES, indirect=True)
def test_the_hook_fires_once_a_step_and_rests_in_eval_mode(case, alignment, actions):
    policy = case.policy
    policy.eval()
    validation = seeded(case.loss)
    with attach(policy, alignment, "paper", lam=LAM, clamp=CLAMP, **actions.words) as guided:
        for step in (1, 2):
            policy.train()
            case.loss().backward()
            assert guided.steps == step
            policy.eval()
            assert torch.equal(seeded(case.loss), validation)
            assert guided.steps == step
    assert len(guided.rows) > 0


@pytest.mark.parametrize("case", POLICIES, indirect=True)
def test_what_the_policy_samples_between_steps_is_its_own(case, alignment, actions):
    if old() and case.policy.name in ("pi0", "pi05"):
        pytest.skip("π0 and π0.5 of lerobot 0.4.4 sample through the branch of transformers that is not released")

    def sampled():
        case.policy.reset()
        observed = {key: value for key, value in case.batch.items() if not key.startswith("action")}
        if not case.flow:
            observed = {key: value[:, -1] for key, value in observed.items()}
        return seeded(lambda: case.policy.select_action(observed))

    case.policy.eval()
    bare = sampled()
    with attach(case.policy, alignment, "paper", lam=LAM, clamp=CLAMP, **actions.words) as guided:
        case.policy.train()
        case.loss().backward()
        case.policy.eval()
        assert torch.equal(sampled(), bare)
        assert guided.steps == 1


@pytest.mark.parametrize("case", POLICIES, indirect=True)
def test_the_policy_is_left_as_it_was(case, alignment, actions):
    scheduler = None if case.flow else case.policy.diffusion.noise_scheduler
    owners = [module for module in (*case.policy.modules(), scheduler) if module is not None]
    before = [set(vars(owner)) for owner in owners]
    plain = seeded(case.loss)
    guided_step(case, alignment, actions)
    with pytest.raises(ZeroDivisionError), attach(case.policy, alignment, "paper", **actions.words):
        case.loss()
        raise ZeroDivisionError
    assert [set(vars(owner)) for owner in owners] == before
    assert not case.prediction._forward_hooks
    assert torch.equal(seeded(case.loss), plain)


@pytest.mark.parametrize("case", FLOW, indirect=True)
def test_padded_columns_get_nothing(case, alignment, actions):
    seen = []
    outside = case.prediction.register_forward_hook(lambda *call: seen.append(call[2]), prepend=True)
    with attach(case.policy, alignment, "paper", lam=LAM, clamp=CLAMP, **actions.words):
        inside = case.prediction.register_forward_hook(lambda *call: seen.append(call[2]))
        seeded(case.loss)
    outside.remove(), inside.remove()
    before, after = seen
    assert before.shape == (BATCH, HORIZON, PADDED)
    assert torch.equal(before[..., JOINTS:], after[..., JOINTS:])
    assert (before[..., :JOINTS] != after[..., :JOINTS]).any()


@pytest.mark.parametrize("case", POLICIES, indirect=True)
def test_other_joints_units_and_horizons_are_refused(case, robots, alignment, actions):
    def step(aligned, **words):
        with attach(case.policy, aligned, "paper", lam=LAM, **words):
            case.loss()

    with pytest.raises(InputError, match="every joint of the alignment, 'joint3'"):
        others = ["gripper", "elbow", "joint1", "joint2", "joint4"]
        step(alignment, joints=others, statistics=(actions.mean, actions.std))
    with pytest.raises(InputError, match="these are degrees where the alignment has radians"):
        step(alignment, joints=actions.joints, statistics=(actions.mean, 57.3 * actions.std))
    with pytest.raises(InputError, match="no joints="):
        step(alignment)
    with pytest.raises(InputError, match=f"S = {HORIZON - 2}, the chunk length"):
        step(line_alignment(robots, HORIZON - 2), **actions.words)


@pytest.mark.parametrize("name", POLICIES)
def test_under_lora_as_lerobot_wraps_it(name, alignment, actions, monkeypatch):
    """The low-rank weights get the gradients of the shifted target, the frozen ones none."""
    peft = pytest.importorskip("peft")
    case = build(name, monkeypatch, actions.values)
    # lerobot refuses low-rank training from scratch, and random weights are what we have.
    monkeypatch.setattr(type(case.policy), "_validate_peft_config", lambda *_: None)
    targets = case.policy._get_default_peft_targets() or {"target_modules": r"diffusion\.unet\..*\.cond_encoder\.1"}
    wrapped = case.policy.wrap_with_peft(peft.LoraConfig(r=2, **targets))
    inner, case.policy = case.policy, wrapped
    with attach(wrapped, alignment, "paper", lam=LAM, clamp=CLAMP, **actions.words) as guided:
        loss = seeded(case.loss)
    loss.backward()
    found = gradients(wrapped)
    case.policy = inner
    case.prediction = inner.model.action_out_proj if case.flow else inner.diffusion.unet
    wanted = seeded(lambda: shifted_target_loss(case, alignment, actions, LAM, CLAMP))
    wanted.backward()
    theirs = gradients(wrapped)
    assert loss.item() == pytest.approx(wanted.item(), rel=1e-5) and guided.steps == 1
    assert found and all("lora_" in key for key in found) and found.keys() == theirs.keys()
    for key, value in found.items():
        torch.testing.assert_close(value, theirs[key], atol=1e-7, rtol=1e-4)


@pytest.mark.parametrize("name", ["π0", "π0.5"])
def test_gradient_checkpointing_runs_the_hook_twice_and_counts_once(name, alignment, actions, monkeypatch):
    case = build(name, monkeypatch, actions.values, gradient_checkpointing=True)
    assert case.policy.model.gradient_checkpointing_enabled
    check_equal(case, alignment, actions)


@pytest.mark.parametrize("name", POLICIES)
def test_in_mixed_precision_as_lerobot_trains(name, alignment, actions, monkeypatch):
    case = build(name, monkeypatch, actions.values)
    exact, _ = guided_step(case, alignment, actions)
    with torch.autocast("cpu", torch.bfloat16):
        loss, guided = guided_step(case, alignment, actions)
    assert loss.item() == pytest.approx(exact.item(), rel=2e-2) and guided.steps == 1


@pytest.mark.parametrize("name", FLOW)
def test_compiled_as_lerobot_compiles_it(name, alignment, actions, monkeypatch):
    """`compile_model=True` puts a compiled `forward` on the model itself."""
    case = build(name, monkeypatch, actions.values)
    plain, _ = guided_step(case, alignment, actions)
    model = case.policy.model
    compiled = torch.compile(model.forward, backend="eager")
    model.forward = compiled
    loss, guided = guided_step(case, alignment, actions)
    assert loss.item() == pytest.approx(plain.item(), rel=1e-5)
    assert guided.steps == 1 and model.forward is compiled


def test_a_compiled_unet_of_diffusion_policy(alignment, actions, monkeypatch):
    case = build("DiffusionPolicy", monkeypatch, actions.values)
    plain, _ = guided_step(case, alignment, actions)
    case.policy.diffusion.unet = torch.compile(case.policy.diffusion.unet, backend="eager")
    loss, guided = guided_step(case, alignment, actions)
    assert loss.item() == pytest.approx(plain.item(), rel=1e-5)
    assert guided.steps == 1


@pytest.mark.parametrize("case", POLICIES, indirect=True)
def test_a_loop_as_lerobots_trains_under_guidance(case, alignment, actions):
    """Their update: forward, backward, clip, step; the guided loss on one fixed draw falls."""
    optimizer = torch.optim.AdamW(case.policy.get_optim_params(), lr=1e-3)
    with attach(case.policy, alignment, "paper", lam=LAM, clamp=CLAMP, **actions.words) as guided:
        losses = []
        for _ in range(8):
            loss = seeded(case.loss)
            loss.backward()
            nn.utils.clip_grad_norm_(case.policy.parameters(), 10.0)
            optimizer.step()
            optimizer.zero_grad()
            losses.append(loss.item())
    assert losses[-1] < losses[0]
    assert guided.steps == 8 and guided.verdict in ("inactive", "acting", "clamp-dominated")


@pytest.mark.parametrize("case", POLICIES, indirect=True)
def test_the_hand_written_loss_without_a_shift_is_the_policys_own(case, alignment, actions):
    """So that the two sides above cannot agree on something that is not the policy's loss."""
    by_hand = seeded(lambda: shifted_target_loss(case, alignment, actions, 0.0, CLAMP))
    assert by_hand.item() == pytest.approx(seeded(case.loss).item(), rel=1e-6)
    with overheard(case) as heard:
        seeded(case.loss)
    assert shift(case, heard, alignment, actions, LAM, CLAMP).abs().max() <= LAM * CLAMP
