"""SmolVLA and π0.5 through the plug-in, from a set that lerobot itself wrote: raw pictures, words, guided loss, chunk.

Replaced, and nothing else: the weights, which are tiny and random, and the tokenizers, which would be downloaded.
"""

import types
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

pytest.importorskip("lerobot", reason="lerobot has an environment of its own: make lerobot")

from ate.data import load
from ate.data.cameras import clips
from ate.policies.lerobot_actor import LeRobotActor
from ate.policies.recorded import Recorded
from tests.lerobot.hand import ORDER, Actions, shifted_target_loss
from tests.lerobot.policies import BATCH, HORIZON, JOINTS, build, old
from tests.lerobot.test_plugin import CLAMP, LAM, guided
from tests.policies.rdt.scene import robots
from tests.steer.lines import JOINTS as NAMES
from tests.steer.lines import line_alignment

RATE, TASK, CAMERA = 20, "lift the red cube", "observation.images.front"


@dataclass
class Filmed:
    """A set of lerobot's, the pictures that it was given, and the alignment of its robot."""

    data: object
    folder: object
    pictures: list
    alignment: object
    aligned: object


def picture(episode, row):
    return np.random.default_rng((episode, row)).integers(0, 256, (32, 32, 3), np.uint8)


@pytest.fixture(scope="module")
def filmed(tmp_path_factory):
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    home = tmp_path_factory.mktemp("filmed")
    swinging = robots(home / "robots")
    alignment = line_alignment(swinging, HORIZON)
    alignment.save(home / "alignment")
    column = {"dtype": "float32", "shape": (JOINTS,), "names": [NAMES[i] for i in ORDER]}
    shown = {"dtype": "image", "shape": (32, 32, 3), "names": ["height", "width", "channels"]}
    made = LeRobotDataset.create(
        "local/filmed", RATE, {"observation.state": column, "action": column, CAMERA: shown}, root=home / "set",
        robot_type="new", use_videos=False,
    )  # fmt: skip
    for episode, item in enumerate(swinging[1]):
        rows = np.ascontiguousarray(item.qpos[:, list(ORDER)])
        for row in range(len(rows) - 1):
            frame = {"observation.state": rows[row], "action": rows[row + 1], CAMERA: picture(episode, row)}
            made.add_frame({**frame, "task": TASK})
        made.save_episode()
    made.finalize()
    later = {"action": [row / RATE for row in range(HORIZON)]}
    data = LeRobotDataset("local/filmed", root=home / "set", delta_timestamps=later)
    return Filmed(data, home / "set", [picture(1, row) for row in range(39)], alignment, home / "alignment")


@pytest.fixture
def tokenizer(monkeypatch):
    from lerobot.processor import tokenizer_processor
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    known = ["<pad>", "<a>", "<b>", "<unk>", *f"{TASK} push Task State Action : , ;".split()]
    words = Tokenizer(models.WordLevel({word: i for i, word in enumerate(known)}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    fast = PreTrainedTokenizerFast(tokenizer_object=words, pad_token="<pad>", unk_token="<unk>")
    source = types.SimpleNamespace(from_pretrained=lambda _: fast)
    monkeypatch.setattr(tokenizer_processor, "AutoTokenizer", source)


def processors(policy, data):
    from lerobot.policies.factory import make_pre_post_processors

    return make_pre_post_processors(policy.config, dataset_stats=data.meta.stats)


def test_pictures_in_a_set_of_lerobots_are_read_as_they_were_given(filmed):
    episodes = load(filmed.folder)
    assert episodes.task == TASK and set(episodes.joint_names) == set(NAMES)
    assert np.array_equal(clips(episodes, 1)[CAMERA].read(range(39)), np.stack(filmed.pictures))


@pytest.mark.parametrize("name", ["SmolVLA", "π0.5"])
def test_from_raw_pictures_and_words_to_a_guided_loss_and_a_chunk(name, filmed, tokenizer, monkeypatch):
    stats = filmed.data.meta.stats["action"]
    actions = Actions(torch.zeros(BATCH, HORIZON, JOINTS), np.asarray(stats["mean"]), np.asarray(stats["std"]))
    case = build(name, monkeypatch, actions.values)
    policy = guided(case, name, filmed.aligned, actions)
    case.policy.config.normalization_mapping = policy.config.normalization_mapping
    before, after = processors(policy, filmed.data)
    raw = torch.utils.data.default_collate([filmed.data[row] for row in range(0, 150, 5)])
    batch = before(raw)
    assert batch["observation.language.tokens"].shape[0] == 30 and raw["task"] == [TASK] * 30
    torch.manual_seed(7)
    loss = policy(dict(batch))[0]
    loss.backward()
    torch.manual_seed(7)
    wanted = shifted_target_loss(replace(case, batch=batch), filmed.alignment, actions, LAM, CLAMP).item()
    assert loss.item() == pytest.approx(wanted, rel=1e-5) and policy.guided.steps == 1
    torch.manual_seed(7)
    dark = before({**raw, CAMERA: torch.zeros_like(raw[CAMERA])})
    assert abs(policy(dict(dark))[0].item() - loss.item()) > 1e-6
    torch.manual_seed(7)
    assert abs(policy(dict(before({**raw, "task": ["push the red cube"] * 30})))[0].item() - loss.item()) > 1e-6
    if old() and name == "π0.5":
        return  # samples through the branch of transformers that is not released
    actor, seen = LeRobotActor(policy, before, after), Recorded(load(filmed.folder)).observation(7)
    actor.reset(0)
    chunk = actor(seen)
    assert chunk.shape == (HORIZON, JOINTS) and np.isfinite(chunk).all()
    actor.reset(0)
    assert not np.array_equal(actor({**seen, "images": {"front": filmed.pictures[3]}}), chunk)
