"""Sharding: weights, gradients and optimiser of RDT divided over the processes of `torchrun` (PyTorch's FSDP2).

    with ate.runs.distributed.session():
        policy = shard(load(path))
        optimizer = torch.optim.AdamW(policy.parameters(), lr=1e-5)
        …policy.compute_loss(own rows).backward(), optimizer.step()…

A block's weights are whole while it computes, and each process keeps its share of them otherwise. Losses are means over
a process's rows and gradients means over processes: with equal parts of a batch a step is that of one process.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_state_dict,
    set_state_dict,
)
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard, register_fsdp_forward_method
from torch.optim import Optimizer

from ate.errors import unknown
from ate.policies.rdt.runner import Runner
from ate.runs.device import pick
from ate.runs.distributed import processes

# Moved to the host as they are gathered: a GPU never holds them whole.
WHOLE = StateDictOptions(full_state_dict=True, cpu_offload=True)
# The type of each process's share, of sums over processes and of the optimiser; and what is gathered and computed in.
PRECISIONS: Mapping[str, tuple[torch.dtype, MixedPrecisionPolicy]] = MappingProxyType(
    {
        "float32": (torch.float32, MixedPrecisionPolicy()),
        "mixed": (torch.float32, MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32)),
        "bf16": (torch.bfloat16, MixedPrecisionPolicy()),
    }
)


def shard(runner: Runner, *, precision: str = "float32", device: torch.device | str | None = None) -> Runner:
    """Divide a policy over all processes, in place; alone, a process keeps it whole.

    Optimisers are made after it, of the divided parameters; adapters (`with_lora`) are put in before it. Guidance is
    attached as to any policy.

    Args:
        runner: with the same weights in every process.
        precision: as `memory_need`: `"float32"` or `"bf16"` throughout; or `"mixed"`, float32 for each process's share,
            sums over processes and the optimiser, while weights are gathered and inputs rounded to bf16, so that no
            layer casts. Alone, a process gets float32 weights then, for autocast.
        device: to compute on; None: what `ATE_DEVICE` names, else a GPU if there is one.

    Returns:
        The policy.

    Raises:
        InputError: an unknown precision, or a device that this machine does not have.
    """
    if precision not in PRECISIONS:
        raise unknown(precision, PRECISIONS, where="precision of a sharded policy")
    place, (dtype, policy) = pick(device), PRECISIONS[precision]
    runner.to(dtype)
    if processes() == 1:
        return runner.to(place)
    options: Any = {"mesh": init_device_mesh(place.type, (processes(),)), "mp_policy": policy}
    for block in runner.model.blocks:
        fully_shard(block, **options)
    fully_shard(runner, **options)
    for method in ("compute_loss", "predict_action"):
        register_fsdp_forward_method(runner, method)
    return runner


class ShardedTraining:
    """A policy and its optimiser as the state of a run (`ate.runs.loop.train`): on disk they are whole.

    A checkpoint therefore goes on with another number of processes, or with one. Reading and writing it takes all
    processes at the same moment.
    """

    def __init__(self, policy: nn.Module, optimizer: Optimizer) -> None:
        """Of a policy that `shard` returned, and the optimiser of its parameters."""
        self._policy, self._optimizer = policy, optimizer

    def state_dict(self) -> dict[str, Any]:
        """Weights and moments, whole and on the host in the leader; empty in other processes."""
        policy, optimizer = get_state_dict(self._policy, self._optimizer, options=WHOLE)
        return {"policy": policy, "optimizer": optimizer}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take this process's share of a whole state, which every process has read."""
        set_state_dict(
            self._policy,
            self._optimizer,
            model_state_dict=state_dict["policy"],
            optim_state_dict=state_dict["optimizer"],
            options=StateDictOptions(full_state_dict=True),
        )


def whole_weights(policy: nn.Module) -> dict[str, Tensor]:
    """The state dict of a sharded policy, whole and on the host in the leader; empty in other processes.

    All processes call it at the same moment. The leader's is what `load` reads from a `.safetensors` file.
    """
    weights: dict[str, Any] = dict(get_model_state_dict(policy, options=WHOLE))
    return weights
