"""The stream of batches that all arms of a training share, drawn one ahead where a core is free.

At the noised chunk k·g does not depend on the policy. While arms train on one batch, another thread therefore draws the
next and takes its gradient: the same numbers in the same order, and on a CPU with two cores guidance costs next to
nothing. A GPU is kept busy without it.
"""

from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from types import TracebackType
from typing import Any

import torch

from ate.steer.batches import TrainingData, draw
from ate.steer.paths import Path
from ate.steer.shifts import Prepared, Shifts


class Stream:
    """Prepared batches without end; a context in which they may be prepared ahead.

    Its state is that of the batches that were handed out: one that is prepared and not yet taken does not count.
    """

    def __init__(self, data: TrainingData, path: Path, size: int, seed: int, shifts: Shifts) -> None:
        """Batches of `size` rows of `data`, times and noise from one generator of `seed`."""
        self._data, self._path, self._size, self._shifts = data, path, size, shifts
        self._generators = {
            "batches": torch.Generator(data.observation.device).manual_seed(seed),
            **{f"latent noise {width}": generator for width, generator in shifts.generators.items()},
        }
        self._states: dict[str, torch.Tensor] = {}
        self._pool: ThreadPoolExecutor | None = None
        self._pending: Future[Prepared] | None = None
        self._closing = ExitStack()

    @property
    def device(self) -> torch.device:
        """Where batches are."""
        return self._data.observation.device

    def __enter__(self) -> "Stream":
        threads = torch.get_num_threads()
        if self.device.type == "cpu" and threads > 1 and self._shifts.shareable:
            # Two threads that compute share the cores between them.
            each = threads // 2
            torch.set_num_threads(each)
            self._closing.callback(torch.set_num_threads, threads)
            self._pool = ThreadPoolExecutor(1, "guidance", initializer=torch.set_num_threads, initargs=(each,))
            self._closing.callback(self._pool.shutdown, cancel_futures=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.close()
        self._pool = self._pending = None

    def take(self) -> Prepared:
        """The next batch."""
        if self._pool is None:
            return self._prepare()
        prepared = (self._pending or self._pool.submit(self._prepare)).result()
        self._states = {name: generator.get_state() for name, generator in self._generators.items()}
        self._pending = self._pool.submit(self._prepare)
        return prepared

    def state_dict(self) -> dict[str, Any]:
        """States of the generators after the last batch that was taken."""
        if self._pending is not None:
            return dict(self._states)
        return {name: generator.get_state() for name, generator in self._generators.items()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on after the batch at which the state was taken."""
        if self._pending is not None:
            self._pending.result()
            self._pending = None
        for name, generator in self._generators.items():
            generator.set_state(state_dict[name])

    def _prepare(self) -> Prepared:
        return self._shifts.prepare(draw(self._data, self._path, self._size, self._generators["batches"]))
