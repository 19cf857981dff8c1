"""lerobot's own policy classes, built tiny and with random weights, because no published weights can be fetched.

Real: everything of lerobot (policies, networks, losses, samplers) and of transformers' and diffusers' classes.
Replaced, and nothing else:

| what | by | why |
|---|---|---|
| torchvision's two compiled operators | names without code | its wheel is built for CUDA, this torch is not |
| `AutoConfig`, `AutoProcessor` of SmolVLA | a tiny `SmolVLMConfig`, two token numbers | they would download |
| widths and depths of PaliGemma and Gemma | tiny ones | 3 billion weights |
| Gemma's norm, for lerobot 0.4.4 alone | `tests.lerobot.openpi` | it needs a branch of transformers |
"""

import types
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import torch
from torch import nn

from tests.lerobot import openpi

HORIZON, JOINTS, PADDED, BATCH = 8, 5, 12, 3
# Operators without code must not be forgotten while torchvision is in use.
_OPERATORS = []


def import_torchvision():
    """torchvision, where its compiled operators fit this torch or not."""
    try:
        import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
        library = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _OPERATORS.append(library)
        import_module("torchvision")


@dataclass
class Case:
    """One policy of lerobot.

    Attributes:
        policy: in training mode.
        batch: what its forward pass takes.
        prediction: module that emits the prediction.
        counted: columns of the actions that its loss counts.
        width: columns of the actions that its network sees, padding included.
        flow: flow matching, or a diffusers scheduler.
    """

    policy: Any
    batch: dict[str, Any]
    prediction: nn.Module
    counted: int
    width: int
    flow: bool

    def loss(self):
        return self.policy(dict(self.batch))[0]


def features(**more):
    from lerobot.configs.types import FeatureType, PolicyFeature

    return {
        "input_features": {
            "observation.state": PolicyFeature(FeatureType.STATE, (JOINTS,)),
            "observation.images.front": PolicyFeature(FeatureType.VISUAL, (3, 32, 32)),
        },
        "output_features": {"action": PolicyFeature(FeatureType.ACTION, (JOINTS,))},
        "device": "cpu",
        **more,
    }


def observations(actions, steps=None):
    """A batch as lerobot's loader and tokenizer make it."""
    size, generator = len(actions), torch.Generator().manual_seed(2)
    times = () if steps is None else (steps,)
    batch = {
        "action": actions,
        "action_is_pad": torch.zeros(actions.shape[:2], dtype=torch.bool),
        "observation.state": torch.randn(size, *times, JOINTS, generator=generator),
        "observation.images.front": torch.rand(size, *times, 3, 32, 32, generator=generator),
    }
    if steps is None:
        batch["observation.language.tokens"] = torch.randint(3, 60, (size, 6), generator=generator)
        batch["observation.language.attention_mask"] = torch.ones(size, 6, dtype=torch.bool)
    return batch


def diffusion(monkeypatch, actions, **options):
    from lerobot.policies.diffusion.configuration_diffusion import DiffusionConfig
    from lerobot.policies.diffusion.modeling_diffusion import DiffusionPolicy

    small = {"crop_shape": (28, 28), "down_dims": (16, 32), "spatial_softmax_num_keypoints": 4}
    weights = {"pretrained_backbone_weights": None, "use_group_norm": True}
    steps = {"horizon": HORIZON, "n_action_steps": 4, "n_obs_steps": 2, "num_inference_steps": 3}
    policy = DiffusionPolicy(DiffusionConfig(**features(**small, **weights, **steps, **options)))
    batch = observations(actions, steps=2)
    return Case(policy.train(), batch, policy.diffusion.unet, JOINTS, JOINTS, flow=False)


