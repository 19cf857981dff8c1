"""Messages of vla-eval's websocket protocol, version 1 (github.com/allenai/vla-evaluation-harness).

    {"type": hello | observation | action | episode_start | episode_end | error,
     "payload": {…}, "seq": n, "timestamp": s}

in msgpack; an array is `{"__ndarray__": true, "data": bytes, "dtype": text, "shape": […]}`, and an image may be
`{"__image__": true, "format": "png" | "jpeg" | "raw", "data": bytes, …}`. No message is unpickled.
In an observation `state` are the robot's joints, our qpos; our task state is `environment_state`.
"""

import io
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ate.errors import InputError, unknown
from ate.policies.actor import Observation

VERSION = 1
TYPES = ("hello", "observation", "action", "episode_start", "episode_end", "error")
LARGEST = 64 * 2**20
"""Bytes of a message; larger ones are refused."""
# Booleans and numbers; everything else, objects above all, is refused.
KINDS = "biuf"
# Our name of a part of the observation → the protocol's.
NAMES = {"qpos": "state", "state": "environment_state", "images": "images", "task": "task_description"}


@dataclass(frozen=True)
class Message:
    """One message.

    Attributes:
        type: one of `TYPES`.
        payload: names and values.
        seq: number of the request; the answer has the same.
        timestamp: seconds since 1970.
    """

    type: str
    payload: Mapping[str, Any]
    seq: int = 0
    timestamp: float = field(default_factory=time.time)

    def packed(self) -> bytes:
        """The bytes on the wire."""
        import msgpack

        tree = {"type": self.type, "payload": dict(self.payload), "seq": self.seq, "timestamp": self.timestamp}
        data: bytes = msgpack.packb(tree, default=_encoded, use_bin_type=True)
        return data

    @classmethod
    def unpacked(cls, data: bytes | str) -> "Message":
        """The inverse of `packed`.

        Raises:
            InputError: other bytes, or an array of something else than numbers.
        """
        import msgpack

        where, fix = "websocket message", "speak vla-eval's protocol: binary messages in msgpack"
        if isinstance(data, str):
            raise InputError("text", where=where, expected="bytes", fix=fix)
        try:
            tree = msgpack.unpackb(data, object_hook=_decoded, raw=False)
        except InputError:
            raise
        except Exception as error:
            got = f"{len(data)} bytes that are no message ({type(error).__name__}: {error})"
            raise InputError(got, where=where, expected="a mapping in msgpack", fix=fix) from error
        keys = ("type", "payload", "seq", "timestamp")
        if not isinstance(tree, dict) or any(key not in tree for key in keys) or not isinstance(tree["payload"], dict):
            got = f"keys {', '.join(map(str, tree))}" if isinstance(tree, dict) else type(tree).__name__
            raise InputError(got, where=where, expected=f"a mapping with {', '.join(keys)}", fix=fix)
        if tree["type"] not in TYPES:
            raise unknown(str(tree["type"]), TYPES, where=where)
        return cls(**{key: tree[key] for key in keys})


def payload_of(observation: Observation) -> dict[str, Any]:
    """An observation in the protocol's names."""
    return {NAMES[name]: value for name, value in observation.items()}


def observation_of(payload: Mapping[str, Any]) -> Observation:
    """The observation of a payload; what else is in it is left out.

    Raises:
        InputError: no joints.
    """
    if not isinstance(payload.get("state"), np.ndarray | list | tuple):
        got = f"an observation with {', '.join(payload) or 'nothing'}"
        fix = "send the joints as an array `state`, in radians and the policy's order"
        raise InputError(got, where="observation", expected="the robot's joints as `state`", fix=fix)
    seen = Observation(qpos=np.asarray(payload["state"], np.float32).reshape(-1))
    if "environment_state" in payload:
        seen["state"] = np.asarray(payload["environment_state"], np.float32).reshape(-1)
    if isinstance(payload.get("images"), dict):
        seen["images"] = payload["images"]
    if isinstance(payload.get("task_description"), str):
        seen["task"] = payload["task_description"]
    return seen


def _encoded(value: Any) -> Any:
    if isinstance(value, np.ndarray) and value.dtype.kind in KINDS:
        shape = list(value.shape)
        return {"__ndarray__": True, "data": value.tobytes(), "dtype": value.dtype.str, "shape": shape}
    if isinstance(value, np.generic):
        return value.item()
    got, expected = f"a value of type {type(value).__name__}", "numbers, text and arrays of them"
    raise InputError(got, where="websocket message", expected=expected, fix="convert it with numpy first")


def _decoded(tree: dict[Any, Any]) -> Any:
    raw = tree.get("__image__") and tree.get("format") == "raw"
    if "__ndarray__" in tree or raw:
        kind = np.dtype(tree["dtype"])
        if kind.kind not in KINDS:
            fix = "send booleans, integers or floats"
            raise InputError(f"an array of {kind}", where="websocket message", expected="an array of numbers", fix=fix)
        return np.frombuffer(tree["data"], kind).reshape(tree["shape"]).copy()
    if tree.get("__image__"):
        from PIL import Image

        # Only the two formats of the protocol: Pillow reads many more.
        return np.array(Image.open(io.BytesIO(tree["data"]), formats=("PNG", "JPEG")))
    return tree
