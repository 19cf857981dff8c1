"""Profiles: what each changes of the usual settings.

`smoke` proves that everything runs (seconds), `demo` is what `make run` shows (minutes on two cores), `paper` uses the
published network sizes and budgets (a GPU), `vision` is about policies that see pictures and words. It is a profile of
its own, because `make run` has no time left for drawing, seeing and pre-training once more. Align's own presets
(`paper`, `released`: which reading of the method) stand in `ate.align`.
"""

from collections.abc import Mapping
from typing import Any

VALUES: Mapping[str, Mapping[str, Any]] = {
    "smoke": {
        "align": "smoke", "embedded": 300, "width": 64, "pretrain_steps": 150, "pretrain_batch": 64,
        "demonstrations": 5, "steps": 20, "seeds": 2, "rollouts": 10, "lams": (1.0, 3.0), "shares": (0.5,),
        # Starting processes takes longer than this training.
        "ablation_seeds": 2, "validation_seeds": 2, "executor": "here", "workers": 1,
    },
    "demo": {
        "seeds": 3, "rollouts": 50, "lams": (0.3, 1.0), "shares": (0.25, 0.5), "ablation_seeds": 2,
        "validation_seeds": 2,
    },
    "paper": {
        "align": "paper", "embedded": 10000, "width": 1024, "pretrain_steps": 100000, "demonstrations": 50,
        "steps": 2000, "seeds": 8, "lams": (0.1, 0.3, 1.0, 3.0, 10.0), "ablation_seeds": 8, "validation_seeds": 8,
        # Gigabytes for all cells of a grid; what is looked at is trained again.
        "keep_policies": False,
    },
    "vision": {
        "policy": "vision", "parameterizations": ("sample",), "seeds": 3, "rollouts": 50, "lams": (0.3, 1.0),
        "shares": (0.25, 0.5), "ablation_seeds": 2, "validation_seeds": 2,
    },
}  # fmt: skip
