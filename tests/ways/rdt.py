"""Ways out of RDT's weights and fine-tuning."""

from dataclasses import replace
from types import SimpleNamespace

import h5py
import torch
import yaml
from safetensors.torch import save_file

from ate.data import load
from ate.experiments import MethodSpec
from ate.experiments.dispatch import JobSpec, _cells
from ate.policies.rdt import Release, Samples, TunedPolicy
from ate.policies.rdt.actor import RDTActor
from ate.policies.rdt.memory import memory_need
from ate.policies.rdt.tuned_policy import TrainedWeights
from ate.policies.recorded import Recorded
from ate.runs.device import tf32
from ate.steer import GuidanceConfig
from ate.steer.rdt_finetuning import finetune_rdt
from tests.policies.rdt import scene, tiny
from tests.policies.rdt.scene import CONFIG, WORDS
from tests.ways.rdt_scene import conditions, copied_set, picture_encoder, rdt_task, shared
from tests.ways.released import _released
from tests.ways.studies import _experiment
from tests.ways.taking import way


@way("experiments/dispatch.py _cells")
def _(p):
    method = MethodSpec("apart", guidance=GuidanceConfig.of("tool-motion"), encoder="motion", replay="retargeted")
    job = JobSpec(_experiment(), (method,), (0,))
    option, axis, first, second = yield (
        lambda: _cells(job, stacked=True),
        r"leave --(stacked) away, or sweep --axis (\w+)=(\w+) or (\w+)$",
    )
    assert len(_cells(job, **{option: False})) == 1
    for place in (first, second):
        other = MethodSpec("apart", guidance=GuidanceConfig(**{axis: place}), encoder="motion")
        assert len(_cells(JobSpec(_experiment(), (other,), (0,)), stacked=True)) == 1


@way("runs/device.py tf32")
def _(p):
    p.patch.setattr(torch.backends.cuda, "matmul", SimpleNamespace())

    def train(precision):
        with tf32("cuda", precision == "tf32"):
            pass

    for precision in (yield lambda: train("tf32"), r"take (\w+) or (\w+)$"):
        train(precision)


@way("policies/rdt/memory.py MemoryNeed.divided")
def _(p):
    need = memory_need(tiny.TINY, 1)
    yield lambda: need.divided(0), "raise it"
    need.divided(1)


@way("cli/rdt_task.py RdtTask.guidance")
def _(p):
    config, options = GuidanceConfig(), {"lam": 2.0}
    named = yield (
        lambda: rdt_task(p).guidance(config, options),
        r"give --(\w+) FOLDER, or a --(base) with a (vae): block",
    )
    field, base, block = named
    assert rdt_task(p, **{field: shared()[0] / "alignment"}).guidance(config, options) is not None
    # The embodiment of a profile says which slots guide.
    fields = yaml.safe_load(scene.base_yaml()) | {block: _released(p)}
    (p.path / "base.yaml").write_text(yaml.safe_dump(fields))
    assert rdt_task(p, **{base: p.path / "base.yaml"}).guidance(config, options) is not None


@way("cli/rdt_task.py RdtTask._aligned")
def _(p):
    from tests.ways.worlds import world

    task = rdt_task(p, alignment=world().folder / "align")
    chunk, command = yield lambda: task.guidance(GuidanceConfig(), {}), r"with chunks of (\d+): ate (align --adapt .*)$"
    small = (f"chunk={chunk}", "pretrain_steps=2", "adapt_steps=2", "held_out=0.25")
    options = [word for item in small for word in ("-p", item)]
    p.ate(
        *command.split(), "--preset", "smoke", "--pretrain", shared()[0] / "robots/old", "--out", p.path / "a", *options
    )
    rdt_task(p, alignment=p.path / "a").guidance(GuidanceConfig(), {})


@way("cli/rdt_task.py RdtTask._loaded")
def _(p):
    runner = rdt_task(p).runner()
    save_file(runner.model.state_dict(), p.path / "model.safetensors")
    name = yield lambda: rdt_task(p, weights=p.path / "model.safetensors").runner(), r"as RDT's (\S+) has them"
    torch.save(runner.state_dict(), p.path / name)
    rdt_task(p, weights=p.path / name).runner()


