"""Batches that all methods of a training share, drawn ahead where a core is free.

At the noised chunk k·g does not depend on the policy. Gradients of several batches are therefore taken in one call of
the encoder, which is cheaper than one call each. While methods train on them, another thread draws the next ones: the
same numbers in the same order. On a CPU with two cores guidance then costs next to nothing. A GPU is kept busy without.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ate.policies.noise import NoisePath
from ate.steer.batches import TrainingData, draw
from ate.steer.guided_rows import GuidedSource
from ate.steer.shifted_target import Prepared, ShiftedTargets

# Rows of actions in one call of the encoder: a small call wastes time, and on a CPU the hidden layer of a large one
# leaves the cache of its core (512 rows of 1024 are 2 MB).
ROWS_AT_ONCE = {"cpu": 512, "cuda": 2048}
MOST_AT_ONCE = 8


class Prefetcher:
    """Prepared batches without end; a context in which they may be prepared ahead.

    Its state is that of the batches that were handed out: what is prepared and not yet taken does not count.
    """

    def __init__(
        self,
        data: TrainingData,
        path: NoisePath,
        size: int,
        seed: int,
        shifted: ShiftedTargets,
        guided: GuidedSource | None = None,
    ) -> None:
        """Batches of `size` rows of `data`, times and noise from one generator of `seed`; with guided rows, if any."""
        self._data, self._path, self._size, self._shifted, self._guided = data, path, size, shifted, guided
        self._generators = {
            "batches": torch.Generator(data.observation.device).manual_seed(seed),
            **{f"latent noise {width}": generator for width, generator in shifted.generators.items()},
            **({} if guided is None else {"guided rows": guided.generator}),
        }
        rows = ROWS_AT_ONCE.get(data.observation.device.type, ROWS_AT_ONCE["cpu"])
        fits = max(1, min(MOST_AT_ONCE, rows // (size * data.chunks.length)))
        self._at_once = fits if shifted.shareable else 1
        # Batches that are ready, how many of them were taken, and the generators before they were drawn.
        self._ready: Sequence[Prepared] = ()
        self._taken = 0
        self._before: Mapping[str, Tensor] = self._states()
        self._pool: ThreadPoolExecutor | None = None
        self._pending: Future[tuple[Mapping[str, Tensor], list[Prepared]]] | None = None
        self._closing = ExitStack()

    def __enter__(self) -> "Prefetcher":
        threads = torch.get_num_threads()
        if self._data.observation.device.type == "cpu" and threads > 1 and self._shifted.shareable:
            # Two threads that compute share the cores between them.
            each = threads // 2
            torch.set_num_threads(each)
            self._closing.callback(torch.set_num_threads, threads)
            self._pool = ThreadPoolExecutor(1, "guidance", initializer=torch.set_num_threads, initargs=(each,))
            self._closing.callback(self._pool.shutdown, cancel_futures=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()
        self._pool = self._pending = None

    @property
    def device(self) -> torch.device:
        """Where batches are drawn."""
        return self._data.observation.device

    def take(self) -> Prepared:
        """The next batch."""
        if self._taken == len(self._ready):
            self._fetch()
        self._taken += 1
        return self._ready[self._taken - 1]

    def state_dict(self) -> dict[str, Any]:
        """States of the generators before the batches at hand, and how many of those were taken."""
        return {**self._before, "taken": self._taken}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on after the batch at which the state was taken."""
        if self._pending is not None:
            self._pending.result()
            self._pending = None
        for name, generator in self._generators.items():
            generator.set_state(state_dict[name])
        self._before, self._ready, self._taken = self._states(), (), 0
        if state_dict["taken"]:
            self._fetch()
            self._taken = int(state_dict["taken"])

    def _fetch(self) -> None:
        """Take up the next batches, and have those after them prepared meanwhile."""
        if self._pool is None:
            self._before, self._ready = self._prepare()
        else:
            self._before, self._ready = (self._pending or self._pool.submit(self._prepare)).result()
            self._pending = self._pool.submit(self._prepare)
        self._taken = 0

    def _prepare(self) -> tuple[Mapping[str, Tensor], list[Prepared]]:
        """The next batches, and the states of the generators before them."""
        before = self._states()
        generator = self._generators["batches"]
        batches = [draw(self._data, self._path, self._size, generator) for _ in range(self._at_once)]
        prepared = self._shifted.prepare(batches)
        if self._guided is not None:
            prepared = [replace(part, guided=self._guided.draw()) for part in prepared]
        return before, prepared

    def _states(self) -> dict[str, Tensor]:
        return {name: generator.get_state() for name, generator in self._generators.items()}
