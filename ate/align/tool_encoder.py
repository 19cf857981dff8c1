"""Tool encoder: a robot's joints into a latent of tool motion.

    E_r(a) = E(m_r(a))        m_r: kinematics of robot r;  E: one Info-VAE encoder, shared by all robots

Two robots whose tools move alike have one latent, whatever their joints. What r contributes is not learned.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ate.align.vae import InfoVAE, Posterior
from ate.data.space import ActionSpace
from ate.data.tool_space import ToolSpace
from ate.errors import InputError


@dataclass(frozen=True)
class ToolEncoderConfig:
    """Sizes of a tool encoder.

    Attributes:
        features: D, joint columns of the robot.
        latent: d.
    """

    features: int
    latent: int


class ToolEncoder(nn.Module):
    """E_r of one robot: differentiable from its normalised joints to the posterior.

    Args:
        vae: E, over the ten columns of tool motion.
        space: the robot's joints; taken compact, in the order of its data.
        tool: tool motion of the same robot, normalised as E was trained.

    Raises:
        InputError: spaces of different joints, or an encoder of other columns.
    """

    def __init__(self, vae: InfoVAE, space: ActionSpace, tool: ToolSpace) -> None:
        super().__init__()
        if space.joint_names != tool.joint_names or vae.config.features != tool.width:
            raise InputError(
                f"joints {', '.join(space.joint_names)}, tool motion of {', '.join(tool.joint_names)} and an encoder "
                f"of {vae.config.features} columns",
                where="tool encoder",
                expected=f"two spaces of one robot, and an encoder of {tool.width} columns",
                fix="take all three from one alignment of tool motion",
            )
        self.vae, self.space, self.tool = vae, space.compact, tool
        self.config = ToolEncoderConfig(len(space.joint_names), vae.config.latent)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.vae.device

    def motion(self, x: Tensor) -> Tensor:
        """Normalised joints (…, D) -> normalised tool motion (…, 10)."""
        return self.tool.encode(self.space.decode(x))

    def as_decoded(self, x: Tensor) -> Tensor:
        """Chunks in the columns that `decode` gives: their tool motion (B, S, 10)."""
        return self.motion(x)

    def encode(self, x: Tensor) -> Posterior:
        """q(z|a) of chunks (B, S, D) of normalised joints; mean and std (B, d)."""
        return self.vae.encode(self.motion(x))

    def decode(self, z: Tensor, length: int) -> Tensor:
        """Latents z (B, d) -> normalised tool motion (B, length, 10)."""
        return self.vae.decode(z, length)
