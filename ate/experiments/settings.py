"""Presets: every setting of a study, in Python, by profile.

`smoke` proves that everything runs (seconds), `demo` is what `make run` shows (minutes on two cores), `paper`
uses the published network sizes and budgets (a GPU). Align's own presets (`paper`, `released`: which reading of
the method) stand in `ate.align`.
"""

import math
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_type_hints

from ate.data import excludes
from ate.data.loading import DataSet
from ate.errors import InputError, unknown

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "data"
# Lists in the run directory that notebook 01 writes and every notebook of the run reads.
EXCLUDE_LISTS = {"adapt": "exclude_adapt.txt", "pretrain": "exclude_pretrain.txt"}
TRAINED_IN = ("kernel", "child")
# Where the energy is taken, with the λ and clamps that each form starts from where none are given; the first is the
# default, and what `PROFILES` hold. The paper's shift has λ = 2 and the clamp of the released code.
FORMS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {"estimate": {}, "noised": {"lam": 2.0, "clamp": 0.1, "clamps": "0.02,0.1,0.5"}}
)


def names(text: str) -> tuple[str, ...]:
    """`"a, b"` → `("a", "b")`."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def numbers(text: str) -> tuple[float, ...]:
    """`"0.5,2"` → `(0.5, 2.0)`.

    Raises:
        InputError: a part is not a number.
    """
    values = []
    for part in names(text):
        try:
            values.append(float(part))
        except ValueError as error:
            raise InputError(
                repr(part),
                where=f"list of numbers {text!r}",
                expected="numbers separated by commas",
                fix="write 0.5,2",
            ) from error
    return tuple(values)


@dataclass(frozen=True)
class Settings:
    """What a study is made of. Every notebook accepts each of these names as a parameter.

    Attributes:
        profile: `smoke`, `demo` or `paper`.
        run: folder for results; empty means `runs/<profile>` beside the package.
        pretrain: folder of the pre-training robots (one sub-folder each, or one robot's episodes).
        adapt: folder of the adaptation robot's episodes.
        source: `"qpos"` or `"action"`: the series that chunks are cut from.
        layout: layout of the adaptation data, e.g. `"lerobot"`; empty to tell it from the files.
        layout_pretrain: the same for the pre-training data.
        robot: profile of the adaptation robot, by name or file; empty where the files name its joints.
        robot_pretrain: the same for the pre-training robots.
        joints: columns to take for the whole adaptation robot, names or patterns separated by commas (`right_*`);
            empty for all.
        joints_pretrain: the same for the pre-training robots.
        exclude: episodes of the adaptation robot to leave out: names separated by commas, or the file of an exclude
            list (`.txt`). What was excluded by clicking in notebook 01 of the same run is always left out too.
        exclude_pretrain: the same for the pre-training robots; `panda/episode_0003` where there are several.
        horizon: S, rows a chunk and actions a policy predicts.
        held_out: share of the episodes kept for validation.
        align: preset of `ate.align.fit`.
        embedded: most latents drawn in a map.
        parameterizations: what the policies predict, separated by commas.
        width: width of the policy network.
        pretrain_steps: optimisation steps of pre-training.
        demonstrations: adaptation episodes drawn anew for each training seed.
        steps: fine-tuning steps.
        batch: chunks a step.
        learning_rate: of AdamW, fine-tuning and pre-training.
        seeds: training seeds.
        rollouts: fixed rollout seeds a trained policy.
        lam: λ of the ATE method.
        clamp: element-wise clamp of k·g of the ATE method, normalised action units.
        at: where the energy is taken: `"estimate"`, a latent auxiliary loss, the form that the evidence supports best
            (docs/evidence.md), or `"noised"`, the paper's shift, for which the paper finds λ = 2 best.
        steer: preset that notebook 04 exported, a file: its λ, clamp and `at` where these are not given, and its other
            options of guidance. Empty for none.
        lams: λ axis of the ablation, separated by commas; λ = 0 always joins.
        clamps: clamp axis of the ablation, separated by commas.
        ablation_seeds: training seeds of each cell of the ablation.
        validation_seeds: training seeds after those, for the winner of the ablation and λ = 0; 0 for none.
        executor: where cells are trained (`ate.experiments.executors`): `here`, `processes`, `submitit-local`, or a
            cluster, `slurm:partition=gpu,time=120`.
        train: where notebook 02 trains: in its `kernel`, or in a `child` process that outlives it (JupyterLab only).
        workers: processes for training and rollouts.
        seed: seed of splits, alignment and pre-training.
    """

    profile: str
    run: str = ""
    pretrain: str = str(SHIPPED / "lift" / "pretrain")
    adapt: str = str(SHIPPED / "lift" / "adapt" / "ur5e")
    source: str = "qpos"
    layout: str = ""
    layout_pretrain: str = ""
    robot: str = ""
    robot_pretrain: str = ""
    joints: str = ""
    joints_pretrain: str = ""
    exclude: str = ""
    exclude_pretrain: str = ""
    horizon: int = 16
    held_out: float = 0.1
    align: str = "demo"
    embedded: int = 1500
    parameterizations: str = "sample,flow_noise_at_1"
    width: int = 256
    pretrain_steps: int = 6000
    demonstrations: int = 25
    steps: int = 80
    batch: int = 64
    learning_rate: float = 3e-4
    seeds: int = 4
    rollouts: int = 100
    lam: float = 1.0
    clamp: float = math.inf
    at: str = "estimate"
    steer: str = ""
    lams: str = "0.5,2"
    clamps: str = "0.02,0.1,inf"
    ablation_seeds: int = 4
    validation_seeds: int = 4
    executor: str = "processes"
    train: str = "kernel"
    workers: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("horizon", "embedded", "width", "pretrain_steps", "demonstrations", "steps", "batch", "seeds",
                     "rollouts", "ablation_seeds", "workers"):  # fmt: skip
            self._check(getattr(self, name) >= 1, name, "at least 1", "raise it")
        self._check(self.validation_seeds >= 0, "validation_seeds", "0 or more", "use 0 for none")
        reverse = "λ = 0 is plain fine-tuning; to reverse the shift use Guidance(sign=-1)"
        self._check(self.lam >= 0, "lam", "λ of 0 or more", reverse)
        self._check(min(numbers(self.lams), default=0.0) >= 0, "lams", "λ of 0 or more", reverse)
        self._check(self.clamp > 0, "clamp", "a positive clamp", "use inf for no clamp")
        self._check(min(numbers(self.clamps), default=1.0) > 0, "clamps", "a positive clamp", "use inf for no clamp")
        self._check(0 < self.held_out < 1, "held_out", "a share in (0, 1)", "use 0.1")
        for name, valid in (("at", tuple(FORMS)), ("train", TRAINED_IN)):
            if getattr(self, name) not in valid:
                raise unknown(getattr(self, name), valid, where=f"parameter {name}")

    def _check(self, right: bool, name: str, expected: str, fix: str) -> None:
        if not right:
            raise InputError(str(getattr(self, name)), where=f"parameter {name}", expected=expected, fix=fix)

    @property
    def directory(self) -> Path:
        """The run directory."""
        return Path(self.run).resolve() if self.run else ROOT / "runs" / self.profile

    @property
    def adapt_data(self) -> DataSet:
        """Where the adaptation robot's episodes are, without those that are excluded."""
        left_out = self._left_out(self.exclude, EXCLUDE_LISTS["adapt"])
        return DataSet(self.adapt, self.source, left_out, self.layout, self.robot, names(self.joints))

    @property
    def pretrain_data(self) -> DataSet:
        """Where the pre-training robots' episodes are, without those that are excluded."""
        left_out = self._left_out(self.exclude_pretrain, EXCLUDE_LISTS["pretrain"])
        return DataSet(
            self.pretrain, self.source, left_out, self.layout_pretrain, self.robot_pretrain, names(self.joints_pretrain)
        )

    @property
    def guidance(self) -> dict[str, Any]:
        """Options of the ATE method's guidance beside λ and clamp: `at`, and those of the preset where there is one."""
        # Imported here: settings of a study without a preset need no statistics.
        from ate.experiments.export import options, read_preset

        return {**(options(read_preset(self.steer)) if self.steer else {}), "at": self.at}

    @property
    def recorded(self) -> dict[str, Any]:
        """Every setting, and the episodes that are left out for whatever reason, for a run card."""
        left_out = {"left_out": self.adapt_data.exclude, "left_out_pretrain": self.pretrain_data.exclude}
        return {**vars(self), **{name: list(episodes) for name, episodes in left_out.items()}}

    def _left_out(self, given: str, clicked: str) -> tuple[str, ...]:
        """Names given as a parameter or in a list, and those of the run's own list."""
        said = excludes.read(given) if given.endswith(".txt") else names(given)
        file = self.directory / clicked
        return tuple(dict.fromkeys([*said, *(excludes.read(file) if file.exists() else ())]))

    def arguments(self, notebook: str) -> list[str]:
        """What to say to `ate` to run one notebook again with these settings, in its own kernel."""
        usual = settings({"profile": self.profile, "at": self.at})
        changed = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("profile", "run", "train")}
        given = [f"{name}={value}" for name, value in changed.items() if value != getattr(usual, name)]
        if self.at != PROFILES[self.profile].at:
            given.append(f"at={self.at}")
        words = ["run", "--profile", self.profile, "--run", str(self.directory), "--only", notebook]
        return [*words, *(part for item in given for part in ("-p", item))]

    def command(self, notebook: str) -> str:
        """The same as a command line."""
        return shlex.join(["ate", *self.arguments(notebook)])


