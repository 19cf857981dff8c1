"""Configurations: lerobot's own, with the alignment that guides. Without one a policy trains as lerobot's does.

lerobot looks for the policy of `AteDiffusionConfig` as `AteDiffusionPolicy` in `modeling_guided`.
"""

from dataclasses import dataclass

from lerobot.configs.policies import PreTrainedConfig
from lerobot.policies.diffusion.configuration_diffusion import DiffusionConfig
from lerobot.policies.pi05.configuration_pi05 import PI05Config
from lerobot.policies.smolvla.configuration_smolvla import SmolVLAConfig


@dataclass
class Guided:
    """What guidance needs.

    Attributes:
        alignment: folder of `ate align`; empty for none.
        guidance: preset of guidance, see `ate.steer.guidance_config.PRESETS`; empty for the default.
        lam: λ; None for the preset's.
        clamp: of the shift, in the policy's units; None for the preset's.
        joints: names of the action's columns by commas; empty for those of the data set.
    """

    alignment: str = ""
    guidance: str = ""
    lam: float | None = None
    clamp: float | None = None
    joints: str = ""


@PreTrainedConfig.register_subclass("ate_diffusion")
@dataclass
class AteDiffusionConfig(Guided, DiffusionConfig):
    """lerobot's Diffusion Policy, guided."""


@PreTrainedConfig.register_subclass("ate_smolvla")
@dataclass
class AteSmolVLAConfig(Guided, SmolVLAConfig):
    """lerobot's SmolVLA, guided."""


@PreTrainedConfig.register_subclass("ate_pi05")
@dataclass
class AtePI05Config(Guided, PI05Config):
    """lerobot's π0.5, guided."""
