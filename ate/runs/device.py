"""The device a job runs on, its random state, and how many CPU threads it takes."""

import copy
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, Self, TypeVar

import torch
from torch import nn

from ate.errors import InputError

# Below this many parameters a CPU thread more costs more than it saves: an Info-VAE of 95,000 parameters trains
# 1.7 times as fast on one thread as on two.
SMALL_NETWORK = 1_000_000


class Placeable(Protocol):
    """What is on a device: a module of ours, say."""

    @property
    def device(self) -> torch.device:
        """Where it is."""

    def to(self, device: torch.device | str) -> Self:
        """Move it."""


Thing = TypeVar("Thing", bound=Placeable)


def pick(device: str | torch.device | None = None) -> torch.device:
    """The device to use.

    Args:
        device: requested; None takes `ATE_DEVICE`, else a GPU where there is one.

    Of several processes that `torchrun` starts, each has one GPU of its machine for itself.

    Raises:
        InputError: torch does not have the device here, or there are more processes than GPUs.
    """
    requested = device or os.environ.get("ATE_DEVICE")
    if not requested or str(requested) == "cuda":
        if torch.cuda.is_available():
            return _own_gpu()
        requested = requested or "cpu"
    try:
        return torch.empty(0, device=requested).device
    except (RuntimeError, AssertionError) as error:
        got, where = repr(str(requested)), "device" if device else "ATE_DEVICE"
        raise InputError(got, where=where, expected="a device of this machine", fix="use cpu or cuda") from error


def _own_gpu() -> torch.device:
    own = os.environ.get("LOCAL_RANK")
    if own is None:
        return torch.empty(0, device="cuda").device
    there = torch.cuda.device_count()
    if int(own) >= there:
        raise InputError(
            f"{os.environ.get('LOCAL_WORLD_SIZE', 'more')} processes on a machine with {there} GPUs",
            where="torchrun",
            expected="at most one process a GPU",
            fix=f"torchrun --nproc_per_node {there}, or ATE_DEVICE=cpu",
        )
    return torch.device("cuda", int(own))


def placed(module: Thing, device: torch.device | str) -> Thing:
    """A module on a device: itself where it is there already, else a copy. A caller's module is never moved."""
    place = torch.empty(0, device=device).device
    return module if module.device == place else copy.deepcopy(module).to(place)


@contextmanager
def seeded(seed: int, device: torch.device | str = "cpu") -> Iterator[None]:
    """A context with global random states of its own, for initialisation and dropout: of the CPU and of `device`.

    `torch.manual_seed` would seed every GPU too, also those that the caller draws from.
    """
    place = torch.device(device)
    with torch.random.fork_rng(devices=[place] if place.type == "cuda" else []):
        reseed(seed, place)
        yield


def reseed(seed: int, device: torch.device | str = "cpu") -> None:
    """Seed the global generators of the CPU and of one device."""
    for generator in {torch.default_generator, default_generator(device)}:
        generator.manual_seed(seed)


def default_generator(device: torch.device | str) -> torch.Generator:
    """The generator that dropout on a device draws from."""
    place = torch.device(device)
    return torch.cuda.default_generators[place.index or 0] if place.type == "cuda" else torch.default_generator


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


@contextmanager
def tf32(device: torch.device | str, when: bool = True) -> Iterator[None]:
    """Let float32 products on a GPU round their inputs to ten bits (TF32); on a CPU nothing changes.

    Raises:
        InputError: a PyTorch that has no switch for it.
    """
    if not when or torch.device(device).type != "cuda":
        yield
        return
    products: Any = torch.backends.cuda.matmul, getattr(torch.backends.cudnn, "conv", None)
    if not hasattr(products[0], "fp32_precision"):
        raise InputError(
            f"torch {torch.__version__}", where="tf32", expected="2.9 or newer", fix="take float32 or bfloat16_copy"
        )
    before = [product.fp32_precision for product in products]
    for product in products:
        product.fp32_precision = "tf32"
    try:
        yield
    finally:
        for product, precision in zip(products, before, strict=True):
            product.fp32_precision = precision


def small(modules: Iterable[nn.Module]) -> bool:
    """Whether networks are so small that one CPU thread trains them fastest."""
    return sum(p.numel() for module in modules for p in module.parameters()) < SMALL_NETWORK
