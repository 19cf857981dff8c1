"""Sight: the data of a study whose policies see pictures, and words, in place of the task's state.

    <run>/vision/<hash>/old/<robot>      pre-training episodes as the encoder sees them
    <run>/vision/<hash>/adapt/<robot>    the demonstrations
    <run>/vision/<hash>/new/<robot>      pre-training episodes with the new robot in the pictures, where asked for

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
OLD, NEW, ADAPT = "old", "new", "adapt"


def seen_data(settings: Settings) -> Settings:
    """The same settings on data as the encoder sees them; as they are where policies see the task's state.

    What was drawn and seen before is read back.

    Raises:
        InputError: data that were not recorded in the simulator of `ate.sim`, or of several tasks; there is no encoder;
            or pictures cannot be drawn on this machine.
    """
    if settings.policy != "vision":
        return settings
    raw = replace(settings, exclude="", exclude_pretrain="")
    sets, adapt = DataSet(raw.pretrain).load_sets(), DataSet(raw.adapt).load()
    if is_seen(adapt) and all(map(is_seen, sets)):
        return settings
    eyes = Eyes(encoder_in(), _task(sets, adapt))
    parts = [[s.digest for s in (*sets, adapt)], eyes.digest, eyes.task]
    RunDirectory(settings.directory).create()
    folder = settings.directory / "vision" / content_key(parts)[:12]
    with lock(folder, "drawing and seeing"):
        _kept(adapt, eyes, folder / ADAPT / adapt.robot)
        for episodes in sets:
            _kept(episodes, eyes, folder / OLD / episodes.robot)
        if settings.redrawn:
            moved = None
            for episodes in sets:
                target = folder / NEW / episodes.robot
                if not target.exists():
                    moved = moved or _moved(sets, adapt)
                    _kept(episodes, eyes, target, moved)
    return replace(settings, pretrain=str(folder / OLD), adapt=str(folder / ADAPT / adapt.robot))


def replayed(settings: Settings) -> DataSet:
    """The pre-training episodes that methods replay: those with the new robot in the pictures, where asked for."""
    data = settings.pretrain_data
    if settings.policy != "vision" or not settings.redrawn:
        return data
    return replace(data, path=str(Path(data.path).with_name(NEW)))


def encoder_in(file: Path = ENCODER) -> Encoder:
    """The encoder in a file.

    Raises:
        InputError: there is none.
    """
    if not file.exists():
        raise InputError(
            "no encoder", where=str(file), expected="one that was trained on pictures", fix="make it: ate vision train",
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


def _kept(episodes: Episodes, eyes: Eyes, folder: Path, drawn: Episodes | None = None) -> None:
    if not folder.exists():
        write(see(episodes, eyes, drawn), eyes, folder)


def _moved(sets: Sequence[Episodes], adapt: Episodes) -> Episodes:
    return retarget(sets, placement(adapt), joint_names=adapt.joint_names, placements=placements(sets))
