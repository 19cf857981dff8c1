"""Measurements that every part needs: seconds on the device, its peak and bandwidth, kernels of a step."""

import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

ROUNDS = 5


@dataclass
class Notes:
    """What a part found, written after every number: a part that is cut short keeps what it has.

    Attributes:
        file: where it is written.
        device: that is measured.
        quick: sizes of a check rather than of a measurement.
        values: what was found, by name.
    """

    file: Path
    device: torch.device
    quick: bool
    values: dict[str, Any] = field(default_factory=dict)

    def add(self, name: str, value: Any) -> None:
        """Write one more."""
        self.values[name] = value
        self.file.write_text(json.dumps(self.values, indent=1))

    def tried(self, name: str, work: Callable[[], Any]) -> Any:
        """Write what a measurement gives, or the error by which it ended."""
        try:
            value = work()
        except Exception as error:  # noqa: BLE001 (written down; the next is measured)
            self.add(name, {"error": f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"})
            return None
        self.add(name, value)
        return value


def wait(device: torch.device) -> None:
    """Wait for the device."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds(step: Callable[[], object], device: torch.device, repeats: int, rounds: int = ROUNDS) -> float:
    """Seconds a step: the median of rounds, after one that is not counted."""
    found = []
    for _ in range(rounds + 1):
        wait(device)
        began = time.perf_counter()
        for _ in range(repeats):
            step()
        wait(device)
        found.append((time.perf_counter() - began) / repeats)
    return statistics.median(found[1:])


def peak(device: torch.device, quick: bool) -> float:
    """FLOP/s of a large matrix product: bf16 on a GPU, float32 on a CPU."""
    size = 512 if quick else 8192
    a = torch.randn(size, size, device=device, dtype=torch.bfloat16 if device.type == "cuda" else torch.float32)
    return 2 * size**3 / seconds(lambda: a @ a, device, 10)


def bandwidth(device: torch.device, quick: bool) -> float:
    """Bytes a second of a copy, read and written."""
    a = torch.empty((1 << 24) if quick else (1 << 30), dtype=torch.uint8, device=device)
    b = torch.empty_like(a)
    return 2 * a.numel() / seconds(lambda: b.copy_(a), device, 5)


def kernels(step: Callable[[], object], device: torch.device) -> int:
    """Kernels of a step on a GPU; operations of torch on a CPU."""
    from torch.profiler import ProfilerActivity, profile

    cuda = device.type == "cuda"
    with profile(activities=[ProfilerActivity.CUDA if cuda else ProfilerActivity.CPU]) as profiled:
        step()
        wait(device)
    return sum(event.count for event in profiled.key_averages() if not cuda or event.device_type.name == "CUDA")
