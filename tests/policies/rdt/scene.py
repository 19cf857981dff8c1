"""Tiny random SigLIP and T5 in folders, tiny RDT weights, and recordings with pictures and words.

python -m tests.policies.rdt.scene FOLDER     writes them, for the commands of docs/rdt.md
"""

import io
import json
import sys
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file

from ate.data import load
from ate.policies.rdt.runner import Runner
from tests.conftest import write_episode
from tests.policies.rdt.tiny import TINY
from tests.steer.lines import JOINTS

WIDTH, WORDS, SIZE, PATCH = 12, 16, 16, 8
PATCHES = (SIZE // PATCH) ** 2
CONFIG = replace(
    TINY, lang_token_dim=WORDS, img_token_dim=WIDTH, max_lang_cond_len=9, img_cond_len=2 * 3 * PATCHES,
    num_inference_timesteps=3,
)  # fmt: skip
TASK = "lift the red cube"


def siglip(folder, hidden=WIDTH, size=SIZE):
    """A folder as transformers saves SigLIP."""
    from transformers import SiglipVisionConfig, SiglipVisionModel

    torch.manual_seed(4)
    config = SiglipVisionConfig(
        hidden_size=hidden, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2, image_size=size,
        patch_size=PATCH,
    )  # fmt: skip
    SiglipVisionModel(config).save_pretrained(folder)
    means = {"image_mean": [0.5, 0.4, 0.6], "image_std": [0.5, 0.5, 0.5], "size": {"height": size, "width": size}}
    (folder / "preprocessor_config.json").write_text(json.dumps(means))
    return folder


def t5(folder, width=WORDS):
    """A folder as transformers saves T5 and a tokenizer that knows a few words."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast, T5Config, T5EncoderModel

    torch.manual_seed(5)
    config = T5Config(d_model=width, d_kv=8, num_heads=2, d_ff=16, num_layers=1, vocab_size=32)
    T5EncoderModel(config).save_pretrained(folder)
    known = ["<pad>", "</s>", "<unk>", *f"{TASK} push blue".split()]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(known)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="</s>", pad_token="<pad>", unk_token="<unk>")
    fast.save_pretrained(folder)
    return folder


def weights(folder, config=CONFIG):
    """Tiny random weights of RDT, and the `base.yaml` that belongs to them."""
    torch.manual_seed(6)
    folder.mkdir(parents=True)
    save_file(Runner(config).state_dict(), folder / "rdt.safetensors")
    (folder / "base.yaml").write_text(base_yaml(config))
    return folder


def base_yaml(config=CONFIG, **changes):
    fields = {
        "history": 2, "cameras": 3, "state": config.action_dim, "words": config.max_lang_cond_len, "aspect": "pad",
        "projection": "mlp2x_gelu", **changes,
    }  # fmt: skip
    return f"""
common: {{img_history_size: {fields["history"]}, action_chunk_size: {config.pred_horizon},
  num_cameras: {fields["cameras"]}, state_dim: {fields["state"]}}}
dataset: {{buf_path: /nowhere, tokenizer_max_length: {fields["words"]}, image_aspect_ratio: {fields["aspect"]}}}
model:
  lang_adaptor: {fields["projection"]}
  img_adaptor: mlp2x_gelu
  state_adaptor: mlp3x_gelu
  lang_token_dim: {config.lang_token_dim}
  img_token_dim: {config.img_token_dim}
  state_token_dim: 128
  rdt: {{hidden_size: {config.hidden_size}, depth: {config.depth}, num_heads: {config.num_heads}}}
  noise_scheduler: {{type: ddpm, num_train_timesteps: 1000, num_inference_timesteps: 3,
    beta_schedule: squaredcos_cap_v2, prediction_type: sample, clip_sample: False}}
"""


def picture(index, row, shape=(12, 20, 3)):
    return np.random.default_rng((index, row)).integers(0, 256, shape, np.uint8)


def robots(folder, task=TASK):
    """Two robots whose joints swing, a little differently in each episode, which an alignment learns in few steps.

    The new one was filmed by a camera at its wrist and, as PNG, by one in front.
    """
    rng = np.random.default_rng(0)
    phases = rng.uniform(0, 2 * np.pi, len(JOINTS))
    for robot in ("old", "new"):
        for index in range(4):
            swing = np.linspace(0, 2 * np.pi, 40)[:, None] + phases + rng.uniform(0, 0.3)
            qpos = (np.sin(swing) * np.linspace(0.4, 1.2, len(JOINTS))).astype("f4")
            write_episode(folder / robot, index, qpos, robot=robot, rate_hz=20.0, joint_names=list(JOINTS))
    for index, file in enumerate(sorted((folder / "new").glob("*.hdf5"))):
        with h5py.File(file, "a") as handle:
            rows = len(handle["qpos"])
            front = handle.create_dataset("images/front", (rows,), h5py.vlen_dtype(np.uint8))
            for row in range(rows):
                buffer = io.BytesIO()
                Image.fromarray(picture(index, row)).save(buffer, "PNG")
                front[row] = np.frombuffer(buffer.getvalue(), np.uint8)
            handle["images/wrist"] = np.stack([picture(10 + index, row, (16, 16, 3)) for row in range(rows)])
            if task:
                handle.attrs["task"] = task
    return load(folder / "old"), load(folder / "new")


def main(folder):
    robots(folder / "robots")
    siglip(folder / "siglip"), t5(folder / "t5"), weights(folder / "weights")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
