"""Columns of a table: which are joints, which their commands, and which are something else that is left out."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ate.robots.headings import COMMAND, POSE, POSITION, TEXT, Heading, heading
from ate.robots.roles import GRIPPERS


@dataclass(frozen=True)
class Columns:
    """The columns of a table.

    Attributes:
        joints: positions of the measured joints among the columns.
        commands: of their commands, in the order of the joints where each is for one.
        command_names: the joints that the commands are for.
        kinds: what each column is.
        left: columns that are neither, with what they are.
    """

    joints: tuple[int, ...]
    commands: tuple[int, ...]
    command_names: tuple[str, ...]
    kinds: tuple[str, ...]
    left: dict[int, str]

    @classmethod
    def of(cls, names: Sequence[str], joints: Sequence[str] = (), written: Collection[int] = ()) -> "Columns":
        """Told by name.

        Args:
            names: all columns.
            joints: those that are joints whatever their names tell; patterns among them name nothing by themselves.
            written: columns that hold text and no numbers.
        """
        heads = [heading(name) for name in names]
        kinds = [POSITION if head.name in joints else head.kind for head in heads]
        kinds = [TEXT if i in written and kind in (POSITION, COMMAND) else kind for i, kind in enumerate(kinds)]
        if not any(kind == POSITION and not _gripper(head) for kind, head in zip(kinds, heads, strict=True)):
            # Nothing but a tool's pose and perhaps a gripper: the pose is what the set is of.
            kinds = [POSITION if kind == POSE else kind for kind in kinds]
        measured = [i for i, kind in enumerate(kinds) if kind == POSITION]
        commanded = [i for i, kind in enumerate(kinds) if kind == COMMAND]
        pairs = _paired([heads[i] for i in measured], [heads[i] for i in commanded])
        if pairs:
            commands = tuple(commanded[k] for k in pairs.values())
            command_names = tuple(names[measured[j]] for j in pairs)
        else:
            commands, command_names = tuple(commanded), tuple(heads[i].of for i in commanded)
        left = {i: kind for i, kind in enumerate(kinds) if kind not in (POSITION, COMMAND)}
        return cls(tuple(measured), commands, command_names, tuple(kinds), left)

    def of_kind(self, kind: str) -> list[int]:
        """The columns of one kind."""
        return [i for i, other in enumerate(self.kinds) if other == kind]


def _gripper(head: Heading) -> bool:
    return any(mark in head.name.lower() for mark in GRIPPERS)


def _paired(joints: Sequence[Heading], commands: Sequence[Heading]) -> dict[int, int]:
    """Joint → its command, in the order of the joints; empty unless every command is for one joint of its own."""
    for key in (lambda head: head.of, lambda head: _number(head.name)):
        of = {key(head): j for j, head in enumerate(joints)}
        wanted = [key(head) for head in commands]
        if len(of) == len(joints) and len(set(wanted)) == len(wanted) and set(wanted) <= set(of) - {""}:
            return dict(sorted((of[name], k) for k, name in enumerate(wanted)))
    return {}


def _number(name: str) -> str:
    match = re.search(r"(\d+)$", name)
    return str(int(match[1])) if match else ""
