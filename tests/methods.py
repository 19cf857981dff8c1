"""Methods of made-up results, and results of which a little is changed."""

import math
from dataclasses import replace
from typing import Any

from ate.experiments.methods import SCRATCH, MethodSpec
from ate.experiments.results import RunResult
from ate.steer import GuidanceConfig


def method(
    name: str, lam: float = 2.0, clamp: float = math.inf, encoder: str = "aligned", **options: Any
) -> MethodSpec:
    """A method by λ and clamp; λ = 0 is direct fine-tuning, or from scratch where it is called so."""
    if lam == 0:
        return MethodSpec(name, start="scratch" if name == SCRATCH else "pretrained")
    return MethodSpec(name, encoder=encoder, guidance=GuidanceConfig(lam=lam, clamp=clamp, **options))


def other(result: RunResult, name: str | None = None, encoder: str | None = None, **options: Any) -> RunResult:
    """The same result of a method with another name, encoder or options of guidance."""
    spec = result.spec
    spec = MethodSpec(name or spec.name, spec.start, encoder or spec.encoder, replace(spec.guidance, **options))
    return replace(result, spec=spec)
