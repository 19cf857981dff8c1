"""The far end of a simulator: gymnasium environments in the interpreter that has them installed, Python 3.8 or newer.

A script that stands alone: it imports numpy, gymnasium and the user's package, and nothing of `ate`. It speaks over its
standard input and output, one message each way: four bytes of length, a header in JSON, and the bytes of the arrays
that the header lists. What a package prints goes to standard error.

    open   id, module, options, keys, seeds     environments, reset; what they observe, act and how long they last
    step   index, action                        the environments `index` one step on
"""

import importlib
import importlib.util
import json
import os
import re
import struct
import sys
import traceback
from typing import IO, Any, Callable, Dict, List, Optional, Sequence, Tuple

import numpy as np

LIMIT = 2**31
# Pixels of the longer side of a picture.
WIDEST = 128
SUCCESS = ("is_success", "success")
COMPARISON = re.compile(r"(.+?)(>=|<=|>|<)(.+)")
Message = Tuple[Dict[str, Any], Dict[str, np.ndarray]]


class Refused(Exception):
    """Something that the user can mend: what was got, what was expected, the fix."""

    def __init__(self, got: str, expected: str, fix: str, **more: Any) -> None:
        super().__init__(got)
        self.parts = {"got": got, "expected": expected, "fix": fix, **more}


def read_message(stream: IO[bytes]) -> Optional[Message]:
    """The next message, or None at the end of the stream."""
    size = _exactly(stream, 4)
    if size is None:
        return None
    header = json.loads(_exactly(stream, struct.unpack(">I", size)[0]) or b"")
    arrays = {}
    for name, kind, shape in header.pop("arrays", ()):
        count = int(np.prod(shape)) * np.dtype(kind).itemsize
        if count > LIMIT:
            raise ValueError(f"an array of {count} bytes")
        arrays[name] = np.frombuffer(_exactly(stream, count) or b"", kind).reshape(shape)
    return header, arrays


def write_message(stream: IO[bytes], header: Dict[str, Any], arrays: Dict[str, np.ndarray]) -> None:
    """Write one message."""
    listed = [[name, value.dtype.str, list(value.shape)] for name, value in arrays.items()]
    text = json.dumps({**header, "arrays": listed}).encode()
    stream.write(struct.pack(">I", len(text)) + text)
    for value in arrays.values():
        stream.write(np.ascontiguousarray(value).tobytes())
    stream.flush()


def _exactly(stream: IO[bytes], count: int) -> Optional[bytes]:
    parts = []
    while count:
        part = stream.read(count)
        if not part:
            return None
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def flat(observation: Any, prefix: str = "") -> Dict[str, np.ndarray]:
    """Every array of an observation by its key, nested keys with slashes; the key of a bare array is empty."""
    if hasattr(observation, "items"):
        columns: Dict[str, np.ndarray] = {}
        for key, value in observation.items():
            columns.update(flat(value, f"{prefix}/{key}" if prefix else str(key)))
        return columns
    return {prefix: _array(observation)}


def _array(value: Any) -> np.ndarray:
    # Torch tensors on a GPU, which some simulators give.
    return np.asarray(value.cpu() if hasattr(value, "cpu") else value)


def selected(parts: Dict[str, np.ndarray], chosen: str, name: str) -> np.ndarray:
    """The columns that a text such as `agent/qpos[0:7]+extra` chooses, float32 (k,)."""
    columns = []
    for text in chosen.split("+"):
        key, _, inner = text.strip().partition("[")
        if key not in parts:
            described = ", ".join(f"{k or '(an array without keys)'} {v.shape}" for k, v in parts.items())
            fix = f"write {name}=[0:7] with a range of columns" if "" in parts else f"write {name}= one of these keys"
            raise Refused(f"no key {key!r} in the observation", described, fix, valid=sorted(parts), name=key)
        values = np.asarray(parts[key], np.float32).reshape(-1)
        if inner:
            low, _, high = inner.rstrip("]").partition(":")
            ends = int(low or 0), int(high or len(values))
            if ends[1] > len(values) or ends[0] >= ends[1]:
                raise Refused(f"{name}={text}", f"columns of {len(values)}", "write a range within these")
            values = values[ends[0] : ends[1]]
        columns.append(values)
    return np.concatenate(columns)


