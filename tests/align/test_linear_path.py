"""The linear path: a network that starts as a whitened PCA, and what becomes of it."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

import ate.align
from ate.align import Alignment
from ate.align.alignment import split
from ate.align.config import PRESETS
from ate.align.linear_code import turned, whitened_pca
from ate.align.priors import posteriors
from ate.align.vae import InfoVAE
from ate.align.vae_config import VAEConfig
from ate.data.chunks import chunk
from ate.data.space import spaces
from ate.errors import InputError

ROWS, LATENT = 8, 6
CARRYING = {"read_out": "own", "linear": "pca"}


@pytest.fixture(scope="module")
def chunks(robots):
    adapt = robots[1]
    return chunk(adapt, ROWS, spaces([adapt])[0].compact)


def network(width, seed=0, latent=LATENT, **options):
    torch.manual_seed(seed)
    config = VAEConfig(width, latent, 1, 2, 16, 0.0, read_out="own", linear_rows=ROWS, **options)
    return InfoVAE(config).double().freeze()


def all_of(chunks):
    return chunks.gather(torch.arange(len(chunks))).double()


def test_a_network_starts_as_the_pca_and_its_latents_are_standard(chunks):
    x, vae = all_of(chunks), network(chunks.width)
    vae.linear.start(whitened_pca(chunks, LATENT))
    z = vae.encode(x).mean
    pca = PCA(LATENT, svd_solver="full").fit(x.flatten(1).numpy())
    expected = pca.inverse_transform(pca.transform(x.flatten(1).numpy()))
    np.testing.assert_allclose(vae.decode(z, ROWS).flatten(1).numpy(), expected, atol=1e-9)
    np.testing.assert_allclose(z.mean(0).numpy(), 0, atol=1e-9)
    np.testing.assert_allclose(np.cov(z.numpy().T, bias=True), np.eye(LATENT), atol=1e-7)


def test_dimensions_that_the_chunks_do_not_fill_stay_zero(chunks):
    few = chunks.take(torch.arange(4))
    vae = network(chunks.width)
    vae.linear.start(whitened_pca(few, LATENT))
    z = vae.encode(all_of(few)).mean
    assert int((z.var(0) > 0.1).sum()) == 3 and torch.count_nonzero(z[:, 3:]) == 0
    torch.testing.assert_close(vae.decode(z, ROWS), all_of(few), atol=1e-6, rtol=0)


def test_a_turned_code_finds_the_rotation_and_reconstructs_alike(chunks):
    code, other = whitened_pca(chunks, LATENT), network(chunks.width).float()
    rotation = torch.linalg.qr(torch.randn(LATENT, LATENT, dtype=torch.float64)).Q
    other.linear.start(code)
    other.linear.encode.weight.copy_(rotation @ code.encode)
    other.linear.encode.bias.copy_(rotation @ code.encode_bias)
    found = turned(code, chunks, other)
    torch.testing.assert_close(found.encode, rotation @ code.encode, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(found.decode @ found.encode, code.decode @ code.encode, atol=1e-9, rtol=0)


def test_a_copy_over_some_columns_equals_the_network_where_the_others_are_zero(chunks):
    vae = network(chunks.width)
    vae.linear.encoder_gate.fill_(0.7)
    vae.linear.decoder_gate.fill_(-0.4)
    columns = [5, 0, 2]
    copy = vae.restricted(columns).freeze()
    x = torch.zeros(3, ROWS, chunks.width, dtype=torch.float64)
    x[..., columns] = torch.randn(3, ROWS, 3, dtype=torch.float64)
    whole, part = vae.encode(x), copy.double().encode(x[..., columns])
    torch.testing.assert_close(part.mean, whole.mean, atol=1e-6, rtol=0)
    torch.testing.assert_close(part.std, whole.std, atol=1e-6, rtol=0)
    torch.testing.assert_close(
        copy.decode(part.mean, ROWS), vae.decode(whole.mean, ROWS)[..., columns], atol=1e-6, rtol=0
    )


def test_an_own_read_out_starts_with_little_noise_and_the_shared_one_cannot(chunks):
    x = all_of(chunks)
    assert float(network(chunks.width).encode(x).std.mean()) == pytest.approx(np.exp(-3), rel=0.5)
    torch.manual_seed(0)
    shared = InfoVAE(VAEConfig(chunks.width, LATENT, 1, 2, 16, 0.0)).double()
    assert 0.5 < float(shared.freeze().encode(x).std.mean()) < 2


def test_both_stages_begin_as_a_pca_of_their_own_chunks(robots, tiny):
    still = {"pretrain_steps": 1, "adapt_steps": 1, "learning_rate": 1e-9, "adapt_init": "pretrained"}
    found = ate.align.fit(*robots, preset=tiny.with_options(**CARRYING, **still))
    train = chunk(split(robots[1], found.config, 0)[0], ROWS, found.space.compact)
    x = train.gather(torch.arange(len(train)))
    pca = PCA(found.config.latent, svd_solver="full").fit(x.flatten(1).numpy())
    expected = pca.inverse_transform(pca.transform(x.flatten(1).numpy()))
    z = found.vae.encode(x).mean
    np.testing.assert_allclose(found.vae.decode(z, ROWS).flatten(1).numpy(), expected, atol=1e-4)
    torch.testing.assert_close(found.prior.mean, torch.zeros(found.config.latent), atol=1e-3, rtol=0)
    start = ate.align.stages.initial_adapt_vae(found, robots[1])
    torch.testing.assert_close(start.encode(x).mean, z, atol=1e-4, rtol=0)


@pytest.mark.slow
def test_training_opens_the_gates_and_survives_a_round_trip(robots, tiny, tmp_path):
    config = tiny.with_options(**CARRYING, adapt_init="pretrained", pretrain_steps=10, adapt_steps=10)
    found = ate.align.fit(*robots, preset=config, directory=tmp_path)
    for vae in (found.pretrain_vae, found.vae):
        assert float(vae.linear.encoder_gate) != 0 and float(vae.linear.decoder_gate) != 0
    again = Alignment.load(tmp_path, device="cpu")
    for name, value in found.vae.state_dict().items():
        assert torch.equal(value, again.vae.state_dict()[name]), name
    one = torch.cat([p.mean for p in posteriors(found.vae, found.chunks(robots[1]))])
    np.testing.assert_array_equal(again.encode(robots[1]).mean, one.numpy())


def test_a_linear_path_takes_chunks_of_its_length_only(chunks):
    with pytest.raises(InputError, match="8 rows"):
        network(chunks.width).encode(torch.zeros(1, ROWS + 1, chunks.width, dtype=torch.float64))


def test_published_presets_have_neither_and_the_small_ones_both():
    for name in ("paper", "released", "demo-released", "demo-published", "smoke-released"):
        assert PRESETS[name].published == PRESETS[name] and PRESETS[name].linear == "none"
    for size in ("demo", "smoke"):
        assert PRESETS[size].linear == "pca" and PRESETS[size].read_out == "own"
        assert PRESETS[size].published == PRESETS[f"{size}-published"]
    assert PRESETS["demo-published"].learning_rate == 3e-3 and PRESETS["demo-published"].kl_weight == 7.5e-5
