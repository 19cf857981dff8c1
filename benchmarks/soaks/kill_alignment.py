"""Training in a child process that is killed with SIGKILL at random moments and started again: `make soak`."""

import json
import multiprocessing
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

# Forks of a server that has imported torch start in a tenth of a second.
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["ate.align.stages", "benchmarks.soaks.kill_alignment"])


def weights(folder: Path) -> dict[str, Tensor]:
    """Every tensor of a finished alignment, Best weights of both stages included."""
    from ate.align import Alignment
    from ate.align.trainer import Best

    done = Alignment.load(folder)
    parts: dict[str, Mapping[str, Tensor]] = {
        "pretrain": done.pretrain_vae.state_dict(),
        "adapt": done.vae.state_dict(),
    }
    parts |= {f"best {stage}": Best.of(folder / stage).weights for stage in ("pretrain", "adapt")}
    moments = {"mean": done.prior.mean, "std": done.prior.std}
    return {
        f"{part}.{key}": value for part, state in {**parts, "prior": moments}.items() for key, value in state.items()
    }


def differing(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> list[str]:
    """Names of the tensors that are not equal bit by bit."""
    return sorted(
        key
        for key in one.keys() | other.keys()
        if key not in one
        or key not in other
        or not torch.equal(one[key].reshape(-1).view(torch.uint8), other[key].reshape(-1).view(torch.uint8))
    )


def soak(train: Callable[[Path], None], scratch: Path, kills: int, seed: int = 0) -> dict[str, object]:
    """Train once undisturbed, then repeatedly with kills, and compare all runs that finished.

    Args:
        train: trains into a folder and continues a run that it holds; importable, because it runs in a child process.
        scratch: an empty folder.
        kills: processes to kill before they end.
        seed: of the moments, uniform over the time of an undisturbed run.
    """
    # The server's first fork waits for its imports, which belong to no run.
    warm = CONTEXT.Process(target=torch.get_num_threads)
    warm.start()
    warm.join()
    began = time.monotonic()
    _child(train, scratch / "whole").join()
    duration = time.monotonic() - began
    whole, random = weights(scratch / "whole"), np.random.default_rng(seed)
    killed, finished, wrong, stages = 0, 0, [], {"nothing": 0, "pretrain": 0, "adapt": 0}
    folder = scratch / "killed"
    while killed < kills or folder.exists():
        child = _child(train, folder)
        child.join(float(random.uniform(0.0, duration)) if killed < kills else None)
        if child.is_alive():
            child.kill()
            child.join()
        if child.exitcode == -9:
            killed += 1
            stages[_reached(folder)] += 1
            # A process killed before it wrote anything leaves no folder; the next one still has to finish.
            folder.mkdir(exist_ok=True)
        elif child.exitcode == 0:
            finished += 1
            wrong += differing(whole, weights(folder))
            leftovers = [file.name for file in folder.rglob(".*.tmp") if file.parent != folder]
            wrong += leftovers
            shutil.rmtree(folder)
        else:
            raise RuntimeError(f"the child failed with exit code {child.exitcode}")
    return {
        "seconds undisturbed": round(duration, 2),
        "killed": killed,
        "last checkpoint when killed": stages,
        "finished": finished,
        "wrong": wrong,
    }


def _child(train: Callable[[Path], None], folder: Path) -> multiprocessing.process.BaseProcess:
    child = CONTEXT.Process(target=train, args=(folder,))
    child.start()
    return child


def _reached(folder: Path) -> str:
    """The stage of the newest checkpoint."""
    from ate.runs.loop import LAST

    return next((stage for stage in ("adapt", "pretrain") if (folder / stage / LAST).exists()), "nothing")


def demo(folder: Path) -> None:
    """Both stages of the demo preset on the shipped Lift episodes."""
    import ate.align
    from ate.data import load, load_sets
    from ate.experiments.settings import SHIPPED

    ate.align.fit(load_sets(SHIPPED / "lift" / "pretrain"), load(SHIPPED / "lift" / "adapt" / "ur5e"), "demo", folder)


def main() -> int:
    """Twenty kills of the demo preset; prints one JSON object and fails if any tensor differs."""
    with tempfile.TemporaryDirectory() as scratch:
        result = soak(demo, Path(scratch), kills=20)
    print(json.dumps(result, indent=1))
    return int(bool(result["wrong"]))


if __name__ == "__main__":
    # Under its importable name, so that the children find `demo`.
    from benchmarks.soaks import kill_alignment

    sys.exit(kill_alignment.main())
