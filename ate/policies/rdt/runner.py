"""RDT's runner: projections, the noised chunk, the loss, and the sampler around the transformer.

Language and images are embeddings of the user's own encoders (T5-XXL and SigLIP in RDT-1B), or zeros. Actions and state
are 128-slot unified vectors; the 0/1 mask of the slots in use is a further input.

Noise schedules and samplers are diffusers' (an extra, `ate[rdt]`).

Source: RDT-1B, arXiv 2410.07864.
"""

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ate.errors import InputError, library
from ate.policies.rdt.transformer import RDT


@dataclass(frozen=True)
class RunnerConfig:
    """Sizes of the whole policy; the defaults are RDT-1B's.

    Attributes:
        action_dim: slots of the unified action vector.
        pred_horizon: S, actions in a chunk.
        hidden_size: width of the tokens.
        depth: blocks.
        num_heads: attention heads a block.
        lang_token_dim: width of the language embeddings.
        img_token_dim: width of the image embeddings.
        max_lang_cond_len: most language tokens.
        img_cond_len: image tokens, all cameras and frames together.
        lang_layers: linear maps of the language projection.
        img_layers: linear maps of the image projection.
        state_layers: linear maps of the state and action projection.
        num_train_timesteps: noise levels.
        num_inference_timesteps: DPM-Solver++ steps at inference.
        beta_schedule: of the noise levels, as diffusers names it.
        prediction_type: `"sample"` or `"epsilon"`.
    """

    action_dim: int = 128
    pred_horizon: int = 64
    hidden_size: int = 2048
    depth: int = 28
    num_heads: int = 32
    lang_token_dim: int = 4096
    img_token_dim: int = 1152
    max_lang_cond_len: int = 1024
    img_cond_len: int = 4374
    lang_layers: int = 2
    img_layers: int = 2
    state_layers: int = 3
    num_train_timesteps: int = 1000
    num_inference_timesteps: int = 5
    beta_schedule: str = "squaredcos_cap_v2"
    prediction_type: str = "sample"

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if isinstance(value, int) and value < 1:
                raise InputError(str(value), where=f"RDT {name}", expected="at least 1", fix="correct the config")
        if self.prediction_type not in ("sample", "epsilon"):
            raise InputError(
                repr(self.prediction_type),
                where="RDT prediction_type",
                expected="'sample' or 'epsilon'",
                fix="RDT-1B predicts the sample",
            )

    def transformer(self, *, checkpointing: bool = False) -> RDT:
        """The transformer of these sizes."""
        return RDT(
            self.action_dim, self.pred_horizon, self.hidden_size, self.depth, self.num_heads, self.max_lang_cond_len,
            self.img_cond_len, checkpointing=checkpointing,
        )  # fmt: skip