PROFILES: dict[str, Settings] = {
    "smoke": Settings(
        profile="smoke", align="smoke", embedded=300, width=64, pretrain_steps=150, demonstrations=5, steps=20, seeds=2,
        rollouts=10, lams="0.5,2", clamps="0.1,0.5", ablation_seeds=2, validation_seeds=2,
    ),
    "demo": Settings(profile="demo"),
    "paper": Settings(
        profile="paper", align="paper", embedded=10000, width=1024, pretrain_steps=100000, demonstrations=50,
        steps=2000, seeds=8, lams="0.25,0.5,1,2,4", clamps="0.02,0.05,0.1,0.5,inf", ablation_seeds=8,
        validation_seeds=8,
    ),
}  # fmt: skip


def settings(given: Mapping[str, Any]) -> Settings:
    """The settings of a profile with some of them given.

    Args:
        given: values by name; None leaves the profile's own. `profile` defaults to `demo`.

    Raises:
        InputError: a name is unknown or a value of the wrong type; nothing has run yet.
    """
    hints = get_type_hints(Settings)
    valid = {field.name for field in fields(Settings)}
    for name, value in given.items():
        if name not in valid:
            raise unknown(name, valid, where="parameters")
        if value is not None:
            _check_type(name, value, hints[name])
    profile = given.get("profile") or "demo"
    if profile not in PROFILES:
        raise unknown(profile, PROFILES, where="parameter profile")
    chosen: dict[str, Any] = {
        name: float(value) if hints[name] is float else value
        for name, value in given.items()
        if value is not None and name != "profile"
    }
    if chosen.get("steer"):
        from ate.experiments.export import read_preset

        method = read_preset(chosen["steer"])
        chosen = {"lam": method.lam, "clamp": method.clamp, "at": method.at, **chosen}
    form = FORMS.get(chosen.get("at", ""), {})
    return replace(PROFILES[profile], **{**form, **chosen})


def from_notebook(namespace: Mapping[str, Any]) -> Settings:
    """The settings in a notebook's namespace, read right after its `parameters` cell.

    Every plain value in the namespace counts as a parameter, so that a mistyped name that was injected is refused
    instead of ignored. Where the cells run again in one kernel, what later cells left behind is no parameter.
    """
    plain = (str, int, float, bool, list, dict, tuple, type(None))
    again = any(isinstance(value, Settings) for value in namespace.values())
    valid = {field.name for field in fields(Settings)}
    # IPython's own: In, Out and names with an underscore.
    return settings(
        {
            name: value
            for name, value in namespace.items()
            if isinstance(value, plain)
            and not name.startswith("_")
            and name not in ("In", "Out")
            and (name in valid or not again)
        }
    )


def _check_type(name: str, value: Any, kind: type) -> None:
    right = isinstance(value, kind) or (kind is float and isinstance(value, int))
    if isinstance(value, bool) or not right:
        raise InputError(
            f"{value!r} ({type(value).__name__})",
            where=f"parameter {name}",
            expected=f"a value of type {kind.__name__}",
            fix=f"give {name} as {kind.__name__}",
        )
