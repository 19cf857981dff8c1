"""Reading: a path becomes episodes, with a ledger of what came in.

`load` is strict: the first episode that cannot be used ends it. `ate.data.survey` lists all of them, for the doctor.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ate.data.episodes import Episodes
from ate.data.formats import SUFFIXES
from ate.data.survey import check_exclude, stem, survey
from ate.errors import InputError


@dataclass(frozen=True)
class DataSet:
    """Where a set of demonstrations is and how to read it.

    Attributes:
        path: a folder, a file, or a folder of such folders, one a robot.
        source: `"qpos"` (measured positions) or `"action"` (commanded targets): what chunks are cut from.
        exclude: names of episodes to leave out, with or without suffix; `panda/episode_0003` in a folder of robots.
        layout: one of `LAYOUTS`; empty to tell it from the files.
        robot: name or file of a robot's profile, for recordings that do not name their joints; empty for none.
        joints: columns to take for the whole robot, by name or pattern (`right_*`); empty for all.
    """

    path: str
    source: str = "qpos"
    exclude: tuple[str, ...] = ()
    layout: str = ""
    robot: str = ""
    joints: tuple[str, ...] = ()

    def load(self, strict: bool = True) -> Episodes:
        """One robot's episodes, as `load`."""
        return load(self.path, self.source, self.exclude, self.layout, self.robot, strict, self.joints)

    def load_sets(self, strict: bool = True) -> tuple[Episodes, ...]:
        """One or several robots' episodes, as `load_sets`."""
        return load_sets(self.path, self.source, self.exclude, self.layout, self.robot, strict, self.joints)


def load(
    path: str | Path,
    source: str = "qpos",
    exclude: Sequence[str] = (),
    layout: str = "",
    robot: str = "",
    strict: bool = True,
    joints: Sequence[str] = (),
) -> Episodes:
    """Read one robot's episodes; values stay on disk until they are asked for.

    Args:
        path: a folder of episode files, one file of many episodes, or a LeRobot data set.
        source: `"qpos"` (measured positions) or `"action"` (commanded targets): what chunks are cut from.
        exclude: names of episodes to leave out.
        layout: one of `LAYOUTS`; empty to tell it from the files.
        robot: name or file of a robot's profile; empty for none.
        strict: refuse the set for one bad episode; otherwise read every value now, and leave bad episodes out, with
            the reason in the ledger: for looking at data, not for training on them.
        joints: columns to take for the whole robot, by name or pattern; none for all.

    Returns:
        The episodes, sorted by name, with their ledger.

    Raises:
        InputError: the path or its files are missing or unreadable, a dataset is missing, not a numeric matrix or of
            another width than the rest; or `exclude` names no episode.
    """
    found = survey(path, source, exclude, layout, robot, not strict, joints)
    if found.broken and (strict or found.episodes is None):
        raise found.broken[0].error
    if found.episodes is None:
        raise InputError(
            f"{len(found.ledger.entries)} episodes, all excluded",
            where=str(path),
            expected="at least one episode to remain",
            fix="shorten the exclude list",
        )
    return found.episodes


def load_sets(
    path: str | Path,
    source: str = "qpos",
    exclude: Sequence[str] = (),
    layout: str = "",
    robot: str = "",
    strict: bool = True,
    joints: Sequence[str] = (),
) -> tuple[Episodes, ...]:
    """Read one set, or a folder of sets (one sub-folder a robot), sorted by folder name.

    Args:
        path: what `load` takes, or a folder of such folders.
        source: as `load`.
        exclude: episodes to leave out; `panda/episode_0003` names one of the sub-folder `panda`.
        layout: as `load`, for all of them.
        robot: as `load`, for all of them.
        strict: as `load`.
        joints: as `load`, for all of them.

    Raises:
        InputError: as `load`.
    """
    children = subsets(path)
    if not children:
        return (load(path, source, exclude, layout, robot, strict, joints),)
    if exclude:
        check_exclude(path, exclude, [f"{c.name}/{n}" for c in children for n in _names(c, source, layout, robot)])
    return tuple(
        load(
            child,
            source,
            [Path(n).name for n in exclude if Path(n).parent.name == child.name],
            layout,
            robot,
            strict,
            joints,
        )
        for child in children
    )


def subsets(path: str | Path) -> list[Path]:
    """The sub-folders that are sets of their own, one a robot; empty where the path is one set itself."""
    folder = Path(path)
    if not folder.is_dir() or _holds_recordings(folder):
        return []
    return sorted(child for child in folder.iterdir() if child.is_dir() and _holds_recordings(child))


def _holds_recordings(folder: Path) -> bool:
    if (folder / "meta" / "info.json").is_file():
        return True
    return any(file.suffix.lower() in SUFFIXES and file.is_file() for file in folder.iterdir())


def _names(path: Path, source: str, layout: str, robot: str) -> list[str]:
    return [stem(entry.episode) for entry in survey(path, source, (), layout, robot).ledger.entries]
