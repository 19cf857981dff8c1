"""Align: two Info-VAEs, one latent space.

Stage 1 trains φ on the chunks of all pre-training robots, in one unified vector in which the slots that a
robot lacks count for nothing. Its aggregated posterior becomes the prior to which stage 2 aligns ψ, trained
on the adaptation robot's chunks.

Source: Align-Then-stEer, arXiv 2509.02055.
"""

from dataclasses import replace
from pathlib import Path

from ate.align.alignment import Alignment, Sets, as_sets
from ate.align.anchors import AnchorPool
from ate.align.config import AlignConfig
from ate.align.config import preset as resolve
from ate.align.training import chunks_of, first_stage, left_prior, second_stage, split
from ate.align.vae import InfoVAE
from ate.data.episodes import Episodes
from ate.data.space import ActionSpace, spaces
from ate.errors import InputError
from ate.runs.device import pick as pick_device
from ate.runs.distributed import leader


def fit(
    pretrain: Sets,
    adapt: Episodes,
    preset: str | AlignConfig = "demo",
    directory: str | Path | None = None,
    seed: int = 0,
) -> Alignment:
    """Train both stages and return the alignment, frozen.

    Args:
        pretrain: episodes of the pre-training robots, one set a robot.
        adapt: episodes of the adaptation robot.
        preset: a name (`ate.align.config.PRESETS`) or an `AlignConfig`.
        directory: keeps checkpoints and metrics of both stages; called again with the same data, configuration
            and seed, a stopped run continues from its last checkpoint to the same bits. The result is saved there.
        seed: seed of the split by episode, the initial weights, batches and noise.

    Raises:
        InputError: unknown preset, empty set, fewer than two episodes in a set, or episodes shorter than the chunk.
    """
    config, splits, all_spaces, digests = _prepare(pretrain, adapt, preset, seed)
    folder = None if directory is None else Path(directory)
    old, rows = first_stage(splits[:-1], all_spaces[:-1], config, seed, digests, folder)
    return _align(old, rows, splits, all_spaces, config, seed, digests, folder)


def refit(
    alignment: Alignment,
    pretrain: Sets,
    adapt: Episodes,
    preset: str | AlignConfig,
    directory: str | Path | None = None,
) -> Alignment:
    """Stage 2 under other options, over the stage 1 of an alignment of the same data: bit for bit what `fit` gives.

    Args:
        alignment: its φ is kept.
        pretrain: the sets it was trained on; the prior is taken from them anew.
        adapt: the adaptation robot's episodes.
        preset: options that differ in those of stage 2 and of the prior alone.
        directory: as `fit`.

    Raises:
        InputError: other data, or options that stage 1 would have seen.
    """
    config, splits, all_spaces, digests = _prepare(pretrain, adapt, preset, alignment.seed)
    before, after = alignment.config.first_stage, config.first_stage
    changed = [name for name in after if after[name] != before[name]]
    if changed or dict(alignment.digests) != digests:
        raise InputError(
            f"other {', '.join(changed)}" if changed else "other episodes",
            where="refit",
            expected="the data and the options of stage 1 as they were",
            fix="call fit, which trains stage 1 as well",
        )
    folder = None if directory is None else Path(directory)
    old, rows = alignment.pretrain_vae.to(pick_device()), alignment.metrics["pretrain"]
    return _align(old, rows, splits, all_spaces, config, alignment.seed, digests, folder)


