"""Ways out of policies that are served."""

import numpy as np
import torch

from ate.policies.serving.client import Client
from ate.policies.serving.message import Message, observation_of
from ate.policies.serving.server import Service
from tests.policies.test_serving import SEEN, ramp, served
from tests.ways.taking import way


@way("policies/serving/client.py Client.__init__", "policies/serving/client.py Client.__init__#2",
     "policies/serving/client.py Client.__init__#3")  # fmt: skip
def _(p):
    p.patch.delenv("ATE_TOKEN", raising=False)
    with served(lambda: ramp) as address:
        if p.site.endswith("#2"):
            command, name = yield lambda: Client(address.split("?")[0]), r"that ate (\w+) prints, or set (\w+)$"
            assert command == "serve"
            with Client(address):
                pass
            p.patch.setenv(name, address.split("=")[1])
            address = address.split("?")[0]
        elif p.site.endswith("#3"):
            yield lambda: Client("ws://127.0.0.1:9"), "give the address that it prints"
        else:
            form = yield lambda: Client("http://127.0.0.1"), r"write (ws://127\.0\.0\.1:)\d+"
            assert address.startswith(form)
        with Client(address):
            pass


@way("policies/serving/client.py Client.__call__", "policies/serving/client.py Client._ask",
     "policies/serving/client.py Client._ask#2", "policies/serving/client.py Client._ended")  # fmt: skip
def _(p):
    from ate.policies.serving import server

    answers = {
        "__call__": lambda self, message: Message("action", {"text": "x"}, message.seq),
        "_ask": lambda self, message: Message("error", {"error": "no luck"}, message.seq),
        "_ask#2": lambda self, message: Message("action", {"actions": np.zeros((2, 2))}, 99),
    }
    good = server._Session._answer_to
    end = p.site.rsplit(".", 1)[1]
    if end == "_ended":
        with served(lambda: ramp) as address:
            client = Client(address)
            client.reset(0)
            # What a server that was killed leaves.
            client._socket.close()
        yield lambda: client(SEEN), "look at the server, and start it again"
        with served(lambda: ramp) as address, Client(address) as again:
            again(SEEN)
        return
    with served(lambda: ramp, several=True) as address:
        client = Client(address)
        client.reset(0)
        odd = answers[end]
        p.patch.setattr(
            server._Session, "_answer_to", lambda s, m: odd(s, m) if m.type == "observation" else good(s, m)
        )
        fixes = {"__call__": "serve a policy of joint targets", "_ask": "the server's own messages"}
        yield lambda: client(SEEN), fixes.get(end, "use one client a connection")
        p.patch.setattr(server._Session, "_answer_to", good)
        with Client(address) as again:
            again(SEEN)


@way("policies/serving/message.py Message.unpacked", "policies/serving/message.py Message.unpacked#2",
     "policies/serving/message.py Message.unpacked#3", "policies/serving/message.py observation_of",
     "policies/serving/message.py _encoded", "policies/serving/message.py _decoded")  # fmt: skip
def _(p):
    import msgpack

    good = Message("observation", {"state": np.zeros(2)}, 1)
    end = p.site.split()[1]
    if end == "observation_of":
        key = yield lambda: observation_of({}), r"an array `(\w+)`"
        observation_of({key: np.zeros(2)})
    elif end == "_encoded":
        yield lambda: Message("x", {"a": torch.zeros(2)}, 1).packed(), "convert it with numpy first"
        Message("x", {"a": torch.zeros(2).numpy()}, 1).packed()
    elif end == "_decoded":
        text = {"__ndarray__": True, "data": b"", "dtype": "U3", "shape": [0]}
        odd = msgpack.packb({"type": "x", "payload": {"a": text}, "seq": 1, "timestamp": 0})
        yield lambda: Message.unpacked(odd), "send booleans, integers or floats"
    else:
        bad = {"Message.unpacked": "text", "Message.unpacked#2": b"\xc1", "Message.unpacked#3": msgpack.packb([1])}
        yield lambda: Message.unpacked(bad[end]), "binary messages in msgpack"
    Message.unpacked(good.packed())


@way("policies/serving/server.py Service.listen", "policies/serving/server.py Service.listen#2")
def _(p):
    if p.site.endswith("#2"):
        yield lambda: Service(lambda: ramp, execute=0).listen(), "leave the default"
        Service(lambda: ramp).listen().socket.close()
        return
    from ate.cli.rollout import serve

    host, remote = yield lambda: Service(lambda: ramp).listen("0.0.0.0"), r"leave (--host) away .* add (--remote)"
    known = {word for option in serve.params for word in option.opts}
    assert {host, remote} <= known
    Service(lambda: ramp).listen().socket.close()
    Service(lambda: ramp).listen("0.0.0.0", remote=True).socket.close()


@way("policies/serving/server.py Service._answer")
def _(p):
    with served(lambda: ramp) as address:
        with Client(address) as first:
            first(SEEN)
            # The error crosses the socket as text; it is made by the server's thread.
            yield lambda: Client(address), "wait until it has left, or start a server for each client"
        with Client(address) as later:
            later(SEEN)
