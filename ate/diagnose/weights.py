"""Weights: layers that were not loaded, were initialised again, were never trained, or are broken, by name.

A layer that was initialised again is uncorrelated with the weights it should have started from. Among n independent
numbers the correlation has a standard deviation of 1/√n. Where the start is unknown, torch's own initialisation is
recognised: all weights of a layer are uniform within ± 1/√fan-in, a range that training leaves at once.
"""

import math
from collections.abc import Iterator, Mapping

import numpy as np
import torch
from scipy import stats
from torch import Tensor, nn

from ate.data.doctor.examined_set import listed
from ate.data.doctor.finding import FAIL, PASS, WARN, Finding

NAME = "weights"
# Standard deviations of the correlation between independent samples; chance reaches five once in three million.
SIGMAS = 5.0
# Fewer weights than this say little about their distribution.
LEAST = 256
# Below this p-value a Kolmogorov-Smirnov test takes the weights for something else than an initialisation.
INITIAL = 0.01
UNIFORM = (nn.Linear, nn.Conv1d, nn.ConvTranspose1d)
NORMS = (nn.LayerNorm, nn.GroupNorm)
MISSING, UNRELATED = "missing from the start, or of another shape", "uncorrelated with the start"
FAULTS = {
    "not finite": (FAIL, "load an earlier checkpoint; lower the learning rate or clip gradients"),
    "all zero": (FAIL, "its checkpoint lacks this layer, or it was initialised to zero and never trained"),
    MISSING: (FAIL, "load weights of the same architecture; a loader that is not strict skips what does not fit"),
    UNRELATED: (FAIL, "this layer was not loaded: compare the names in the checkpoint with those of the model"),
    "as initialised": (FAIL, "this layer was re-initialised after training or is left out by the optimiser"),
    "all of them as at the start": (FAIL, "nothing was trained, or the start was loaded instead of the result"),
    "as at the start": (WARN, "frozen: right if it was meant, a mistake of the optimiser if not"),
    "norms as initialised": (WARN, "no gradient has reached it: is it left out?"),
}
"""Level and fix of each fault."""


def check(policy: nn.Module, start: nn.Module | None, robot: str) -> Finding:
    """Are these the weights that were loaded and trained?

    Args:
        policy: what was trained.
        start: what it started from, None where that is not known.
        robot: for the finding.
    """
    by_fault = faults(policy, start)
    expected = (
        "finite, not all zero, not as initialised (Kolmogorov-Smirnov against torch's initialisation, all within its "
        "bound)" + (f", correlated with the start beyond {SIGMAS:g}/√n and moved from it" if start else "")
    )
    if not by_fault:
        return Finding(PASS, NAME, robot, _distance(_tensors(policy), _tensors(start)), expected)
    level = next(level for level in (FAIL, WARN) if any(FAULTS[fault][0] == level for fault in by_fault))
    fix = next(FAULTS[fault][1] for fault in by_fault if FAULTS[fault][0] == level)
    got = "; ".join(f"{fault}: {listed(names)}" for fault, names in by_fault.items())
    return Finding(level, NAME, robot, got, expected, fix)


def faults(policy: nn.Module, start: nn.Module | None) -> dict[str, list[str]]:
    """Names of the layers or tensors that have each of the `FAULTS`, in their order; absent faults are left out."""
    weights, initial = _tensors(policy), _tensors(start)
    same = [name for name, weight in weights.items() if name in initial and torch.equal(weight, initial[name])]
    names = {
        "not finite": [n for n, w in weights.items() if not torch.isfinite(w).all()],
        "all zero": [n for n, w in weights.items() if w.ndim > 1 and not w.any()],
        MISSING: [n for n, w in weights.items() if initial and (n not in initial or initial[n].shape != w.shape)],
        UNRELATED: [n for n, w in weights.items() if n in initial and _uncorrelated(w, initial[n])],
        "as initialised": list(_initialised(policy)),
        "all of them as at the start" if len(same) == len(weights) else "as at the start": same,
        "norms as initialised": list(_untouched_norms(policy)),
    }
    return {fault: layers for fault, layers in names.items() if layers}


def _tensors(policy: nn.Module | None) -> Mapping[str, Tensor]:
    state = {} if policy is None else policy.state_dict()
    return {name: value.detach().cpu() for name, value in state.items() if value.is_floating_point()}


def _uncorrelated(weight: Tensor, initial: Tensor) -> bool:
    if weight.shape != initial.shape or weight.numel() < LEAST or weight.ndim < 2:
        return False
    if not torch.isfinite(weight).all() or weight.std() == 0 or initial.std() == 0:
        return False
    r = float(np.corrcoef(weight.flatten().double(), initial.flatten().double())[0, 1])
    return abs(r) < SIGMAS / math.sqrt(weight.numel())


def _initialised(policy: nn.Module) -> Iterator[str]:
    """Layers whose weights look initialised by torch and never changed."""
    for name, module in policy.named_modules():
        if not isinstance(module, UNIFORM) or module.weight.numel() < LEAST:
            continue
        weight = module.weight.detach().flatten().double().cpu().numpy()
        # torch samples U(−b, b) with b = 1/√fan-in, fan-in being the size of one row of the weight.
        bound = 1 / math.sqrt(module.weight[0].numel())
        within = np.isfinite(weight).all() and np.abs(weight).max() <= bound * (1 + 1e-6)
        if within and stats.kstest(weight, stats.uniform(-bound, 2 * bound).cdf).pvalue > INITIAL:
            yield f"{name}.weight"


def _untouched_norms(policy: nn.Module) -> Iterator[str]:
    for name, module in policy.named_modules():
        if not isinstance(module, NORMS) or module.weight is None or module.bias is None:
            continue
        if bool((module.weight == 1).all() and (module.bias == 0).all()):
            yield name


def _distance(weights: Mapping[str, Tensor], initial: Mapping[str, Tensor]) -> str:
    if not initial:
        return f"{len(weights)} tensors, no start to compare them with"
    moved = {n: float((w - initial[n]).norm() / initial[n].norm().clamp_min(1e-12)) for n, w in weights.items()}
    least, most = min(moved, key=moved.__getitem__), max(moved, key=moved.__getitem__)
    return (
        f"{len(weights)} tensors, moved from the start by {moved[least]:.2g} ({least}) to {moved[most]:.2g} ({most}) "
        "of their norm"
    )
