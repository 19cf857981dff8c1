"""Files of the release: read, written back bit by bit, and refused with every offending key named."""

import json

import pytest
import torch

import ate.align
from ate.align.released.weights import from_released, to_released
from ate.align.vae import InfoVAE
from ate.align.vae_config import VAEConfig
from ate.errors import InputError
from tests.conftest import GOLDEN


@pytest.fixture
def state(golden):
    return golden("infovae_A_state")


def same(one, other):
    assert list(one) == list(other)
    for key, value in one.items():
        assert value.dtype == other[key].dtype and torch.equal(value, other[key]), key


@pytest.mark.parametrize("prefix", ["", "_orig_mod."])
def test_round_trip_is_bit_equal(state, tmp_path, prefix):
    torch.save({prefix + key: value for key, value in state.items()}, tmp_path / "theirs.pth")
    vae = ate.align.load_released(tmp_path / "theirs.pth")
    assert ate.align.export_released(vae, tmp_path / "sub" / "ours.pth") == tmp_path / "sub" / "ours.pth"
    written = torch.load(tmp_path / "sub" / "ours.pth", weights_only=True)
    assert type(written) is dict
    assert written.keys() == state.keys()
    same({key: written[key] for key in state}, state)
    assert [file.name for file in (tmp_path / "sub").iterdir()] == ["ours.pth"]
    again = ate.align.load_released(tmp_path / "sub" / "ours.pth")
    assert all(torch.equal(value, again.state_dict()[key]) for key, value in vae.state_dict().items())


def test_key_names_and_shapes_are_the_released_ones():
    golden = json.loads((GOLDEN / "infovae_A.json").read_text())["A"]["keys"]
    vae = InfoVAE(VAEConfig(14, latent=32, layers=3, feedforward=64))
    assert {key: list(value.shape) for key, value in to_released(vae).items()} == golden
    with torch.device("meta"):
        full = InfoVAE(VAEConfig(128))
    with torch.random.fork_rng(devices=[]):
        written = to_released(full.to_empty(device="cpu"))
    assert len(written) == 297 and sum(value.numel() for value in written.values()) == 52_160_128


def test_carried_weights_survive_training_and_enter_no_output(state):
    other = {key: value.clone() for key, value in state.items()}
    for key, value in other.items():
        if "multihead_attn.in_proj" in key:
            value[: 2 * len(value) // 3] = 7.0
    one, two = from_released(state, dropout=0.0), from_released(other, dropout=0.0)
    x, noise = torch.randn(3, 8, 14), torch.randn(3, 32)
    assert torch.equal(one(x, noise)[0], two(x, noise)[0])
    optimizer = torch.optim.AdamW(two.train().parameters(), lr=1e-2, weight_decay=0.1)
    two(x, noise)[0].square().sum().backward()
    optimizer.step()
    after = to_released(two)
    for key, value in other.items():
        if "multihead_attn.in_proj" in key:
            third = len(value) // 3
            assert torch.equal(after[key][: 2 * third], value[: 2 * third])
            assert not torch.equal(after[key][2 * third :], value[2 * third :])


@pytest.mark.parametrize(
    ("features", "latent", "layers", "feedforward", "positions"),
    [(1, 4, 1, 3, 5), (9, 20, 5, 7, 40), (128, 8, 11, 33, 500)],
)
def test_sizes_are_read_off_the_shapes(features, latent, layers, feedforward, positions, tmp_path):
    config = VAEConfig(features, latent, layers, 4, feedforward, 0.1, positions)
    vae = InfoVAE(config).eval()
    again = ate.align.load_released(ate.align.export_released(vae, tmp_path / "vae.pth"))
    assert again.config == config
    x = torch.randn(2, 3, features)
    assert torch.equal(again.decode(again.encode(x).mean, 3), vae.decode(vae.encode(x).mean, 3))
    assert again.state_dict().keys() == vae.state_dict().keys()


def test_other_floating_types_survive(state, tmp_path):
    double = {key: value.double() + 1e-12 for key, value in state.items()}
    torch.save(double, tmp_path / "double.pth")
    written = to_released(ate.align.load_released(tmp_path / "double.pth"))
    same({key: written[key] for key in double}, double)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: s.pop("decoder.linear_blocks.0.bias"), ["no key 'decoder.linear_blocks.0.bias'"]),
        (lambda s: s.pop("skel_embedding.weight"), ["no key 'skel_embedding.weight'"]),
        (lambda s: s.update({"optimizer.step": torch.zeros(1)}), ["unknown key 'optimizer.step'"]),
        (
            lambda s: (s.pop("final_layer.bias"), s.update(extra=torch.zeros(1))),
            ["no key 'final_layer.bias' and the unknown key 'extra'"],
        ),
        (lambda s: s.update({"final_layer.bias": torch.zeros(13)}), ["'final_layer.bias' (13,), not (14,)"]),
        (
            lambda s: s.update({"decoder.middle_block.multihead_attn.in_proj_bias": torch.zeros(95)}),
            ["multihead_attn.in_proj_bias' (95,), not (96,)"],
        ),
        (lambda s: s.update({"skel_embedding.weight": torch.zeros(32)}), ["'skel_embedding.weight' (32,)"]),
        (lambda s: s.update({"final_layer.bias": torch.zeros(14).double()}), ["float32, torch.float64"]),
        (lambda s: (s.clear(), s.update(a=torch.zeros(1))), ["no key", "more", "unknown key 'a'"]),
    ],
)
def test_what_does_not_fit_is_named(state, tmp_path, change, words):
    change(state)
    torch.save(state, tmp_path / "vae.pth")
    with pytest.raises(InputError) as caught:
        ate.align.load_released(tmp_path / "vae.pth")
    assert all(word in str(caught.value) for word in ["vae.pth", *words]), caught.value


def test_our_checkpoints_without_carried_weights_still_load():
    vae = InfoVAE(VAEConfig(4, latent=8, layers=3, feedforward=8))
    old = {key: value for key, value in vae.state_dict().items() if "query_key" not in key}
    assert len(old) < len(vae.state_dict())
    again = InfoVAE(vae.config)
    again.load_state_dict(old)
    assert all(torch.equal(value, again.state_dict()[key]) for key, value in vae.state_dict().items())
