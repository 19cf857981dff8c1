"""The one training loop: steps, metrics as JSON lines, checkpoints, stop and exact resume.

Everything that changes from step to step is handed over as named state (modules, optimisers, schedulers,
generators), so a run that was killed continues from its last checkpoint to the same bits on the same CPU.

A run lives in its directory: `status.json` and `metrics.jsonl` tell how far it is (`ate.runs.child` reads them), a file
`stop`, SIGTERM or an interrupt ends it after the step at hand with a checkpoint, and a lock keeps a second process out.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from tqdm import tqdm

from ate.errors import InputError
from ate.runs import checkpoint
from ate.runs.device import one_thread, small
from ate.runs.distributed import leader, wait
from ate.runs.files import remove_leftovers, write_text
from ate.runs.status import RunStatus, run_status

LAST = "last.safetensors"
METRICS = "metrics.jsonl"
Step = Callable[[int], Mapping[str, Tensor]]


class Stateful(Protocol):
    """What can be saved and restored: modules, optimisers and schedulers of torch already are."""

    def state_dict(self) -> dict[str, Any]:
        """Its state."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> Any:
        """Take a state back."""


State = Mapping[str, Stateful | torch.Generator]


def train(
    step: Step,
    state: State,
    steps: int,
    *,
    directory: Path | None = None,
    identity: str = "",
    checkpoint_every: int = 500,
    log_every: int = 50,
    label: str = "train",
    after_log: Callable[[int], Mapping[str, float]] | None = None,
) -> list[dict[str, float]]:
    """Run `step(i)` for i in 0 … steps − 1.

    Args:
        step: one optimisation step; returns 0-d tensors and must not wait for the device.
        state: every object that a step changes or draws from, by name.
        steps: how many steps in all; a finished run is returned from disk at once.
        directory: where checkpoint and metrics live; None keeps nothing and cannot resume.
        identity: hash of data and configuration; a checkpoint of another identity is refused.
        checkpoint_every: steps between checkpoints.
        log_every: steps between metric rows; a row is the mean since the last one.
        label: name of the progress bar.
        after_log: called at each row with the step; its numbers join the row (validation, say).

    Returns:
        The metric rows, each with `"step"`.

    Raises:
        InputError: the directory holds a checkpoint of another identity, or another process trains in it.
        Stopped: it was asked to stop; what was done is in the checkpoint.
        KeyboardInterrupt: it was interrupted; likewise.
    """
    with run_status(directory if leader() else None, label, steps) as status:
        return _run(step, state, steps, directory, identity, checkpoint_every, log_every, label, after_log, status)


def _run(
    step: Step,
    state: State,
    steps: int,
    directory: Path | None,
    identity: str,
    checkpoint_every: int,
    log_every: int,
    label: str,
    after_log: Callable[[int], Mapping[str, float]] | None,
    status: RunStatus,
) -> list[dict[str, float]]:
    start, rows, window, since = _resume(directory, state, identity)
    progress = tqdm(
        range(start, steps),
        initial=start,
        total=steps,
        desc=label,
        mininterval=2.0,
        disable=steps - start <= 1 or not leader(),
    )
    with one_thread(when=small(item for item in state.values() if isinstance(item, nn.Module))):
        for index in progress:
            for name, value in step(index).items():
                window[name] = window.get(name, 0.0) + value.detach()
            since, done = since + 1, index + 1
            if done % log_every == 0 or done == steps:
                rows.append({"step": done, **{name: float(value) / since for name, value in window.items()}})
                rows[-1].update({} if after_log is None else after_log(done))
                progress.set_postfix({k: f"{v:.4g}" for k, v in list(rows[-1].items())[1:3]}, refresh=False)
                window, since = {}, 0
                if directory is not None and leader():
                    write_text(directory / METRICS, "".join(json.dumps(row) + "\n" for row in rows))
            status.update(done)
            due = since == 0 and (done == steps or done % checkpoint_every == 0)
            if directory is not None and leader() and (due or status.stopping):
                _store(directory, state, identity, done, rows, window, since)
            if status.stopping:
                status.stop(done)
    status.finish()
    wait()
    return rows


def _store(
    directory: Path,
    state: State,
    identity: str,
    done: int,
    rows: list[dict[str, float]],
    window: dict[str, Tensor],
    since: int,
) -> None:
    tree = {
        "identity": identity,
        "step": done,
        "rows": rows,
        # What the next row is a mean of: a run that was stopped between two rows logs the same ones.
        "window": window,
        "since": since,
        "state": {
            name: item.get_state() if isinstance(item, torch.Generator) else item.state_dict()
            for name, item in state.items()
        },
    }
    checkpoint.save(directory / LAST, tree)


def _resume(
    directory: Path | None, state: State, identity: str
) -> tuple[int, list[dict[str, float]], dict[str, Tensor], int]:
    """Step, metric rows, and the sums and number of steps of the row that was not full yet."""
    if directory is None:
        return 0, [], {}, 0
    if leader():
        remove_leftovers(directory)
    if not (directory / LAST).exists():
        return 0, [], {}, 0
    tree = checkpoint.load(directory / LAST)
    if tree["identity"] != identity:
        raise InputError(
            f"a checkpoint of another run (identity {tree['identity'][:12] or 'none'})",
            where=str(directory / LAST),
            expected=f"data and configuration with identity {identity[:12] or 'none'}",
            fix="choose another run directory, or remove this checkpoint",
        )
    if tree["state"].keys() != state.keys():
        raise InputError(
            f"a checkpoint that holds {', '.join(tree['state'])}",
            where=str(directory / LAST),
            expected=", ".join(state),
            fix="it is of another version: choose another run directory, or remove this checkpoint",
        )
    for name, item in state.items():
        saved = tree["state"][name]
        if isinstance(item, torch.Generator):
            item.set_state(saved)
        else:
            item.load_state_dict(saved)
    devices = (getattr(item, "device", None) for item in state.values())
    device = next((item for item in devices if isinstance(item, torch.device)), None)
    window = {name: value.to(device) for name, value in tree["window"].items()}
    return int(tree["step"]), list(tree["rows"]), window, int(tree["since"])
