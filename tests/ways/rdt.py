"""Ways out of RDT's pictures, words, weights and fine-tuning."""

import re
import shutil
import sys
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from types import SimpleNamespace

import h5py
import torch
import yaml
from safetensors.torch import save_file

from ate.align import fit
from ate.align.config import preset
from ate.cli.rdt_task import RdtTask
from ate.data import load
from ate.experiments import MethodSpec
from ate.experiments.dispatch import JobSpec, _cells
from ate.policies.rdt import Conditions, Embeddings, LanguageEncoder, Release, Samples, TunedPolicy, VisionEncoder
from ate.policies.rdt.actor import RDTActor
from ate.policies.rdt.camera_places import camera_places
from ate.policies.rdt.conditions import check_language, check_vision, instructions
from ate.policies.rdt.memory import memory_need
from ate.policies.rdt.tuned_policy import TrainedWeights
from ate.policies.recorded import Recorded
from ate.runs.device import tf32
from ate.runs.options import names, pairs
from ate.steer import GuidanceConfig
from ate.steer.rdt_finetuning import finetune_rdt
from tests.policies.rdt import scene, tiny
from tests.policies.rdt.scene import CONFIG, PATCHES, WIDTH, WORDS
from tests.ways.extras import _brought
from tests.ways.learning import _released
from tests.ways.studies import _experiment
from tests.ways.taking import way


@dataclass(frozen=True, eq=False)
class Seeing(VisionEncoder):
    """An encoder of pictures without weights."""

    digest = "seeing"

    def __call__(self, pictures):
        return torch.full((len(pictures), self.patches, self.width), float(pictures.mean()) / 255)


@dataclass(frozen=True, eq=False)
class Hearing(LanguageEncoder):
    """An encoder of words without weights."""

    digest = weights_digest = "hearing"

    def __call__(self, text):
        return torch.ones(1 + len(text.split()), self.width)


def _seeing(width=WIDTH, patches=PATCHES):
    return Seeing(Path("seeing"), width, 16, patches, (0.5,) * 3, (0.5,) * 3, True, torch.device("cpu"))


def _hearing(width=WORDS):
    return Hearing(Path("hearing"), width, 9, torch.device("cpu"))


@cache
def _home():
    """Recordings with pictures and words, an alignment after four steps, and weights: made once."""
    folder = Path(mkdtemp(prefix="ways-rdt-"))
    old, new = scene.robots(folder / "robots")
    config = preset("smoke").with_options(chunk=8, held_out=0.25, pretrain_steps=4, adapt_steps=4)
    fit([old], new, config).save(folder / "alignment")
    scene.weights(folder / "weights")
    return folder, new


def _copied(p):
    """The recordings, to be spoiled."""
    shutil.copytree(_home()[0] / "robots/new", p.set)
    return load(p.set)


def _seen(p, episodes, **named):
    named = {"vision": _seeing(), "language": _hearing(), **named}
    return Conditions.of(episodes, CONFIG, Release(), Embeddings(p.path / "kept"), **named)


def _task(p, **changes):
    folder, _ = _home()
    given = {
        "weights": folder / "weights", "base": None, "adapt": folder / "robots/new", "robot": "", "source": "qpos",
        "rate": 0.0, "vision": None, "language": None, "cameras": "", "instruction": "", "cache": p.path / "kept",
        "alignment": None, "lora_rank": 0, "precision": "mixed", "checkpointing": False,
    }  # fmt: skip
    return RdtTask(**{**given, **changes})


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
    named = yield lambda: _task(p).guidance(config, options), r"give --(\w+) FOLDER, or a --(base) with a (vae): block"
    field, base, block = named
    assert _task(p, **{field: _home()[0] / "alignment"}).guidance(config, options) is not None
    # The embodiment of a profile says which slots guide.
    fields = yaml.safe_load(scene.base_yaml()) | {block: _released(p)}
    (p.path / "base.yaml").write_text(yaml.safe_dump(fields))
    assert _task(p, **{base: p.path / "base.yaml"}).guidance(config, options) is not None


@way("cli/rdt_task.py RdtTask._aligned", slow=True)
def _(p):
    from tests.ways.worlds import world

    task = _task(p, alignment=world().folder / "align")
    chunk, command = yield lambda: task.guidance(GuidanceConfig(), {}), r"with chunks of (\d+): ate (align --adapt .*)$"
    small = (f"chunk={chunk}", "pretrain_steps=2", "adapt_steps=2", "held_out=0.25")
    options = [word for item in small for word in ("-p", item)]
    p.ate(
        *command.split(), "--preset", "smoke", "--pretrain", _home()[0] / "robots/old", "--out", p.path / "a", *options
    )
    _task(p, alignment=p.path / "a").guidance(GuidanceConfig(), {})


