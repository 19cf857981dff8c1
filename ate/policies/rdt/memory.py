"""The memory that fine-tuning RDT needs, known before any weight is loaded.

The network is built without storage (torch's meta device) and run once. What autograd would keep for the backward pass
is counted tensor by tensor, for attention by the kernel that keeps most. Weights, gradients and AdamW's two moments
follow from the numbers of parameters.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import torch
from torch import Tensor, nn

from ate.errors import InputError, unknown
from ate.policies.rdt.lora import with_lora
from ate.policies.rdt.runner import Runner, RunnerConfig

# Bytes of a weight, of a trained weight's gradient and of its two AdamW moments; and the type of activations.
PRECISIONS: Mapping[str, tuple[int, int, int, torch.dtype]] = MappingProxyType(
    {
        "float32": (4, 4, 8, torch.float32),
        # float32 weights with a bf16 copy that autocast keeps during a step.
        "mixed": (6, 4, 8, torch.bfloat16),
        "bf16": (2, 2, 4, torch.bfloat16),
    }
)
# Share of the memory for workspaces, fragments and the context of the device's driver, which are not counted.
RESERVE = 0.1
# Processes that a policy is sharded over.
COUNTS = (1, 2, 4, 8, 16, 32, 64)


@dataclass(frozen=True)
class MemoryNeed:
    """Bytes of a fine-tuning step.

    Attributes:
        parameters: numbers of weights, all.
        trained: numbers of weights that are trained.
        weights: bytes of weights.
        gradients: bytes of gradients.
        optimizer: bytes of AdamW's moments.
        activations: bytes that a sample of the batch keeps for the backward pass.
        batch: samples a step, of each process.
        copies: bytes of the bf16 copy among the weights, which a sharded policy does not keep.
        gathered: bytes of weights and gradients that are whole at once where the policy is sharded.
        processes: among which weights, gradients and moments are divided (`ate.policies.rdt.shard`).
    """

    parameters: int
    trained: int
    weights: int
    gradients: int
    optimizer: int
    activations: int
    batch: int
    copies: int = 0
    gathered: int = 0
    processes: int = 1

    @property
    def fixed(self) -> int:
        """Bytes of each process that do not depend on the batch."""
        whole = self.weights + self.gradients + self.optimizer
        return whole if self.processes == 1 else -(-(whole - self.copies) // self.processes) + self.gathered

    def divided(self, processes: int) -> "MemoryNeed":
        """What each of several processes needs for as many samples, sharded by `ate.policies.rdt.shard`.

        Raises:
            InputError: less than one process.
        """
        if processes < 1:
            raise InputError(str(processes), where="processes", expected="at least 1", fix="raise it")
        return replace(self, processes=processes)

    def fewest_processes(self, available: int) -> int | None:
        """How many processes with `available` bytes each share the weights where the batch just fits; None: no number.

        Of the powers of two up to 64.
        """
        fits = (n for n in COUNTS if self.divided(n).total <= available * (1 - RESERVE))
        return next(fits, None)

    @property
    def total(self) -> int:
        """Bytes in all of each process, without reserve."""
        return self.fixed + self.batch * self.activations

    def largest_batch(self, available: int) -> int:
        """Samples that fit in `available` bytes with a tenth in reserve; 0 where not even one does."""
        return max(0, int((available * (1 - RESERVE) - self.fixed) // self.activations))

    def require(self, available: int) -> None:
        """Raise where the batch does not fit.

        Raises:
            InputError: it needs more than `available` bytes less a tenth.
        """
        if self.total <= available * (1 - RESERVE):
            return
        fits, enough = self.largest_batch(available), self.fewest_processes(available)
        fix = f"take batch {fits} with accumulation" if fits else "train by LoRA, in bf16, with checkpointing"
        if enough is not None:
            fix += f", or shard it over {enough} processes (ate.policies.rdt.shard)"
        raise InputError(
            f"{self} for batch {self.batch}",
            where="memory of the device",
            expected=f"at most {available * (1 - RESERVE) / 2**30:.1f} of its {available / 2**30:.1f} GiB",
            fix=fix,
        )

    def __str__(self) -> str:
        parts = self.total, self.weights, self.gradients, self.optimizer, self.activations
        text = "{} GiB: weights {}, gradients {}, optimizer {}, activations {batch} × {}".format(
            *(f"{part / 2**30:.2f}" for part in parts), batch=self.batch
        )
        if self.processes == 1:
            return text
        return f"{text}; the first three divided by {self.processes}, and {self.gathered / 2**30:.2f} whole at a time"


def memory_need(
    config: RunnerConfig,
    batch: int = 1,
    *,
    precision: str = "mixed",
    checkpointing: bool = False,
    lora_rank: int = 0,
    lang_tokens: int | None = None,
) -> MemoryNeed:
    """What a fine-tuning step needs; nothing is allocated.

    `divided` of the result says what sharding gives.

    Args:
        config: sizes of the policy.
        batch: samples a step, of each process.
        precision: `"float32"`, `"mixed"` (float32 weights, bf16 activations) or `"bf16"`.
        checkpointing: blocks compute their activations again in the backward pass.
        lora_rank: train only LoRA adapters of this rank; 0 trains all weights.
        lang_tokens: language tokens a sample; the most that fit by default.

    Raises:
        InputError: an unknown precision, or a batch below 1.
    """
    if precision not in PRECISIONS:
        raise unknown(precision, PRECISIONS, where="precision")
    if batch < 1:
        raise InputError(str(batch), where="batch", expected="at least 1", fix="raise it")
    per_weight, per_gradient, per_moment, dtype = PRECISIONS[precision]
    with torch.device("meta"):
        runner = Runner(config).to(dtype)
        if lora_rank:
            with_lora(runner, lora_rank)
        words = min(lang_tokens or config.max_lang_cond_len, config.max_lang_cond_len)
        activations = kept_per_sample(runner, words, dtype)
        if checkpointing:
            without = activations
            runner.model.checkpointing = True
            activations = kept_per_sample(runner, words, dtype)
            # One block at a time computes its activations again and keeps them with their gradients. Without these,
            # real steps that train only adapters took a fifth more than the estimate.
            activations += 2 * (without - activations) // config.depth
    parameters = sum(parameter.numel() for parameter in runner.parameters())
    trained = sum(parameter.numel() for parameter in runner.parameters() if parameter.requires_grad)
    sizes = per_weight * parameters, per_gradient * trained, per_moment * trained
    copies = max(0, per_weight - per_gradient) * parameters
    return MemoryNeed(parameters, trained, *sizes, activations, batch, copies, _gathered(runner, dtype.itemsize))


def _gathered(runner: Runner, size: int) -> int:
    """Bytes that each process of several holds whole: two blocks, one of them on its way, and what is around all.

    Of each its weights, and the gradients of those that are trained, before they are divided.
    """
    blocks = [_numbers(block) for block in runner.model.blocks]
    around = _numbers(runner) - sum(blocks)
    return size * (around + 2 * max(blocks))


def _numbers(module: nn.Module) -> int:
    """Weights, and gradients of those that are trained."""
    return sum(parameter.numel() * (1 + parameter.requires_grad) for parameter in module.parameters())


def kept_per_sample(runner: Runner, words: int, dtype: torch.dtype) -> int:
    """Bytes that one more sample of a batch keeps for the backward pass; each has `words` language tokens."""
    return _kept(runner, 2, words, dtype) - _kept(runner, 1, words, dtype)


def _kept(runner: Runner, samples: int, words: int, dtype: torch.dtype) -> int:
    """Bytes that a forward pass keeps in addition to the weights; a storage that is kept twice counts once."""
    c = runner.config
    weights = {parameter.untyped_storage()._cdata for parameter in runner.parameters()}
    storages: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in weights:
            storages[storage._cdata] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        tokens = runner._tokens(
            torch.empty(samples, 1 + c.pred_horizon, c.action_dim, dtype=dtype), torch.ones(samples, 1, c.action_dim)
        )
        conditions = runner._conditions(
            torch.empty(samples, words, c.lang_token_dim, dtype=dtype),
            torch.empty(samples, c.img_cond_len, c.img_token_dim, dtype=dtype),
        )
        time = torch.zeros(samples, dtype=torch.long)
        out = runner.model(tokens, time, time, *conditions, lang_mask=torch.ones(samples, words, dtype=torch.bool))
        loss = out.square().mean()
    kept = sum(storage.nbytes() for storage in storages.values())
    del loss  # until here it holds the storages
    return kept
