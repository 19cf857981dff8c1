"""Loading: a path becomes episodes, with a ledger of what came in.

`load` is strict: the first episode that cannot be used ends it. `DataSet.survey` lists all of them, for the doctor.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ate.data.episodes import Episodes
from ate.data.formats import SUFFIXES, nested, zarr
from ate.data.survey import Survey, check_exclude, first_of, stem, survey
from ate.errors import InputError
from ate.robots.profile import available
from ate.robots.roles import numbered


@dataclass(frozen=True)
class DataSet:
    """Where a set of demonstrations is and how to read it.

    Attributes:
        path: a folder of episode files, one file of many episodes, a LeRobot data set, or a folder of such sets, one a
            robot.
        source: `"qpos"` (measured positions) or `"action"` (commanded targets): what chunks are cut from.
        exclude: names of episodes to leave out, with or without suffix; `panda/episode_0003` in a folder of robots.
        layout: one of `LAYOUTS`, or keys, `qpos=KEY+KEY,action=KEY`; empty to recognise it from the files.
        robot: name or file of a robot's profile, for recordings that do not name their joints; empty for none.
        joints: columns to take for the whole robot, by name or pattern (`right_*`); empty for all.
        rate: steps a second, believed where the files say nothing; 0 for what the robot's profile says.
    """

    path: str
    source: str = "qpos"
    exclude: tuple[str, ...] = ()
    layout: str = ""
    robot: str = ""
    joints: tuple[str, ...] = ()
    rate: float = 0.0

    def survey(self, values: bool = False) -> Survey:
        """Index every episode of one set, broken ones too; `values` reads every value of the source now.

        Raises:
            InputError: there is nothing to read at the path, or a field names something unknown.
        """
        return survey(self, values)

    def children(self) -> tuple["DataSet", ...]:
        """The sub-folders that are sets of their own, one a robot; empty where the path is one set itself."""
        folders = () if self.task_folders() else self._sub_folders()
        left = [Path(name) for name in self.exclude]
        excludes = [tuple(item.name for item in left if item.parent.name == child.name) for child in folders]
        return tuple(replace(self, path=str(f), exclude=names) for f, names in zip(folders, excludes, strict=True))

    def task_folders(self) -> tuple[Path, ...]:
        """The sub-folders that together are one set, one a task: their files name one robot, or none, and one set of
        joints. A folder that is called like a robot with a profile is that robot's.
        """
        folders = self._sub_folders()
        if len(folders) < 2 or any(folder.name.casefold() in available() for folder in folders):
            return ()
        firsts = [first_of(replace(self, path=str(folder), exclude=())) for folder in folders]
        kinds = {
            (layout, item.attributes.get("robot"), frozenset(item.column_names(self.source)))
            for layout, item in filter(None, firsts)
        }
        named = all(item is not None and not numbered(item[1].column_names(self.source)) for item in firsts)
        return folders if len(kinds) == 1 and named and all(names for _, _, names in kinds) else ()

    def _sub_folders(self) -> tuple[Path, ...]:
        """The sub-folders that hold recordings, sorted; none where the path does so itself."""
        folder = Path(self.path)
        if not folder.is_dir() or _is_set(folder):
            return ()
        return tuple(sorted(child for child in folder.iterdir() if child.is_dir() and _is_set(child)))

    def load(self, strict: bool = True) -> Episodes:
        """Read one robot's episodes; values stay on disk until they are asked for.

        Args:
            strict: refuse the set for one bad episode. Otherwise every value is read now, and bad episodes are left
                out with the reason in the ledger: for looking at data, not for training on them.

        Returns:
            The episodes, sorted by name, with their ledger.

        Raises:
            InputError: the path or its files are missing or unreadable; a dataset is missing, not a numeric matrix or
                of another width than the rest; or `exclude` names no episode.
        """
        surveyed = self.survey(values=not strict)
        if surveyed.broken and (strict or surveyed.episodes is None):
            raise surveyed.broken[0].error
        if surveyed.episodes is None:
            got, fix = f"{len(surveyed.ledger.entries)} episodes, all excluded", "shorten the exclude list"
            raise InputError(got, where=self.path, expected="at least one episode to remain", fix=fix)
        return surveyed.episodes

    def load_sets(self, strict: bool = True) -> tuple[Episodes, ...]:
        """Read one set, or a folder of sets sorted by folder name; arguments and errors as `load`."""
        children = self.children()
        if self.exclude and children:
            whole = (replace(child, exclude=(), joints=()) for child in children)
            names = [f"{Path(c.path).name}/{stem(e.episode)}" for c in whole for e in c.survey().ledger.entries]
            check_exclude(self.path, self.exclude, names)
        return tuple(item.load(strict) for item in children or (self,))


def load(
    path: str | Path,
    source: str = "qpos",
    exclude: Sequence[str] = (),
    layout: str = "",
    robot: str = "",
    strict: bool = True,
    joints: Sequence[str] = (),
    rate: float = 0.0,
) -> Episodes:
    """Read one robot's episodes: `DataSet.load` of a set with these fields."""
    return DataSet(str(path), source, tuple(exclude), layout, robot, tuple(joints), rate).load(strict)


def load_sets(
    path: str | Path,
    source: str = "qpos",
    exclude: Sequence[str] = (),
    layout: str = "",
    robot: str = "",
    strict: bool = True,
    joints: Sequence[str] = (),
    rate: float = 0.0,
) -> tuple[Episodes, ...]:
    """Read one set, or a folder of sets: `DataSet.load_sets` of a set with these fields."""
    return DataSet(str(path), source, tuple(exclude), layout, robot, tuple(joints), rate).load_sets(strict)


def _is_set(folder: Path) -> bool:
    """Whether recordings are in a folder, or in folders of it that are an episode each."""
    return _holds_recordings(folder) or bool(nested.files(folder, (*SUFFIXES, ".json")))


def _holds_recordings(folder: Path) -> bool:
    recordings = (file.suffix.lower() in SUFFIXES and file.is_file() for file in folder.iterdir())
    described = ("meta/info.json", "meta_data/info.json")
    return any((folder / name).is_file() for name in described) or bool(zarr.stores(folder)) or any(recordings)
