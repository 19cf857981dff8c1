"""Eyes for pictures that were recorded: what the cameras show is in the numbers, and a policy acts on it."""

import io
from dataclasses import replace

import h5py
import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from ate.cli.vision import vision
from ate.data import load, load_sets
from ate.errors import InputError
from ate.experiments.observability import check_observations
from ate.experiments.preparation import preflight
from ate.experiments.settings import settings
from ate.policies import Policy, build
from ate.policies.actor import Observation, PolicyActor
from ate.policies.recorded import Recorded
from ate.policies.vision import CameraEyes, Encoder, see_recorded
from ate.policies.vision.seen import eyes_of, seen_by, write
from tests.conftest import write_episode
from tests.data.test_cameras import lerobot_pictures
from tests.policies.vision.conftest import TINY
from tests.policies.vision.test_trunk import folder  # noqa: F401 (fixture)

SIDE = 24


def picture(at):
    """A red square on grey, whose centre is at (x, y) in [−1, 1]."""
    frame = np.full((SIDE, SIDE, 3), 120, np.uint8)
    x, y = (int((value + 1) / 2 * (SIDE - 9)) for value in at)
    frame[y : y + 8, x : x + 8] = (220, 30, 30)
    return frame


def filmed_set(root, robot, seed, episodes=4, rows=12, tasks=("reach the square",)):
    """A robot of two joints whose cameras see a square that lies elsewhere in each episode; it goes there."""
    rng, places = np.random.default_rng(seed), []
    for index in range(episodes):
        at = rng.uniform(-1, 1, 2)
        qpos = (np.linspace(0, 1, rows)[:, None] * at).astype("f4")
        more = {"joint_names": ["joint1", "joint2"], "rate_hz": 20.0, "task": tasks[index % len(tasks)]}
        file = write_episode(root / robot, index, qpos, robot=robot, **more)
        with h5py.File(file, "a") as handle:
            handle["images/cam_high"] = np.stack([picture(at)] * len(qpos))
            packed = io.BytesIO()
            Image.fromarray(picture(-at)).save(packed, "PNG")
            wrist = handle.create_dataset("images/cam_wrist", (len(qpos),), h5py.vlen_dtype(np.uint8))
            for row in range(len(qpos)):
                wrist[row] = np.frombuffer(packed.getvalue(), np.uint8)
        places.append(at)
    return load(root / robot), np.array(places)


@pytest.fixture
def encoder():
    return Encoder(TINY).eval().requires_grad_(False)


def columns_of(seen):
    return np.stack([seen.extra(i, "state")[0] for i in range(len(seen))])


def unexplained(rows, places, fresh, elsewhere):
    """Share of the variance of places elsewhere that a linear map from the columns does not explain."""
    design = np.c_[rows, np.ones(len(rows))]
    found = np.linalg.lstsq(design, places, rcond=1e-3)[0]
    off = np.c_[fresh, np.ones(len(fresh))] @ found - elsewhere
    return float((off**2).mean() / elsewhere.var(0).mean())


@pytest.mark.slow
def test_where_a_thing_lies_in_recorded_pictures_is_in_the_numbers(tmp_path, encoder):
    eyes = localising(tmp_path, encoder=encoder)
    assert CameraEyes.from_tree(eyes.to_tree()).digest == eyes.digest


@pytest.mark.slow
def test_a_frozen_model_of_ones_own_sees_it_too(tmp_path, folder):  # noqa: F811
    eyes = localising(tmp_path, folder=folder)
    again = CameraEyes.from_tree(eyes.to_tree())
    assert again.digest == eyes.digest and again.folder == folder


def localising(tmp_path, **given):
    """Eyes whose columns say where the square lies, on episodes of another set too.

    Columns of a network that was never trained say less than those of one that was; what says nothing leaves all of
    the variance or more.
    """
    old, places = filmed_set(tmp_path, "old", 0, episodes=24, rows=2)
    new, elsewhere = filmed_set(tmp_path, "new", 1, episodes=8, rows=2)
    eyes = CameraEyes.of([old], **given, numbers=6)
    assert eyes.cameras == ("cam_high", "cam_wrist") and len(eyes.columns) <= 12 and not eyes.listens
    seen, fresh = see_recorded(old, eyes), see_recorded(new, eyes)
    assert seen[0].column_names("state") == eyes.columns and seen.digest == old.digest
    assert unexplained(columns_of(seen), places, columns_of(fresh), elsewhere) < (0.5 if given.get("folder") else 0.2)
    return eyes


