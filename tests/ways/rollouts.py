"""Ways out of policies, serving, simulators and rollouts."""

import importlib
import json
import sys
from types import SimpleNamespace

import numpy as np
import torch

from ate.policies import build
from ate.policies.actor import Observation, PolicyActor, chunk_of
from ate.policies.actor_source import actor
from ate.policies.lerobot_actor import LeRobotActor
from ate.policies.rdt import loading
from ate.policies.rdt.lora import with_lora
from ate.policies.rdt.memory import memory_need
from ate.policies.rdt.transformer import RDT
from ate.policies.serving.client import Client
from ate.policies.serving.message import Message, observation_of
from ate.policies.serving.server import Service
from ate.sim import Environments, record
from ate.sim.gym_address import GymAddress
from ate.sim.gym_simulator import GymEnvironments, describe
from ate.sim.rollout import rollout_many
from tests.policies.rdt import tiny
from tests.policies.test_actor import THEIRS
from tests.policies.test_serving import SEEN, ramp, served
from tests.sim.test_gym_simulator import REACH, stays, to_goal
from tests.ways.taking import way
from tests.ways.worlds import world


@way("policies/actor.py PolicyActor.__call__", "policies/policy.py Policy.observation")
def _(p):
    w = world()
    own = PolicyActor(w.policy)
    state = np.zeros(w.policy.config.state, np.float32)
    if p.site.startswith("policies/policy"):
        yield lambda: own(Observation(qpos=np.zeros(8, np.float32))), "record the same state for every robot"
    else:
        yield lambda: own(Observation(qpos=np.zeros(3, np.float32), state=state)), "in this order"
    own(Observation(qpos=np.zeros(len(own.joint_names), np.float32), state=state))


@way("policies/actor.py chunk_of", "policies/actor.py chunk_of#2")
def _(p):
    if p.site.endswith("#2"):
        yield lambda: chunk_of(lambda _: np.full((4, 2), np.nan), SEEN), "check the policy's output"
    else:
        yield lambda: chunk_of(lambda _: np.zeros((4, 3)), SEEN), "one row a control step and one column a joint"
    chunk_of(lambda _: np.zeros((4, 2)), SEEN)


@way("policies/actor.py _space")
def _(p):
    w = world()
    both = build([w.old, w.new], 8, seed=0, hidden=8)
    name = yield lambda: PolicyActor(both), r"name it: (\w+)="
    PolicyActor(both, **{name: "ur5e"})


def _theirs(p):
    (p.path / "their_policy.py").write_text(THEIRS)
    p.patch.chdir(p.path)
    p.patch.setattr(sys, "path", [*sys.path])
    p.patch.delitem(sys.modules, "their_policy", raising=False)


@way("policies/actor_source.py actor", "policies/actor_source.py _file")
def _(p):
    _theirs(p)
    file = world().folder / "policy.safetensors"
    if p.site.endswith("_file"):
        form = yield (
            lambda: actor(str(p.path / "nowhere.safetensors")),
            r"a checkpoint of ate, (package\.module:Class), or ws://",
        )
        assert form
    else:
        option = yield lambda: actor(str(file), "x"), r"leave (--checkpoint) away, or name the class"
        assert option
    actor(str(file))
    actor("their_policy:Hold")


@way("policies/actor_source.py _theirs", "policies/actor_source.py _theirs#2", "policies/actor_source.py _theirs#3",
     "policies/actor_source.py _made")  # fmt: skip
def _(p):
    if p.site.endswith("_theirs"):
        p.patch.setattr(sys, "path", [*sys.path])
        p.patch.delitem(sys.modules, "their_policy", raising=False)
        p.patch.chdir(p.path)
        name = yield lambda: actor("their_policy:Hold"), r"in the folder of (\w+), or install it"
        importlib.invalidate_caches()
        _theirs(p)
        importlib.invalidate_caches()
        actor(f"{name}:Hold")
        return
    _theirs(p)
    if p.site.endswith("#2"):
        name = yield lambda: actor("their_policy:Hodl"), r"did you mean '(\w+)'"
        actor(f"their_policy:{name}")
    elif p.site.endswith("#3"):
        yield lambda: actor("their_policy:number"), r"__call__\(self, observation\) that returns a chunk"
        actor("their_policy:Hold")
    else:
        yield lambda: actor("their_policy:Wants"), "a class that takes the checkpoint alone, or nothing"
        actor("their_policy:Hold")


