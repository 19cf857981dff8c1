"""Server: an actor behind a websocket, on this machine and with a token unless the user asks for more.

A client that says `chunks` in its hello gets whole chunks. Any other gets one row an observation, as the benchmarks of
vla-eval want it; `execute` rows of a chunk are handed out before the policy is asked again.
"""

import hmac
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from ipaddress import ip_address
from threading import Lock
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import numpy as np

from ate.errors import InputError
from ate.policies.actor import Actor, chunk_of, name_of, reset
from ate.policies.serving.message import LARGEST, VERSION, Message, observation_of

if TYPE_CHECKING:
    from websockets.http11 import Request, Response
    from websockets.sync.server import Server, ServerConnection

LOCAL = "127.0.0.1"

# How long a client waits for the one before it: a connection is closed a moment before its place is free.
LEAVING_SECONDS = 2.0


@dataclass(frozen=True)
class Service:
    """What is served and to whom.

    Attributes:
        open_actor: called for each connection.
        several: whether it makes a new actor each time; if not, one client at a time is served, since an actor may
            remember its episode.
        execute: rows of a chunk handed to a client that takes one row an observation.
        token: what a client has to show, in the address (`?token=…`) or as `Authorization: Bearer …`.
    """

    open_actor: Callable[[], Actor]
    several: bool = False
    execute: int = 8
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    _inference: Lock = field(default_factory=Lock)
    _client: Lock = field(default_factory=Lock)

    def listen(self, host: str = LOCAL, port: int = 0, remote: bool = False) -> "Server":
        """A server that listens; `serve_forever()` answers, `shutdown()` ends it, `socket` knows its port.

        Args:
            host: address to listen on.
            port: 0 for any free one.
            remote: whether other machines may come.

        Raises:
            InputError: an address that other machines reach, and `remote` is not given; `execute` below 1.
        """
        if not is_local(host) and not remote:
            fix = f"leave --host away to serve on {LOCAL}, or add --remote if other machines shall reach the policy"
            raise InputError(repr(host), where="host", expected="an address of this machine alone", fix=fix)
        if self.execute < 1:
            raise InputError(str(self.execute), where="execute", expected="at least 1", fix="leave the default")
        from websockets.sync.server import serve

        # A page in a browser sends its origin; no browser drives a robot.
        return serve(
            self._answer, host, port, origins=[None], process_request=self._admit, compression=None,
            max_size=LARGEST, ping_interval=None,
        )  # fmt: skip

    def address(self, server: "Server") -> str:
        """What a client needs, token included."""
        host, port = server.socket.getsockname()[:2]
        return f"ws://{f'[{host}]' if ':' in host else host}:{port}/?token={self.token}"

    def _admit(self, connection: "ServerConnection", request: "Request") -> "Response | None":
        """Refuse who does not show the token."""
        shown = [*parse_qs(urlsplit(request.path).query).get("token", []), *request.headers.get_all("Authorization")]
        words = [text.split()[-1] for text in shown if text.split()]
        if any(hmac.compare_digest(word.encode(), self.token.encode()) for word in words):
            return None
        return connection.respond(HTTPStatus.UNAUTHORIZED, "the token is missing or another\n")

    def _answer(self, connection: "ServerConnection") -> None:
        """Answer one client until it leaves, with a word or without."""
        from websockets.exceptions import ConnectionClosed

        if not self.several and not self._client.acquire(timeout=LEAVING_SECONDS):
            fix = "wait until it has left, or start a server for each client"
            busy = InputError("a second client", where="served policy", expected="one client at a time", fix=fix)
            with suppress(ConnectionClosed):
                connection.recv()
                connection.send(Message("error", {"error": str(busy)}).packed())
            return
        try:
            session = _Session(self, self.open_actor())
            with suppress(ConnectionClosed):
                for data in connection:
                    answer = session.answer(data)
                    if answer is not None:
                        connection.send(answer.packed())
        finally:
            if not self.several:
                self._client.release()


@dataclass
class _Session:
    """One client's episode."""

    service: Service
    actor: Actor
    chunks: bool = False
    rows: list[np.ndarray] = field(default_factory=list)

    def answer(self, data: bytes | str) -> Message | None:
        """The answer to one message; what is wrong with it becomes an error and the connection stays."""
        seq = 0
        try:
            message = Message.unpacked(data)
            seq = message.seq
            return self._answer_to(message)
        except Exception as error:  # noqa: BLE001 (the policy is somebody else's code; the client hears of it)
            text = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
            return Message("error", {"error": text}, seq)

    def _answer_to(self, message: Message) -> Message | None:
        if message.type == "hello":
            self.chunks = bool(message.payload.get("chunks"))
            return Message("hello", self._greeting(), message.seq)
        with self.service._inference:
            if message.type == "episode_start":
                self.rows = []
                reset(self.actor, int(message.payload.get("seed", 0)))
            elif message.type == "observation":
                return Message("action", {"actions": self._actions(message)}, message.seq)
        return None

    def _actions(self, message: Message) -> np.ndarray:
        if self.chunks or not self.rows:
            chunk = chunk_of(self.actor, observation_of(message.payload))
            if self.chunks:
                # As exact as the actor gave it, so that rollouts through the socket have the bits of direct ones.
                return chunk
            self.rows = list(chunk[: self.service.execute].astype(np.float32))
        return self.rows.pop(0)

    def _greeting(self) -> dict[str, Any]:
        names = list(getattr(self.actor, "joint_names", ()))
        greeting: dict[str, Any] = {
            "protocol_version": VERSION,
            "model_server": name_of(self.actor),
            "capabilities": {"chunks": True},
            "observation_params": {"send_state": True},
            "joint_names": names,
        }
        if names:
            spec = {"name": "joints", "dims": len(names), "format": "joint_positions", "description": ", ".join(names)}
            greeting |= {"action_spec": {"joints": spec}, "observation_spec": {"state": spec}}
        return greeting


def is_local(host: str) -> bool:
    """Whether only this machine reaches the address."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
