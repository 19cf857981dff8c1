"""Controls: adaptation encoders that never met pre-training, to set an alignment's scorecard beside.

Both keep φ, the pre-training latents and the action spaces of the alignment that they are a control of, so that all
variants are put to the test against the *same* pre-training latents.
"""

from dataclasses import replace
from pathlib import Path

from ate.align import priors
from ate.align.alignment import Alignment
from ate.align.stages import realign
from ate.align.trainer import seeded
from ate.align.vae import InfoVAE
from ate.data.episodes import Episodes

FOLDER = "one_stage"


def fit_one_stage(
    alignment: Alignment, adapt: Episodes, seed: int = 0, directory: str | Path | None = None
) -> Alignment:
    """ψ from random weights, trained on adaptation data only, pulled to N(0, I); weights of the losses as before.

    Its latents and those of φ have nothing in common but that stage 1 was pulled to N(0, I) as well. Containment is
    therefore well defined and means little: it is what a shared standard normal gives by itself, without any
    alignment, and the least that an alignment has to exceed.

    Args:
        alignment: the alignment to set it beside.
        adapt: episodes of the adaptation robot; split and seeded as `realign` does.
        seed: seed of the split by episode, the initial weights, batches and noise.
        directory: keeps checkpoint and metrics in its folder `one_stage`.

    Raises:
        InputError: as `realign`.
    """
    alone = replace(
        alignment,
        prior=priors.standard(alignment.config.latent).to(alignment.device),
        config=alignment.config.with_options(
            adapt_init="random", kl_direction="reverse", mmd_reference="standard", prior="gaussian"
        ),
    )
    return realign(alone, adapt, seed, None if directory is None else Path(directory) / FOLDER)


def untrained(alignment: Alignment, seed: int = 0) -> Alignment:
    """The alignment with a ψ of the same shape and random weights."""
    with seeded(seed, alignment.device):
        vae = InfoVAE(alignment.vae.config).to(alignment.device).freeze()
    return replace(alignment, vae=vae, seed=seed, metrics={**alignment.metrics, "adapt": []})
