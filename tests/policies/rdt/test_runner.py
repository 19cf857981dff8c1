import json

import pytest
import torch
from safetensors.torch import save_file

from ate.align.released.weights import export_released
from ate.align.vae import InfoVAE
from ate.align.vae_config import VAEConfig
from ate.errors import InputError
from ate.policies.rdt import RDT, Runner, guidance_of, load
from ate.robots import profile
from ate.steer import attach
from ate.steer.guidance_config import PRESETS
from tests.policies.rdt.tiny import ARM, batch, refused, runner


def test_the_loss_is_the_formula_written_out():
    policy, (inputs, a0, noise) = runner(), batch()
    t = torch.tensor([5, 400, 950])
    loss = policy.compute_loss(**inputs, action_gt=a0, noise=noise, timesteps=t)
    bar = torch.cumprod(1 - policy.noise_scheduler.betas, 0)[t][:, None, None]
    noisy = bar.sqrt() * a0 + (1 - bar).sqrt() * noise
    mask = inputs["action_mask"].expand(-1, 9, -1)
    rows = torch.cat([torch.cat([inputs["state_tokens"], noisy], 1), mask], -1)
    out = policy.model(
        policy.state_adaptor(rows), inputs["ctrl_freqs"], t, policy.lang_adaptor(inputs["lang_tokens"]),
        policy.img_adaptor(inputs["img_tokens"]), inputs["lang_attn_mask"],
    )  # fmt: skip
    assert loss.item() == pytest.approx((out - a0).square().mean().item(), rel=1e-5)


def test_noise_and_levels_are_drawn_where_they_are_not_given():
    policy, (inputs, a0, _) = runner(), batch()
    losses = {policy.compute_loss(**inputs, action_gt=a0).item() for _ in range(3)}
    assert len(losses) == 3


def test_a_transformer_that_knows_the_chunk_is_sampled_exactly(monkeypatch):
    """DPM-Solver++ on a network that always predicts a0 must end there, whatever the noise; unused slots are 0."""
    policy, (inputs, a0, noise) = runner(), batch()
    calls = []

    def perfect(x, freq, t, *rest, **named):
        calls.append(int(t))
        return a0 + 3.0 * (1 - inputs["action_mask"])

    monkeypatch.setattr(policy.model, "forward", perfect)
    sampled = policy.predict_action(**inputs, noise=noise)
    torch.testing.assert_close(sampled, a0, atol=1e-5, rtol=0)
    assert len(calls) == 5 and calls[0] == 999 and sorted(calls, reverse=True) == calls


def test_the_same_noise_gives_the_same_chunk():
    policy, (inputs, _, noise) = runner().eval(), batch()
    assert torch.equal(policy.predict_action(**inputs, noise=noise), policy.predict_action(**inputs, noise=noise))
    drawn = [policy.predict_action(**inputs, generator=torch.Generator().manual_seed(s)) for s in (0, 0, 1)]
    assert torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], drawn[2])


