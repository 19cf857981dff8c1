"""Pre-trains the policies of the demo set and ships their weights, in half precision: `make weights`.

A run with the same data and settings takes them instead of training for minutes. With other data or settings their
names differ, and the policies are trained.

python -m benchmarks.weights [RUN]
"""

import os
import sys
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch

from ate.experiments.preparation import pretrain_policy, shipped_weights
from ate.experiments.settings import settings
from ate.robots import unify
from ate.robots.frames import Placement
from ate.runs import checkpoint


def ship(file: Path) -> Path:
    """Write a policy's checkpoint to the shipped weights, its floating-point tensors in half precision."""
    tree = checkpoint.load(file)
    tree["weights"] = {name: value.half() for name, value in tree["weights"].items()}
    target = shipped_weights(file.parent.name)
    checkpoint.save(target, tree)
    return target


def main() -> None:
    """Pre-train what is not in the run directory yet, and replace the shipped weights."""
    torch.set_num_threads(1)
    demo = replace(settings({"profile": "demo"}), run=str(Path(*sys.argv[1:2] or ["runs/weights"]).resolve()))
    sets = demo.pretrain_data.load_sets(True)
    width = unify([*sets, demo.adapt_data.load(True)])[0].width
    for old in shipped_weights("").parent.glob("*.safetensors"):
        old.unlink()
    joints: list[Placement] = []
    for placements in (joints, [Placement.of(s.robot) for s in sets]):
        for name in demo.parameterizations:
            target = ship(pretrain_policy(demo, sets, width, name, placements))
            print(f"{target.name}: {target.stat().st_size / 1e6:.2f} MB", flush=True)


if __name__ == "__main__":
    main()
