"""The Info-VAE against the released network, and the properties that its users lean on."""

import pytest
import torch

from ate.align.divergences import kl, mmd
from ate.align.losses import reconstruction
from ate.align.released.weights import from_released, load_released
from ate.align.transformer import SelfAttention
from ate.align.vae import InfoVAE
from ate.align.vae_config import VAEConfig
from ate.errors import InputError

from .conftest import close


@pytest.fixture(scope="module")
def vae(golden):
    return from_released(golden("infovae_A_state"), dropout=0.0)


@pytest.fixture(scope="module")
def io(golden):
    return golden("infovae_A_io")


@pytest.mark.parametrize("length", [16, 12])
def test_encodes_and_decodes_as_released(vae, io, length):
    case = {key.removeprefix(f"S{length}_"): value for key, value in io.items() if key.startswith(f"S{length}_")}
    posterior = vae.encode(case["x"])
    z = posterior.sample(case["eps"][0])
    close(posterior.mean, case["mu"][0])
    close(posterior.std, case["std"][0])
    close(z, case["z"][0])
    close(vae.decode(posterior.mean, length), case["dec_mu"])
    close(vae.decode(z, length), case["dec_z"])


def test_variable_lengths_as_released(vae, io):
    posterior = vae.encode(io["S16_x"], io["varlen_lengths"])
    close(posterior.mean, io["varlen_mu"][0])
    close(posterior.std, io["varlen_std"][0])
    close(vae.decode(posterior.mean, 16, io["varlen_lengths"]), io["varlen_dec_mu"])


def test_input_gradient_as_released(vae, io):
    # An untrained LayerNorm fixes ‖μ‖², so the released gradient is rounding noise around 0: absolute tolerance.
    x = io["S16_x"].clone().requires_grad_()
    (gradient,) = torch.autograd.grad(vae.encode(x).mean.square().sum(), x)
    assert float((gradient - io["S16_grad_mu2sum_wrt_x"]).abs().max()) < 1e-6


@pytest.mark.slow
def test_input_gradient_against_finite_differences(golden, io):
    network = from_released(golden("infovae_A_state"), dropout=0.0).double().freeze()
    x, anchor = io["S16_x"].double(), network.encode(io["S12_x"].double()).mean

    def energy(x):
        return (network.encode(x).mean - anchor).square().sum(-1)

    assert torch.autograd.gradcheck(energy, x[:2, :4].repeat(2, 1, 1).requires_grad_(), eps=1e-6, atol=1e-6)
    assert all(parameter.grad is None and not parameter.requires_grad for parameter in network.parameters())


@pytest.mark.parametrize("stage", [1, 2])
def test_ten_training_steps_as_released(golden, io, stage):
    network = from_released(golden("infovae_A_state"), dropout=0.0).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=1e-4)
    case = {key.removeprefix(f"stage{stage}_"): value for key, value in io.items() if key.startswith(f"stage{stage}_")}
    trace = []
    for step, x in enumerate(case["train_x"]):
        decoded, q, z = network(x, case["train_eps"][step, 0])
        p_mean, p_std = case["ref_mu"], case["ref_std"]
        if stage == 1:
            divergence = kl(q.mean, q.std, torch.zeros(32), torch.ones(32)).mean()
        else:
            divergence = kl(p_mean, p_std, q.mean, q.std).mean()
        distance = mmd(z, case["train_prior_z"][step], "released")
        error = reconstruction(x, decoded, torch.ones(len(x), 1, 14, dtype=torch.bool))
        loss = error + 7.5e-5 * divergence + distance
        optimizer.zero_grad()
        loss.backward()
        if step == 0:
            close(network.embed.weight.grad, case["grad_skel_embedding.weight"])
            close(network.read_out.weight.grad, case["grad_final_layer.weight"])
        norm = torch.stack([p.grad.square().sum() for p in network.parameters()]).sum().sqrt()
        trace.append([float(v.detach()) for v in (loss, error, divergence, distance, norm)])
        optimizer.step()
    for column in range(5):
        close(torch.tensor(trace)[:, column], case["train_trace"][:, column])


