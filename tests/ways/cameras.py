"""Ways out of eyes for pictures that were recorded."""

from dataclasses import replace

import h5py
import torch

from ate.data import load, load_sets
from ate.experiments.observability import blinded, check_observations
from ate.experiments.settings import settings
from ate.policies import build
from ate.policies.actor import Observation, PolicyActor
from ate.policies.recorded import Recorded
from ate.policies.vision import CameraEyes, Encoder, see_recorded
from ate.policies.vision.seen import write
from tests.policies.vision.conftest import TINY, scene_set
from tests.policies.vision.test_camera_eyes import filmed_set
from tests.ways.taking import way


def _encoder():
    return Encoder(TINY).eval().requires_grad_(False)


def _files(p):
    return sorted((p.path / "arm").glob("*.hdf5"))


@way("policies/vision/camera_eyes.py CameraEyes.of")
def _(p):
    filmed_set(p.path, "arm", 0)
    for index, file in enumerate(_files(p)):
        with h5py.File(file, "a") as handle:
            del handle[f"images/{('cam_high', 'cam_wrist')[index > 0]}"]
    yield lambda: CameraEyes.of([load(p.path / "arm")], encoder=_encoder()), "or exclude those without$"
    first = load(p.path / "arm")[0].name
    assert CameraEyes.of([load(p.path / "arm", exclude=[first])], encoder=_encoder()).cameras == ("cam_high",)


@way("policies/vision/camera_eyes.py views_of")
def _(p):
    filmed_set(p.path, "arm", 0)
    last = load(p.path / "arm")[3].name
    with h5py.File(_files(p)[3], "a") as handle:
        del handle["images"]
    yield lambda: CameraEyes.of([load(p.path / "arm")], encoder=_encoder()), "or exclude those without$"
    assert CameraEyes.of([load(p.path / "arm", exclude=[last])], encoder=_encoder()).cameras


@way("policies/vision/watch.py _undrawn")
def _(p):
    episodes, _ = filmed_set(p.path, "arm", 0)
    eyes = CameraEyes.of([episodes], encoder=_encoder())
    policy = build([see_recorded(episodes, eyes)], 8, seed=0, hidden=16)
    policy.eyes = eyes
    actor, (qpos, *_) = PolicyActor(policy), episodes[0].qpos
    yield lambda: policy.acting(torch.Generator())(qpos[None], None), "give an actor the pictures"
    name = yield lambda: actor(Observation(qpos=qpos)), r"the pictures as (\w+) of its observation$"
    actor({"qpos": qpos, name: Recorded(episodes).observation(0)["images"]})


@way("experiments/observability.py _check_eyes#2")
def _(p):
    episodes, _ = filmed_set(p.path / "old", "arm", 0)
    eyes = CameraEyes.of([episodes], encoder=_encoder())
    write(see_recorded(episodes, eyes), eyes, p.path / "seen" / "arm")
    (old,) = load_sets(p.path / "seen")
    new = replace(see_recorded(episodes, eyes), robot="ur5e", task="lift")
    given = {"profile": "smoke", "run": str(p.path / "run")}
    option, value = yield lambda: check_observations(settings(given), [old], new), r"with (blind)=(true)$"
    check_observations(settings({**given, option: value}), blinded([old]), new)


@way("cli/vision.py _camera_eyes")
def _(p):
    filmed_set(p.path, "arm", 0)
    scene_set(p.path / "lift")
    _encoder().save(p.path / "encoder.safetensors")
    named = "--encoder", p.path / "encoder.safetensors"
    p.ate("vision", "see", p.path / "lift", p.path / "drawn", *named)

    def like(folder):
        p.ate("vision", "see", p.path / "arm", p.path / "again", "--recorded", "--like", folder)

    option = yield lambda: like(p.path / "drawn"), r"a set that (--recorded) wrote"
    p.ate("vision", "see", p.path / "arm", p.path / "seen", option, *named)
    like(p.path / "seen")
    yield lambda: like(p.path / "drawn"), "leave --recorded out$"
    p.ate("vision", "see", p.path / "lift", p.path / "other", *named)
