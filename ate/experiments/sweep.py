"""Sweeps: λ × clamp × anything × seeds, from one small description.

    lams: [0.5, 1, 2]            # each field takes one value or a list
    clamps: [0.1, .inf]
    energy_at: [x0_hat, x_t]     # any option of GuidanceConfig
    encoder: [aligned, mixture]  # variants of the alignment: prior, KL direction; or a control
    share: [0.25, 0.5]           # rows at pre-training observations, as a share of a batch
    demonstrations: [5, 25]
    controls: [random, scratch]
    control_lams: 1
    seeds: 8
    validate: 8

Each combination is a method; each number of demonstrations and steps and each parameterisation is a regime of its own,
with its own λ = 0 method on the same seeds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

from ate.errors import InputError, unknown
from ate.experiments.methods import DIRECT, ENCODERS, SCRATCH, MethodSpec, lambda_clamp
from ate.experiments.results import Regime
from ate.policies.noise import PARAMETERIZATIONS
from ate.runs.options import kinds_of, typed
from ate.runs.yaml import read_mapping
from ate.steer.guidance_config import OPTIONS, GuidanceConfig

CONTROLS = ("random", "identity", "one-stage", SCRATCH)
# Options of guidance with an axis of their own name; λ and clamp have `lams` and `clamps`.
AXES = OPTIONS[2:]


@dataclass(frozen=True)
class Sweep:
    """What to sweep.

    Attributes:
        lams: λ axis; λ = 0 always joins.
        clamps: clamp axis, normalised action units; infinite for none.
        parameterization: what the policies predict.
        demonstrations: episodes drawn for each training seed.
        steps: fine-tuning steps.
        encoder: encoders (`ate.experiments.methods.ENCODERS`): variants of the alignment, or controls; empty for the
            usual one, of tool motion at pre-training observations and the run's own at demonstrations.
        share: rows of a replay, as a share of a batch, where guidance acts at pre-training observations; the second
            axis of a grid with one clamp.
        guidance: values of any other option of `GuidanceConfig`, by its name; the default where it is not named.
        controls: of `CONTROLS`: the encoders for each method of the run's own alignment, and `"scratch"`.
        control_lams: λ at which to train the control encoders; empty for all λ.
        control_clamps: clamps at which to train them; empty for all clamps.
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
    encoder: tuple[str, ...] = ()
    share: tuple[float, ...] = (0.5,)
    guidance: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    controls: tuple[str, ...] = ()
    control_lams: tuple[float, ...] = ()
    control_clamps: tuple[float, ...] = ()
    seeds: int = 4
    validate: int = 0

    def __post_init__(self) -> None:
        axes = {name: getattr(self, name) for name in ("parameterization", "demonstrations", "steps", "share")}
        for name, values in {**axes, **self.guidance}.items():
            if not values:
                fix = f"leave {name} away, or give a value"
                raise InputError("no value", where=f"sweep, {name}", expected="at least one", fix=fix)
        for name, valid in (("parameterization", PARAMETERIZATIONS), ("encoder", ENCODERS[1:]), ("controls", CONTROLS)):
            for value in getattr(self, name):
                if value not in valid:
                    raise unknown(value, valid, where=f"sweep, {name}")
        for name, least in (("demonstrations", 1), ("steps", 1), ("seeds", 1), ("validate", 0)):
            values = getattr(self, name)
            for value in values if isinstance(values, tuple) else (values,):
                if value < least:
                    raise InputError(str(value), where=f"sweep, {name}", expected=f"at least {least}", fix="raise it")
        for name, axis in (("control_lams", self.lams), ("control_clamps", self.clamps)):
            strange = sorted(set(getattr(self, name)) - set(axis))
            if strange:
                got, swept = (", ".join(f"{value:g}" for value in values) for values in (strange, axis))
                fix = "a control is compared with the method that it is a control of: sweep that value too"
                raise InputError(got, where=f"sweep, {name}", expected=f"values of the sweep, {swept}", fix=fix)
        # Building the methods checks what is left: λ, clamps and the options of guidance.
        _ = self.methods

    @cached_property
    def methods(self) -> tuple[MethodSpec, ...]:
        """λ = 0, all combinations, and the controls; the same for all regimes."""
        varied = [dict(zip(self.guidance, values, strict=True)) for values in product(*self.guidance.values())]
        bases = [replace(GuidanceConfig(), **options) for options in varied]
        grids = [lambda_clamp(self.lams, self.clamps, base)[1:] for base in bases]
        # λ and clamp outside, then encoders, then the other options: results are listed in this order.
        grid = [point for points in zip(*grids, strict=True) for point in points]
        by_place = [grid[i : i + len(bases)] for i in range(0, len(grid), len(bases))]
        methods = [
            _by(encoder, shared)
            for points in by_place
            for encoder in self.encoder or ("",)
            for point in points
            for shared in self._shares(point)
        ]
        for control in self.controls:
            if control != SCRATCH:
                controlled = [point for point in grid if self._is_controlled(point.guidance)]
                methods += [_by(control, shared) for point in controlled for shared in self._shares(point)]
        from_scratch = [MethodSpec(SCRATCH, start="scratch")] if SCRATCH in self.controls else []
        return tuple(dict.fromkeys([MethodSpec(DIRECT), *from_scratch, *methods]))

    def _shares(self, method: MethodSpec) -> list[MethodSpec]:
        """A method with each share, which its name tells where there are several."""
        if not method.guidance.at_pretraining:
            return [method]
        named = len(self.share) > 1
        return [
            replace(method, share=share, name=f"{method.name}, share {share:g}" if named else method.name)
            for share in self.share
        ]

    def _is_controlled(self, guidance: GuidanceConfig) -> bool:
        lams, clamps = self.control_lams or self.lams, self.control_clamps or self.clamps
        return guidance.lam in lams and guidance.clamp in clamps

    @property
    def regimes(self) -> tuple[Regime, ...]:
        """Each comparison of the sweep."""
        points = product(self.parameterization, self.demonstrations, self.steps)
        return tuple(dict.fromkeys(Regime(*point) for point in points))

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
        return len(self.regimes) * len(self.methods) * self.seeds

    def with_options(self, options: Mapping[str, Any], where: str) -> "Sweep":
        """A copy with some fields changed: values, lists of values, or text with commas between them.

        Args:
            options: by name, those of `GuidanceConfig` among them.
            where: for the message: the file or the option.

        Raises:
            InputError: an unknown field, a value of another type, or as `Sweep`.
        """
        kinds = {name: kind for name, kind in kinds_of(Sweep).items() if name != "guidance"}
        axes = {name: tuple[kind, ...] for name, kind in kinds_of(GuidanceConfig).items() if name in AXES}  # type: ignore[valid-type]
        values = typed({**kinds, **axes}, options, where)
        own = {name: value for name, value in values.items() if name in kinds}
        changed = {name: value for name, value in values.items() if name in axes}
        # In the order of the fields, so that the same sweep lists its methods in one order.
        own_form = self.guidance
        if "observations" not in changed and ("energy_at" in changed or "sample" in changed.get("latent", ())):
            # The energy of noised chunks or of sampled latents is another form, at the demonstrations.
            own_form = {name: value for name, value in own_form.items() if name not in ("observations", "latent")}
        named = {**own_form, **changed}
        return replace(self, **own, guidance={name: named[name] for name in AXES if name in named})

    def read(self, path: Path) -> "Sweep":
        """This sweep with the fields of a YAML file.

        Raises:
            InputError: as `with_options`, or no flat YAML file.
        """
        return self.with_options(read_mapping(path), str(path))


def _by(encoder: str, method: MethodSpec) -> MethodSpec:
    """A method of the grid with an encoder, which its name tells where it is not the usual one."""
    if encoder in ("", method.encoder):
        return method
    shape = "random-motion" if encoder == "random" and method.encoder == "motion" else encoder
    return replace(method, name=f"{method.name}, {encoder}", encoder=shape)
