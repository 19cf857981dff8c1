"""Refusals: what a path holds where no layout is recognised, and how people bring it in."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from ate.data.formats import LAYOUTS, hdf5, json
from ate.data.formats.layout import Broken, listed
from ate.data.formats.outline import commands, outline, positions
from ate.errors import InputError

_ROS = "export /joint_states as csv with PlotJuggler, or read it with the Python package rosbags and write a csv with "
_ROS += "a header that names the joints"
_SAVE = "np.savez('episode_0000.npz', qpos=…, action=…), a row a step, one file an episode"
# Suffix → what such files are, and the way to a layout that is read.
_PICKLE = ("pickles, which can run programs when they are opened", f"open them where you trust them, and save {_SAVE}")
_TENSORS = ("tensors of PyTorch", f"torch.load(FILE, weights_only=True), then save {_SAVE}")
FOREIGN = {
    ".mcap": ("ROS 2 recordings", _ROS),
    ".db3": ("ROS 2 recordings", _ROS),
    ".bag": ("ROS 1 recordings", f"rostopic echo -b FILE.bag -p /joint_states > FILE.csv, or {_ROS}"),
    ".tfrecord": (
        "records of TensorFlow, as RLDS and Open X-Embodiment are",
        "write a LeRobot set with any4lerobot (openx2lerobot), or read them with tensorflow_datasets "
        f"(tfds.builder_from_directory) and save {_SAVE}",
    ),
    ".pkl": _PICKLE,
    ".pickle": _PICKLE,
    ".pt": _TENSORS,
    ".pth": _TENSORS,
    ".npy": ("single arrays of numpy", "np.savez(FILE[:-4] + '.npz', qpos=np.load(FILE)), one file an episode"),
    ".mat": ("files of MATLAB", f"scipy.io.loadmat(FILE), then save {_SAVE}"),
    ".arrow": ("tables of the library datasets", "datasets.load_from_disk(FOLDER).to_parquet('data/train.parquet')"),
    ".jsonl": (
        "lines of JSON",
        "write each episode as one JSON list: json.dump([json.loads(line) for line in open(FILE)], open(OUT, 'w'))",
    ),
    ".txt": ("texts", "where they are tables of numbers with a header, call them .csv: "
             "for f in *.txt; do cp \"$f\" \"${f%.txt}.csv\"; done"),
    ".tsv": ("tables", "call them .csv: for f in *.tsv; do cp \"$f\" \"${f%.tsv}.csv\"; done"),
    ".rrd": ("recordings of Rerun", "export the joint positions as csv with Rerun's dataframe API"),
    ".svo": ("videos of a ZED camera", "name the folder of the robot's own recordings, as DROID's trajectory.h5"),
    ".mp4": ("videos", "name the folder that holds the joint positions as well"),
    ".tar": ("archives", "unpack them: tar -xf FILE"),
    ".gz": ("archives", "unpack them: gunzip, or tar -xzf FILE"),
    ".zip": ("archives", "unpack them: unzip FILE"),
}  # fmt: skip
# What lies about everywhere is named only where it is what the path holds itself.
_COMMON = (".txt", ".tsv", ".mp4", ".tar", ".gz", ".zip")
_READ = f"recordings in one of {len(LAYOUTS)} layouts (docs/data.md)"
_ANY = "name the folder of one robot's episodes"
_LOOKED_INTO = 2000
_LONGEST = 3000


def nothing(path: Path, expected: str = "") -> InputError:
    """The error for a path without a file that is read; it names what is there, and the way.

    Args:
        path: a file or a folder.
        expected: what the layout that was asked for would be; empty where none was.
    """
    read = expected or _READ
    kinds = Counter(
        kind
        for file in _inside(path)
        if (kind := _foreign(file)) and (kind not in _COMMON or path in (file, file.parent))
    )
    if kinds:
        # Videos and texts lie next to recordings: those that hold joints come first in the table.
        kind = next(kind for kind in FOREIGN if kind in kinds)
        count = kinds[kind]
        what, way = FOREIGN[kind]
        got = f"{count} {kind} file{'s' * (count > 1)}, {what}, which are not read"
        return InputError(got, where=str(path), expected=read, fix=way)
    if path.is_file():
        return InputError("a file that no layout reads", where=str(path), expected=read, fix=_ANY)
    if all(child.suffix.lower() == ".json" for child in path.iterdir()):
        # Nothing but JSON: what the first of them holds says more than its name.
        first = next(iter(json.index(path, "qpos")), None)
        if isinstance(first, Broken):
            return first.error
    inside = sorted(child.name for child in path.iterdir())[:6]
    fix = _ANY
    if any(child.is_dir() and any(child.iterdir()) for child in path.iterdir()):
        fix += "; folders are one set where their files name one robot and the same joints, else copy them into one"
    return InputError(f"no recording among {inside or 'nothing at all'}", where=str(path), expected=read, fix=fix)


def unrecognised(path: Path) -> InputError | None:
    """The error for HDF5 files that can be opened and are in no layout: the first one's keys, once for all of them.

    None where no file can be opened, or one is native: then each file has something to be told of itself.
    """
    files = listed(path, hdf5.SUFFIXES)
    for file in files[:5]:
        try:
            entries = outline(file)
        except InputError:
            continue
        if not entries or any(entry.key in ("qpos", "observations/qpos") for entry in entries):
            return None
        keys = ", ".join(map(str, entries))
        shown = keys if len(keys) <= _LONGEST else f"{keys[:_LONGEST]}, …"
        others = f", and {len(files) - 1} more file{'s' * (len(files) > 2)}" if len(files) > 1 else ""
        got = f"datasets {shown}"
        expected = f"{_READ}, or the keys of the joint positions named"
        return InputError(
            got, where=f"{file}{others}", expected=expected, fix=_way(positions(entries), commands(entries))
        )
    return None


def _way(positions: list[str], commanded: list[str]) -> str:
    if not positions:
        return "name them with --layout 'qpos=KEY,action=KEY', or write them natively, to 'qpos', one row a step"
    chosen, acting = (_both_sides(keys) for keys in (positions, commanded))
    commands_text = f",action={'+'.join(acting)}" if acting else ""
    option = f"--layout 'qpos={'+'.join(chosen)}{commands_text}'"
    others = [key for key in positions if key not in chosen]
    more = f"; others that could be: {', '.join(others[:8])}" if others else ""
    return f"if these are the joint positions, {option}{more}"


def _both_sides(keys: list[str]) -> list[str]:
    """The first key, with its like of the other side where there is one; none of none."""
    for side, other in (("left", "right"), ("right", "left")):
        if keys and side in keys[0] and keys[0].replace(side, other) in keys:
            return [keys[0], keys[0].replace(side, other)]
    return keys[:1]


def _inside(path: Path) -> Iterator[Path]:
    """Files of a path and of its sub-folders, to two levels."""
    if path.is_file():
        yield path
        return
    left = _LOOKED_INTO
    waiting = [(path, 2)]
    while waiting and left:
        folder, depth = waiting.pop()
        try:
            children = sorted(folder.iterdir())
        except OSError:
            continue
        for child in children[:left]:
            left -= 1
            if child.is_file():
                yield child
            elif depth and child.is_dir():
                waiting.append((child, depth - 1))


def _foreign(file: Path) -> str:
    """The suffix under which a file is known: shards are called `….tfrecord-00000-of-00001`."""
    kinds = [kind for kind in FOREIGN if file.name.lower().endswith(kind) or f"{kind}-" in file.name.lower()]
    return kinds[0] if kinds else ""