def test_a_policy_that_was_trained_on_it_acts_on_the_pictures_of_an_observation(tmp_path, encoder):
    old, _ = filmed_set(tmp_path / "raw", "old", 0)
    eyes = CameraEyes.of([old], encoder=encoder)
    write(see_recorded(old, eyes), eyes, tmp_path / "seen" / "old")
    seen = load(tmp_path / "seen" / "old")
    assert seen_by(seen) == eyes.digest
    policy = build([seen], 8, seed=0, hidden=16)
    policy.eyes = eyes_of(seen)
    policy.save(tmp_path / "policy.safetensors")
    actor = PolicyActor(Policy.load(tmp_path / "policy.safetensors"))
    recorded = Recorded(old)
    chunk = actor(recorded.observation(15))
    actor.reset(0)
    qpos, state = seen[1].qpos[3], seen.extra(1, "state")[3]
    np.testing.assert_allclose(actor(Observation(qpos=qpos, state=state)), chunk, atol=1e-4)
    actor.reset(0)
    other = {**recorded.observation(15), "images": recorded.observation(40)["images"]}
    assert np.abs(actor(other) - chunk).max() > 1e-4
    for refused in (lambda: actor(Observation(qpos=qpos)), lambda: policy.acting(torch.Generator())(qpos[None], None)):
        with pytest.raises(InputError) as caught:
            refused()
        assert caught.value.where == "eyes" and "cam_high" in caught.value.expected


def test_instructions_have_numbers_where_there_are_several(tmp_path, encoder):
    old, _ = filmed_set(tmp_path, "old", 0, tasks=("lift the cube", "push the disc to the green goal"))
    eyes = CameraEyes.of([old], encoder=encoder)
    rows = columns_of(see_recorded(old, eyes))
    assert eyes.listens and eyes.columns[-1] == "words_0" and len(set(np.round(rows[:, -1], 4))) == 2
    policy = build([see_recorded(old, eyes)], 8, seed=0, hidden=16)
    policy.eyes = eyes
    without = {name: value for name, value in Recorded(old).observation(0).items() if name != "task"}
    with pytest.raises(InputError) as caught:
        PolicyActor(policy)(without)
    assert "instruction" in caught.value.got


@pytest.mark.parametrize("version", ["v2", "v3"])
def test_pictures_of_a_lerobot_set_are_seen(version, tmp_path, encoder):
    episodes, _ = lerobot_pictures(tmp_path / "arm", version)
    eyes = CameraEyes.of([episodes], encoder=encoder, numbers=2)
    write(see_recorded(episodes, eyes), eyes, tmp_path / "seen")
    seen = load(tmp_path / "seen")
    assert eyes.cameras == ("top",) and [len(item) for item in seen] == [len(item) for item in episodes]
    # The red of the pictures grows row by row, and so does the first direction.
    steps = np.diff(seen.extra(0, "state")[:, 0])
    assert (steps > 0).all() or (steps < 0).all()


@pytest.mark.slow
def test_a_study_on_seen_sets_of_cameras_is_prepared_and_one_that_would_draw_is_refused(tmp_path, encoder):
    for name, seed in (("old", 0), ("new", 1)):
        filmed_set(tmp_path / "raw" / name, name, seed)
    encoder.save(tmp_path / "encoder.safetensors")
    for name, more in (("old", ["--encoder", str(tmp_path / "encoder.safetensors")]),
                       ("new", ["--like", str(tmp_path / "seen" / "old")])):  # fmt: skip
        command = ["see", str(tmp_path / "raw" / name), str(tmp_path / "seen" / name), "--recorded", *more]
        done = CliRunner().invoke(vision, command)
        assert done.exit_code == 0, done.output
    given = settings({"profile": "smoke", "policy": "vision", "run": str(tmp_path / "run"), "horizon": 4,
                      "pretrain": str(tmp_path / "seen" / "old"), "adapt": str(tmp_path / "seen" / "new")})  # fmt: skip
    data = preflight(given)
    assert seen_by(data.adapt) == seen_by(data.pretrain[0])
    with pytest.raises(InputError) as caught:
        check_observations(given, load_sets(given.pretrain), replace(data.adapt, robot="ur5e", task="lift"))
    assert "blind" in caught.value.fix
