"""Lags: by how many steps the commanded series leads the measured one, joint by joint, summed over the episodes."""

import numpy as np

# Commands reach real arms within a quarter of a second; looking further only finds the rhythm of the task.
SECONDS = 0.4
FEWEST, MOST = 6, 20


class Lags:
    """Sums over all rows of commands a[t] and measurements q[t + k], for k from −`most` to `most`.

    Args:
        dof: columns of both series.
        rate_hz: steps a second, or None.
    """

    def __init__(self, dof: int, rate_hz: float | None) -> None:
        self.most = int(np.clip(round(SECONDS * (rate_hz or 20.0)), FEWEST, MOST))
        self.count = 0
        self._origin: np.ndarray | None = None
        self._a = np.zeros((2, dof))
        self._q = np.zeros((2, 2 * self.most + 1, dof))
        self._aq = np.zeros((2 * self.most + 1, dof))
        self._equal = np.zeros((2 * self.most + 1, dof))

    @property
    def offsets(self) -> np.ndarray:
        """The lags k, int `(2·most + 1,)`."""
        return np.arange(-self.most, self.most + 1)

    def add(self, state: np.ndarray, command: np.ndarray) -> None:
        """One episode, `(n_steps, dof)` each; episodes too short for all lags are left out."""
        inner = len(state) - 2 * self.most
        if inner < 4:
            return
        if self._origin is None:
            self._origin = state[0].astype(np.float64)
        # Both from one origin: sums of squares of large values would cancel, and offsets between them stay.
        a = command[self.most : self.most + inner] - self._origin
        q = state - self._origin
        self.count += inner
        self._a += a.sum(0), (a**2).sum(0)
        for row in range(2 * self.most + 1):
            shifted = q[row : row + inner]
            self._q[0, row] += shifted.sum(0)
            self._q[1, row] += np.einsum("ij,ij->j", shifted, shifted)
            self._aq[row] += np.einsum("ij,ij->j", a, shifted)
            self._equal[row] += (command[self.most : self.most + inner] == state[row : row + inner]).sum(0)

    @property
    def equal(self) -> np.ndarray:
        """Share of rows with a[t] == q[t + k] exactly, `(lags, dof)`."""
        return self._equal / max(self.count, 1)

    @property
    def moments(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Variance of a `(dof,)`, of q and covariance of both `(lags, dof)`."""
        n = max(self.count, 1)
        mean_a, mean_q = self._a[0] / n, self._q[0] / n
        return self._a[1] / n - mean_a**2, self._q[1] / n - mean_q**2, self._aq / n - mean_a * mean_q

    @property
    def correlation(self) -> np.ndarray:
        """Correlation of a[t] with q[t + k], `(lags, dof)`; 0 where one of them does not move."""
        var_a, var_q, both = self.moments
        scale = np.sqrt(np.maximum(var_a, 0) * np.maximum(var_q, 0))
        return np.where(scale > 1e-12, both / np.where(scale > 1e-12, scale, 1), 0.0)

    def best(self) -> np.ndarray:
        """The lag of the closest fit of each joint, with a parabola between steps, float `(dof,)`; positive where
        measurements follow commands."""
        misfit = 1 - self.correlation**2
        rows = misfit.argmin(0)
        best = self.offsets[rows].astype(float)
        for joint, row in enumerate(rows):
            if 0 < row < len(misfit) - 1:
                left, here, right = misfit[row - 1 : row + 2, joint]
                bend = left - 2 * here + right
                best[joint] += 0.5 * (left - right) / bend if bend > 0 else 0.0
        return best