@way("cli/rdt_task.py RdtTask._loaded")
def _(p):
    runner = _task(p).runner()
    save_file(runner.model.state_dict(), p.path / "model.safetensors")
    name = yield lambda: _task(p, weights=p.path / "model.safetensors").runner(), r"as RDT's (\S+) has them"
    torch.save(runner.state_dict(), p.path / name)
    _task(p, weights=p.path / name).runner()


def _policy(p, vision=None):
    folder, new = _home()
    samples = Samples.of(new, _seen(p, new), CONFIG)
    words = {"": torch.ones(1, WORDS)}
    runner = _task(p).runner()
    return TunedPolicy(
        runner, folder / "weights", 0, Release(), samples.embodiment, 20.0, ("front", "wrist", ""), words, vision, None
    )


@way("policies/rdt/actor.py RDTActor.__call__", "policies/rdt/actor.py RDTActor._seen")
def _(p):
    actor, seen = RDTActor(_policy(p, _seeing())), Recorded(_home()[1]).observation(3)
    if p.site.endswith("_seen"):
        option = yield lambda: actor({"qpos": seen["qpos"]}), r"or fine-tune without --(vision)"
        assert RDTActor(_policy(p, **{option: None}))({"qpos": seen["qpos"]}).shape == (8, 5)
    else:
        short = {**seen, "qpos": seen["qpos"][:4]}
        yield lambda: actor(short), "send the joints that the policy was trained on, in this order"
    assert actor(seen).shape == (8, 5)


@way("policies/rdt/camera_places.py camera_places")
def _(p):
    cameras = ("front", "side", "wrist")
    text = yield lambda: camera_places(cameras, 3), r"--cameras (\S+)$"
    assert camera_places(cameras, 3, pairs(names(text), "--cameras")) == ("front", "wrist", "")


@way("policies/rdt/conditions.py check_vision", "policies/rdt/conditions.py check_vision#2",
     "policies/rdt/conditions.py check_language")  # fmt: skip
def _(p):
    folder = _home()[0]
    if p.site.endswith("check_vision"):
        name = yield lambda: check_vision(None, CONFIG, Release(cameras=5)), r"the configs/(\S+) that belongs"
        check_vision(None, CONFIG, Release.read(folder / "weights" / name))
    elif p.site.endswith("#2"):
        yield lambda: check_vision(_seeing(16), CONFIG, Release()), "the encoder that belongs to the weights"
        assert check_vision(_seeing(), CONFIG, Release()) == PATCHES
    else:
        yield lambda: check_language(_hearing(8), CONFIG), "the encoder that belongs to the weights"
        check_language(_hearing(), CONFIG)


@way("policies/rdt/conditions.py instructions")
def _(p):
    _copied(p)
    for file in p.set.glob("*.hdf5"):
        with h5py.File(file, "r+") as handle:
            del handle.attrs["task"]
    silent = load(p.set)
    option, text, other = yield lambda: instructions(silent), r"^(--\w+) '(.*)', or leave --(\w+) away"
    assert option == "--instruction" and set(instructions(silent, text)) == {text}
    _seen(p, silent, **{other: None})


@way("policies/rdt/conditions.py _embedded", "policies/rdt/conditions.py _embedded#2")
def _(p):
    _copied(p)
    files = sorted(p.set.glob("*.hdf5"))
    for file in files if p.site.endswith("_embedded") else files[1:2]:
        with h5py.File(file, "r+") as handle:
            del handle["images"]
    spoiled = load(p.set)
    if p.site.endswith("#2"):
        name = yield lambda: _seen(p, spoiled), r"exclude (\w+)"
        _seen(p, load(p.set, exclude=[name]))
        yield lambda: _seen(p, spoiled), "fetch its pictures again"
    else:
        option = yield lambda: _seen(p, spoiled), r"leave --(\w+) away"
        _seen(p, spoiled, **{option: None})
        yield lambda: _seen(p, spoiled), "fetch or record them"
    _seen(p, _home()[1])


@way("policies/rdt/embeddings.py Embeddings._check_room")
def _(p):
    whole = shutil.disk_usage
    full = SimpleNamespace(free=0)
    p.patch.setattr(shutil, "disk_usage", lambda place: full if Path(place) == p.path / "kept" else whole(place))
    new = _home()[1]
    option, variable = yield lambda: _seen(p, new), r"another folder, --(\w+) or (\w+), or take fewer"
    p.patch.setenv(variable, str(p.path / "elsewhere"))
    from ate.policies.rdt.embeddings import default_folder

    given = getattr(_task(p, **{option: p.path / "roomy"}), option)
    for folder in (default_folder(), given):
        Conditions.of(new, CONFIG, Release(), Embeddings(folder), vision=_seeing(), language=_hearing())


