"""Settings: every setting of a study, by profile (`ate.experiments.profiles`)."""

import math
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from ate.data import excludes
from ate.data.hub import located
from ate.data.loading import DataSet
from ate.errors import unknown
from ate.experiments.limits import check_limits
from ate.experiments.methods import CLAMPED_PAPER, TOOL_MOTION, lambda_clamp
from ate.experiments.profiles import VALUES
from ate.experiments.winner_file import read_winner
from ate.runs.options import kinds_of, names, typed
from ate.sim.gym_address import GymAddress
from ate.sim.tasks import TASKS
from ate.steer.guidance_config import OPTIONS, GuidanceConfig

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "data"
# Lists in the run directory that notebook 01 writes and every notebook of the run reads.
EXCLUDE_LISTS = {"adapt": "exclude_adapt.txt", "pretrain": "exclude_pretrain.txt"}
# What to sweep at demonstrations. Where the energy is taken at the noised chunk no rollout succeeds without a clamp.
LAMS_AT_DEMONSTRATIONS, CLAMPS_AT_X0, CLAMPS_AT_X_T = (0.5, 2.0), (0.02, 0.1, math.inf), (0.02, 0.1, 0.5)


@dataclass(frozen=True)
class Settings:
    """What a study is made of. Every notebook accepts each of these names as a parameter.

    Attributes:
        profile: `smoke`, `demo`, `paper` or `vision`.
        run: folder for results; empty for `runs/<profile>` of the repository.
        pretrain: folder of the pre-training robots (one sub-folder each, or one robot's episodes), or a data set's id.
        adapt: folder of the adaptation robot's episodes, or a data set's id, `user/repo`.
        download: fetch data sets by id (`user/repo`) from the hub where there is no local copy.
        source: `"qpos"` or `"action"`: the series that chunks are cut from.
        layout: layout of the adaptation data, e.g. `"lerobot"`; empty to tell it from the files.
        layout_pretrain: the same for the pre-training data.
        robot: profile of the adaptation robot, by name or file; empty where the files name its joints.
        robot_pretrain: the same for the pre-training robots.
        joints: columns to take as the adaptation robot, names or patterns (`right_*`); empty for all.
        joints_pretrain: the same for the pre-training robots.
        exclude: episodes of the adaptation robot to leave out, separated by commas, or an exclude list (`.txt`). What
            was excluded by clicking in notebook 01 of the same run is always left out too.
        exclude_pretrain: the same for the pre-training robots; `panda/episode_0003` where there are several.
        rate: steps a second of the adaptation recordings, where the files say nothing; 0 for the profile's.
        rate_pretrain: the same for the pre-training data.
        accept: codes of the doctor's FAIL findings to train on all the same, such as `units.limits`; empty to refuse
            them.
        horizon: S, rows of a chunk and actions that a policy predicts.
        held_out: share of the episodes kept for validation.
        align: preset of `ate.align.fit`.
        embedded: largest number of latents in a map.
        parameterizations: what the policies predict; notebook 04 takes the first.
        width: width of the policy network.
        pretrain_steps: optimisation steps of pre-training.
        pretrain_batch: chunks in a step of pre-training.
        demonstrations: adaptation episodes, drawn for each training seed; 0 for methods that need none.
        steps: fine-tuning steps.
        batch: chunks in a step.
        learning_rate: of AdamW, in fine-tuning.
        lr_schedule: of the learning rate in fine-tuning, `constant`, or `cosine` to zero.
        seeds: training seeds.
        rollouts: rollouts of each trained policy, from fixed seeds.
        task: simulated task to roll out; empty for that of the demonstrations. With pre-training episodes of another
            task than the demonstrations it asks what those teach.
        simulator: address of a gymnasium environment to roll out in, `gym:ID` with its keys (docs/simulator.md); empty
            for the simulator of `ate.sim`.
        blind: policies see joints alone, and nothing of the task's state, whether recorded or not.
        policy: what policies see of the scene: `state`, the task's state, or `vision`, pictures and an instruction
            (docs/vision.md); for data that were recorded in the simulator of `ate.sim`. These predict the sample alone
            unless `parameterizations` is given.
        redrawn: with `vision`, replayed episodes of other robots show the new robot in their pictures.
        guidance: of the guided method. Each field of `GuidanceConfig` is a parameter of its own (`lam`, `clamp`,
            `energy_at` …); as a parameter, `guidance` names the preset that they change.
        winner: file that notebook 04 wrote, with encoder and guidance; the options above change it. Empty for none.
        lams: λ axis of the ablation; plain fine-tuning always joins.
        clamps: clamp axis of the ablation.
        shares: share axis of the ablation, where guidance acts at pre-training observations: rows, as a share of a
            batch.
        ablation_seeds: training seeds of each cell of the ablation.
        validation_seeds: training seeds after those, for the winner and plain fine-tuning alone; 0 for none.
        executor: where cells are trained: `here`, `processes`, `submitit-local` or `slurm`; options as in `ate sweep`.
        keep_policies: keep the fine-tuned policy of each cell. It has 4 MB at profile `demo`, and 56 at `paper`, which
            keeps none unless it is asked to.
        train: where notebook 02 trains: in its `kernel`, or in a `child` process that outlives it (JupyterLab only).
        workers: processes for training and rollouts.
        seed: seed of splits, alignment and pre-training.
    """

    profile: str
    run: str = ""
    pretrain: str = str(SHIPPED / "lift" / "pretrain")
    adapt: str = str(SHIPPED / "lift" / "adapt" / "ur5e")
    download: bool = False
    source: str = "qpos"
    layout: str = ""
    layout_pretrain: str = ""
    robot: str = ""
    robot_pretrain: str = ""
    joints: tuple[str, ...] = ()
    joints_pretrain: tuple[str, ...] = ()
    exclude: str = ""
    exclude_pretrain: str = ""
    rate: float = 0.0
    rate_pretrain: float = 0.0
    accept: tuple[str, ...] = ()
    horizon: int = 16
    held_out: float = 0.1
    align: str = "demo"
    embedded: int = 1500
    parameterizations: tuple[str, ...] = ("sample", "flow_noise_at_1")
    width: int = 256
    pretrain_steps: int = 10000
    pretrain_batch: int = 128
    demonstrations: int = 5
    steps: int = 600
    batch: int = 64
    learning_rate: float = 1e-3
    lr_schedule: str = "cosine"
    seeds: int = 4
    rollouts: int = 100
    task: str = ""
    simulator: str = ""
    blind: bool = False
    policy: str = "state"
    redrawn: bool = False
    guidance: GuidanceConfig = TOOL_MOTION
    winner: str = ""
    lams: tuple[float, ...] = (0.3, 1.0, 3.0)
    clamps: tuple[float, ...] = (math.inf,)
    shares: tuple[float, ...] = (0.25, 0.5, 1.0)
    ablation_seeds: int = 4
    validation_seeds: int = 4
    executor: str = "processes"
    keep_policies: bool = True
    train: str = "kernel"
    workers: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        check_limits(vars(self))
        if self.simulator:
            GymAddress.parse(self.simulator)
        elif self.task and self.task not in TASKS:
            raise unknown(self.task, TASKS, where="parameter task")
        # λ, clamps and their axes are checked by the record itself.
        lambda_clamp(self.lams, self.clamps, self.guidance)

    @property
    def rolled_out_in(self) -> str:
        """The simulator's address, else the simulated task; empty for that of the demonstrations."""
        return self.simulator or self.task

    @property
    def directory(self) -> Path:
        """The run directory."""
        return Path(self.run).resolve() if self.run else ROOT / "runs" / self.profile

    @property
    def adapt_data(self) -> DataSet:
        """Where the adaptation robot's episodes are, without those that are excluded."""
        return self._data("adapt")

    @property
    def pretrain_data(self) -> DataSet:
        """Where the pre-training robots' episodes are, without those that are excluded."""
        return self._data("pretrain", "_pretrain")

    def _data(self, role: str, suffix: str = "") -> DataSet:
        own = {name: getattr(self, f"{name}{suffix}") for name in ("layout", "robot", "joints", "rate")}
        left_out = self._left_out(getattr(self, f"exclude{suffix}"), EXCLUDE_LISTS[role])
        return DataSet(located(getattr(self, role), self.download), self.source, left_out, **own)

    @property
    def encoder(self) -> str:
        """Encoder of the guided method: the winner's where there is one."""
        if self.winner:
            return read_winner(self.winner).encoder
        return "motion" if self.guidance.at_pretraining else "aligned"

    @property
    def parameters(self) -> dict[str, Any]:
        """Every parameter by name, the options of guidance among them; tuples as text with commas."""
        own = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "guidance"}
        return {name: _text(value) for name, value in {**own, **asdict(self.guidance)}.items()}

    @property
    def recorded(self) -> dict[str, Any]:
        """Every setting, and the episodes that are left out for whatever reason, for a run card."""
        adapt, pretrain = list(self.adapt_data.exclude), list(self.pretrain_data.exclude)
        return {**self.parameters, "left_out": adapt, "left_out_pretrain": pretrain}

    def _left_out(self, given: str, clicked: str) -> tuple[str, ...]:
        """Names given as a parameter or in a list, and those of the run's own list."""
        listed = excludes.read(given) if given.endswith(".txt") else names(given)
        file = self.directory / clicked
        return tuple(dict.fromkeys([*listed, *(excludes.read(file) if file.exists() else ())]))

    def arguments(self, notebook: str) -> list[str]:
        """What to say to `ate` to run one notebook again with these settings, in its own kernel."""
        form = {name: self.parameters[name] for name in ("energy_at", "observations", "policy")}
        usual = settings({"profile": self.profile, **form}).parameters
        changed = {name: value for name, value in self.parameters.items() if value != usual[name]}
        # These decide other defaults, so they are named where they are not the profile's.
        own = PROFILES[self.profile].parameters
        changed |= {name: value for name, value in form.items() if value != own[name]}
        given = [f"{name}={value}" for name, value in changed.items() if name not in ("profile", "run", "train")]
        words = ["run", "--profile", self.profile, "--run", str(self.directory), "--only", notebook]
        return [*words, *(part for item in given for part in ("-p", item))]

    def command(self, notebook: str) -> str:
        """The same as a command line."""
        return shlex.join(["ate", *self.arguments(notebook)])


