"""RDT's transformer: noised action tokens, a diffusion step and a control frequency in, predicted actions out.

    tokens = [t, frequency, state, action_1 … action_S] + positions
    even blocks attend to language, odd blocks to images; the last S tokens are read out

Source: RDT-1B, arXiv 2410.07864.
"""

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ate.errors import InputError
from ate.policies.rdt.layers import Block, FinalLayer, ScalarEmbedder


class RDT(nn.Module):
    """The transformer; parameter names are those of the published weights. Defaults are RDT-1B's sizes.

    Args:
        output_dim: columns of the unified action vector.
        horizon: S, actions in a chunk.
        hidden_size: width H of the tokens.
        depth: blocks.
        num_heads: attention heads a block.
        max_lang_cond_len: most language tokens.
        img_cond_len: image tokens, all cameras and frames together.
        checkpointing: recompute each block's activations in the backward pass instead of keeping them.

    Raises:
        InputError: the width is not a multiple of the heads.
    """

    def __init__(
        self,
        output_dim: int = 128,
        horizon: int = 64,
        hidden_size: int = 2048,
        depth: int = 28,
        num_heads: int = 32,
        max_lang_cond_len: int = 1024,
        img_cond_len: int = 4374,
        *,
        checkpointing: bool = False,
    ) -> None:
        super().__init__()
        if hidden_size % num_heads:
            raise InputError(
                f"width {hidden_size} for {num_heads} heads",
                where="RDT",
                expected="a width that the heads divide",
                fix="change hidden_size or num_heads",
            )
        self.horizon, self.output_dim, self.checkpointing = horizon, output_dim, checkpointing
        self.t_embedder, self.freq_embedder = ScalarEmbedder(hidden_size), ScalarEmbedder(hidden_size)
        self.x_pos_embed = nn.Parameter(torch.randn(1, horizon + 3, hidden_size) * 0.02)
        self.lang_cond_pos_embed = nn.Parameter(torch.randn(1, max_lang_cond_len, hidden_size) * 0.02)
        self.img_cond_pos_embed = nn.Parameter(torch.randn(1, img_cond_len, hidden_size) * 0.02)
        self.blocks = nn.ModuleList(Block(hidden_size, num_heads) for _ in range(depth))
        self.final_layer = FinalLayer(hidden_size, output_dim)

    def forward(
        self,
        x: Tensor,
        freq: Tensor,
        t: Tensor,
        lang_c: Tensor,
        img_c: Tensor,
        lang_mask: Tensor | None = None,
        img_mask: Tensor | None = None,
    ) -> Tensor:
        """The prediction for the S actions, `(B, S, output_dim)`.

        Args:
            x: state and noised action tokens `(B, 1 + S, H)`, projected to the hidden size.
            freq: control frequency in Hz, `(B,)`.
            t: diffusion step, `(B,)` or `(1,)`.
            lang_c: language tokens `(B, L, H)`.
            img_c: image tokens `(B, I, H)`.
            lang_mask: bool `(B, L)`, True where valid.
            img_mask: bool `(B, I)`, True where valid.

        Raises:
            InputError: numbers of tokens that the position embeddings do not have.
        """
        language, images = self.lang_cond_pos_embed.shape[1], self.img_cond_pos_embed.shape[1]
        if x.shape[1] != self.horizon + 1 or lang_c.shape[1] > language or img_c.shape[1] != images:
            raise InputError(
                f"{x.shape[1]} state and action tokens, {lang_c.shape[1]} of language, {img_c.shape[1]} of images",
                where="RDT",
                expected=f"{self.horizon + 1}, at most {language}, and {images}",
                fix="cut the instruction, pad absent cameras, and give chunks of the policy's horizon",
            )
        time = self.t_embedder(t)[:, None].expand(len(x), -1, -1)
        tokens = torch.cat([time, self.freq_embedder(freq)[:, None], x], 1) + self.x_pos_embed
        conditions = (
            (lang_c + self.lang_cond_pos_embed[:, : lang_c.shape[1]], lang_mask),
            (img_c + self.img_cond_pos_embed, img_mask),
        )
        for i, block in enumerate(self.blocks):
            condition, mask = conditions[i % 2]
            if self.checkpointing and torch.is_grad_enabled():
                tokens = checkpoint(block, tokens, condition, mask, use_reentrant=False)
            else:
                tokens = block(tokens, condition, mask)
        return self.final_layer(tokens)[:, -self.horizon :]
