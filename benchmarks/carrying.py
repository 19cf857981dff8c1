"""What the latents carry: Info-VAEs compared with a PCA of equal dimension, both stages, both adaptation robots.

    python -m benchmarks.carrying [FOLDER]        rows that the folder holds are read back

Of each network the held-out reconstruction error (mean absolute, radians of the arm's joints; of tool motion, metres of
its position), the active latent dimensions, the MMD of posterior samples to samples of the prior, and CPU seconds. Of
each alignment the translation error and the correspondence of tools. One thread.
"""

import argparse
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch

import ate.align
from ate.align.alignment import Alignment, chunks_of, split
from ate.align.divergences import mmd
from ate.align.evaluate.activity import active_units
from ate.align.evaluate.benchmark import interval
from ate.align.evaluate.correspondence import correspondence
from ate.align.evaluate.translation import translation
from ate.align.linear_code import whitened_pca
from ate.align.mixture import Prior
from ate.align.motion import PATH
from ate.align.priors import posteriors, standard
from ate.align.stages import fit_first
from ate.align.vae import InfoVAE
from ate.data.chunks import Chunks
from ate.data.episodes import Episodes
from ate.data.loading import load, load_sets
from ate.data.space import ActionSpace
from ate.data.tool_space import ToolSpace
from ate.experiments.settings import SHIPPED
from ate.robots import GRIPPER
from ate.robots.frames import TOOL_NAMES
from ate.runs.files import read_json, write_json

PRESETS = ("demo-published", "demo", "demo-motion")
ROBOTS = ("ur5e", "gen3")
SEEDS = (0, 1, 2)
SAMPLES = 1000
NUMBERS = ("reconstruction", "active", "mmd", "seconds")


def reconstruction(vae: InfoVAE, parts: Sequence[tuple[Chunks, ActionSpace]]) -> float:
    """Mean absolute error over the arm's joints, or over the position of the tool; a mean over the robots."""
    errors = []
    for chunks, space in parts:
        names = TOOL_NAMES[:3] if isinstance(space, ToolSpace) else space.joint_names
        columns = [slot for slot, name in zip(space.embodiment.slots, names, strict=False) if name != GRIPPER]
        half = torch.from_numpy(space.embodiment.scatter(space.normalizer.half_range))[columns]
        with torch.no_grad():
            rows = chunks.gather(torch.arange(len(chunks)))
            gap = vae.decode(vae.encode(rows).mean, chunks.length) - rows
        errors.append(float((gap[..., columns].abs() * half).mean()))
    return sum(errors) / len(errors)


def latent(vae: InfoVAE, train: Chunks, prior: Prior) -> dict[str, float]:
    """Active dimensions, and MMD of 1,000 samples of the posterior of training chunks to samples of the prior."""
    stream = list(posteriors(vae, train))
    mean, std = torch.cat([p.mean for p in stream]), torch.cat([p.std for p in stream])
    random = torch.Generator().manual_seed(0)
    index = torch.randperm(len(mean), generator=random)[:SAMPLES]
    z = mean[index] + std[index] * torch.randn(mean[index].shape, generator=random)
    reference = prior.sample(torch.randn((len(z), prior.noise_width), generator=random))
    distance = mmd(z, reference, "multiscale", scale=prior.moments.std)
    return {"active": active_units(mean.numpy()), "mmd": float(distance), "sigma": float(std.mean())}


def pca_of(vae: InfoVAE, train: Chunks) -> tuple[InfoVAE, float]:
    """The whitened PCA of the chunks as a network without noise, and its CPU seconds."""
    config = replace(vae.config, linear_rows=train.length, read_out="own")
    network, began = InfoVAE(config).freeze(), time.process_time()
    assert network.linear is not None and network.log_variance_out is not None
    network.linear.start(whitened_pca(train, config.latent))
    seconds = time.process_time() - began
    torch.nn.init.constant_(network.log_variance_out.weight, 0.0)
    torch.nn.init.constant_(network.log_variance_out.bias, -40.0)
    return network, seconds