PROFILES = {name: Settings(name, **values) for name, values in VALUES.items()}


def parameter_kinds() -> dict[str, Any]:
    """Types of all parameters by name: the fields of `Settings` and those of `GuidanceConfig`."""
    return {**kinds_of(Settings), "guidance": str, **kinds_of(GuidanceConfig)}


def settings(given: Mapping[str, Any]) -> Settings:
    """The settings of a profile with some of them given.

    Args:
        given: values by name; None leaves the profile's own. `profile` defaults to `demo`.

    Raises:
        InputError: a name is unknown or a value of the wrong type; nothing has run yet.
    """
    values = typed(parameter_kinds(), {name: value for name, value in given.items() if value is not None}, "parameters")
    name = values.pop("profile", "demo")
    if name not in PROFILES:
        raise unknown(name, PROFILES, where="parameter profile")
    profile = PROFILES[name]
    options = {name: values.pop(name) for name in OPTIONS if name in values}
    base: GuidanceConfig | str = values.pop("guidance", profile.guidance)
    if values.get("winner"):
        base = read_winner(values["winner"]).guidance
    elif base == profile.guidance and options.get("energy_at") == CLAMPED_PAPER.energy_at:
        base = CLAMPED_PAPER
    elif base == profile.guidance and _at_demonstrations(options):
        base = "auxiliary"
    guidance = GuidanceConfig.of(base, options)
    if values.get("policy") == "vision":
        # Every rollout is drawn, so that a second parameterisation takes as long again.
        values.setdefault("parameterizations", PROFILES["vision"].parameterizations)
    if not guidance.at_pretraining:
        values.setdefault("lams", LAMS_AT_DEMONSTRATIONS)
        values.setdefault("clamps", CLAMPS_AT_X_T if guidance.energy_at == CLAMPED_PAPER.energy_at else CLAMPS_AT_X0)
    return replace(profile, guidance=guidance, **values)


