"""Embeddings: the tokens of pictures and instructions, computed once and kept by the hash of what they are of."""

import hashlib
import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from ate.data.clip import Clip
from ate.errors import InputError
from ate.policies.rdt.language_encoder import LanguageEncoder
from ate.policies.rdt.vision_encoder import VisionEncoder
from ate.runs.files import write_atomic

# Pictures that are decoded and encoded at once.
BATCH = 32
# Set in the environment, the folder of everything that is kept between runs.
CACHE = "ATE_CACHE"


def default_folder() -> Path:
    """Where embeddings are kept: `$ATE_CACHE/embeddings`, else `~/.cache/ate/embeddings`."""
    return Path(os.environ.get(CACHE) or Path.home() / ".cache" / "ate").expanduser() / "embeddings"


@dataclass(frozen=True)
class Embeddings:
    """A folder of embeddings, a file each, whole or absent; deleting any of them is safe.

    Attributes:
        folder: where they are kept.
    """

    folder: Path

    def pictures(self, clips: Sequence[Clip], encoder: VisionEncoder) -> list[NDArray[np.float16]]:
        """Tokens of clips, float16 `(rows, patches, width)` each, read from disk row by row.

        Raises:
            InputError: they would not fit on the disk, or pictures or weights cannot be read.
        """
        files = {clip: self._file(clip.digest(), encoder.digest) for clip in clips}
        missing = {file: clip for clip, file in files.items() if not file.exists()}
        self._check_room(missing.values(), encoder)
        bar = tqdm(missing.items(), desc="embed pictures", mininterval=2.0, disable=len(missing) < 2)
        for file, clip in bar:
            write_atomic(file, partial(_write, clip=clip, encoder=encoder))
        return [np.load(files[clip], mmap_mode="r") for clip in clips]

    def background(self, encoder: VisionEncoder) -> NDArray[np.float16]:
        """Tokens `(patches, width)` of the picture in place of one that is not there."""
        file = self._file("background", encoder.digest)
        if not file.exists():
            _save(file, encoder(encoder.background[None])[0].numpy().astype(np.float16))
        tokens: NDArray[np.float16] = np.load(file)
        return tokens

    def words(self, text: str, encoder: LanguageEncoder) -> NDArray[np.float32]:
        """Tokens `(L, width)` of an instruction.

        Raises:
            InputError: more tokens than the policy takes, or the encoder cannot be read.
        """
        file = self._file(hashlib.sha256(text.encode()).hexdigest(), encoder.digest)
        if not file.exists():
            _save(file, encoder(text).numpy())
        tokens: NDArray[np.float32] = np.load(file)
        return tokens

    def _file(self, of: str, encoder: str) -> Path:
        key = hashlib.sha256(f"{of} {encoder}".encode()).hexdigest()
        return self.folder / key[:2] / f"{key}.npy"

    def _check_room(self, clips: Iterable[Clip], encoder: VisionEncoder) -> None:
        rows = sum(clip.rows for clip in clips)
        need = rows * encoder.patches * encoder.width * np.dtype(np.float16).itemsize
        self.folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self.folder).free
        if need > free:
            raise InputError(
                f"{need / 2**30:.1f} GiB for the embeddings of {rows:,} pictures", where=str(self.folder),
                expected=f"at most the {free / 2**30:.1f} GiB that are free there",
                fix=f"name another folder, --cache or {CACHE}, or take fewer episodes or cameras",
            )  # fmt: skip


def _write(temporary: Path, clip: Clip, encoder: VisionEncoder) -> None:
    shape = clip.rows, encoder.patches, encoder.width
    kept = np.lib.format.open_memmap(temporary, "w+", np.float16, shape)
    for start in range(0, clip.rows, BATCH):
        rows = range(start, min(start + BATCH, clip.rows))
        kept[start : rows.stop] = encoder(clip.read(rows)).numpy().astype(np.float16)
    kept.flush()


def _save(file: Path, tokens: NDArray[np.float16] | NDArray[np.float32]) -> None:
    def write(temporary: Path) -> None:
        with temporary.open("wb") as handle:
            np.save(handle, tokens)

    write_atomic(file, write)
