"""Rate: recordings at other steps a second, between whose rows values are interpolated.

A chunk of S rows is another motion at another rate, so sets that are compared have one.
"""

from dataclasses import replace

import numpy as np

from ate.data.episodes import Episode, Episodes
from ate.data.series import Series
from ate.errors import InputError


def at_rate(episodes: Episodes, hz: float) -> Episodes:
    """The same recordings at `hz` rows a second, in memory.

    Rows are interpolated between their neighbours in time; codes (phases) take the nearest row, quaternions in the last
    four columns of `ee_pose` keep unit length. An action without a column for every joint is left out: steps of a tool
    or speeds say something else at another rate.

    Args:
        episodes: each with its rate, in its own file or as the set's.
        hz: above 0.

    Raises:
        InputError: a rate that is none, or an episode whose rate is not known.
    """
    if not (np.isfinite(hz) and hz > 0):
        raise InputError(f"{hz:g} Hz", where="rate", expected="steps a second above 0", fix="give, say, 20")
    return replace(episodes, items=tuple(_resampled(item, episodes, hz) for item in episodes), rate_hz=float(hz))


def _resampled(item: Episode, episodes: Episodes, hz: float) -> Episode:
    rate = item.attributes.get("rate_hz") or episodes.rate_hz
    if not rate:
        raise InputError(
            "no rate", where=f"{item.path}, episode {item.name}", expected="steps a second, to know the time of a row",
            fix="record rate_hz as an attribute of the file, or give it: rate= of ate.data.load, --rate",
        )  # fmt: skip
    count = int((len(item) - 1) / rate * hz + 1e-9) + 1
    at = np.minimum(np.arange(count) * (rate / hz), len(item) - 1)
    joints = item.series[episodes.source].shape if episodes.source in item.series else None
    series = {
        name: Series.of(_at(item.read(name), at, name), item.name)
        for name, rows in item.series.items()
        if name not in ("qpos", "action") or rows.shape == joints
    }
    return replace(item, series=series, attributes={**item.attributes, "rate_hz": float(hz)}, clock=None)


def _at(values: np.ndarray, at: np.ndarray, name: str) -> np.ndarray:
    if values.dtype.kind in "iub":
        return values[at.round().astype(int)]
    low = np.floor(at).astype(int)
    high, share = np.minimum(low + 1, len(values) - 1), (at - low).reshape(-1, *[1] * (values.ndim - 1))
    first, second = values[low].astype(float), values[high].astype(float)
    if name == "ee_pose":
        # Both signs of a quaternion are one rotation: the nearer one is meant.
        second[:, 3:] *= np.where((first[:, 3:] * second[:, 3:]).sum(1) < 0, -1.0, 1.0)[:, None]
    out = (1 - share) * first + share * second
    if name == "ee_pose":
        out[:, 3:] /= np.linalg.norm(out[:, 3:], axis=1, keepdims=True)
    return out.astype(np.float32)
