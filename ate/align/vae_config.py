"""The size of an Info-VAE."""

from dataclasses import dataclass

from ate.align.config import READ_OUTS, check_network, check_whole, refused

# The encoder puts two learned tokens before the rows, those of μ and log σ².
READ_OUT_TOKENS = 2


@dataclass(frozen=True)
class VAEConfig:
    """Size of an Info-VAE.

    Args:
        features: numbers a row of the chunk, D.
        latent: width of the latent and of all tokens, d; a multiple of `heads`.
        layers: transformer blocks in the encoder, and again in the decoder; odd, so that the blocks before
            and after the middle one pair up by skips.
        heads: attention heads.
        feedforward: hidden width of the feed-forward layers.
        dropout: probability of dropping an attention weight or a hidden unit, in [0, 1).
        positions: learned positions; a chunk has at most `positions - 2` rows.
        read_out: `shared`, the tokens are μ and log σ², or `own`, each is linear in its token.
        linear_rows: rows of the chunks that the linear path takes, S; 0 for no linear path.
    """

    features: int
    latent: int = 512
    layers: int = 9
    heads: int = 4
    feedforward: int = 1024
    dropout: float = 0.1
    positions: int = 500
    read_out: str = "shared"
    linear_rows: int = 0

    def __post_init__(self) -> None:
        check_whole(self, ("features", "positions"))
        check_whole(self, ("linear_rows",), least=0)
        if self.read_out not in READ_OUTS:
            raise refused(self, "read_out", " or ".join(READ_OUTS))
        check_network(self)
        if self.positions <= READ_OUT_TOKENS:
            raise refused(self, "positions", f"{READ_OUT_TOKENS + 1} or more: the chunk length plus {READ_OUT_TOKENS}")