def test_reads_released_file_with_and_without_prefix(golden, io, tmp_path):
    state = golden("infovae_A_state")
    for prefix in ("", "_orig_mod."):
        torch.save({prefix + key: value for key, value in state.items()}, tmp_path / "vae.pth")
        network = load_released(tmp_path / "vae.pth")
        assert not network.training
        close(network.encode(io["S16_x"]).mean, io["S16_mu"][0])


def test_refuses_what_is_no_released_file(golden, tmp_path):
    with pytest.raises(InputError, match="no such file"):
        load_released(tmp_path / "absent.pth")
    (tmp_path / "text.pth").write_text("not a checkpoint")
    with pytest.raises(InputError, match=r"text\.pth"):
        load_released(tmp_path / "text.pth")
    state = golden("infovae_A_state")
    del state["decoder.middle_block.linear1.bias"]
    torch.save(state, tmp_path / "partial.pth")
    with pytest.raises(InputError, match=r"no key 'decoder\.middle_block\.linear1\.bias'; "):
        load_released(tmp_path / "partial.pth")


def test_full_size_has_the_released_weights_but_for_query_and_key():
    with torch.device("meta"):
        network = InfoVAE(VAEConfig(features=128))
    queries_and_keys = 9 * 2 * (512 * 512 + 512)
    assert sum(p.numel() for p in network.parameters()) == 52_160_128 - queries_and_keys


@pytest.mark.parametrize(
    "options", [{"layers": 4}, {"latent": 30}, {"dropout": 1.0}, {"heads": 0}, {"positions": 2}, {"features": 0}]
)
def test_config_checks_itself(options):
    with pytest.raises(InputError) as error:
        VAEConfig(**{"features": 4, "latent": 32, **options})
    assert error.value.where == f"VAEConfig.{next(iter(options))}"


def test_attention_of_a_few_tokens_equals_the_whole():
    torch.manual_seed(0)
    attention = SelfAttention(8, 2, 0.0)
    x, attend = torch.randn(3, 6, 8), torch.ones(3, 1, 1, 6, dtype=torch.bool)
    attend[1, ..., 4:] = False
    whole = attention(x, attend)
    torch.testing.assert_close(attention(x, attend, 2), whole[:, :2])


def test_dropout_acts_in_training_only_and_repeats_with_the_global_seed():
    torch.manual_seed(0)
    network, x = InfoVAE(VAEConfig(4, latent=8, layers=3, heads=2, feedforward=16, dropout=0.5)), torch.randn(3, 6, 4)
    torch.manual_seed(1)
    one, other = network.encode(x).mean, network.encode(x).mean
    torch.manual_seed(1)
    assert torch.equal(network.encode(x).mean, one) and not torch.equal(one, other)
    network.eval()
    assert torch.equal(network.encode(x).mean, network.encode(x).mean)


def test_wrong_shapes_are_refused(vae):
    with pytest.raises(InputError, match="14"):
        vae.encode(torch.zeros(2, 16, 13))
    with pytest.raises(InputError, match="498"):
        vae.encode(torch.zeros(1, 499, 14))
    with pytest.raises(InputError, match=r"\(batch, 32\)"):
        vae.decode(torch.zeros(2, 31), 16)


def test_a_restriction_equals_the_whole_where_the_rest_is_zero():
    torch.manual_seed(0)
    whole = InfoVAE(VAEConfig(features=6, latent=8, layers=3, heads=2, feedforward=16, dropout=0.0)).eval()
    columns = (4, 0, 5)
    part = whole.restricted(columns).eval()
    x = torch.randn(3, 7, 3)
    wide = torch.zeros(3, 7, 6)
    wide[..., list(columns)] = x
    torch.testing.assert_close(part.encode(x).mean, whole.encode(wide).mean)
    torch.testing.assert_close(part.encode(x).std, whole.encode(wide).std)
    z = torch.randn(3, 8)
    torch.testing.assert_close(part.decode(z, 7), whole.decode(z, 7)[..., list(columns)])
    assert all(p.requires_grad for p in part.parameters())
