"""Policies: lerobot's own, whose training `ate.steer.attach` guides from the first step on.

Loss, target, optimiser, checkpoints and sampling are lerobot's. Beside the weights of a checkpoint lies
`guidance.json`: the steps that were guided, the meter by noise level, and its verdict.
"""

from importlib import import_module
from pathlib import Path
from typing import Any

from lerobot.configs.types import NormalizationMode
from lerobot.policies.pretrained import PreTrainedPolicy

from ate.align.alignment import Alignment
from ate.errors import InputError
from ate.runs.files import write_json
from ate.steer.attachment import Attachment, attach
from lerobot_policy_ate import configuration_guided

FILE = "guidance.json"
# Policy → configuration, and where lerobot has the policy it extends. Imported when asked for: SmolVLA and π0.5 need
# transformers, Diffusion Policy needs diffusers.
POLICIES = {
    "AteDiffusionPolicy": ("AteDiffusionConfig", "lerobot.policies.diffusion.modeling_diffusion", "DiffusionPolicy"),
    "AteSmolVLAPolicy": ("AteSmolVLAConfig", "lerobot.policies.smolvla.modeling_smolvla", "SmolVLAPolicy"),
    "AtePI05Policy": ("AtePI05Config", "lerobot.policies.pi05.modeling_pi05", "PI05Policy"),
}
# lerobot's way to normalise → the statistics of a data set that it takes for the ends or for centre and spread.
STATISTICS = {
    NormalizationMode.MEAN_STD: {"mean": "mean", "std": "std"},
    NormalizationMode.MIN_MAX: {"min": "min", "max": "max"},
    NormalizationMode.QUANTILES: {"min": "q01", "max": "q99"},
}
_made: dict[str, type[PreTrainedPolicy]] = {}


def __getattr__(name: str) -> type[PreTrainedPolicy]:
    """The policy of that name, made when lerobot first asks for it."""
    if name not in POLICIES:
        raise AttributeError(name)
    if name not in _made:
        config, module, base = POLICIES[name]
        _made[name] = _guided(name, getattr(configuration_guided, config), getattr(import_module(module), base))
    return _made[name]


def _guided(own_name: str, config: Any, base: Any) -> type[PreTrainedPolicy]:
    class Policy(base):  # type: ignore[misc]
        config_class = config
        name = config.get_choice_name(config)

        def __init__(self, config: Any, *args: Any, **more: Any) -> None:
            super().__init__(config, *args, **more)
            # Outside the module's own attributes: neither weights nor anything that is saved.
            self.__dict__["guided"] = None
            self.__dict__["_data"] = more.get("dataset_stats"), more.get("dataset_meta")

        def forward(self, *args: Any, **more: Any) -> Any:
            if self.training and self.guided is None and self.config.alignment:
                self.__dict__["guided"] = _attached(self, *self._data)
            return super().forward(*args, **more)

        def _save_pretrained(self, save_directory: Path, **more: Any) -> None:
            """The checkpoint of lerobot's, with the meter beside it."""
            # lerobot 0.6 may hand gathered weights along, 0.4 does not know them.
            super()._save_pretrained(save_directory, **more)
            if self.guided is not None:
                guided: Attachment = self.guided
                known = {"steps": guided.steps, "verdict": guided.verdict, "lam": guided.guidance.config.lam}
                write_json(save_directory / FILE, {**known, "rows": guided.rows})

    Policy.__name__ = Policy.__qualname__ = own_name
    return Policy


def _attached(policy: Any, stats: Any, meta: Any) -> Attachment:
    """Guidance on a policy that begins to train."""
    config = policy.config
    mode = config.normalization_mapping["ACTION"]
    if stats is None or mode not in STATISTICS:
        got = f"actions normalised by {getattr(mode, 'value', mode)}" if stats else "no statistics of the data set"
        fix = "train with lerobot-train, and MEAN_STD, MIN_MAX or QUANTILES in policy.normalization_mapping"
        raise InputError(got, where="guidance", expected="statistics of the actions", fix=fix)
    statistics = {name: stats["action"][key] for name, key in STATISTICS[mode].items()}
    options = {name: value for name, value in (("lam", config.lam), ("clamp", config.clamp)) if value is not None}
    alignment = Alignment.load(config.alignment, "cpu")
    device = next(policy.parameters()).device
    return attach(
        policy, alignment.to(device), config.guidance or None, joints=_joints(config.joints, meta, alignment),
        statistics=statistics, **options,
    )  # fmt: skip


def _joints(given: str, meta: Any, alignment: Alignment) -> tuple[str, ...]:
    """Columns of the action: as given, as the data set names them, or those of the alignment."""
    if given:
        return tuple(name.strip() for name in given.split(","))
    names = (meta.features.get("action") or {}).get("names") if meta is not None else None
    return tuple(names) if isinstance(names, list) else alignment.joint_names
