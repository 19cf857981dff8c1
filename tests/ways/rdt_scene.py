"""What the rows of RDT share: recordings with pictures and words, encoders without weights, small weights."""

import shutil
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import torch

from ate.align import fit
from ate.align.config import preset
from ate.cli.rdt_task import RdtTask
from ate.data import load
from ate.policies.rdt import Conditions, Embeddings, LanguageEncoder, Release, VisionEncoder
from tests.policies.rdt import scene
from tests.policies.rdt.scene import CONFIG, PATCHES, WIDTH, WORDS


@dataclass(frozen=True, eq=False)
class Seeing(VisionEncoder):
    """An encoder of pictures without weights."""

    digest = "seeing"

    def __call__(self, pictures):
        return torch.full((len(pictures), self.patches, self.width), float(pictures.mean()) / 255)


def picture_encoder(width=WIDTH, patches=PATCHES):
    """It gives tokens of the mean brightness."""
    return Seeing(Path("seeing"), width, 16, patches, (0.5,) * 3, (0.5,) * 3, True, torch.device("cpu"))


@cache
def shared():
    """Recordings with pictures and words, an alignment after four steps, and weights: made once."""
    folder = Path(mkdtemp(prefix="ways-rdt-"))
    old, new = scene.robots(folder / "robots")
    config = preset("smoke").with_options(chunk=8, held_out=0.25, pretrain_steps=4, adapt_steps=4)
    fit([old], new, config).save(folder / "alignment")
    scene.weights(folder / "weights")
    return folder, new


def rdt_task(p, **changes):
    """What `ate rdt` is asked to do."""
    folder, _ = shared()
    given = {
        "weights": folder / "weights", "base": None, "adapt": folder / "robots/new", "robot": "", "source": "qpos",
        "rate": 0.0, "vision": None, "language": None, "cameras": "", "instruction": "", "cache": p.path / "kept",
        "alignment": None, "lora_rank": 0, "precision": "mixed", "checkpointing": False,
    }  # fmt: skip
    return RdtTask(**{**given, **changes})


@dataclass(frozen=True, eq=False)
class Hearing(LanguageEncoder):
    """An encoder of words without weights."""

    digest = weights_digest = "hearing"

    def __call__(self, text):
        return torch.ones(1 + len(text.split()), self.width)


def word_encoder(width=WORDS):
    """It gives a token a word."""
    return Hearing(Path("hearing"), width, 9, torch.device("cpu"))


def copied_set(p):
    """The recordings, to be spoiled."""
    shutil.copytree(shared()[0] / "robots/new", p.set)
    return load(p.set)


def conditions(p, episodes, **named):
    """What the policy is shown of the episodes."""
    named = {"vision": picture_encoder(), "language": word_encoder(), **named}
    return Conditions.of(episodes, CONFIG, Release(), Embeddings(p.path / "kept"), **named)
