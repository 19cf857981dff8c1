"""The released configuration, places of cameras, and samples without encoders."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ate.errors import InputError
from ate.policies.rdt import Conditions, Embeddings, Release, Runner, Samples, load
from ate.policies.rdt.camera_places import camera_places
from ate.policies.rdt.conditions import instructions
from ate.policies.rdt.samples import LEFT_OUT, column_names
from tests.policies.rdt.scene import CONFIG, TASK, base_yaml, robots, weights
from tests.policies.rdt.tiny import refused


@pytest.fixture(scope="module")
def filmed(tmp_path_factory):
    return robots(tmp_path_factory.mktemp("robots"))[1]


@pytest.fixture
def samples(filmed, tmp_path):
    return Samples.of(filmed, Conditions.of(filmed, CONFIG, Release(), Embeddings(tmp_path)), CONFIG)


def test_the_release_is_read_and_its_noise_levels_are_the_runners(tmp_path):
    folder = weights(tmp_path / "rdt")
    release = Release.read(folder / "base.yaml")
    assert (release.history, release.cameras, release.square) == (2, 3, True)
    assert release.sizes["img_layers"] == 2 and release.sizes["state_layers"] == 3
    runner = load(folder, release=release)
    assert isinstance(runner, Runner) and runner.config == CONFIG
    assert load(folder).config.num_inference_timesteps == 5


@pytest.mark.parametrize(
    ("changes", "got"),
    [
        ({"history": 0}, "common.img_history_size: 0"),
        ({"cameras": "three"}, "common.num_cameras: 'three'"),
        ({"projection": "mlp_gelu"}, "model.lang_adaptor: 'mlp_gelu'"),
    ],
)
def test_odd_fields_of_a_release_are_refused(tmp_path, changes, got):
    (tmp_path / "base.yaml").write_text(base_yaml(**changes))
    error = refused(lambda: Release.read(tmp_path / "base.yaml"))
    assert error.got == got and error.where == str(tmp_path / "base.yaml")


def test_a_release_of_other_weights_is_refused(tmp_path):
    folder = weights(tmp_path / "rdt")
    (folder / "base.yaml").write_text(base_yaml(replace(CONFIG, depth=4)))
    error = refused(lambda: load(folder, release=Release.read(folder / "base.yaml")))
    assert error.got == "depth 4" and error.expected.startswith("2") and error.where.endswith("base.yaml")
    (folder / "base.yaml").write_text(base_yaml().replace("num_cameras", "cameras"))
    assert refused(lambda: Release.read(folder / "base.yaml")).got == "no common.num_cameras"


@pytest.mark.parametrize(
    ("names", "places"),
    [
        (["cam_high", "cam_left_wrist", "cam_right_wrist"], ("cam_high", "cam_right_wrist", "cam_left_wrist")),
        (["agentview_image", "robot0_eye_in_hand_image"], ("agentview_image", "robot0_eye_in_hand_image", "")),
        (["top"], ("top", "", "")),
    ],
)
def test_cameras_are_placed_by_their_names(names, places):
    assert camera_places(names, 3) == places


def test_too_many_cameras_are_refused_and_can_be_named():
    four = ["cam_high", "cam_low", "cam_left_wrist", "cam_right_wrist"]
    error = refused(lambda: camera_places(four, 3, where="here"))
    assert error.got.startswith("4 cameras") and "cam_low" in error.got and error.where == "here"
    assert "external=cam_high,right_wrist=cam_right_wrist,left_wrist=cam_left_wrist" in error.fix
    given = {"external": "cam_low", "left_wrist": "cam_left_wrist"}
    assert camera_places(four, 3, given) == ("cam_low", "", "cam_left_wrist")
    with pytest.raises(InputError, match="cam_high"):
        camera_places(four, 3, {"external": "cam_hihg"})
    with pytest.raises(InputError, match="right_wrist"):
        camera_places(four, 3, {"wrist": "cam_high"})
    assert refused(lambda: camera_places(["left_wrist"], 1)).got.startswith("1 cameras")


def test_an_episode_without_an_instruction_is_refused(tmp_path):
    silent = robots(tmp_path, task="")[1]
    error = refused(lambda: instructions(silent))
    assert error.got == "no instruction" and "episode_0000" in error.where and "--instruction" in error.fix
    assert instructions(silent, "push") == ("push",) * 4


def test_samples_hold_state_and_chunk_in_radians_at_the_robots_slots(samples, filmed):
    batch = samples.batch([5, 39, 41])
    slots = list(samples.embodiment.slots)
    assert batch["action_gt"].shape == (3, 8, 128) and batch["img_tokens"].shape == (3, 24, 12)
    assert torch.equal(batch["state_tokens"][0, 0, slots], torch.tensor(filmed[0].qpos[5]))
    # Measured positions lead by a row, and the last one is repeated.
    assert torch.equal(batch["action_gt"][0][:, slots], torch.tensor(filmed[0].qpos[6:14]))
    assert torch.equal(batch["action_gt"][1][:, slots], torch.tensor(filmed[0].qpos[[39] * 8]))
    assert torch.equal(batch["action_gt"][2][:, slots], torch.tensor(filmed[1].qpos[2:10]))
    assert batch["action_mask"].sum() == 15 and not batch["img_tokens"].any() and not batch["lang_tokens"].any()
    assert batch["ctrl_freqs"].tolist() == [20, 20, 20] and batch["lang_attn_mask"].all()
    names = column_names(samples.embodiment)
    assert len(set(names)) == 128 and [names[slot] for slot in slots] == list(filmed.joint_names)
    loss = Runner(CONFIG).compute_loss(**batch)
    assert torch.isfinite(loss)


def test_a_tenth_of_each_condition_is_left_out(samples):
    batch = samples.batch(np.arange(160).repeat(10), np.random.default_rng(0))
    shares = [(batch["ctrl_freqs"] == 0).float().mean(), (batch["action_mask"].sum(-1) == 0).float().mean()]
    mean = torch.from_numpy(samples.recorded.qpos.mean(0))
    shares.append((batch["state_tokens"][:, 0, list(samples.embodiment.slots)] == mean).all(1).float().mean())
    assert all(share == pytest.approx(LEFT_OUT, abs=0.03) for share in shares)


def test_sets_that_rdt_cannot_train_on_are_refused(filmed, samples):
    conditions = samples.conditions
    assert refused(lambda: Samples.of(replace(filmed, rate_hz=None), conditions, CONFIG)).got == "no rate"
    odd = refused(lambda: Conditions.of(filmed, replace(CONFIG, img_cond_len=25), Release(), Embeddings(None)))
    assert odd.got.startswith("25 image tokens")
    assert instructions(filmed) == (TASK,) * 4