@way("policies/lerobot_actor.py LeRobotActor.load#2", "policies/lerobot_actor.py LeRobotActor._inputs")
def _(p):
    if p.site.endswith("_inputs"):
        config = SimpleNamespace(input_features={"observation.images.top": None})
        own = SimpleNamespace(_policy=SimpleNamespace(config=config))
        inputs = LeRobotActor._inputs
        yield lambda: inputs(own, Observation(qpos=np.zeros(2, np.float32))), "what it was trained on"
        picture = np.zeros((4, 4, 3), np.uint8)
        inputs(own, Observation(qpos=np.zeros(2, np.float32), images={"top": picture}))
        return
    for name in ("configs.policies", "policies.factory", "utils.import_utils"):
        parts = f"lerobot.{name}".split(".")
        for i in range(1, len(parts) + 1):
            p.patch.setitem(sys.modules, ".".join(parts[:i]), SimpleNamespace(
                PreTrainedConfig=_Loaded, get_policy_class=lambda _: _Loaded, register_third_party_plugins=lambda: None,
                make_pre_post_processors=lambda *_, **__: (None, None), __path__=[],
            ))  # fmt: skip
    folder = yield lambda: LeRobotActor.load(p.path), r"name checkpoints/…/(\w+) of lerobot-train's output"
    (p.path / folder).mkdir()
    (p.path / folder / "config.json").write_text("{}")
    LeRobotActor.load(p.path / folder)


class _Loaded:
    type = "act"
    device = "cpu"
    input_features: dict = {}  # noqa: RUF012
    config = SimpleNamespace(device="cpu", input_features={})

    @classmethod
    def from_pretrained(cls, *_, **__):
        return cls()

    def to(self, *_):
        return self

    def eval(self):
        return self


@way("policies/policy.py PolicyConfig.__post_init__")
def _(p):
    config = world().policy.config
    from dataclasses import replace

    yield lambda: replace(config, network="unet", horizon=6), "use the MLP"
    replace(config, network="mlp", horizon=6)


@way("policies/rdt/loading.py load", "policies/rdt/loading.py weight_file", "policies/rdt/loading.py read_weights",
     "policies/rdt/loading.py read_weights#2", "policies/rdt/loading.py _runner_config",
     "policies/rdt/loading.py _runner_config#2", "policies/rdt/loading.py _read_config")  # fmt: skip
def _(p):
    weights = tiny.runner().state_dict()
    file = p.path / "weights.pt"
    torch.save(weights, file)
    config = p.path / "config.json"
    if p.site.endswith("loading.py load"):
        torch.save({k: v for k, v in weights.items() if "blocks.1.attn.qkv" not in k}, file)
        yield lambda: loading.load(file), "give the whole state dict"
    elif p.site.endswith("weight_file"):
        torch.save(weights, p.path / "other.pt")
        yield lambda: loading.load(p.path), "give the file itself"
    elif p.site.endswith("read_weights"):
        file.write_bytes(b"no weights")
        line = yield lambda: loading.load(file), r"save it again with (torch\.save\(model\.state_dict\(\), …\))"
        exec(line.replace("…", "file"), {"torch": torch, "model": tiny.runner(), "file": file})
    elif p.site.endswith("read_weights#2"):
        torch.save([1, 2], file)
        line = yield lambda: loading.load(file), r"save (model\.state_dict\(\))"
        torch.save(eval(line, {"model": tiny.runner()}), file)
    elif p.site.endswith("_runner_config"):
        torch.save({"model.a": torch.zeros(2)}, file)
        yield lambda: loading.load(file), "give RDT's weights"
    elif p.site.endswith("_runner_config#2"):
        config.write_text(json.dumps({"hidden_size": 64}))
        yield lambda: loading.load(file), "give the weights the config that they belong to"
        config.rename(p.path / "elsewhere.json")
    else:
        config.write_bytes(b" " * (loading.LARGEST_CONFIG + 1))
        yield lambda: loading.load(file), "check the folder"
        config.unlink()
    torch.save(weights, file)
    loading.load(file)


