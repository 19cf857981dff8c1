"""Serving: the same policy directly and through the socket, who may come, and what is refused."""

import logging
import socket
import threading
import time
from contextlib import contextmanager

import numpy as np
import pytest

from ate.data import load
from ate.errors import InputError
from ate.experiments.settings import SHIPPED
from ate.policies import build
from ate.policies.actor import Observation, PolicyActor, reset
from ate.policies.actor_rollout import rollout_actor
from ate.policies.serving.client import Client
from ate.policies.serving.message import Message, observation_of, payload_of
from ate.policies.serving.server import Service, is_local

SEEN = Observation(qpos=np.array([0.1, 0.2], np.float32))


def ramp(observation):
    return observation["qpos"] + np.arange(4)[:, None]


@contextmanager
def served(open_actor, several=False, **options):
    service = Service(open_actor, several, **options)
    with service.listen() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield service.address(server)
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def small():
    episodes = load(SHIPPED / "lift" / "adapt" / "ur5e").select(range(3))
    return build([episodes], horizon=8, seed=0, hidden=16, denoising_steps=2)


@pytest.mark.slow
def test_rollouts_through_the_socket_have_the_bits_of_direct_ones(small):
    direct = rollout_actor(PolicyActor(small), "ur5e", "lift", [1, 2], record=True)
    with served(PolicyActor(small).another, several=True) as address, Client(address) as client:
        through = rollout_actor(client, "ur5e", "lift", [1, 2], record=True)
        assert client.joint_names == small.spaces[0].joint_names
    for name in ("success", "steps", "closest", "seeds"):
        assert np.array_equal(getattr(direct, name), getattr(through, name))
    assert np.array_equal(direct.tracks.qpos, through.tracks.qpos)
    assert np.array_equal(direct.tracks.object, through.tracks.object)


def test_every_client_has_an_episode_of_its_own(small):
    seen = Observation(qpos=np.zeros(7, np.float32), state=np.zeros(20, np.float32))
    with served(PolicyActor(small).another, several=True) as address, Client(address) as one, Client(address) as two:
        for client in (one, two):
            reset(client, 5)
        assert np.array_equal(one(seen), two(seen))
        reset(two, 6)
        assert not np.array_equal(one(seen), two(seen))


@pytest.mark.parametrize("token", ["", "?token=another", "?token="])
def test_without_the_token_nobody_comes(token, monkeypatch):
    monkeypatch.delenv("ATE_TOKEN", raising=False)
    with served(lambda: ramp) as address:
        with pytest.raises(InputError, match="token"):
            Client(address.split("?")[0] + token)
        monkeypatch.setenv("ATE_TOKEN", address.split("=")[1])
        with Client(address.split("?")[0]) as client:
            assert client(SEEN).shape == (4, 2)


def test_a_page_in_a_browser_is_refused():
    from websockets.exceptions import InvalidStatus
    from websockets.sync.client import connect

    with served(lambda: ramp) as address, pytest.raises(InvalidStatus):
        connect(address, origin="http://127.0.0.1:8888")


def test_other_machines_come_only_if_asked():
    for host in ("0.0.0.0", "::", "192.168.0.7", "example.org"):
        with pytest.raises(InputError, match="--remote"):
            Service(lambda: ramp).listen(host)
        assert not is_local(host)
    Service(lambda: ramp).listen("0.0.0.0", remote=True).socket.close()
    assert is_local("127.0.0.1") and is_local("::1") and is_local("localhost")


def test_an_actor_that_may_remember_serves_one_client_at_a_time():
    with served(lambda: ramp) as address:
        with Client(address) as first:
            first(SEEN)
            with pytest.raises(InputError, match="one client at a time"):
                Client(address)
        with Client(address) as later:
            assert later(SEEN).shape == (4, 2)


@pytest.mark.parametrize("farewell", [True, False])
def test_a_client_that_leaves_makes_room_and_no_noise(farewell, caplog):
    with served(lambda: ramp) as address:
        for _ in range(2):
            client = Client(address)
            assert client(SEEN).shape == (4, 2)
            if farewell:
                client.close()
            else:
                # As when its process ends.
                client._socket.socket.shutdown(socket.SHUT_RDWR)
            until_free(address)
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def until_free(address):
    """Wait until the server has seen that its client has left."""
    for _ in range(200):
        try:
            Client(address).close()
        except InputError:
            time.sleep(0.01)
        else:
            return
    raise AssertionError("the client that left is still served")


def ask(socket, kind, payload, seq):
    socket.send(Message(kind, payload, seq).packed())
    return Message.unpacked(socket.recv())