def _policy(p, vision=None):
    folder, new = shared()
    samples = Samples.of(new, conditions(p, new), CONFIG)
    words = {"": torch.ones(1, WORDS)}
    runner = rdt_task(p).runner()
    return TunedPolicy(
        runner, folder / "weights", 0, Release(), samples.embodiment, 20.0, ("front", "wrist", ""), words, vision, None
    )


@way("policies/rdt/actor.py RDTActor.__call__", "policies/rdt/actor.py RDTActor._seen")
def _(p):
    actor, seen = RDTActor(_policy(p, picture_encoder())), Recorded(shared()[1]).observation(3)
    if p.site.endswith("seen"):
        option = yield lambda: actor({"qpos": seen["qpos"]}), r"or fine-tune without --(vision)"
        assert RDTActor(_policy(p, **{option: None}))({"qpos": seen["qpos"]}).shape == (8, 5)
    else:
        short = {**seen, "qpos": seen["qpos"][:4]}
        yield lambda: actor(short), "send the joints that the policy was trained on, in this order"
    assert actor(seen).shape == (8, 5)


@way("policies/rdt/samples.py Samples.of", "policies/rdt/samples.py Samples.of#2")
def _(p):
    copied_set(p)
    for file in p.set.glob("*.hdf5"):
        with h5py.File(file, "r+") as handle:
            if p.site.endswith("#2"):
                handle["action"] = handle["qpos"][:, :4]
                handle.attrs["action_names"] = list(scene.JOINTS[:4])
            else:
                del handle.attrs["rate_hz"]
    if p.site.endswith("#2"):
        odd = load(p.set, source="action")
        name, value = yield lambda: Samples.of(odd, conditions(p, odd), CONFIG), r"with (source)=(qpos)$"
        left = load(p.set, **{name: value})
    else:
        bare = load(p.set)
        rate = yield lambda: Samples.of(bare, conditions(p, bare), CONFIG), r"--rate (\d+), or record rate_hz"
        left = load(p.set, rate=float(rate))
    Samples.of(left, conditions(p, left), CONFIG)


@way("policies/rdt/tuned_policy.py TrainedWeights.load_state_dict")
def _(p):
    own = TrainedWeights(rdt_task(p).runner()).state_dict()
    other = TrainedWeights(tiny.runner())
    yield lambda: other.load_state_dict(own), "give the rank of LoRA and the base that they have"
    TrainedWeights(rdt_task(p).runner()).load_state_dict(own)


@way("policies/rdt/tuned_policy.py TunedPolicy.load", "policies/rdt/tuned_policy.py _changed")
def _(p):
    from ate.runs import checkpoint

    base = scene.weights(p.path / "weights")
    policy = replace(_policy(p), base=base)
    if p.site.endswith("load"):
        checkpoint.save(p.path / "other.safetensors", {"x": torch.zeros(1)})
        name = yield lambda: TunedPolicy.load(p.path / "other.safetensors"), r"give (\S+) of its run"
        policy.save(p.path / name)
        TunedPolicy.load(p.path / name)
    else:
        policy.save(p.path / "policy.safetensors")
        whole = (base / "rdt.safetensors").read_bytes()
        save_file(policy.runner.state_dict(), base / "rdt.safetensors", metadata={"other": "one"})
        yield lambda: TunedPolicy.load(p.path), "put them back there"
        (base / "rdt.safetensors").write_bytes(whole)
        TunedPolicy.load(p.path)


@way("steer/rdt_finetuning.py _checked")
def _(p):
    new = shared()[1]
    samples = Samples.of(new, conditions(p, new), CONFIG)
    options = {"steps": 1, "batch": 2, "ema": 0.9, "precision": "tf32"}
    for _ in range(2):
        name = yield lambda: finetune_rdt(rdt_task(p).runner(), samples, **options), r"leave (\w+) away"
        del options[name]
    finetune_rdt(rdt_task(p).runner(), samples, **options)