@way("policies/rdt/lora.py with_lora")
def _(p):
    rank = yield lambda: with_lora(tiny.runner(), 0), r"use (8) or 16"
    p.patch.setitem(sys.modules, "peft", SimpleNamespace(
        LoraConfig=lambda **_: None, inject_adapter_in_model=lambda _, model: model,
    ))  # fmt: skip
    with_lora(tiny.runner(), int(rank))


@way("policies/rdt/memory.py MemoryNeed.require", "policies/rdt/memory.py memory_need")
def _(p):
    if p.site.endswith("memory_need"):
        yield lambda: memory_need(tiny.TINY, 0), "raise it"
        memory_need(tiny.TINY, 1)
        return
    need = memory_need(tiny.TINY, 64)
    room = int((need.fixed + 3.5 * need.activations) / 0.9)
    batch = yield lambda: need.require(room), r"take batch (\d+) with accumulation"
    memory_need(tiny.TINY, int(batch)).require(room)
    small = int(memory_need(tiny.TINY, 1, lora_rank=4, precision="bf16", checkpointing=True).total / 0.89)
    by = yield lambda: need.require(small), r"train by (LoRA), in (bf16), with (checkpointing)"
    memory_need(tiny.TINY, 1, lora_rank=4, precision=by[1], **{by[2]: True}).require(small)


@way("policies/rdt/runner.py RunnerConfig.__post_init__", "policies/rdt/runner.py RunnerConfig.__post_init__#2",
     "policies/rdt/transformer.py RDT.__init__", "policies/rdt/transformer.py RDT.forward")  # fmt: skip
def _(p):
    from dataclasses import replace

    small = {"hidden_size": 32, "depth": 1, "max_lang_cond_len": 6, "img_cond_len": 5}
    if p.site.endswith("__post_init__"):
        yield lambda: replace(tiny.TINY, depth=0), "correct the config"
        replace(tiny.TINY, depth=1)
    elif p.site.endswith("#2"):
        kind = yield lambda: replace(tiny.TINY, prediction_type="v"), r"predicts the (\w+)$"
        replace(tiny.TINY, prediction_type=kind)
    elif p.site.endswith("RDT.__init__"):
        yield lambda: RDT(8, 8, num_heads=5, **small), "change hidden_size or num_heads"
        RDT(8, 8, num_heads=4, **small)
    else:
        network = RDT(8, 8, num_heads=4, **small)
        zeros = torch.zeros
        x, freq, t = zeros(2, 9, 32), zeros(2), zeros(2)

        def forward(words, pictures):
            return network(x, freq, t, zeros(2, words, 32), zeros(2, pictures, 32))

        yield lambda: forward(9, 5), "cut the instruction"
        forward(6, 5)
        yield lambda: forward(6, 4), "pad absent cameras"
        forward(6, 5)


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
    with served(lambda: ramp, several=True) as address:
        client = Client(address)
        client.reset(0)
        if end == "_ended":
            client._socket.close()
            yield lambda: client(SEEN), "look at the server, and start it again"
        else:
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


@way("sim/demos.py record", "sim/demos.py _refuse_existing")
def _(p):
    folder = p.path / "demos"
    if p.site.endswith("record"):
        yield lambda: record(folder, "ur5e", "lift", 0), "choose again"
    else:
        folder.mkdir()
        (folder / "x").write_text("x")
        yield lambda: record(folder, "ur5e", "lift", 1), "name another one or move it away"
        folder.rename(p.path / "moved")
    record(folder, "ur5e", "lift", 1)


@way("sim/environments.py Environments.__init__", "sim/environments.py Environments.step",
     "sim/environments.py Environments.step#2")  # fmt: skip
