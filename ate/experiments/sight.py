"""Sight: the data of a study whose policies see pictures, and words, in place of the task's state.

    <run>/vision/<hash>/pretrain/<robot>            pre-training episodes as the encoder sees them
    <run>/vision/<hash>/pretrain-as-<new>/<robot>   the same with the new robot in the pictures, where asked for
    <run>/vision/<hash>/adapt/<new>                 the demonstrations

Everything after that is as it is for a state: a set that was seen is a set like any other (`ate.policies.vision.seen`).
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ate.data.episodes import Episodes
from ate.data.loading import DataSet
from ate.data.placements import placement, placements
from ate.errors import InputError
from ate.experiments.settings import SHIPPED, Settings
from ate.policies.vision.encoder import Encoder
from ate.policies.vision.eyes import Eyes
from ate.policies.vision.seen import is_seen, see, write
from ate.runs.directory import RunDirectory
from ate.runs.files import content_key
from ate.runs.lock import lock
from ate.steer.retargeting import retarget

ENCODER = SHIPPED / "vision" / "encoder.safetensors"
"""The shipped encoder (`ate vision train`)."""
POLICY = SHIPPED / "vision" / "policy.safetensors"
"""The shipped policy in tool motion, for three tasks."""
OLD, ADAPT = "pretrain", "adapt"
# At profile smoke one row in so many is drawn, and the rows after it show the same: all of them take a minute.
SMOKE = 16


def seen_data(settings: Settings) -> Settings:
    """The same settings on data as the encoder sees them; as they are where policies see the task's state.

    What was drawn and seen before is read back.

    Raises:
        InputError: data that were not recorded in the simulator of `ate.sim`, or of several tasks; there is no encoder;
            or pictures cannot be drawn on this machine.
    """
    if settings.policy != "vision":
        return settings
    sets, adapt = DataSet(settings.pretrain).load_sets(), DataSet(settings.adapt).load()
    if is_seen(adapt) and all(map(is_seen, sets)):
        return settings
    eyes = Eyes(encoder_in(), _task(sets, adapt))
    RunDirectory(settings.directory).create()
    root, every = settings.directory / "vision", SMOKE if settings.profile == "smoke" else 1
    by = [eyes.digest] + [every] * (every > 1)
    old = root / content_key([*by, *(s.digest for s in sets)])[:12] / OLD
    own = root / content_key([*by, adapt.digest])[:12] / ADAPT
    with lock(root, "drawing and seeing"):
        _keep(own, [adapt], eyes, every)
        _keep(old, sets, eyes, every)
        if settings.redrawn and any(_unkept(new := _redrawn(old, adapt.robot), sets)):
            moved = retarget(sets, placement(adapt), joint_names=adapt.joint_names, placements=placements(sets))
            _keep(new, sets, eyes, every, moved)
    return replace(settings, pretrain=str(old), adapt=str(own / adapt.robot))


def replayed(settings: Settings) -> DataSet:
    """The pre-training episodes that methods replay: those with the new robot in the pictures, where asked for."""
    data = settings.pretrain_data
    if settings.policy != "vision" or not settings.redrawn:
        return data
    return replace(data, path=str(_redrawn(Path(data.path), Path(settings.adapt).name)))


def encoder_in(file: Path = ENCODER) -> Encoder:
    """The encoder in a file.

    Raises:
        InputError: there is none.
    """
    if not file.exists():
        raise InputError(
            "no encoder", where=str(file), expected="one that was trained on pictures",
            fix="name encoder.safetensors of a folder that ate vision train wrote, or restore the shipped one with "
            "git checkout data/vision",
        )  # fmt: skip
    return Encoder.load(file)


def _task(sets: Sequence[Episodes], adapt: Episodes) -> str:
    tasks = sorted({str(episodes.task) for episodes in (*sets, adapt)})
    if len(tasks) != 1:
        raise InputError(
            f"tasks {', '.join(tasks)}", where="policy=vision", expected="one task in all sets",
            fix="give pre-training sets and demonstrations of one task",
        )  # fmt: skip
    return tasks[0]


def _keep(folder: Path, sets: Sequence[Episodes], eyes: Eyes, every: int = 1, drawn: Episodes | None = None) -> None:
    """Write sets as they are seen, each once."""
    for episodes, target in _unkept(folder, sets):
        write(see(episodes, eyes, drawn, every), eyes, target)


def _unkept(folder: Path, sets: Sequence[Episodes]) -> list[tuple[Episodes, Path]]:
    """Sets that are not written yet, each with its sub-folder."""
    targets = [folder / episodes.robot for episodes in sets]
    return [pair for pair in zip(sets, targets, strict=True) if not pair[1].exists()]


def _redrawn(old: Path, robot: str) -> Path:
    return old.with_name(f"{old.name}-as-{robot}")