@way("policies/rdt/encoder_folder.py encoder_errors", "policies/rdt/encoder_folder.py encoder_errors#3",
     "policies/rdt/language_encoder.py LanguageEncoder.of", "policies/rdt/language_encoder.py LanguageEncoder.__call__",
     "policies/rdt/vision_encoder.py VisionEncoder.of", slow=True)  # fmt: skip
def _(p):
    seeing, hearing = scene.siglip(p.path / "siglip"), scene.t5(p.path / "t5")
    config = seeing / "config.json"
    whole = config.read_text()
    if p.site.endswith("encoder_errors"):
        config.unlink()
        yield lambda: VisionEncoder.of(seeing), r"fetch it first \(hf download NAME --local-dir FOLDER\)"
        config.write_text(whole)
    elif p.site.endswith("#3"):
        config.write_text("{")
        yield lambda: VisionEncoder.of(seeing), "fetch the folder again"
        config.write_text(whole)
    elif p.site.endswith("LanguageEncoder.of"):
        yield lambda: LanguageEncoder.of(seeing), "or of the encoder of your policy"
    elif p.site.endswith("VisionEncoder.of"):
        yield lambda: VisionEncoder.of(hearing), "or of the encoder of your policy"
    else:
        yield lambda: LanguageEncoder.of(hearing, most=9)("lift " * 9), "say it in fewer words: --instruction"
    VisionEncoder.of(seeing)
    LanguageEncoder.of(hearing, most=9)("lift")


@way("policies/rdt/release.py _value", "policies/rdt/release.py _odd")
def _(p):
    file, text = p.path / "base.yaml", scene.base_yaml()
    if p.site.endswith("_value"):
        file.write_text(text.replace("num_cameras: 3,", ""))
        path = yield lambda: Release.read(file), r"add (\S+) as the release has it"
    else:
        file.write_text(text.replace("num_cameras: 3", "num_cameras: three"))
        path = yield lambda: Release.read(file), r"correct (\S+)$"
    fields = yaml.safe_load(file.read_text())
    part, name = path.split(".")
    fields[part][name] = 3
    file.write_text(yaml.safe_dump(fields))
    assert Release.read(file).cameras == 3


@way("policies/rdt/samples.py Samples.of", "policies/rdt/samples.py Samples.of#2")
def _(p):
    _copied(p)
    for file in p.set.glob("*.hdf5"):
        with h5py.File(file, "r+") as handle:
            if p.site.endswith("#2"):
                handle["action"] = handle["qpos"][:, :4]
                handle.attrs["action_names"] = list(scene.JOINTS[:4])
            else:
                del handle.attrs["rate_hz"]
    if p.site.endswith("#2"):
        odd = load(p.set, source="action")
        name, value = yield lambda: Samples.of(odd, _seen(p, odd), CONFIG), r"with (source)=(qpos)$"
        left = load(p.set, **{name: value})
    else:
        bare = load(p.set)
        rate = yield lambda: Samples.of(bare, _seen(p, bare), CONFIG), r"--rate (\d+), or record rate_hz"
        left = load(p.set, rate=float(rate))
    Samples.of(left, _seen(p, left), CONFIG)


@way("policies/rdt/tuned_policy.py TrainedWeights.load_state_dict")
def _(p):
    own = TrainedWeights(_task(p).runner()).state_dict()
    other = TrainedWeights(tiny.runner())
    yield lambda: other.load_state_dict(own), "give the rank of LoRA and the base that they have"
    TrainedWeights(_task(p).runner()).load_state_dict(own)


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
    new = _home()[1]
    samples = Samples.of(new, _seen(p, new), CONFIG)
    options = {"steps": 1, "batch": 2, "ema": 0.9, "precision": "bf16"}
    for _ in range(2):
        name = yield lambda: finetune_rdt(_task(p).runner(), samples, **options), r"leave (\w+) away"
        del options[name]
    finetune_rdt(_task(p).runner(), samples, **options)


@way("policies/rdt/encoder_folder.py encoder_errors#2")
def _(p):
    p.patch.setitem(sys.modules, "transformers", None)
    folder = p.path / "siglip"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "siglip"}')
    extra = yield lambda: VisionEncoder.of(folder), r"^pip install -e '[^']*\[(\w+)\]'$"
    assert "transformers" in {re.split(r"\W", item)[0] for item in _brought(extra)}
