"""LoRA for RDT by peft (an extra, `ate[lora]`): low-rank adapters on the attention maps, everything else frozen."""

from typing import Any

from torch import nn

from ate.errors import InputError, library

# Every linear map of the attentions; the norms, embeddings and read-out stay as they were.
TARGETS = ("qkv", "q", "kv", "proj")


def with_lora(runner: nn.Module, rank: int = 16, alpha: int | None = None, **options: Any) -> nn.Module:
    """Put adapters into a policy's transformer, in place, and freeze the rest.

    Args:
        runner: a `Runner`; its `model` gets the adapters, so that hooks on it still see the prediction.
        rank: of the adapters, at least 1.
        alpha: their scale is alpha / rank; `rank` by default.
        options: other fields of `peft.LoraConfig`.

    Returns:
        The policy.

    Raises:
        InputError: peft is not installed, or a rank below 1.
    """
    if rank < 1:
        raise InputError(str(rank), where="LoRA rank", expected="at least 1", fix="use 8 or 16")
    peft = library("peft", "lora", where="LoRA", use="makes adapters")
    config = peft.LoraConfig(r=rank, lora_alpha=alpha or rank, target_modules=list(TARGETS), **options)
    runner.requires_grad_(False)
    peft.inject_adapter_in_model(config, runner.get_submodule("model"))
    return runner
