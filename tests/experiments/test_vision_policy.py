"""One encoder and one policy for several tasks: trained by parts, shipped, and told the truth or not."""

import json

import pytest

from ate.errors import InputError
from ate.experiments import sight
from ate.experiments.vision_policy import CARD, ENCODER, VisionTraining, load_vision, roll_vision, train_vision
from ate.policies import build
from ate.policies.vision.words import vectors
from tests.policies.vision.conftest import eyes, pair, scene_set  # noqa: F401 (fixtures)


@pytest.mark.slow
def test_parts_are_trained_once_and_another_training_is_refused(tmp_path):
    for task in ("lift", "place"):
        for robot in ("panda", "xarm6"):
            scene_set(tmp_path / "data" / task / "pretrain" / robot, robot, task, rows=12)
    small = VisionTraining(
        data=str(tmp_path / "data"), tasks=("lift", "place"), size=32, encoder_steps=2, encoder_batch=4, held_out=0.5,
        steps=2, batch=4, hidden=16, depth=1, horizon=8,
    )  # fmt: skip
    said: list[str] = []
    file = train_vision(small, tmp_path / "out", said.append)
    assert len(said) == 2 + 4 + 1
    card = json.loads((tmp_path / "out" / CARD).read_text())
    assert set(card["seconds"]) == {"drawing for the encoder", "encoder", "drawing and seeing", "policy"}
    # The policy alone is missing: nothing else is made again.
    before = (tmp_path / "out" / ENCODER).stat().st_mtime_ns
    file.unlink()
    said.clear()
    train_vision(small, tmp_path / "out", said.append)
    assert len(said) == 1 and (tmp_path / "out" / ENCODER).stat().st_mtime_ns == before
    with pytest.raises(InputError) as caught:
        train_vision(VisionTraining(**{**vars(small), "steps": 3}), tmp_path / "out")
    assert caught.value.got == "another steps"
    # A robot that it never saw, and a marker that is no goal.
    done = roll_vision(file, "gen3", "place", "wrong colour", rollouts=2)
    assert done.rollouts == 2 and done.elsewhere is not None
    assert roll_vision(file, "gen3", "lift", "right", rollouts=1).elsewhere is None


def test_what_is_shipped_is_small_and_what_its_card_says():
    files = {file.name: file.stat().st_size for file in sight.ENCODER.parent.iterdir()}
    assert sum(files.values()) < 3_000_000
    policy = load_vision(sight.POLICY, "push", "right", "ur5e")
    assert (
        policy.eyes is not None and policy.eyes.digest == load_vision(sight.POLICY, "push", "right", "gen3").eyes.digest
    )
    own = policy.eyes.encoder.state_dict()
    shipped = sight.encoder_in().state_dict()
    assert all((own[name] == value).all() for name, value in shipped.items())
    training = json.loads((sight.ENCODER.parent / CARD).read_text())["training"]
    assert (
        training["horizon"] == policy.config.horizon and training["parameterization"] == policy.config.parameterization
    )


def test_the_shipped_encoder_tells_tasks_apart_in_wordings_that_it_never_heard():
    import torch

    from ate.policies.vision.instruction import sentences

    encoder = sight.encoder_in()
    for number, task in enumerate(encoder.config.tasks):
        with torch.no_grad():
            asked = encoder.asked(encoder.words(torch.from_numpy(vectors(sentences(task, held_out=True)))))
        assert (asked.argmax(1) == number).all(), task


@pytest.mark.slow
def test_a_policy_without_eyes_is_refused(tmp_path, pair):  # noqa: F811
    build([pair[0]], 8, seed=0, hidden=16).save(tmp_path / "policy.safetensors")
    with pytest.raises(InputError) as caught:
        load_vision(tmp_path / "policy.safetensors", "lift", "right", "ur5e")
    assert "eyes" in caught.value.got