def rows_of(
    name: str, seed: int, pretrain: tuple[Episodes, ...], robots: Sequence[Episodes], folder: Path
) -> Iterator[dict[str, Any]]:
    """Rows of one preset and seed: stage 1, then stage 2 of each robot, each with the PCA of the same chunks."""
    place = folder / f"{name}-{seed}"
    began = time.process_time()
    fit_first(pretrain, robots[0], name, place, seed)
    first = time.process_time() - began
    began = time.process_time()
    alignment = ate.align.fit(pretrain, robots[0], name, place, seed)
    second = time.process_time() - began
    train, held = ([split(s, alignment.config, seed)[part] for s in pretrain] for part in (0, 1))
    seen = alignment.seen[:-1]
    chunks = chunks_of(train, seen, alignment.config)
    parts = [(alignment.chunks(s, space), space) for s, space in zip(held, seen, strict=True)]
    yield from _pair(name, seed, "stage 1", alignment.pretrain_vae, (chunks, parts), standard(32), first)
    for robot in robots:
        if robot is not robots[0]:
            began = time.process_time()
            alignment = ate.align.realign(alignment, robot, seed)
            second = time.process_time() - began
        space, own = alignment.seen[-1].compact, split(robot, alignment.config, seed)
        data = alignment.chunks(own[0]), [(alignment.chunks(own[1]), space)]
        yield from _pair(name, seed, robot.robot, alignment.vae, data, alignment.prior, second)
        yield {
            "preset": name,
            "seed": seed,
            "part": f"{robot.robot}, tools",
            **_tools(alignment, pretrain, robot, seed),
        }


def _pair(
    name: str,
    seed: int,
    part: str,
    vae: InfoVAE,
    data: tuple[Chunks, list[tuple[Chunks, ActionSpace]]],
    prior: Prior,
    seconds: float,
) -> Iterator[dict[str, Any]]:
    train, held = data
    pca, cost = pca_of(vae, train)
    for network, title, spent in ((vae, name, seconds), (pca, f"PCA, {name}", cost)):
        numbers = {"reconstruction": reconstruction(network, held), **latent(network, train, prior), "seconds": spent}
        yield {"preset": title, "seed": seed, "part": part, **numbers}


def _tools(alignment: Alignment, pretrain: tuple[Episodes, ...], robot: Episodes, seed: int) -> dict[str, Any]:
    moved, near = translation(alignment, pretrain, robot, seed), correspondence(alignment, pretrain, robot, seed)
    assert moved.position is not None and moved.rotation is not None
    row = near.row(PATH)
    return {
        "translation (mm)": moved.position.value,
        "another chunk (mm)": moved.position.null[0],
        "turn (°)": moved.rotation.value,
        "neighbours apart (mm)": 1000 * row["value"],
        "nearest by motion (mm)": 1000 * row["oracle"],
        "verdict": str(near.code),
    }


def table(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Markdown lines: mean ± half a 95 % t interval over seeds by preset and part."""
    lines = []
    for part in dict.fromkeys(row["part"] for row in rows):
        for preset in dict.fromkeys(row["preset"] for row in rows if row["part"] == part):
            own = [row for row in rows if (row["part"], row["preset"]) == (part, preset)]
            cells = []
            for column, value in own[0].items():
                if isinstance(value, float) or column == "active":
                    mean, width = interval([row[column] for row in own])
                    cells.append(f"{column} {mean:.3g}" + ("" if width is None else f" ± {width:.2g}"))
            lines.append(f"| {part} | {preset} | " + " | ".join(cells) + " |")
    return lines


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("runs") / "carrying")
    folder = parser.parse_args().folder
    torch.set_num_threads(1)
    pretrain = load_sets(SHIPPED / "lift" / "pretrain")
    robots = [load(SHIPPED / "lift" / "adapt" / name) for name in ROBOTS]
    rows: list[dict[str, Any]] = []
    for seed in SEEDS:
        for name in PRESETS:
            file = folder / f"{name}-{seed}.json"
            if not file.exists():
                write_json(file, list(rows_of(name, seed, tuple(pretrain), robots, folder)))
            rows += read_json(file)
        print("\n".join(table(rows)), flush=True)


if __name__ == "__main__":
    main()