def _align(
    old: InfoVAE,
    rows: list[dict[str, float]],
    splits: list[tuple[Episodes, Episodes]],
    all_spaces: tuple[ActionSpace, ...],
    config: AlignConfig,
    seed: int,
    digests: dict[str, str],
    folder: Path | None,
) -> Alignment:
    """The prior that φ leaves, and stage 2."""
    train = [part for part, _ in splits[:-1]]
    prior = left_prior(old, chunks_of(train, all_spaces[:-1], config).to(old.device), config, seed)
    pool = None
    if config.anchor_weight:
        pool = AnchorPool.of(old, train, all_spaces[:-1], config.chunk, 1000 * seed + 750)
    new, new_rows = second_stage(old, prior, splits[-1], all_spaces[-1], config, seed, digests, folder, pool)
    alignment = Alignment(
        pretrain_vae=old,
        vae=new,
        prior=prior,
        pretrain_spaces=tuple(all_spaces[:-1]),
        space=all_spaces[-1],
        config=config,
        seed=seed,
        digests=digests,
        held_out={k: tuple(e.name for e in held_part) for k, (_, held_part) in zip(digests, splits, strict=True)},
        metrics={"pretrain": rows, "adapt": new_rows},
        anchors=pool,
    )
    if folder is not None and leader():
        alignment.save(folder)
    return alignment


def fit_first(
    pretrain: Sets, adapt: Episodes, preset: str | AlignConfig, directory: str | Path, seed: int = 0
) -> InfoVAE:
    """Stage 1 alone, in a directory in which `fit`, called with the same, goes on with stage 2; arguments as there."""
    config, splits, all_spaces, digests = _prepare(pretrain, adapt, preset, seed)
    return first_stage(splits[:-1], all_spaces[:-1], config, seed, digests, Path(directory))[0]


def realign(alignment: Alignment, adapt: Episodes, seed: int = 0, directory: str | Path | None = None) -> Alignment:
    """Stage 2 again, on other episodes: the same φ and prior, a new ψ and new statistics of the robot.

    Args:
        alignment: its stage 1 is kept.
        adapt: episodes of the adaptation robot.
        seed: seed of the split by episode, the initial weights, batches and noise.
        directory: keeps checkpoint and metrics of the stage; a finished one is read back.

    Raises:
        InputError: as `fit`, or a robot wider than the alignment's unified vector.
    """
    config, device = alignment.config, pick_device()
    parts = split(adapt, config, seed)
    space = spaces([parts[0]], alignment.space.width)[0]
    old, prior = alignment.pretrain_vae.to(device), alignment.prior.to(device)
    digests = {**alignment.digests, "adapt": adapt.digest}
    # Another stage 1 of the same data leaves another prior: its seed belongs to the identity of this stage.
    identity = {**digests, "stage 1": str(alignment.seed)}
    folder = None if directory is None else Path(directory)
    pool = alignment.anchors if config.anchor_weight else None
    if config.anchor_weight and pool is None:
        raise InputError(
            f"anchor_weight {config.anchor_weight} and no anchors",
            where="realign",
            expected="an alignment that was fitted with an anchor_weight, which keeps its anchors",
            fix='fit with a preset such as "demo-anchored", or set anchor_weight to 0',
        )
    new, rows = second_stage(old, prior, parts, space, config, seed, identity, folder, pool)
    return replace(
        alignment,
        pretrain_vae=old,
        prior=prior,
        vae=new,
        space=space,
        seed=seed,
        digests=digests,
        held_out={**alignment.held_out, "adapt": tuple(item.name for item in parts[1])},
        metrics={**alignment.metrics, "adapt": rows},
    )


def _prepare(
    pretrain: Sets, adapt: Episodes, preset: str | AlignConfig, seed: int
) -> tuple[AlignConfig, list[tuple[Episodes, Episodes]], tuple[ActionSpace, ...], dict[str, str]]:
    """Configuration, splits and spaces of every set (adaptation last), and digests by the sets' keys."""
    config = resolve(preset)
    sets = as_sets(pretrain)
    if not isinstance(adapt, Episodes):
        raise InputError(
            repr(type(adapt).__name__),
            where="adaptation data",
            expected="the Episodes of one robot",
            fix="read it with ate.data.load",
        )
    splits = [split(s, config, seed) for s in (*sets, adapt)]
    all_spaces = spaces([train for train, _ in splits])
    keys = [*(f"pretrain/{i}" for i in range(len(sets))), "adapt"]
    digests = {key: s.digest for key, s in zip(keys, (*sets, adapt), strict=True)}
    return config, splits, all_spaces, digests
