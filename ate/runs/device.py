"""The device a job runs on, and how many CPU threads it takes."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import nn

from ate.errors import InputError
from ate.runs.distributed import local_device

# Below this many parameters a CPU thread more costs more than it saves: an Info-VAE of 95,000 parameters trains
# 1.7 times as fast on one thread as on two.
SMALL_NETWORK = 1_000_000


def pick(device: str | torch.device | None = None) -> torch.device:
    """The device to use.

    Args:
        device: requested; None takes `ATE_DEVICE`, else a GPU where there is one.

    Raises:
        InputError: torch does not have the device here.
    """
    requested = device or os.environ.get("ATE_DEVICE")
    if not requested:
        return local_device("cuda") if torch.cuda.is_available() else torch.device("cpu")
    try:
        return torch.empty(0, device=requested).device
    except (RuntimeError, AssertionError) as error:
        got, where = repr(str(requested)), "device" if device else "ATE_DEVICE"
        raise InputError(got, where=where, expected="a device of this machine", fix="use cpu or cuda") from error


@contextmanager
def one_thread(when: bool = True) -> Iterator[None]:
    """Let torch use one thread, so that the same computation gives the same bits on every machine."""
    threads = torch.get_num_threads()
    if when:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def small(modules: Iterable[nn.Module]) -> bool:
    """Whether networks are so small that one CPU thread trains them fastest."""
    return sum(p.numel() for module in modules for p in module.parameters()) < SMALL_NETWORK
