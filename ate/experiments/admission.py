"""Admission: data that may be trained on in a run folder: free of what the doctor calls FAIL, and the folder's own."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ate.data.doctor.gate import Row, admit, failures
from ate.data.episodes import Episodes
from ate.data.loading import DataSet
from ate.data.stamp import stamp
from ate.errors import InputError
from ate.experiments.settings import Settings
from ate.robots.profile import has_profile, profile
from ate.runs.directory import RunDirectory
from ate.runs.files import array_digest, content_key
from ate.runs.origin import Origin

SHOWN = 16


@dataclass(frozen=True)
class Admitted:
    """The data of a study.

    Attributes:
        pretrain: the pre-training robots' sets.
        adapt: the adaptation robot's episodes.
        accepted: findings of the doctor that are accepted although they are FAIL.
    """

    pretrain: tuple[Episodes, ...]
    adapt: Episodes
    accepted: tuple[Row, ...] = ()


def admitted(settings: Settings, sets: tuple[Episodes, ...], adapt: Episodes, strict: bool = True) -> Admitted:
    """Examine the data of a study and bind its run folder to them.

    Args:
        settings: of the study.
        sets: the pre-training robots' episodes.
        adapt: the adaptation robot's.
        strict: refuse what the doctor calls FAIL; looking at data needs none of it.

    Raises:
        InputError: a finding that `accept` does not name, or a folder that was made from other data.
    """
    directory = RunDirectory(settings.directory)
    origin, known = _origin(settings, sets, adapt, strict), directory.origin
    directory.check_origin(origin)
    if not strict:
        if known is None or known.data != origin.data:
            directory.bind(origin)
        return Admitted(sets, adapt)
    examined = _stamp(settings)
    if known is not None and known.examined == examined:
        failed = tuple(dict(row) for row in known.failed)
    else:
        failed = failures((settings.pretrain_data,), (settings.adapt_data,), settings.horizon)
    accepted = admit(failed, settings.accept)
    directory.bind(replace(origin, accepted=accepted, examined=examined, failed=failed))
    return Admitted(sets, adapt, accepted)


def _origin(settings: Settings, sets: tuple[Episodes, ...], adapt: Episodes, strict: bool) -> Origin:
    robots = ", ".join(episodes.robot for episodes in sets)
    about = (
        f"{adapt.robot} ({settings.adapt}) after {robots} ({settings.pretrain}), source {settings.source}, chunks of "
        f"{settings.horizon}"
    )
    own = [settings.source, settings.horizon]
    wholes = (settings.pretrain_data, sets), (settings.adapt_data, (adapt,))
    data = [*own, *(list(_all(chosen, used, strict)) for chosen, used in wholes)]
    used = [*own, *(episodes.digest for episodes in (*sets, adapt))]
    notes = {f"{s.robot} ({s[0].path.parent})": " ".join(s.ledger.notes) for s in (*sets, adapt) if s.ledger.notes}
    return Origin(about, content_key(data)[:SHOWN], content_key(used)[:SHOWN], notes)


def _all(chosen: DataSet, used: Sequence[Episodes], strict: bool) -> Iterator[list[Any]]:
    """Every episode of a data set with the hash of its values, whether it is left out or not."""
    whole: Iterable[Episodes | None] = used
    if chosen.exclude or not strict:
        # What is left out may change within a run, and what cannot be read is only left out to look at the rest.
        sets = chosen.children() or (chosen,)
        whole = [replace(item, exclude=()).survey().episodes for item in sets]
    for episodes in whole:
        if episodes is not None:
            yield [episodes.robot, list(episodes.joint_names), *_digests(episodes)]


def _digests(episodes: Episodes) -> Iterator[list[str]]:
    for index, item in enumerate(episodes):
        try:
            yield [item.name, array_digest(episodes.series(index))]
        except InputError:
            yield [item.name, "unreadable"]


def _stamp(settings: Settings) -> str:
    """Hash of all that the doctor's findings depend on: files by time and size, what was asked for, this version."""
    parts: list[Any] = [version("ate"), settings.horizon]
    for data in (settings.pretrain_data, settings.adapt_data):
        known = repr(profile(data.robot)) if data.robot and has_profile(data.robot) else ""
        parts += [data, known, list(map(list, stamp(Path(data.path))))]
    return content_key(parts)[:SHOWN]