def _(p):
    if p.site.endswith("__init__"):
        line = yield lambda: Environments("ur5e", "lift", []), r"pass e\.g\. (range\(50\))"
        assert list(eval(line)) and Environments("ur5e", "lift", range(1))
        return
    with Environments("ur5e", "lift", [1]) as environments:
        if p.site.endswith("#2"):
            yield lambda: environments.step(np.full((1, 7), np.nan)), "check the policy's output"
        else:
            name = yield lambda: environments.step(np.zeros((1, 3))), r"see Robot\.(\w+) for the order"
            assert len(getattr(environments.arm, name)) == 7
        environments.step(np.zeros((1, 7)))


@way("sim/gym_address.py GymAddress.parse", "sim/gym_address.py GymAddress._check",
     "sim/gym_address.py GymAddress._check#2", "sim/gym_address.py GymAddress._check#3",
     "sim/gym_address.py GymAddress._ends")  # fmt: skip
def _(p):
    end = p.site.split(".")[-1]
    if end == "parse":
        text = yield lambda: GymAddress.parse("gym:"), r"write e\.g\. (.*)$"
        GymAddress.parse(text)
    elif end == "_check":
        yield lambda: GymAddress.parse("gym:a/B-v0,qpos=at[:"), "write it so"
        GymAddress.parse("gym:a/B-v0,qpos=at[0:7]")
    elif end == "_check#2":
        yield lambda: GymAddress.parse("gym:a/B-v0,python=/nowhere/python"), "the path of its bin/python"
        GymAddress.parse(f"gym:a/B-v0,python={sys.executable}")
    elif end == "_check#3":
        yield lambda: GymAddress.parse("gym:a/B-v0,timeout=0"), "leave them out"
        GymAddress.parse("gym:a/B-v0")
    else:
        ends = yield lambda: GymAddress.parse("gym:a/B-v0,gripper=open"), r"write e\.g\. (\S+)$"
        GymAddress.parse(f"gym:a/B-v0,gripper={ends}")


@way("sim/gym_simulator.py GymSimulator.limit")
def _(p):
    from ate.sim import gym_simulator
    from ate.sim.gym_simulator import GymSimulator

    p.patch.setattr(gym_simulator, "describe", lambda _: SimpleNamespace(steps=0))
    name = yield lambda: GymSimulator("agent", GymAddress.parse(REACH)).limit, r"say it with (\w+)=$"
    assert GymSimulator("agent", GymAddress.parse(f"{REACH},{name}=30")).limit == 30


@way("sim/gym_simulator.py GymEnvironments.__init__", "sim/gym_simulator.py GymEnvironments.step",
     "sim/gym_simulator.py _check_columns")  # fmt: skip
def _(p):
    address = GymAddress.parse(REACH)
    if p.site.endswith("__init__"):
        line = yield lambda: GymEnvironments(address, []), r"pass e\.g\. (range\(50\))"
        assert list(eval(line))
    elif p.site.endswith("_check_columns"):
        wide = GymAddress.parse(REACH.replace("qpos=agent/at", "qpos=agent/at+goal"))
        keys = yield lambda: GymEnvironments(wide, [1]), r"qpos=KEY\[first:last\].* an observation has (.*)$"
        address = GymAddress.parse(REACH.replace("agent/at", f"{keys.split(' ')[0]}[0:2]"))
    else:
        with GymEnvironments(address, [1]) as environments:
            yield lambda: environments.step(np.full((1, 2), np.nan)), "check the policy's output"
            environments.step(np.zeros((1, 2)))
    with GymEnvironments(address, [1]):
        pass
    assert describe(address).dof == 2


@way("sim/rollout.py rollout_many", "sim/rollout.py rollout_many#2", "sim/rollout.py _chunk")
def _(p):
    if p.site.endswith("#2"):
        yield lambda: rollout_many([], "agent", REACH, [1]), "pass some"
    elif p.site.endswith("_chunk"):
        yield lambda: rollout_many([stays], "agent", REACH, [1], execute=9), "or pass a smaller execute"
    else:
        yield lambda: rollout_many([stays], "agent", REACH, [1], execute=0), "leave the default"
        deep = lambda qpos, state: np.repeat(qpos[:, None], 16, 1)  # noqa: E731
        rollout_many([deep], "agent", REACH, [1])
    rollout_many([to_goal], "agent", REACH, [1], execute=4)
