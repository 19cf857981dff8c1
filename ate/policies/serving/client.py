"""Client: a policy served over a websocket, as an actor."""

import os
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit, urlunsplit

import numpy as np
from numpy.typing import NDArray

from ate.errors import InputError
from ate.policies.actor import Observation
from ate.policies.serving.message import LARGEST, VERSION, Message, payload_of

TOKEN = "ATE_TOKEN"
"""Environment variable with the token, where the address has none."""
# A large policy compiles at its first call.
ANSWER_SECONDS = 300.0


class Client:
    """A policy at an address, an actor: `Client("ws://127.0.0.1:8000")`.

    A server of ours answers an observation with a whole chunk. Others of vla-eval answer with a chunk or with one row.

    Attributes:
        told: what the server says of itself: `action_spec`, `joint_names`, `horizon` and so on.

    Args:
        address: `ws://` or `wss://`, host and port; `?token=…`, else the variable `ATE_TOKEN`, for a server that
            asks for one.

    Raises:
        InputError: nobody answers there, the token is refused, or something else answers.
    """

    def __init__(self, address: str) -> None:
        from websockets.exceptions import InvalidHandshake, InvalidStatus, InvalidURI
        from websockets.sync.client import connect

        parts = urlsplit(address)
        self.address = urlunsplit(parts._replace(query=""))
        token = parse_qs(parts.query).get("token", [os.environ.get(TOKEN, "")])[0]
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.__name__ = self.address
        self._seq, self._begun, self._open = 0, False, ExitStack()
        try:
            # Without a proxy: what is asked for is this address.
            self._socket = self._open.enter_context(connect(
                self.address, additional_headers=headers, compression=None, max_size=LARGEST, proxy=None,
                ping_interval=None,
            ))  # fmt: skip
        except InvalidURI as error:
            fix = "write ws://127.0.0.1:8000"
            raise InputError(repr(address), where="policy", expected="the address of a websocket", fix=fix) from error
        except InvalidStatus as error:
            status = error.response.status_code
            expected, fix = "a policy", "look at the server's own messages"
            if status in (401, 403):
                expected, fix = "the server's token", f"copy the address that ate serve prints, or set {TOKEN}"
            raise InputError(f"status {status}", where=self.address, expected=expected, fix=fix) from error
        except (OSError, InvalidHandshake) as error:
            fix = "start the server, and give the address that it prints"
            got = f"no answer ({type(error).__name__}: {error})"
            raise InputError(got, where=self.address, expected="a policy that is served", fix=fix) from error
        self.greeting: dict[str, Any] = dict(self._ask("hello", {"protocol_version": VERSION, "chunks": True}).payload)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the connection."""
        self._open.close()

    @property
    def joint_names(self) -> tuple[str, ...]:
        """Columns of a chunk; empty where the server does not say."""
        return tuple(self.greeting.get("joint_names", ()))

    def reset(self, seed: int) -> None:
        """Begin an episode."""
        if self._begun:
            self._send("episode_end", {})
        self._send("episode_start", {"task": {}, "seed": int(seed)})
        self._begun = True

    def __call__(self, observation: Observation, /) -> NDArray[np.floating[Any]]:
        """The server's answer to one observation: `(S, joints)`, or one row `(joints,)`.

        Raises:
            InputError: the server refuses the observation, ends the connection, or answers without `actions`.
        """
        if not self._begun:
            self.reset(0)
        answer = self._ask("observation", payload_of(observation))
        if "actions" not in answer.payload:
            got, fix = f"an answer with {', '.join(answer.payload)}", "serve a policy of joint targets"
            raise InputError(got, where=self.address, expected="actions", fix=fix)
        return np.asarray(answer.payload["actions"])

    def _send(self, kind: str, payload: dict[str, Any]) -> int:
        from websockets.exceptions import ConnectionClosed

        self._seq += 1
        try:
            self._socket.send(Message(kind, payload, self._seq).packed())
        except ConnectionClosed as error:
            raise self._ended(error) from error
        return self._seq

    def _ask(self, kind: str, payload: dict[str, Any]) -> Message:
        from websockets.exceptions import ConnectionClosed

        seq = self._send(kind, payload)
        try:
            answer = Message.unpacked(self._socket.recv(timeout=ANSWER_SECONDS))
        except (ConnectionClosed, TimeoutError) as error:
            raise self._ended(error) from error
        if answer.type == "error":
            text = str(answer.payload.get("error", answer.payload))
            # An error of ours crosses whole.
            fix = "look at the server's own messages"
            raise InputError.parse(text) or InputError(text, where=self.address, expected="an action", fix=fix)
        if answer.seq != seq or answer.type != ("hello" if kind == "hello" else "action"):
            got, expected = f"{answer.type} {answer.seq}", f"an answer to {kind} {seq}"
            raise InputError(got, where=self.address, expected=expected, fix="use one client a connection")
        return answer

    def _ended(self, error: BaseException) -> InputError:
        got = f"no answer ({type(error).__name__}: {error})"
        return InputError(got, where=self.address, expected="an action", fix="look at the server, and start it again")