class Runner(nn.Module):
    """The policy: three projections and the transformer.

    Args:
        config: sizes and noise schedule.
        checkpointing: recompute the blocks' activations in the backward pass.

    Raises:
        InputError: diffusers is not installed.
    """

    def __init__(self, config: RunnerConfig, *, checkpointing: bool = False) -> None:
        super().__init__()
        c = self.config = config
        self.model = c.transformer(checkpointing=checkpointing)
        self.lang_adaptor = _projection(c.lang_token_dim, c.hidden_size, c.lang_layers)
        self.img_adaptor = _projection(c.img_token_dim, c.hidden_size, c.img_layers)
        self.state_adaptor = _projection(2 * c.action_dim, c.hidden_size, c.state_layers)
        self.noise_scheduler, self._sampler = _schedulers(c)

    def compute_loss(
        self,
        lang_tokens: Tensor,
        lang_attn_mask: Tensor | None,
        img_tokens: Tensor,
        state_tokens: Tensor,
        action_gt: Tensor,
        action_mask: Tensor,
        ctrl_freqs: Tensor,
        *,
        noise: Tensor | None = None,
        timesteps: Tensor | None = None,
    ) -> Tensor:
        """Mean squared error over the whole 128-slot chunk, at random noise levels.

        Args:
            lang_tokens: language embeddings `(B, L, lang_token_dim)`.
            lang_attn_mask: bool `(B, L)`, True where valid; None where all are.
            img_tokens: image embeddings `(B, I, img_token_dim)`.
            state_tokens: unified, normalised state `(B, 1, action_dim)`.
            action_gt: unified, normalised chunk `(B, S, action_dim)`.
            action_mask: 1 for slots in use, `(B, 1, action_dim)`.
            ctrl_freqs: control frequency in Hz `(B,)`.
            noise: of the chunk's shape, drawn where None.
            timesteps: noise levels, int64 `(B,)`, drawn where None.
        """
        noise = torch.randn_like(action_gt) if noise is None else noise
        if timesteps is None:
            timesteps = torch.randint(self.config.num_train_timesteps, (len(action_gt),), device=action_gt.device)
        noisy = self.noise_scheduler.add_noise(action_gt, noise, timesteps)
        conditions = self._conditions(lang_tokens, img_tokens)
        x = self._tokens(torch.cat([state_tokens, noisy], 1), action_mask)
        prediction = self.model(x, ctrl_freqs, timesteps, *conditions, lang_mask=lang_attn_mask)
        return F.mse_loss(prediction, action_gt if self.config.prediction_type == "sample" else noise)

    @torch.no_grad()
    def predict_action(
        self,
        lang_tokens: Tensor,
        lang_attn_mask: Tensor | None,
        img_tokens: Tensor,
        state_tokens: Tensor,
        action_mask: Tensor,
        ctrl_freqs: Tensor,
        *,
        noise: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Sample chunks `(B, S, action_dim)` by DPM-Solver++; slots out of use are 0. Arguments as `compute_loss`."""
        conditions = self._conditions(lang_tokens, img_tokens)
        state = self._tokens(state_tokens, action_mask)
        shape = (len(state_tokens), self.config.pred_horizon, self.config.action_dim)
        x = noise
        if x is None:
            x = torch.randn(shape, generator=generator, device=state.device, dtype=state_tokens.dtype)
        self._sampler.set_timesteps(self.config.num_inference_timesteps)
        # On the host for the sampler, whose schedule is there, and on the device for the network.
        times = self._sampler.timesteps
        for t, step in zip(times, times.to(x.device).split(1), strict=True):
            tokens = torch.cat([state, self._tokens(x, action_mask)], 1)
            prediction = self.model(tokens, ctrl_freqs, step, *conditions, lang_mask=lang_attn_mask)
            # In the state's precision: under autocast the network answers in less.
            x = self._sampler.step(prediction.to(x.dtype), t, x).prev_sample
        return x * action_mask

    def _conditions(self, lang_tokens: Tensor, img_tokens: Tensor) -> tuple[Tensor, Tensor]:
        return self.lang_adaptor(lang_tokens), self.img_adaptor(img_tokens)

    def _tokens(self, rows: Tensor, mask: Tensor) -> Tensor:
        """Unified rows `(B, n, D)` with their mask `(B, 1, D)` as tokens `(B, n, H)`."""
        return self.state_adaptor(torch.cat([rows, mask.to(rows.dtype).expand(-1, rows.shape[1], -1)], -1))


def _projection(features: int, hidden: int, layers: int) -> nn.Sequential:
    """Linear maps with a tanh-GELU between them, named `0`, `2`, `4` … as in the published weights."""
    parts: list[nn.Module] = [nn.Linear(features, hidden)]
    for _ in range(layers - 1):
        parts += [nn.GELU(approximate="tanh"), nn.Linear(hidden, hidden)]
    return nn.Sequential(*parts)


def _schedulers(c: RunnerConfig) -> tuple[Any, Any]:
    diffusers = library("diffusers", "rdt", where="RDT runner", use="has its noise schedules")
    shared: Any = {name: getattr(c, name) for name in ("num_train_timesteps", "beta_schedule", "prediction_type")}
    # Always on the CPU: `load` and `memory_need` build the network on the meta device.
    with torch.device("cpu"):
        return diffusers.DDPMScheduler(clip_sample=False, **shared), diffusers.DPMSolverMultistepScheduler(**shared)