class Simulation:
    """Environments of one kind, made once and reset for every batch of episodes."""

    def __init__(self, request: Dict[str, Any]) -> None:
        self.request = request
        self.pool: List[Any] = []
        self.seen: List[bool] = []
        self.image = False

    def open(self, seeds: Sequence[int], image: bool) -> Message:
        """Reset one environment a seed."""
        self.image = image and bool(self.request["image"])
        while len(self.pool) < len(seeds):
            self.pool.append(_make(self.request))
        observations = [env.reset(seed=int(seed))[0] for env, seed in zip(self.pool, seeds)]
        self.seen = [False] * len(seeds)
        space, spec = self.pool[0].action_space, self.pool[0].spec
        if not hasattr(space, "low"):
            raise Refused(f"actions of {space}", "positions: a Box", "wrap the environment so that it takes positions")
        fields = {
            "actions": int(np.prod(space.shape)),
            "steps": getattr(spec, "max_episode_steps", None) or _longest(self.pool[0]),
            "rate": _rate(self.pool[0]),
            "keys": {key: list(value.shape) for key, value in flat(observations[0]).items()},
        }
        return fields, self._observed(observations, range(len(seeds)))

    def step(self, index: Sequence[int], action: np.ndarray) -> Message:
        """One step of some environments: what they observe, whether they succeeded and whether they ended."""
        observations, success, ended = [], [], []
        for place, row in zip(index, action):
            env = self.pool[place]
            act = np.asarray(row, env.action_space.dtype).reshape(env.action_space.shape)
            observation, reward, terminated, truncated, info = env.step(act)
            over = bool(_array(terminated).any()) or bool(_array(truncated).any())
            met = self._succeeded(place, info, reward, terminated)
            if over and not self.seen[place]:
                wanted = self.request["success"] or " or ".join(SUCCESS)
                got, expected = f"no {wanted!r} in an episode's info", f"one of {', '.join(sorted(info)) or 'nothing'}"
                raise Refused(got, expected, "name it with success=, or write success=terminated or success=reward>=1")
            observations.append(observation)
            success.append(met)
            ended.append(over)
        arrays = self._observed(observations, index)
        return {}, {**arrays, "success": np.array(success, bool), "ended": np.array(ended, bool)}

    def _observed(self, observations: Sequence[Any], index: Sequence[int]) -> Dict[str, np.ndarray]:
        parts = [flat(observation) for observation in observations]
        arrays = {"qpos": np.stack([selected(part, self.request["qpos"], "qpos") for part in parts])}
        if self.request["state"]:
            arrays["state"] = np.stack([selected(part, self.request["state"], "state") for part in parts])
        if self.image:
            arrays["image"] = np.stack([self._picture(part, place) for part, place in zip(parts, index)])
        return arrays

    def _picture(self, part: Dict[str, np.ndarray], place: int) -> np.ndarray:
        key = self.request["image"]
        if key != "render" and key not in part:
            raise Refused(f"no key {key!r} in the observation", ", ".join(part), "write image= one of these, or render")
        picture = _array(self.pool[place].render()) if key == "render" else part[key]
        picture = picture[0] if picture.ndim == 4 else picture
        if picture.ndim == 3 and picture.shape[0] == 3:
            picture = picture.transpose(1, 2, 0)
        if picture.ndim != 3 or picture.shape[2] != 3:
            raise Refused(f"an image of shape {picture.shape}", "(height, width, 3)", "choose another key, or none")
        if picture.dtype.kind == "f":
            picture = 255 * picture
        # A film shows them small.
        every = max(1, -(-max(picture.shape[:2]) // WIDEST))
        return picture[::every, ::every].astype(np.uint8)

    def _succeeded(self, place: int, info: Dict[str, Any], reward: Any, terminated: Any) -> bool:
        text = self.request["success"]
        match = COMPARISON.fullmatch(text)
        names = (match[1].strip(),) if match else (text,) if text else SUCCESS
        given = {"reward": reward, "terminated": terminated, **info}
        name = next((name for name in names if name in given), None)
        if name is None:
            return False
        self.seen[place] = True
        value = float(np.ravel(_array(given[name]))[0])
        if match is None:
            return bool(value)
        return _COMPARED[match[2]](value, float(match[3]))


_COMPARED: Dict[str, Callable[[float, float], bool]] = {
    ">=": lambda a, b: a >= b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    "<": lambda a, b: a < b,
}


def _longest(env: Any) -> Optional[int]:
    for holder in (env, env.unwrapped):
        for name in ("_max_episode_steps", "max_episode_steps"):
            value = getattr(holder, name, None)
            if isinstance(value, int) and value > 0:
                return value
    return None


def _rate(env: Any) -> Optional[float]:
    """Control steps a second, where an environment says so."""
    rate = getattr(env.unwrapped, "control_hz", None) or getattr(env.unwrapped, "control_freq", None)
    return float(rate) if isinstance(rate, (int, float)) else None


def _imported(module: str) -> None:
    if not module.endswith(".py"):
        importlib.import_module(module)
        return
    spec = importlib.util.spec_from_file_location("user_simulator", module)
    if spec is None or spec.loader is None or not os.path.isfile(module):
        raise Refused(f"no file {module}", "a Python file that registers the environment", "give its path")
    loaded = importlib.util.module_from_spec(spec)
    sys.modules["user_simulator"] = loaded
    spec.loader.exec_module(loaded)


def _make(request: Dict[str, Any]) -> Any:
    import gymnasium

    identity = request["id"]
    if request["module"] and request["module"] not in sys.modules:
        _imported(request["module"])
    elif "/" in identity and identity not in gymnasium.registry:
        package = identity.split("/")[0]
        if importlib.util.find_spec(package) is None:
            raise Refused(
                f"no package {package!r} in {sys.executable}", "the package that registers the environment",
                "install it there, give python= of an environment that has it, or write gym:MODULE:ID",
            )  # fmt: skip
        importlib.import_module(package)
    if identity not in gymnasium.registry:
        raise Refused(repr(identity), "a known id", "", valid=sorted(gymnasium.registry), name=identity)
    options = dict(request["options"])
    if request["image"] == "render":
        options.setdefault("render_mode", "rgb_array")
    if request["steps"]:
        # Otherwise the environment's own limit would end an episode before.
        options["max_episode_steps"] = request["steps"]
    # Its checks of every step cost more than small environments themselves.
    return gymnasium.make(identity, disable_env_checker=True, **options)


def serve(stream: IO[bytes], out: IO[bytes]) -> None:
    """Answer messages until the other end closes the stream."""
    simulation: Optional[Simulation] = None
    while True:
        message = read_message(stream)
        if message is None:
            return
        header, arrays = message
        try:
            if header["call"] == "open":
                simulation = simulation or Simulation(header["request"])
                answer = simulation.open(header["seeds"], header["image"])
            else:
                assert simulation is not None
                answer = simulation.step(header["index"], arrays["action"])
            write_message(out, *answer)
        except Refused as error:
            write_message(out, {"refused": error.parts}, {})
        except Exception as error:  # noqa: BLE001, whatever the user's package raises goes to the other end
            traceback.print_exc()
            write_message(out, {"raised": f"{type(error).__name__}: {error}"}, {})


def main() -> None:
    """Serve standard input and output; what packages print goes to standard error."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    serve(sys.stdin.buffer, out)


if __name__ == "__main__":
    main()
