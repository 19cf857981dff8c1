"""Address of a gymnasium environment: its id, and what of it is the robot's position, the task's state and success.

    gym:gym_pusht/PushT-v0,qpos=agent_pos,state=environment_state,option.obs_type=environment_state_agent_pos
    gym:my_package:MyTask-v1,qpos=[0:7],state=[7:20],success=reward>=1,python=/opt/my_env/bin/python

`module:` before the id is imported first; it may be a file ending in `.py`. The part of an id before a slash is tried
as a module too, as gymnasium's namespaces are called like their packages.
"""

import re
import sys
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import yaml

from ate.errors import InputError, unknown
from ate.runs.options import typed

PREFIX, OPTION = "gym:", "option."
_SELECTED = re.compile(r"[^\[\]]*(\[\d*:\d*\])?")
_PAIR = re.compile(r"(-?[\d.eE+-]+):(-?[\d.eE+-]+)")


@dataclass(frozen=True)
class GymAddress:
    """Where a simulator is and how to read it.

    Attributes:
        id: of the environment, `package/Name-v0`.
        module: imported before the environment is made; empty for none.
        qpos: part of the observation that is the robot's position, in the order of the data's columns: keys of a
            dictionary, nested ones with slashes, each with a range of columns (`agent/qpos[0:7]`), joined by `+`.
        state: the part that is the task's state, likewise; empty for none: policies are then blind.
        image: key of a picture in the observation, or `render` for the environment's own; empty for none.
        success: key of `info`, `reward` or `terminated`, alone or compared with a number (`coverage>=0.9`); empty for
            `is_success` or `success`, whichever `info` has. An episode has succeeded once it holds after any step.
        gripper: the last column of qpos where the gripper is closed and where it is open, `0:0.04`; empty where it
            counts as the data do.
        command: the last column of an action, likewise: `-1:1`.
        steps: control steps after which an episode has failed; 0 for the environment's own.
        python: interpreter that has the environment installed; empty for this one.
        timeout: seconds to wait for an answer.
        options: of `gymnasium.make`, each written `option.NAME=VALUE`: names and values as text.
    """

    id: str
    module: str = ""
    qpos: str = "agent_pos"
    state: str = ""
    image: str = ""
    success: str = ""
    gripper: str = ""
    command: str = ""
    steps: int = 0
    python: str = ""
    timeout: float = 120.0
    options: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, text: str) -> "GymAddress":
        """The address that a text says.

        Raises:
            InputError: no id, an unknown key, with the nearest one, or a value that cannot be read.
        """
        where = f"simulator {text!r}"
        name, *parts = [part.strip() for part in text.removeprefix(PREFIX).split(",")]
        module, _, identity = name.rpartition(":")
        if not is_gym(text) or not identity:
            example = "gym:gym_pusht/PushT-v0,qpos=agent_pos,state=environment_state"
            raise InputError(repr(text), where="simulator", expected="gym:ID,KEY=VALUE,…", fix=f"write e.g. {example}")
        given: dict[str, str] = {}
        options: dict[str, str] = {}
        valid = [item.name for item in fields(cls) if item.name not in ("id", "module", "options")]
        for part in parts:
            key, equals, value = part.partition("=")
            if not equals or (key not in valid and not key.startswith(OPTION)):
                raise unknown(key, [*valid, f"{OPTION}NAME"], where=where)
            if key.startswith(OPTION):
                options[key.removeprefix(OPTION)] = value
            else:
                given[key] = value
        read = typed({name: cls.__annotations__[name] for name in valid}, given, where)
        address = cls(identity, module, options=tuple(options.items()), **read)
        address._check(where)
        return address

    def _check(self, where: str) -> None:
        for name in ("qpos", "state"):
            for part in getattr(self, name).split("+"):
                if not _SELECTED.fullmatch(part.strip()):
                    expected = "keys joined by +, each with a range such as [0:7] where it needs one"
                    raise InputError(repr(part), where=f"{where}, {name}", expected=expected, fix="write it so")
        for name in ("gripper", "command"):
            self._ends(name, where)
        if self.python and not Path(self.python).expanduser().is_file():
            raise InputError(
                f"no file {self.python}", where=f"{where}, python", expected="the interpreter of an environment",
                fix="give the path of its bin/python",
            )  # fmt: skip
        if self.timeout <= 0 or self.steps < 0:
            raise InputError(
                f"timeout {self.timeout:g}, steps {self.steps}", where=where, expected="positive numbers",
                fix="leave them out",
            )  # fmt: skip

    def _ends(self, name: str, where: str = "simulator") -> tuple[float, float]:
        """Closed and open of a gripper; 0 and 1 where nothing is said."""
        text = getattr(self, name)
        match = _PAIR.fullmatch(text.strip())
        if not text:
            return 0.0, 1.0
        if match is None or float(match[1]) == float(match[2]):
            raise InputError(
                repr(text), where=f"{where}, {name}", expected="CLOSED:OPEN, two numbers", fix="write e.g. 0:0.04"
            )
        return float(match[1]), float(match[2])

    @property
    def observed_ends(self) -> tuple[float, float]:
        """What the last column of qpos is where the gripper is closed, and where it is open."""
        return self._ends("gripper")

    @property
    def commanded_ends(self) -> tuple[float, float]:
        """What the last column of an action is there."""
        return self._ends("command")

    @property
    def made_with(self) -> dict[str, Any]:
        """What `gymnasium.make` gets: the options, numbers and true or false as such."""
        return {name: yaml.safe_load(value) for name, value in self.options}

    @property
    def interpreter(self) -> str:
        """The Python that runs it."""
        return str(Path(self.python).expanduser()) if self.python else sys.executable

    @property
    def name(self) -> str:
        """What it is called in reports and messages."""
        return f"{PREFIX}{self.id}"


def of_result(text: str) -> str:
    """A task or an address without what a rollout's outcome does not depend on: where it runs and what is filmed."""
    if not is_gym(text):
        return text
    return ",".join(
        part for part in text.split(",") if part.split("=")[0].strip() not in ("python", "timeout", "image")
    )


def absolute(text: str) -> str:
    """An address whose files, its interpreter and its module, are where they are from any folder."""
    name, *parts = text.removeprefix(PREFIX).split(",")
    module, _, identity = name.strip().rpartition(":")
    if module.endswith(".py"):
        name = f"{Path(module).expanduser().absolute()}:{identity}"
    files = [part.strip().removeprefix("python=") for part in parts]
    # Not resolved: the interpreter of an environment is a link to another one.
    parts = [
        part if part.strip() == file else f"python={Path(file).expanduser().absolute()}"
        for part, file in zip(parts, files, strict=True)
    ]
    return PREFIX + ",".join([name, *parts])


def short(text: str) -> str:
    """A task, or the id of an address."""
    return GymAddress.parse(text).name if is_gym(text) else text


def is_gym(text: str) -> bool:
    """Whether a text is the address of a gymnasium environment."""
    return text.startswith(PREFIX)
