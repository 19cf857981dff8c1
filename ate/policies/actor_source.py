"""From what a user names to an actor: a file of ours, a class or function of theirs, or the address of a server."""

import importlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from ate.errors import InputError, nearest
from ate.policies.actor import Actor, PolicyActor
from ate.policies.policy import Policy

FORMS = "a checkpoint of ate, package.module:Class, file.py:Class, or ws://host:port"
# How classes are called that read a checkpoint, in the order in which they are looked for.
LOADERS = ("load", "from_pretrained", "from_checkpoint", "load_from_checkpoint")


def actor(name: str, checkpoint: str | Path | None = None, robot: str = "") -> Actor:
    """The actor of that name.

    Args:
        name: one of `FORMS`. `package.module:Class` looks in the current folder too, and `file.py:Class` in the
            file's folder. The class is called with the checkpoint, by its `load` or `from_pretrained` if it has one,
            and without arguments where there is no checkpoint. A function is an actor itself.
        checkpoint: file or folder, for a class.
        robot: whose action space a policy of ours acts in.

    Raises:
        InputError: no such file, module or class, or what is there is no actor.
    """
    if name.startswith(("ws://", "wss://")):
        from ate.policies.serving.client import Client

        return Client(name)
    if _is_theirs(name):
        return _theirs(name, checkpoint)
    if checkpoint is not None:
        expected, fix = "package.module:Class with --checkpoint", f"leave --checkpoint away, or name the class; {FORMS}"
        raise InputError(f"{name} and {checkpoint}", where="policy", expected=expected, fix=fix)
    return PolicyActor(Policy.load(_file(name)), robot)


def source(name: str, checkpoint: str | Path | None = None, robot: str = "") -> tuple[Callable[[], Actor], bool]:
    """What makes the actor for each client of a server, and whether each gets one of its own."""
    if _is_theirs(name) or name.startswith(("ws://", "wss://")):
        theirs = actor(name, checkpoint, robot)
        return lambda: theirs, False
    first = actor(name, checkpoint, robot)
    assert isinstance(first, PolicyActor)
    return first.another, True


def is_own(name: str) -> bool:
    """Whether the name is that of a checkpoint of ours."""
    return not _is_theirs(name) and not name.startswith(("ws://", "wss://"))


def _is_theirs(name: str) -> bool:
    module, _, attribute = name.rpartition(":")
    named = Path(module).is_file() if _is_script(module) else all(part.isidentifier() for part in module.split("."))
    return attribute.isidentifier() and named and not Path(name).exists()


def _is_script(module: str) -> bool:
    return module.endswith(".py")


def _file(name: str) -> str:
    if not Path(name).exists():
        fix = f"name {FORMS}"
        raise InputError("no such file", where=name, expected="a policy", fix=fix)
    return name


def _theirs(name: str, checkpoint: str | Path | None) -> Actor:
    module_name, _, attribute = name.rpartition(":")
    script = Path(module_name).resolve() if _is_script(module_name) else None
    # As `python -m` and `python FILE` have it; the command `ate` would not find the modules there.
    folder = os.getcwd() if script is None else str(script.parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        module = importlib.import_module(module_name) if script is None else _run(script)
    except ModuleNotFoundError as error:
        fix = f"run the command in the folder of {module_name.split('.')[0]}, or install it in this environment"
        raise InputError(f"no module {error.name!r}", where=name, expected="an importable module", fix=fix) from error
    if not hasattr(module, attribute):
        names = [word for word, value in vars(module).items() if callable(value) and not word.startswith("_")]
        expected = f"a class or function of {module_name}"
        raise InputError(repr(attribute), where=name, expected=expected, fix=nearest(attribute, names))
    made = _made(getattr(module, attribute), checkpoint, name)
    if not callable(made):
        fix = "give it a method __call__(self, observation) that returns a chunk (horizon, joints)"
        raise InputError(f"a {type(made).__name__}", where=name, expected="a callable", fix=fix)
    return made


def _run(script: Path) -> ModuleType:
    """The module of a file, under a name that no package has."""
    spec = importlib.util.spec_from_file_location(f"their_{script.stem}", script)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Where dataclasses look for it.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _made(source: Any, checkpoint: str | Path | None, name: str) -> Any:
    if not inspect.isclass(source):
        if checkpoint is None:
            return source
        return source(str(checkpoint))
    loader: Callable[..., Any] = next((getattr(source, word) for word in LOADERS if hasattr(source, word)), source)
    try:
        return source() if checkpoint is None else loader(str(checkpoint))
    except TypeError as error:
        fix = "give it a class that takes the checkpoint alone, or nothing, and choose everything else in it"
        raise InputError(f"{type(error).__name__}: {error}", where=name, expected="a policy", fix=fix) from error
