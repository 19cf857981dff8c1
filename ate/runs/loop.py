"""The training loop: steps, metrics as JSON lines, checkpoints, stop and exact resume.

Everything that changes from step to step is passed as named state (modules, optimisers, schedulers, generators). A run
that was killed therefore continues from its last checkpoint to the same bits on the same CPU. Generators belong to one
kind of device: a run that is not finished continues on the kind that it began on.

A run lives in its directory. `status.json` and `metrics.jsonl` report its progress for `ate.runs.child`. A file
`stop`, SIGTERM or an interrupt ends it after the current step with a checkpoint. A lock keeps a second process out.
"""

import json
import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeGuard

import torch
from torch import Tensor, nn
from tqdm import tqdm

from ate.errors import InputError
from ate.runs import checkpoint
from ate.runs.device import one_thread, small
from ate.runs.distributed import any_process, leader, of_each, rank, wait
from ate.runs.files import remove_leftovers, write_text
from ate.runs.status import WORKER, run_status

LAST = "last.safetensors"
METRICS = "metrics.jsonl"
Step = Callable[[int], Mapping[str, Tensor]]


class Stateful(Protocol):
    """What can be saved and restored: modules, optimisers and schedulers of torch already are."""

    def state_dict(self) -> dict[str, Any]:
        """Its state."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> Any:
        """Take a state back."""


class Stream(Stateful, Protocol):
    """What draws by generators of one device: nobody needs its state after the last step."""

    @property
    def device(self) -> torch.device:
        """Of its generators."""


State = Mapping[str, Stateful | Stream | torch.Generator]


@dataclass
class Progress:
    """How far a training is.

    Attributes:
        step: steps done.
        rows: metric rows.
        window: sums of the metrics since the last row.
        since: steps since the last row.
    """

    step: int = 0
    rows: list[dict[str, float]] = field(default_factory=list)
    window: dict[str, Any] = field(default_factory=dict)
    since: int = 0

    def add(self, metrics: Mapping[str, Tensor]) -> None:
        """Count a step and add its metrics."""
        for name, value in metrics.items():
            self.window[name] = self.window.get(name, 0.0) + value.detach()
        self.step, self.since = self.step + 1, self.since + 1

    def close_row(self) -> dict[str, float]:
        """Append the means since the last row; waits for the device once."""
        sums = torch.stack(list(self.window.values())).tolist() if self.window else []
        means = {name: value / self.since for name, value in zip(self.window, sums, strict=True)}
        self.rows.append({"step": self.step, **means})
        self.window, self.since = {}, 0
        return self.rows[-1]


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
    own: Collection[str] = (),
    after_log: Callable[[int], Mapping[str, float]] | None = None,
) -> list[dict[str, float]]:
    """Run `step(i)` for i in 0 … steps − 1; returns the metric rows, each with `"step"`.

    Args:
        step: one optimisation step; returns 0-d tensors and must not wait for the device.
        state: every object that a step changes or draws from, by name.
        steps: number of steps in total; a finished run is returned from disk at once.
        directory: of checkpoint and metrics; None writes nothing and cannot resume.
        identity: hash of data and configuration; a checkpoint of another identity is refused.
        checkpoint_every: steps between checkpoints.
        log_every: steps between metric rows; a row is the mean since the last one.
        label: name of the progress bar.
        own: generators in the state that each of several processes has for itself; all others are the same in each.
        after_log: called at each row with the step; its numbers join the row, for example a validation loss.

    Raises:
        InputError: the directory holds a checkpoint of another identity or of another kind of device, or another
            process trains in it.
        Stopped, KeyboardInterrupt: it was asked to stop, or interrupted; the checkpoint has its progress. Of several
            processes all stop, whichever was asked.
    """
    files = directory if leader() else None
    threads = one_thread(when=small(item for item in state.values() if isinstance(item, nn.Module)))
    with run_status(directory, label, steps, follows=not leader()) as status, threads:
        progress = _resume(directory, state, identity, steps, own)
        hidden = steps - progress.step <= 1 or not leader() or WORKER in os.environ
        remaining = range(progress.step, steps)
        bar = tqdm(remaining, initial=progress.step, total=steps, desc=label, mininterval=2.0, disable=hidden)
        for index in bar:
            progress.add(step(index))
            done = progress.step
            if done % log_every == 0 or done == steps:
                row = progress.close_row()
                row.update({} if after_log is None else after_log(done))
                bar.set_postfix({k: f"{v:.4g}" for k, v in list(row.items())[1:3]}, refresh=False)
                _write_rows(files, progress)
            status.update(done)
            stopping = directory is not None and any_process(status.stopping)
            due = progress.since == 0 and (done == steps or done % checkpoint_every == 0)
            if directory is not None and (due or stopping):
                _store(files, state, identity, progress, own)
            if stopping:
                # The leader's file is there before any process ends.
                wait()
                status.stop(done)
        status.finish()
        wait()
    return progress.rows


def _write_rows(directory: Path | None, progress: Progress) -> None:
    if directory is not None:
        write_text(directory / METRICS, "".join(json.dumps(row) + "\n" for row in progress.rows))


def _store(directory: Path | None, state: State, identity: str, progress: Progress, own: Collection[str]) -> None:
    """Write a checkpoint; every process takes part with its own generators, and the leader has the directory."""
    others = {
        name: of_each(item.get_state())[1:]
        for name, item in state.items()
        if name in own and isinstance(item, torch.Generator)
    }
    # In every process: a model that is divided over them is gathered from all.
    states = {
        name: item.get_state() if isinstance(item, torch.Generator) else item.state_dict()
        for name, item in state.items()
    }
    if directory is None:
        return
    device = _device(state)
    # With the sums of the next row, so that a run that was stopped between two rows logs the same ones.
    tree = {"identity": identity, **vars(progress), "state": states, "device": None if device is None else device.type}
    checkpoint.save(directory / LAST, {**tree, "others": others} if any(others.values()) else tree)


def _device(state: State) -> torch.device | None:
    """The device of what draws; None where nothing does."""
    drawing = (item.device for item in state.values() if _draws(item))
    return next(drawing, None)


def _draws(item: object) -> TypeGuard[torch.Generator | Stream]:
    return isinstance(item, torch.Generator) or (
        not isinstance(item, nn.Module) and isinstance(getattr(item, "device", None), torch.device)
    )


def _resume(directory: Path | None, state: State, identity: str, steps: int, own: Collection[str]) -> Progress:
    """Restore the state from the last checkpoint, if there is one; returns its progress."""
    if directory is None:
        return Progress()
    if leader():
        remove_leftovers(directory)
    if not (directory / LAST).exists():
        return Progress()
    tree = checkpoint.load(directory / LAST)
    device, finished = _device(state), int(tree["step"]) >= steps
    _check(tree, directory / LAST, state, identity, None if finished else device)
    for name, item in state.items():
        saved = tree["state"][name]
        if finished and _draws(item):
            continue
        if isinstance(item, torch.Generator):
            streams = [saved, *tree.get("others", {}).get(name, [])] if name in own else [saved] * (rank() + 1)
            # A process more than there were keeps the stream that it was given.
            if rank() < len(streams):
                item.set_state(streams[rank()])
        else:
            item.load_state_dict(saved)
    window = {name: value.to(device) for name, value in tree["window"].items()}
    return Progress(int(tree["step"]), list(tree["rows"]), window, int(tree["since"]))


def _check(tree: dict[str, Any], file: Path, state: State, identity: str, device: torch.device | None) -> None:
    """Refuse a checkpoint of something else, or of generators of another kind of device than `device`, if any."""
    fix = "choose another run directory, or remove this checkpoint"
    if tree["identity"] != identity:
        got = f"a checkpoint of another run (identity {tree['identity'][:12] or 'none'})"
        expected = f"data and configuration with identity {identity[:12] or 'none'}"
        raise InputError(got, where=str(file), expected=expected, fix=fix)
    if tree["state"].keys() != state.keys():
        got = f"a checkpoint of another version, which holds {', '.join(tree['state'])}"
        raise InputError(got, where=str(file), expected=", ".join(state), fix=fix)
    # Checkpoints without the kind are of times when there were none but of CPUs.
    kind = tree.get("device", "cpu")
    if device is not None and kind != device.type:
        raise InputError(
            f"a checkpoint of step {tree['step']} made on {kind}, whose random numbers go on there alone",
            where=str(file),
            expected=f"one made on {device.type}, or of a finished run",
            fix=f"continue with ATE_DEVICE={kind} or device={kind!r}, or {fix}",
        )
