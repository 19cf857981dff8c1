"""Policies of lerobot that train with latent guidance: `lerobot-train --policy.type=ate_diffusion`.

lerobot imports every installed package of such a name, and finds the policies in `configuration_guided`.
"""

from lerobot_policy_ate.configuration_guided import AteDiffusionConfig, AtePI05Config, AteSmolVLAConfig

__all__ = ["AteDiffusionConfig", "AtePI05Config", "AteSmolVLAConfig"]
