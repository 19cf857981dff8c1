"""lerobot-train, as installed, with the plug-in, and the same run guided by two lines by hand: equal weights.

The plug-in has to be installed beside lerobot (`make lerobot`).

python -m benchmarks.lerobot_plugin DATASET --alignment FOLDER --out FOLDER [--steps N] [--lams 0.3,1] [--seeds 1,2]
"""

import argparse
import json
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file

from ate.align import Alignment
from ate.steer import attach
from tests.lerobot.policies import import_torchvision

SIZES = (
    "--policy.horizon=16", "--policy.n_action_steps=8", "--policy.n_obs_steps=1", "--policy.down_dims=[64,128]",
    "--policy.num_train_timesteps=100", "--policy.num_inference_steps=10", "--policy.noise_scheduler_type=DDIM",
    "--policy.prediction_type=sample", "--policy.use_film_scale_modulation=true", "--policy.push_to_hub=false",
    "--policy.device=cpu", "--batch_size=64", "--num_workers=0", "--eval_freq=0", "--wandb.enable=false",
    "--save_freq=1000000",
)  # fmt: skip


def train(dataset: Path, out: Path, steps: int, seed: int, *words: str) -> Path:
    """lerobot's own command, here in this process; returns the folder of its last checkpoint."""
    from lerobot.scripts import lerobot_train

    checkpoint = out / "checkpoints" / f"{steps:06d}" / "pretrained_model"
    if not checkpoint.exists():
        where = [f"--dataset.repo_id=local/{dataset.name}", f"--dataset.root={dataset}", f"--output_dir={out}"]
        length = [f"--steps={steps}", f"--seed={seed}", f"--log_freq={steps}"]
        sys.argv = ["lerobot-train", *where, *length, *SIZES, *words]
        lerobot_train.main()
    return checkpoint


def by_hand(dataset: Path, out: Path, steps: int, seed: int, folder: Path, lam: float) -> Path:
    """The same run of lerobot's plain policy, with `attach` put on it where the trainer makes it."""
    from lerobot.scripts import lerobot_train

    make, held = lerobot_train.make_policy, []

    def made(cfg, ds_meta, **more):
        policy, stats = make(cfg=cfg, ds_meta=ds_meta, **more), ds_meta.stats["action"]
        alignment = Alignment.load(folder, "cpu")
        names = {"joints": ds_meta.features["action"]["names"], "statistics": {k: stats[k] for k in ("min", "max")}}
        held.append(attach(policy, alignment, "auxiliary", lam=lam, **names))
        return policy

    lerobot_train.make_policy = made
    try:
        return train(dataset, out, steps, seed, "--policy.type=diffusion")
    finally:
        lerobot_train.make_policy = make
        for guided in held:
            guided.detach()


def main() -> None:
    """Train the grid and one run by hand, and say how far its weights are from the plug-in's."""
    parser = argparse.ArgumentParser()
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--alignment", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--lams", default="0.3,1")
    parser.add_argument("--seeds", default="1,2")
    given = parser.parse_args()
    torch.set_num_threads(1)
    import_torchvision()
    lams, seeds = ([float(word) for word in text.split(",")] for text in (given.lams, given.seeds))
    folders = {}
    for seed in map(int, seeds):
        for lam in (0.0, *lams):
            words = ["--policy.type=ate_diffusion"]
            if lam:
                words += [f"--policy.alignment={given.alignment}", "--policy.guidance=auxiliary", f"--policy.lam={lam}"]
            out = given.out / f"lam-{lam:g}-seed-{seed}"
            folders[lam, seed] = train(given.dataset, out, given.steps, seed, *words)
            told = folders[lam, seed] / "guidance.json"
            verdict = json.loads(told.read_text())["verdict"] if told.exists() else "no guidance"
            print(f"λ = {lam:g}, seed {seed}: {verdict}, {folders[lam, seed]}", flush=True)
    lam, seed = lams[-1], int(seeds[0])
    hand = by_hand(given.dataset, given.out / "by-hand", given.steps, seed, given.alignment, lam)
    mine, theirs, plain = (
        load_file(folder / "model.safetensors") for folder in (folders[lam, seed], hand, folders[0.0, seed])
    )
    apart = max(float((mine[name] - theirs[name]).abs().max()) for name in theirs)
    moved = max(float((mine[name] - plain[name]).abs().max()) for name in plain)
    print(
        f"weights after {given.steps} steps: by plug-in and by hand at most {apart:.1e} apart, {moved:.1e} from λ = 0"
    )


if __name__ == "__main__":
    main()