def test_clients_that_take_rows_get_rows():
    """As the benchmarks of vla-eval do: no word of chunks in their hello, one row an observation."""
    from websockets.sync.client import connect

    with served(lambda: ramp, execute=3) as address, connect(address) as socket:
        hello = ask(socket, "hello", {"harness_version": "0.8.0", "protocol_version": 1}, 1)
        assert hello.type == "hello" and hello.payload["protocol_version"] == 1
        socket.send(Message("episode_start", {"task": {"name": "x"}}, 2).packed())
        state = np.zeros(2, np.float64)
        answers = [ask(socket, "observation", {"state": state + i, "task_description": "x"}, 3 + i) for i in range(4)]
    assert [(answer.type, answer.seq) for answer in answers] == [("action", 3 + i) for i in range(4)]
    # Rows 0, 1, 2 of the first observation's chunk, then row 0 of the fourth's.
    assert [answer.payload["actions"].tolist() for answer in answers] == [[0, 0], [1, 1], [2, 2], [3, 3]]
    assert answers[0].payload["actions"].dtype == np.float32


def test_errors_of_the_policy_reach_the_client_and_it_goes_on():
    def picky(observation):
        if observation["qpos"][0] > 1:
            raise KeyError("camera")
        return ramp(observation)

    with served(lambda: picky) as address, Client(address) as client:
        with pytest.raises(InputError, match="KeyError: 'camera'"):
            client(Observation(qpos=np.full(2, 9, np.float32)))
        assert client(SEEN).shape == (4, 2)
        client._socket.send(b"\x00 no message")
        assert Message.unpacked(client._socket.recv()).type == "error"


def test_nobody_there():
    with pytest.raises(InputError, match="no answer"):
        Client("ws://127.0.0.1:9")
    with pytest.raises(InputError, match="address of a websocket"):
        Client("ws://")


def test_observations_cross_whole():
    picture = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    seen = Observation(qpos=np.float32([1, 2]), state=np.float32([3]), images={"top": picture}, task="lift")
    back = observation_of(Message.unpacked(Message("observation", payload_of(seen)).packed()).payload)
    assert back.keys() == seen.keys() and back["task"] == "lift"
    assert np.array_equal(back["images"]["top"], picture) and back["qpos"].dtype == np.float32
    with pytest.raises(InputError, match="state"):
        observation_of({"images": {}})


def test_pictures_of_vla_eval_are_read():
    """Its clients send pictures as PNG unless told otherwise."""
    import io

    import msgpack
    from PIL import Image

    picture = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    png = io.BytesIO()
    Image.fromarray(picture).save(png, format="PNG")
    for sent in (
        {"__image__": True, "format": "png", "data": png.getvalue(), "shape": [2, 4, 3]},
        {"__image__": True, "format": "raw", "data": picture.tobytes(), "dtype": "|u1", "shape": [2, 4, 3]},
    ):
        tree = {"type": "observation", "payload": {"images": {"top": sent}}, "seq": 1, "timestamp": 0.0}
        assert np.array_equal(Message.unpacked(msgpack.packb(tree)).payload["images"]["top"], picture)


def test_messages_that_are_none_are_refused():
    import msgpack

    objects = {"__ndarray__": True, "data": b"", "dtype": "|O", "shape": [0]}
    short = {"__ndarray__": True, "data": b"1234", "dtype": "<f4", "shape": [7]}
    whole = {"type": "observation", "payload": {}, "seq": 1, "timestamp": 0.0}
    for wrong in (
        b"\xc1", "text", msgpack.packb([1]), msgpack.packb({"type": "hello"}), msgpack.packb({**whole, "type": "helo"}),
        msgpack.packb({**whole, "payload": 3}), msgpack.packb({**whole, "payload": {"state": objects}}),
        msgpack.packb({**whole, "payload": {"state": short}}),
    ):  # fmt: skip
        with pytest.raises(InputError):
            Message.unpacked(wrong)
    with pytest.raises(InputError, match="type object"):
        Message("action", {"actions": object()}).packed()


def test_the_next_client_waits_for_a_policy_that_is_still_at_work_for_the_last():
    begun = threading.Event()

    def slow(observation):
        begun.set()
        time.sleep(0.3)
        return ramp(observation)

    with served(lambda: slow) as address:
        with Client(address) as gone:
            gone._send("observation", payload_of(SEEN))
            assert begun.wait(10)
        with Client(address) as later:
            assert np.array_equal(later(SEEN), ramp(SEEN))