def at_demonstrations(chosen: Settings) -> Settings:
    """The same with guidance at the demonstrations, and its axes, where the profile's own were to be swept."""
    profile, usual = PROFILES[chosen.profile], settings({"profile": chosen.profile, "observations": "demonstrations"})
    axes = {
        name: getattr(usual, name) for name in ("lams", "clamps") if getattr(chosen, name) == getattr(profile, name)
    }
    return replace(chosen, guidance=usual.guidance, **axes)


def _at_demonstrations(options: Mapping[str, Any]) -> bool:
    """Whether options of guidance say, or imply, that it acts at the demonstrations."""
    return options.get("observations") == "demonstrations" or options.get("latent") == "sample"


def from_notebook(namespace: Mapping[str, Any]) -> Settings:
    """The settings in a notebook's namespace, read right after its `parameters` cell.

    Every plain value in the namespace counts as a parameter, so that a mistyped name that was injected is refused
    instead of ignored. Where the cells run again in one kernel, what later cells left behind is no parameter.
    """
    plain = (str, int, float, bool, list, dict, tuple, type(None))
    # IPython's own: In, Out and names with an underscore.
    own = [name for name in namespace if not name.startswith("_") and name not in ("In", "Out")]
    if any(isinstance(value, Settings) for value in namespace.values()):
        own = [name for name in own if name in parameter_kinds()]
    return settings({name: namespace[name] for name in own if isinstance(namespace[name], plain)})


def _text(value: Any) -> Any:
    if not isinstance(value, tuple):
        return value
    return ",".join(f"{part:g}" if isinstance(part, float) else part for part in value)
