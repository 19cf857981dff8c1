"""Ways out of policies and their weights."""

import importlib
import json
import sys
from types import SimpleNamespace

import numpy as np
import torch

from ate.policies import Policy, build
from ate.policies.actor import Observation, PolicyActor, chunk_of
from ate.policies.actor_source import actor
from ate.policies.lerobot_actor import LeRobotActor
from ate.policies.rdt import loading
from ate.policies.rdt.lora import with_lora
from ate.policies.rdt.memory import memory_need
from ate.policies.rdt.transformer import RDT
from ate.runs import checkpoint
from tests.policies.rdt import tiny
from tests.policies.test_actor import THEIRS
from tests.policies.test_serving import SEEN
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
        pattern = r"a checkpoint of ate, package\.module:Class, file\.py:Class, or ws://"
        yield lambda: actor(str(p.path / "nowhere.safetensors")), pattern
    else:
        yield lambda: actor(str(file), "x"), "leave --checkpoint away, or name the class"
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


@way("policies/policy.py Policy.load")
def _(p):
    # What a training keeps to go on from lies in the same folder.
    checkpoint.save(p.path / "last.safetensors", {"identity": "", "state": {}})
    world().policy.save(p.path / "policy.safetensors")
    name = yield lambda: Policy.load(p.path / "last.safetensors"), r"name the (\S+) that"
    Policy.load(p.path / name)
    Policy.load(p.path)


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
