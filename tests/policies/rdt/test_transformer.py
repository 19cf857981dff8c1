import numpy as np
import pytest
import torch

from ate.policies.rdt import RDT
from ate.policies.rdt.layers import RmsNorm, sinusoids
from tests.conftest import GOLDEN
from tests.policies.rdt.tiny import refused


@pytest.fixture(scope="module")
def stored():
    with np.load(GOLDEN / "rdt_tiny_io.npz") as arrays:
        return {name: torch.from_numpy(arrays[name]) for name in arrays.files}


@pytest.fixture(scope="module")
def transformer():
    model = RDT(128, 8, 64, 4, 4, 16, 12)
    with np.load(GOLDEN / "rdt_tiny_state.npz") as arrays:
        model.load_state_dict({name: torch.from_numpy(arrays[name]) for name in arrays.files})
    return model.eval()


def near(got, wanted):
    torch.testing.assert_close(got, wanted, atol=1e-5 * float(wanted.abs().max()), rtol=0)


@torch.no_grad()
def test_the_transformer_equals_the_golden_numbers(transformer, stored):
    inputs = [stored[name] for name in ("x", "freq", "t", "lang_c", "img_c")]
    near(transformer(*inputs, stored["lang_mask"]), stored["out"])
    inputs[2] = torch.tensor([500])
    near(transformer(*inputs), stored["out_t1_nomask"])


@torch.no_grad()
def test_its_parts_equal_the_golden_numbers(transformer, stored):
    # Step 999 times a frequency: float32 rounds the angle by up to 999 · 6e-8.
    torch.testing.assert_close(sinusoids(stored["t"]), stored["timestep_embedding"], atol=6e-5, rtol=0)
    block = transformer.blocks[0]
    near(block.norm1(stored["block0_in"]), stored["block0_norm1"])
    condition = stored["lang_c"] + transformer.lang_cond_pos_embed[:, :10]
    near(block(stored["block0_in"], condition, stored["lang_mask"]), stored["block0_out"])


def test_the_norm_divides_by_the_unbiased_variance():
    x = torch.tensor([[1.0, 3.0, 5.0]])
    torch.testing.assert_close(RmsNorm(3)(x), x / 2.0, atol=1e-6, rtol=0)


@torch.no_grad()
def test_masked_words_do_not_matter_and_valid_ones_do(transformer, stored):
    inputs = [stored[name] for name in ("x", "freq", "t", "lang_c", "img_c")]
    mask = stored["lang_mask"]
    hidden = inputs[3] + 5 * torch.randn(inputs[3].shape) * ~mask[..., None]
    near(transformer(*inputs[:3], hidden, inputs[4], mask), stored["out"])
    seen = inputs[3] + 5 * torch.randn(inputs[3].shape) * mask[..., None]
    assert (transformer(*inputs[:3], seen, inputs[4], mask) - stored["out"]).abs().max() > 1e-2


def test_checkpointing_changes_no_gradient(stored):
    grads = []
    for checkpointing in (False, True):
        torch.manual_seed(0)
        model = RDT(16, 8, 64, 2, 4, 16, 12, checkpointing=checkpointing)
        model(*(stored[name] for name in ("x", "freq", "t", "lang_c", "img_c"))).square().mean().backward()
        grads.append(torch.cat([p.grad.flatten() for p in model.parameters()]))
    torch.testing.assert_close(*grads, atol=1e-7, rtol=1e-5)


def test_rdt_1b_has_its_published_size():
    with torch.device("meta"):
        assert sum(p.numel() for p in RDT().parameters()) == pytest.approx(1.2e9, rel=0.03)


def test_wrong_numbers_of_tokens_are_refused(transformer, stored):
    x, freq, t, lang, img = (stored[name] for name in ("x", "freq", "t", "lang_c", "img_c"))
    for inputs in ((x[:, :-1], freq, t, lang, img), (x, freq, t, lang, img[:, :8])):
        assert refused(lambda inputs=inputs: transformer(*inputs)).expected == "9, at most 16, and 12"
    assert refused(lambda: RDT(hidden_size=10, num_heads=4)).got == "width 10 for 4 heads"
