"""A frozen encoder of one's own in place of the convolutions; built here, tiny and random."""

import pytest
import torch

from ate.errors import InputError
from ate.policies.vision import Encoder, EncoderConfig

transformers = pytest.importorskip("transformers")


@pytest.fixture(params=["siglip", "dinov2"])
def folder(request, tmp_path):
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 32, "patch_size": 8}
    if request.param == "siglip":
        model = transformers.SiglipVisionModel(transformers.SiglipVisionConfig(**sizes, intermediate_size=32))
    else:
        model = transformers.Dinov2Model(transformers.Dinov2Config(**sizes))
    model.save_pretrained(tmp_path / "model")
    return str(tmp_path / "model")


def test_a_frozen_encoder_gives_maps_and_is_neither_trained_nor_saved(folder, tmp_path):
    encoder = Encoder(EncoderConfig(size=24, maps=8, hidden=16, words=4, trunk=folder))
    pictures, words = torch.randint(0, 255, (2, 2, 24, 24, 3), dtype=torch.uint8), torch.rand(2, 4)
    said = encoder(pictures, words)
    assert said["front"].mean["object"].shape == (2, 3)
    sum(one.mean["object"].sum() for one in said.values()).backward()
    names = [name for name, value in encoder.named_parameters() if "convolutions" in name]
    assert names == [f"cameras.{c}.convolutions.project.{n}" for c in ("front", "wrist") for n in ("weight", "bias")]
    assert all(value.grad is not None for name, value in encoder.named_parameters() if name in names)
    encoder.eval().save(tmp_path / "encoder.safetensors")
    again = Encoder.load(tmp_path / "encoder.safetensors")
    torch.testing.assert_close(
        again(pictures, words)["wrist"].mean["goal"], encoder(pictures, words)["wrist"].mean["goal"]
    )


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(InputError) as caught:
        Encoder(EncoderConfig(trunk=str(tmp_path)))
    assert str(tmp_path) in caught.value.where
