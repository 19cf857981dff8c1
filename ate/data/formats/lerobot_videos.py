"""Videos of a LeRobot set: which file a camera's pictures of an episode are in, and where in it they begin."""

from functools import lru_cache
from pathlib import Path
from typing import Any

from ate.data.episodes import Episode
from ate.data.formats import lerobot_meta, parquet
from ate.data.formats.layout import confined
from ate.data.formats.lerobot_meta import Meta

_V2_PATH = "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4"
_V3_PATH = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"


def of(item: Episode) -> dict[str, tuple[Path, float]]:
    """Camera → its file and the seconds where the episode begins in it; empty where the set has no videos.

    Raises:
        InputError: the metadata cannot be used.
    """
    root = next((folder for folder in item.path.parents if (folder / lerobot_meta.INFO).is_file()), None)
    if root is None:
        return {}
    meta = lerobot_meta.read(root)
    cameras = [name for name, feature in meta.features.items() if feature.get("dtype") == "video"]
    number = int(item.name.rsplit("_", 1)[1])
    return {camera: _place(meta, camera, number) for camera in cameras}


def _place(meta: Meta, camera: str, number: int) -> tuple[Path, float]:
    where = f"{meta.root / lerobot_meta.INFO}, video_path"
    if meta.version.startswith("v3"):
        row = _listed(meta.root).get(number, {})
        chunk, index, start = (
            row.get(f"videos/{camera}/{name}") or 0 for name in ("chunk_index", "file_index", "from_timestamp")
        )
        fields = {"chunk_index": chunk, "file_index": index}
    else:
        size = meta.info.get("chunks_size") or 1000
        fields, start = {"episode_chunk": number // size, "episode_index": number}, 0.0
    template = str(meta.info.get("video_path") or (_V3_PATH if "chunk_index" in fields else _V2_PATH))
    template = template.replace("{video_key}", camera)
    return confined(meta.root, lerobot_meta.filled(template, fields, where), where), float(start)


@lru_cache(4)
def _listed(root: Path) -> dict[int, dict[str, Any]]:
    """Where the videos of every episode of a set of version 3 are, by its number."""
    rows: dict[int, dict[str, Any]] = {}
    for listing in sorted((root / "meta" / "episodes").rglob("*.parquet")):
        with parquet.opened(listing) as handle:
            names = handle.schema_arrow.names
            wanted = [name for name in names if name == "episode_index" or name.startswith("videos/")]
            for batch in handle.iter_batches(columns=wanted, use_threads=False):
                rows |= {row["episode_index"]: row for row in batch.to_pylist()}
    return rows