def smolvla(monkeypatch, actions, **options):
    from lerobot.policies.smolvla import smolvlm_with_expert
    from lerobot.policies.smolvla.configuration_smolvla import SmolVLAConfig
    from lerobot.policies.smolvla.modeling_smolvla import SmolVLAPolicy
    from transformers import SmolVLMConfig

    config = SmolVLMConfig(
        vision_config={"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
                       "image_size": 32, "patch_size": 8},
        text_config={"model_type": "llama", "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
                     "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "vocab_size": 64,
                     "pad_token_id": 0},
        scale_factor=2, pad_token_id=0, image_token_id=63,
    )  # fmt: skip
    tokens = types.SimpleNamespace(fake_image_token_id=1, global_image_token_id=2)
    for name, found in (("AutoConfig", config), ("AutoProcessor", types.SimpleNamespace(tokenizer=tokens))):
        source = types.SimpleNamespace(from_pretrained=lambda _, found=found: found)
        monkeypatch.setattr(smolvlm_with_expert, name, source)
    sizes = {"chunk_size": HORIZON, "n_action_steps": HORIZON, "max_action_dim": PADDED, "max_state_dim": PADDED}
    small = {"num_vlm_layers": 2, "resize_imgs_with_padding": (32, 32), "num_steps": 3, "load_vlm_weights": False}
    policy = SmolVLAPolicy(SmolVLAConfig(**features(**sizes, **small, **options)))
    policy.train()
    # 0.4.4 averages over the padded columns too, 0.5 and later over the robot's.
    counted = PADDED if old() else JOINTS
    return Case(policy, observations(actions), policy.model.action_out_proj, counted, PADDED, flow=True)


def pi(monkeypatch, actions, name, **options):
    module = import_module(f"lerobot.policies.{name}.modeling_{name}")
    configuration = import_module(f"lerobot.policies.{name}.configuration_{name}")
    title = {"pi0": "PI0", "pi05": "PI05"}[name]
    tiny = module.GemmaConfig(width=32, depth=2, mlp_dim=48, num_heads=8, num_kv_heads=1, head_dim=8)
    monkeypatch.setattr(module, "get_gemma_config", lambda _: tiny)
    vlm, expert = (
        ("PaliGemmaForConditionalGeneration", "GemmaForCausalLM")
        if old()
        else ("PaliGemmaForConditionalGenerationWithPiGemma", "PiGemmaForCausalLM")
    )
    whole, head = getattr(module, vlm), getattr(module, expert)

    def small_vlm(config):
        vision = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
                  "projection_dim": 32}  # fmt: skip
        for key, value in vision.items():
            setattr(config.vision_config, key, value)
        config.text_config.vocab_size = config._vocab_size = 64
        config.image_token_index = config.image_token_id = 63
        made = whole(config=config)
        if old():
            openpi.adapt(made.model.language_model, None)
        return made

    def small_expert(config):
        config.vocab_size = 64
        made = head(config=config)
        if old():
            openpi.adapt(made.model, config.adarms_cond_dim)
        return made

    monkeypatch.setattr(module, vlm, small_vlm)
    monkeypatch.setattr(module, expert, small_expert)
    if old():
        openpi.pretend_branch(monkeypatch)
    sizes = {"chunk_size": HORIZON, "n_action_steps": HORIZON, "max_action_dim": PADDED, "max_state_dim": PADDED}
    small = {"image_resolution": (28, 28), "num_inference_steps": 3}
    config = getattr(configuration, f"{title}Config")(**features(**sizes, **small, **options))
    policy = getattr(module, f"{title}Policy")(config)
    policy.train()
    return Case(policy, observations(actions), policy.model.action_out_proj, JOINTS, PADDED, flow=True)


def old():
    """lerobot before 0.5: no Gemma norm of its own."""
    import lerobot

    return tuple(int(part) for part in lerobot.__version__.split(".")[:2]) < (0, 5)


POLICIES = ("DiffusionPolicy", "SmolVLA", "π0", "π0.5")


def build(name, monkeypatch, actions, **options):
    """A policy by its name, weights drawn anew from seed 0."""
    torch.manual_seed(0)
    if name in ("π0", "π0.5"):
        return pi(monkeypatch, actions, {"π0": "pi0", "π0.5": "pi05"}[name], **options)
    return {"DiffusionPolicy": diffusion, "SmolVLA": smolvla}[name](monkeypatch, actions, **options)
