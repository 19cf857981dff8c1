"""Sweeps: λ × clamp × anything × seeds, from one small description.

    lams: [0.5, 1, 2]            # every field takes one value or a list
    clamps: [0.1, .inf]
    encoder: [aligned, mixture]  # readings of the alignment: prior, KL direction; or a control
    demonstrations: [5, 25]
    controls: [random, scratch]
    control_lams: 1
    seeds: 8
    validate: 8

Every combination is a method; each number of demonstrations and steps and each parameterisation is a setting of its
own, with its own λ = 0 method on the same seeds.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any, get_args, get_type_hints

from ate.errors import InputError, unknown
from ate.experiments.methods import DIRECT, ENCODERS, SCRATCH, MethodSpec, cell_name, lambda_clamp
from ate.policies.noise import PARAMETERIZATIONS
from ate.runs.yaml import read_mapping

# Options of a method that a sweep may vary beside λ and clamp, and how a method is called that differs from the
# default.
AXES: Mapping[str, str] = {
    "encoder": "{}", "sign": "reversed", "energy": "{} energy", "latent": "latent {}", "at": "at {}",
    "bound": "bound by {}", "schedule": "λ as {}",
}  # fmt: skip
CONTROLS = ("random", "identity", "one-stage", SCRATCH)


@dataclass(frozen=True)
class Setting:
    """What methods of one comparison share, beside the seeds.

    Attributes:
        parameterization: what the policy predicts.
        demonstrations: episodes drawn for each training seed.
        steps: fine-tuning steps.
    """

    parameterization: str
    demonstrations: int
    steps: int


@dataclass(frozen=True)
class Sweep:
    """What to sweep.

    Attributes:
        lams: λ axis; λ = 0 always joins.
        clamps: clamp axis, normalised action units; infinite for none.
        parameterization: what the policies predict.
        demonstrations: episodes drawn for each training seed.
        steps: fine-tuning steps.
        encoder: encoders (`ate.experiments.methods.ENCODERS`): readings of the alignment, or controls.
        sign: 1, −1 or both.
        energy: `"sum"`, `"released"`.
        latent: `"mean"`, `"sample"`.
        at: `"noised"`, `"estimate"`.
        bound: `"element"`, `"norm"`.
        schedule: `"constant"`, `"alpha"`, `"alpha_squared"`.
        controls: of `CONTROLS`: the encoders beside each method of the run's own alignment, and `"scratch"`.
        control_lams: λ at which to train the control encoders; empty for every λ.
        control_clamps: clamps at which to train them; empty for every clamp.
        seeds: training seeds of the search, 0 … seeds − 1.
        validate: training seeds after those, for the winner and λ = 0 alone; 0 for none.

    Raises:
        InputError: an empty axis, a value that is unknown or out of range, or a control at a λ that is not swept.
    """

    lams: tuple[float, ...]
    clamps: tuple[float, ...]
    parameterization: tuple[str, ...]
    demonstrations: tuple[int, ...]
    steps: tuple[int, ...]
    encoder: tuple[str, ...] = ("aligned",)
    sign: tuple[int, ...] = (1,)
    energy: tuple[str, ...] = ("sum",)
    latent: tuple[str, ...] = ("mean",)
    at: tuple[str, ...] = ("noised",)
    bound: tuple[str, ...] = ("element",)
    schedule: tuple[str, ...] = ("constant",)
    controls: tuple[str, ...] = ()
    control_lams: tuple[float, ...] = ()
    control_clamps: tuple[float, ...] = ()
    seeds: int = 4
    validate: int = 0

    def __post_init__(self) -> None:
        for name in ("parameterization", "demonstrations", "steps", *AXES):
            if not getattr(self, name):
                raise InputError(
                    "no value",
                    where=f"sweep, {name}",
                    expected="at least one",
                    fix=f"leave {name} away, or give one",
                )
        for name, valid in (("parameterization", PARAMETERIZATIONS), ("encoder", ENCODERS[1:]), ("controls", CONTROLS)):
            for value in getattr(self, name):
                if value not in valid:
                    raise unknown(value, valid, where=f"sweep, {name}")
        for name, least in (("demonstrations", 1), ("steps", 1), ("seeds", 1), ("validate", 0)):
            given = getattr(self, name)
            for value in given if isinstance(given, tuple) else (given,):
                if value < least:
                    raise InputError(str(value), where=f"sweep, {name}", expected=f"at least {least}", fix="raise it")
        for name, axis in (("control_lams", self.lams), ("control_clamps", self.clamps)):
            strange = set(getattr(self, name)) - set(axis)
            if strange:
                raise InputError(
                    ", ".join(f"{value:g}" for value in sorted(strange)),
                    where=f"sweep, {name}",
                    expected=f"values of the sweep, {', '.join(f'{value:g}' for value in axis)}",
                    fix="a control is read beside the method that it is a control of: sweep that value too",
                )
        # Building the methods checks what is left: λ, clamps and the options of guidance.
        _ = self.methods

    @cached_property
    def methods(self) -> tuple[MethodSpec, ...]:
        """λ = 0, every combination, and the controls; the same of every setting."""
        grid = lambda_clamp(self.lams, self.clamps)[1:]
        varied = [dict(zip(AXES, values, strict=True)) for values in product(*(getattr(self, a) for a in AXES))]
        methods = [_method(point.lam, point.clamp, options) for point in grid for options in varied]
        for control in self.controls:
            if control != SCRATCH:
                methods += [_method(point.lam, point.clamp, {**options, "encoder": control})
                         for point in grid for options in varied if self._is_controlled(point)]  # fmt: skip
        started = [MethodSpec(SCRATCH, start="scratch")] if SCRATCH in self.controls else []
        return tuple(dict.fromkeys([MethodSpec(DIRECT), *started, *methods]))

    def _is_controlled(self, point: MethodSpec) -> bool:
        lams, clamps = self.control_lams or self.lams, self.control_clamps or self.clamps
        return point.lam in lams and point.clamp in clamps

    @property
    def settings(self) -> tuple[Setting, ...]:
        """Every comparison of the sweep."""
        return tuple(
            Setting(kind, count, steps)
            for kind in dict.fromkeys(self.parameterization)
            for count in dict.fromkeys(self.demonstrations)
            for steps in dict.fromkeys(self.steps)
        )

    @property
    def search_seeds(self) -> tuple[int, ...]:
        """Training seeds that the winner is chosen by."""
        return tuple(range(self.seeds))

    @property
    def held_out_seeds(self) -> tuple[int, ...]:
        """Training seeds that the search does not see."""
        return tuple(range(self.seeds, self.seeds + self.validate))

    @property
    def cells(self) -> int:
        """Cells of the search."""
        return len(self.settings) * len(self.methods) * self.seeds

    def with_options(self, options: Mapping[str, Any], where: str) -> "Sweep":
        """A copy with some fields changed: values, lists of values, or text with commas between them.

        Args:
            options: by name.
            where: for the message, the file or the option that said so.

        Raises:
            InputError: an unknown field, a value of another type, or as `Sweep`.
        """
        hints = get_type_hints(Sweep)
        valid = [f.name for f in fields(Sweep)]
        changed: dict[str, Any] = {}
        for name, given in options.items():
            if name not in valid:
                raise unknown(str(name), valid, where=where)
            many = get_args(hints[name])
            values = _values(given, many[0] if many else hints[name], f"{name} in {where}")
            if not many and len(values) != 1:
                raise InputError(repr(given), where=f"{name} in {where}", expected="one number", fix="give one")
            changed[name] = values if many else values[0]
        return replace(self, **changed)

    def read(self, path: Path) -> "Sweep":
        """This sweep with what a YAML file says.

        Raises:
            InputError: as `with_options`, or no flat YAML file.
        """
        return self.with_options(read_mapping(path), str(path))


def method_name(lam: float, clamp: float, options: Mapping[str, Any]) -> str:
    """How a method of a sweep is called: λ, clamp, and whatever is not as in the paper's method."""
    usual = {f.name: f.default for f in fields(MethodSpec)} | {"encoder": "aligned"}
    other = [AXES[name].format(value) for name, value in options.items() if value != usual[name]]
    return ", ".join([cell_name(lam, clamp), *other])


def _method(lam: float, clamp: float, options: Mapping[str, Any]) -> MethodSpec:
    return MethodSpec(method_name(lam, clamp, options), lam=lam, clamp=clamp, **options)


def _values(given: Any, kind: type, where: str) -> tuple[Any, ...]:
    """One value, a list, or text with commas, each of a type."""
    if isinstance(given, str):
        given = [part.strip() for part in given.split(",") if part.strip()]
    items = given if isinstance(given, (list, tuple)) else [given]
    return tuple(dict.fromkeys(_value(item, kind, where) for item in items))


def _value(given: Any, kind: type, where: str) -> Any:
    words = {int: "whole numbers", float: "numbers", str: "names"}
    refused = InputError(repr(given), where=where, expected=words[kind], fix="write 0.5 or [0.5, 2]")
    if isinstance(given, bool) or not isinstance(given, (int, float, str)) or (kind is str) > isinstance(given, str):
        raise refused
    try:
        value = kind(given)
    except ValueError as error:
        raise refused from error
    if (isinstance(given, float) and value != given) or (kind is float and math.isnan(value)):
        raise refused
    return value
