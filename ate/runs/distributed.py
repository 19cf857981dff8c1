"""Distributed training: processes that `torchrun` starts share every batch.

Every process draws the same batch and noise from the same generator and computes its own rows of it. Outputs of the
network are gathered with gradients, so that losses which couple the batch (an MMD, a mean over valid slots) are those
of the whole batch. Gradients of weights are averaged. Up to rounding, a step equals that of one process, except that
each process draws its own dropout.

Without `torchrun` these functions change nothing.
"""

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, distributed, nn

from ate.errors import InputError
from ate.runs.device import pick
from ate.runs.status import Stopped, listening


def processes() -> int:
    """How many processes share the work."""
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


def rank() -> int:
    """The number of this process, from 0."""
    return distributed.get_rank() if processes() > 1 else 0


def leader() -> bool:
    """Whether this process writes files and shows progress."""
    return rank() == 0


@contextmanager
def session(device: torch.device | str | None = None) -> Iterator[None]:
    """Join the other processes for a run, if `torchrun` started this one.

    A run that is asked to stop in one of them, by SIGTERM or a stop file, stops in all of them with a checkpoint. The
    program then ends here with exit code 0, so that a scheduler may start it again.

    Args:
        device: that the run computes on; None: what `ATE_DEVICE` names, else a GPU if there is one.

    Raises:
        InputError: more processes than GPUs, or a device that this machine does not have.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) < 2 or processes() > 1:
        yield
        return
    place = pick(device)
    if place.type == "cuda":
        torch.cuda.set_device(place)
    # On GPUs gloo too: what the hosts agree on must not wait for the devices.
    distributed.init_process_group("cpu:gloo,cuda:nccl" if place.type == "cuda" else "gloo")
    # Listening to the end: a signal while the processes part must not make a finished run a failed one.
    with listening():
        try:
            yield
        except Stopped as stopped:
            if leader():
                sys.stderr.write(f"{stopped}\n")
            sys.exit(0)
        finally:
            distributed.destroy_process_group()


def wait() -> None:
    """Wait for every process, for example until the leader has written a file that all will read."""
    if processes() > 1:
        distributed.barrier()


def any_process(flag: bool) -> bool:
    """Whether any process has the flag set; every process calls it at the same moment."""
    if processes() == 1:
        return flag
    agreed = torch.tensor(int(flag))
    distributed.all_reduce(agreed, distributed.ReduceOp.MAX)
    return bool(agreed)


def of_each(state: Tensor) -> list[Tensor]:
    """A tensor on the host of one shape, of each process in order."""
    if processes() == 1:
        return [state]
    parts = [torch.empty_like(state) for _ in range(processes())]
    distributed.all_gather(parts, state)
    return parts


def own_rows(batch: Tensor) -> Tensor:
    """This process's rows of a batch.

    Raises:
        InputError: the batch cannot be divided equally.
    """
    count = processes()
    if len(batch) % count:
        got, fix = f"a batch of {len(batch)}", "change the option batch, or the number of processes"
        raise InputError(got, where=f"{count} processes", expected=f"a multiple of {count}", fix=fix)
    return batch if count == 1 else batch.chunk(count)[rank()]


def all_rows(part: Tensor) -> Tensor:
    """The rows of all processes in order, with gradients to each."""
    if processes() == 1:
        return part
    # Imported here, because every training imports this file.
    from torch.distributed.nn.functional import all_gather

    return torch.cat(all_gather(part.contiguous()))


def average(parameters: Iterable[nn.Parameter]) -> None:
    """Replace gradients by their mean over processes, in one message."""
    if processes() == 1:
        return
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    distributed.all_reduce(flat)
    flat /= processes()
    for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(part.view_as(gradient))
