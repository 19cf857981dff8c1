"""What is said: wordings, colours that follow from the scene, and vectors of sentences."""

import numpy as np
import pytest

from ate.errors import InputError
from ate.policies.vision import words
from ate.policies.vision.instruction import (
    COLOURS,
    HELD_OUT,
    PARAPHRASE,
    RIGHT,
    VARIED,
    WORDINGS,
    WRONG_COLOUR,
    WRONG_TASK,
    every_sentence,
    goal_colours,
    instructions,
    sentences,
)
from ate.sim.scene import GOALS
from ate.sim.tasks import TASKS

from .conftest import started

_, PLACE = started("ur5e", "place", 30)


def test_every_task_has_wordings_and_the_colours_of_its_markers():
    assert set(WORDINGS) == set(HELD_OUT) == set(COLOURS) == set(TASKS)
    assert all(COLOURS[task] == GOALS[task] for task in TASKS)


def test_paraphrases_are_held_out():
    for task in TASKS:
        assert not set(sentences(task)) & set(sentences(task, held_out=True))
        assert all("{" not in text for text in sentences(task))


def test_colours_follow_from_the_scene_and_both_occur():
    colours = goal_colours("place", PLACE)
    assert set(colours) == {("blue", "yellow"), ("yellow", "blue")}
    # However the numbers were stored.
    assert goal_colours("place", PLACE.astype("f8").astype("f4")) == colours
    assert goal_colours("lift", PLACE) == [()] * 30 and set(goal_colours("push", PLACE)) == {("green",)}


def test_what_is_said_names_the_goal_or_the_other_marker():
    colours = goal_colours("place", PLACE)
    right, wrong = (instructions("place", PLACE, told) for told in (RIGHT, WRONG_COLOUR))
    assert all(seen[0] in text and seen[1] not in text for seen, text in zip(colours, right, strict=True))
    assert all(seen[1] in text and seen[0] not in text for seen, text in zip(colours, wrong, strict=True))
    assert set(instructions("place", PLACE, WRONG_TASK)) == {"lift the cube"}
    assert set(instructions("place", PLACE, VARIED)) <= set(sentences("place"))
    assert set(instructions("place", PLACE, PARAPHRASE)) <= set(sentences("place", held_out=True))
    own = instructions("place", PLACE, "not {other} but {goal}")
    assert own == [f"not {seen[1]} but {seen[0]}" for seen in colours]
    assert set(instructions("lift", PLACE, "lift {it}")) == {"lift {it}"}


def test_a_wrong_colour_needs_two_markers():
    with pytest.raises(InputError) as caught:
        instructions("lift", PLACE, WRONG_COLOUR)
    assert caught.value.where == "instruction" and "place" in caught.value.fix


def test_vectors_of_shipped_sentences_are_of_length_1_and_tell_colours_apart():
    found = words.vectors(every_sentence())
    assert found.shape == (len(every_sentence()), words.WIDTH)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
    blue, yellow, lift = words.vectors(
        ["Place the cube on the  blue goal", "place the cube on the yellow goal", "lift the cube"]
    )
    assert blue @ lift < blue @ yellow < 0.95


def test_a_sentence_without_a_vector_is_refused_with_the_way_out(monkeypatch):
    monkeypatch.setattr(words, "find_spec", lambda name: None)
    with pytest.raises(InputError) as caught:
        words.vectors(["lift the cub"])
    assert (
        caught.value.where == "instruction" and "[words]" in caught.value.fix and "'lift the cube'" in caught.value.fix
    )


@pytest.mark.slow
def test_a_model_in_a_folder_gives_sentences_of_ones_own_their_vectors(tmp_path):
    transformers = pytest.importorskip("transformers")
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "fold", "the", "towel", "wipe", "table"]
    (tmp_path / "vocab.txt").write_text("\n".join(vocabulary))
    transformers.BertTokenizer(str(tmp_path / "vocab.txt")).save_pretrained(tmp_path)
    sizes = {"hidden_size": words.WIDTH, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    transformers.BertModel(transformers.BertConfig(**sizes, vocab_size=len(vocabulary))).save_pretrained(tmp_path)
    both = words.vectors(["Fold the towel", "lift the cube", "wipe the table"], tmp_path)
    np.testing.assert_allclose(np.linalg.norm(both, axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(both[1], words.vectors(["lift the cube"])[0])
    # Shorter sentences are padded to the longest, which must not count.
    (alone,) = words.vectors(["wipe the table"], tmp_path)
    (padded, _) = words.vectors(["wipe the table", "fold the towel the towel the towel"], tmp_path)
    np.testing.assert_allclose(padded, alone, atol=1e-5)
    assert np.abs(both[0] - both[2]).max() > 1e-3
    with pytest.raises(InputError):
        words.vectors(["fold the towel"], tmp_path / "nowhere")
