"""Data sets by id, `user/repo`: local copies first, the hub of Hugging Face only when that is asked for.

A local copy lies where LeRobot keeps its sets (`$HF_LEROBOT_HOME`, else `~/.cache/huggingface/lerobot`), as a plain
folder, or where huggingface_hub keeps downloads (`$HF_HUB_CACHE`), as a snapshot of links into `blobs`.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from ate.errors import InputError, library

_ID = re.compile(r"[\w.-]{1,96}/[\w.-]{1,96}")
# Videos of a set may take hundreds of gigabytes, and nothing is trained on them.
FETCHED = ("meta/*", "data/*")


def is_id(text: str) -> bool:
    """Whether a text may be a data set's id, and is no path that exists."""
    return bool(_ID.fullmatch(text)) and not text.startswith(".") and not Path(text).exists()


def located(path: str, download: bool = False) -> str:
    """Where a data set lies: a path as it is, an id as the folder of its local copy.

    Args:
        path: a path, or an id.
        download: fetch an id of which there is no local copy from the hub: everything but its videos.

    Raises:
        InputError: an id without a local copy, with the command that fetches it; or the hub does not give it.
    """
    if not is_id(path):
        return path
    copies = list(_copies(path))
    if copies:
        return str(copies[0])
    if not download:
        raise InputError(
            f"{path!r}, which is no folder, and a data set's id without a local copy", where="data set",
            expected=f"one in {', '.join(str(root) for root in (*_lerobot_roots(), *_hub_roots()))}",
            fix=f"fetch it with download=true (ate doctor: --download), or with: hf download {path} "
            "--repo-type dataset",
        )  # fmt: skip
    return _fetched(path)


def _copies(identity: str) -> Iterator[Path]:
    """Local copies of a data set, the one that LeRobot itself would read first."""
    for root in _lerobot_roots():
        if (root / identity / "meta").is_dir():
            yield root / identity
    name = f"datasets--{identity.replace('/', '--')}"
    for root in _hub_roots():
        known = root / name / "refs" / "main"
        revision = known.read_text(encoding="utf-8").strip() if known.is_file() else ""
        if revision and (root / name / "snapshots" / revision).is_dir():
            yield root / name / "snapshots" / revision
        snapshots = root / name / "snapshots"
        # Of sets that were fetched at a revision or tag, the one that was fetched last.
        dated = sorted(snapshots.iterdir(), key=lambda f: f.stat().st_mtime) if snapshots.is_dir() else []
        yield from reversed(dated)


def _home() -> Path:
    return Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface").expanduser()


def _lerobot_roots() -> tuple[Path, ...]:
    return (Path(os.environ.get("HF_LEROBOT_HOME") or _home() / "lerobot").expanduser(),)


def _hub_roots() -> tuple[Path, ...]:
    own = Path(os.environ.get("HF_HUB_CACHE") or _home() / "hub").expanduser()
    return own, *(root / "hub" for root in _lerobot_roots())


def _fetched(identity: str) -> str:
    hub = library("huggingface_hub", "hub", where=f"data set {identity!r}", use="fetches data sets")
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return str(hub.snapshot_download(identity, repo_type="dataset", allow_patterns=list(FETCHED)))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise InputError(
            f"{type(error).__name__}: {str(error).splitlines()[0]:.200}", where=f"data set {identity!r}",
            expected="the data set from the hub",
            fix=f"look whether https://huggingface.co/datasets/{identity} is there, or log in with: hf auth login",
        ) from error  # fmt: skip


def links_into(root: Path) -> Path:
    """The folder that links of a data set may lead into: its own, or of a snapshot of huggingface_hub its repository.

    Args:
        root: the set's folder, resolved.
    """
    for folder in (root, *root.parents):
        if folder.parent.name == "snapshots" and folder.parent.parent.name.startswith("datasets--"):
            return folder.parent.parent
    return root