@pytest.mark.parametrize("name", ["weights.safetensors", "pytorch_model.bin"])
def test_weights_come_back_from_a_file(tmp_path, name):
    policy, (inputs, a0, noise) = runner(), batch()
    weights = {f"module.{key}": value.clone() for key, value in policy.state_dict().items()}
    weights["module.guidence.VAEmodel.final_layer.weight"] = torch.zeros(2, 2)
    (save_file if name.endswith("safetensors") else torch.save)(weights, tmp_path / name)
    noise_says = {"noise_scheduler": {"num_inference_timesteps": 3, "prediction_type": "sample"}}
    config = {"action_dim": 128, "config": {"rdt": {"num_heads": 4, "hidden_size": 32}, **noise_says}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    again = load(tmp_path)
    assert isinstance(again, Runner) and again.config.num_inference_timesteps == 3 and again.config.depth == 2
    t = torch.tensor([5, 400, 950])
    losses = [p.compute_loss(**inputs, action_gt=a0, noise=noise, timesteps=t) for p in (policy, again)]
    assert torch.equal(*losses)


def test_a_bare_transformer_is_loaded_as_such(tmp_path):
    policy = runner()
    torch.save({f"_orig_mod.{k}": v for k, v in policy.model.state_dict().items()}, tmp_path / "rdt.pth")
    model = load(tmp_path / "rdt.pth")
    assert isinstance(model, RDT) and torch.equal(model.x_pos_embed, policy.model.x_pos_embed)
    on_meta = load(tmp_path / "rdt.pth", device="meta")
    assert {parameter.device.type for parameter in on_meta.parameters()} == {"meta"}


def test_files_that_are_not_rdt_are_refused(tmp_path):
    assert refused(lambda: load(tmp_path)).got == "no weights"
    torch.save({"weight": torch.zeros(2)}, tmp_path / "a.pt")
    assert refused(lambda: load(tmp_path / "a.pt")).expected == "RDT's key names"
    torch.save(runner(), tmp_path / "b.pt")
    assert refused(lambda: load(tmp_path / "b.pt")).expected == "a state dict of tensors"
    assert refused(lambda: load(tmp_path)).got == "a.pt, b.pt"
    half = {key: value for key, value in runner().state_dict().items() if "blocks.1.ffn" not in key}
    torch.save(half, tmp_path / "c.pt")
    assert "blocks.1.ffn" in refused(lambda: load(tmp_path / "c.pt")).got
    torch.save(runner().state_dict(), tmp_path / "d.pt")
    (tmp_path / "config.json").write_text(json.dumps({"hidden_size": 2048}))
    error = refused(lambda: load(tmp_path / "d.pt"))
    assert error.got == "hidden_size 2048" and error.expected.startswith("32")


@pytest.fixture
def block(tmp_path):
    torch.manual_seed(2)
    vae = InfoVAE(VAEConfig(features=128, latent=8, layers=3, heads=4, feedforward=16))
    export_released(vae, tmp_path / "vae.pth")
    fields = {
        "pretrained_path": "vae.pth", "mask": ARM, "lambda": 3.0, "clamp": 0.1, "input_channels": 128, "latent_dim": 8,
    }  # fmt: skip
    (tmp_path / "base.yaml").write_text("vae:\n" + "".join(f"  {k}: {json.dumps(v)}\n" for k, v in fields.items()))
    return fields


def test_the_released_block_guides_a_runner(tmp_path, block):
    guidance = guidance_of(tmp_path / "base.yaml", horizon=8)
    assert guidance.config == PRESETS["released"]
    policy, (inputs, a0, noise) = runner(), batch()
    t = torch.tensor([5, 400, 950])
    plain = policy.compute_loss(**inputs, action_gt=a0, noise=noise, timesteps=t)
    exact = guidance_of(tmp_path / "base.yaml", horizon=8, reduction="sum", latent="mean")
    with attach(policy, exact) as guided:
        loss = policy.compute_loss(**inputs, action_gt=a0, noise=noise, timesteps=t)
    bar = policy.noise_scheduler.alphas_cumprod[t][:, None, None]
    x = (bar.sqrt() * a0 + (1 - bar).sqrt() * noise).requires_grad_(True)
    apart = (exact.vae.encode(x).mean - exact.vae.encode(a0).mean).square().sum()
    g = -torch.autograd.grad(apart, x)[0] * inputs["action_mask"]
    shift = 3.0 * ((1 - bar) / bar.sqrt() * g).clamp(-0.1, 0.1)
    prediction = policy.model(
        policy._tokens(torch.cat([inputs["state_tokens"], x.detach()], 1), inputs["action_mask"]),
        inputs["ctrl_freqs"], t, *policy._conditions(inputs["lang_tokens"], inputs["img_tokens"]),
        inputs["lang_attn_mask"],
    )  # fmt: skip
    assert loss.item() == pytest.approx((prediction + shift - a0).square().mean().item(), rel=1e-5)
    assert loss.item() != pytest.approx(plain.item(), rel=1e-4) and guided.steps == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"latent_dim": 512}, "latent_dim: 512; expected 8"),
        ({"mask": [0, 1, 2, 3, 4, 5, 10, 200]}, "outside the vector"),
        ({"mask": [0, 1, 3, 4, 5, 10]}, "mask in vae block"),
        ({"lamda": 3.0}, "did you mean 'lambda'"),
        ({"clamp": "0.1"}, "expected int or float"),
        ({"pretrained_path": "none.pth"}, "none.pth"),
    ],
)
def test_a_wrong_block_is_refused(tmp_path, block, change, words):
    fields = {**block, "pretrained_path": str(tmp_path / "vae.pth"), **change}
    with pytest.raises(InputError, match=words):
        guidance_of(fields, horizon=8)


def test_the_mask_is_held_against_the_robots_joints_and_the_horizon_against_the_encoder(tmp_path, block):
    fields = {**block, "pretrained_path": str(tmp_path / "vae.pth")}
    assert guidance_of(fields, 8, profile("ur5e")).mask.sum() == 7
    with pytest.raises(InputError, match="the slots of panda"):
        guidance_of(fields, 8, profile("panda"))
    with pytest.raises(InputError, match="at most 498"):
        guidance_of(fields, 499)
    without = {name: value for name, value in fields.items() if name != "mask"}
    with pytest.raises(InputError, match="no mask"):
        guidance_of(without, 8)
