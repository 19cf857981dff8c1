"""Weights: layers that were never loaded, drawn anew, never trained, or are broken, by name.

A layer that was drawn anew is uncorrelated with the weights it should have started from: for n independent numbers the
correlation has a standard deviation of 1/√n. Without those weights, torch's own initialisation gives it away: all of a
layer's weights lie evenly within ± 1/√fan-in, a box that training leaves at once.
"""

import math
from collections.abc import Iterator

import numpy as np
import torch
from scipy import stats
from torch import Tensor, nn

from ate.data.doctor.examined_set import listed
from ate.data.doctor.report import FAIL, PASS, WARN, Finding
from ate.policies.policy import Policy

NAME = "weights"
# Standard deviations of the correlation between independent draws; chance reaches five once in three million.
SIGMAS = 5.0
# Fewer weights than this say little about their distribution.
LEAST = 256
# Below this a Kolmogorov-Smirnov test takes the weights for something else than a fresh draw.
FRESH = 0.01
DRAWN = (nn.Linear, nn.Conv1d, nn.ConvTranspose1d)
NORMS = (nn.LayerNorm, nn.GroupNorm)


def check(policy: Policy, start: Policy | None, robot: str) -> Finding:
    """Rung: are these the weights that were loaded and trained?

    Args:
        policy: what was trained.
        start: what it started from, None where that is not known.
        robot: for the finding.
    """
    mine = {name: value.detach().cpu() for name, value in policy.state_dict().items() if value.is_floating_point()}
    old = {} if start is None else {name: value.detach().cpu() for name, value in start.state_dict().items()}
    expected = (
        "finite, not all zero, not a fresh draw (Kolmogorov-Smirnov against torch's initialisation, all within its "
        "bound)" + (f", correlated with the start beyond {SIGMAS:g}/√n and moved from it" if old else "")
    )
    faults = [
        (FAIL, "holds NaN or infinity", [n for n, w in mine.items() if not torch.isfinite(w).all()],
         "load an earlier checkpoint; lower the learning rate or clip gradients"),
        (FAIL, "all zero", [n for n, w in mine.items() if w.ndim > 1 and not w.any()],
         "its checkpoint lacks this layer, or it was initialised to zero and never trained"),
        (FAIL, "missing from the start, or of another shape",
         [n for n, w in mine.items() if old and (n not in old or old[n].shape != w.shape)],
         "load weights of the same architecture; a loader that is not strict skips what does not fit"),
        (FAIL, "uncorrelated with the start", [n for n, w in mine.items() if n in old and _unlike(w, old[n])],
         "this layer was not loaded: compare the names in the checkpoint with those of the model"),
        (FAIL, "a fresh draw, never trained", list(_fresh(policy)),
         "this layer was re-initialised after training or is left out by the optimiser"),
        *_still(mine, old),
        (WARN, "exactly as initialised", list(_unmoved(policy)), "no gradient has reached it: is it left out?"),
    ]  # fmt: skip
    found = [fault for fault in faults if fault[2]]
    if not found:
        beside = _distance(mine, old)
        return Finding(PASS, NAME, robot, f"{len(mine)} tensors{beside}", expected)
    level = FAIL if any(fault[0] == FAIL for fault in found) else WARN
    said = "; ".join(f"{what}: {listed(names)}" for _, what, names, _ in found)
    return Finding(level, NAME, robot, said, expected, next(fix for one, _, _, fix in found if one == level))


def _unlike(weight: Tensor, before: Tensor) -> bool:
    if weight.shape != before.shape or weight.numel() < LEAST or weight.ndim < 2:
        return False
    if not torch.isfinite(weight).all() or weight.std() == 0 or before.std() == 0:
        return False
    r = float(np.corrcoef(weight.flatten().double(), before.flatten().double())[0, 1])
    return abs(r) < SIGMAS / math.sqrt(weight.numel())


def _layers(policy: Policy) -> Iterator[tuple[str, nn.Module]]:
    for name, module in policy.named_modules():
        if isinstance(module, (*DRAWN, *NORMS)):
            yield name, module


def _fresh(policy: Policy) -> Iterator[str]:
    """Layers whose weights look drawn by torch and never touched."""
    for name, module in _layers(policy):
        if not isinstance(module, DRAWN) or module.weight.numel() < LEAST:
            continue
        weight = module.weight.detach().flatten().double().cpu().numpy()
        # torch draws U(−b, b) with b = 1/√fan-in, fan-in being what one row of the weight holds.
        bound = 1 / math.sqrt(module.weight[0].numel())
        within = np.isfinite(weight).all() and np.abs(weight).max() <= bound * (1 + 1e-6)
        if within and stats.kstest(weight, stats.uniform(-bound, 2 * bound).cdf).pvalue > FRESH:
            yield f"{name}.weight"


def _unmoved(policy: Policy) -> Iterator[str]:
    """Norms whose scale is exactly 1 and shift exactly 0."""
    for name, module in _layers(policy):
        if not isinstance(module, NORMS) or module.weight is None or module.bias is None:
            continue
        if bool((module.weight == 1).all()) and bool((module.bias == 0).all()):
            yield name


def _still(mine: dict[str, Tensor], old: dict[str, Tensor]) -> list[tuple[str, str, list[str], str]]:
    """What did not move from the start: all of it is no training, some of it is frozen."""
    same = [name for name, weight in mine.items() if name in old and torch.equal(weight, old[name])]
    if same and len(same) == len(mine):
        return [(FAIL, "bit-equal to the start, every one of them", same,
                 "nothing was trained, or the start was loaded instead of the result")]  # fmt: skip
    return [(WARN, "bit-equal to the start", same, "frozen: right if it was meant, a mistake of the optimiser if not")]


def _distance(mine: dict[str, Tensor], old: dict[str, Tensor]) -> str:
    if not old:
        return ", no start to compare them with"
    moved = {name: float((w - old[name]).norm() / old[name].norm().clamp_min(1e-12)) for name, w in mine.items()}
    least, most = min(moved, key=moved.__getitem__), max(moved, key=moved.__getitem__)
    return f", moved from the start by {moved[least]:.2g} ({least}) to {moved[most]:.2g} ({most}) of their length"
