"""One part, in a process of its own."""

import platform
from pathlib import Path
from typing import Any


def part(name: str, file: str, device: str, quick: bool) -> None:
    """Run one part; called in a process of its own."""
    import torch

    from benchmarks.gpu.measure import Notes

    notes = Notes(Path(file), torch.device(device), quick)
    if name == "versions":
        versions(notes)
        return
    from benchmarks.gpu import policies, scenarios, speed

    work = {
        "scenarios": scenarios.run, "peak": speed.device_peak, "stage 1": speed.stage_one, "guided": policies.guided,
        "grid": policies.grid,
    }  # fmt: skip
    work[name](notes)


def versions(notes: Any) -> None:
    """Of Python, torch and CUDA, and the device's name."""
    import torch

    notes.add("python", platform.python_version())
    notes.add("torch", torch.__version__)
    notes.add("cuda", torch.version.cuda or "none")
    cuda = notes.device.type == "cuda"
    notes.add("device", torch.cuda.get_device_name(notes.device) if cuda else platform.processor() or "CPU")
