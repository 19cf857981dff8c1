import math
import shlex
from itertools import pairwise

import pytest

from ate.errors import InputError
from ate.experiments.settings import PROFILES, Settings, from_notebook, numbers, settings
from ate.runs.card import card
from ate.runs.files import read_json, write_json
from ate.runs.options import pairs, typed


def test_given_values_replace_the_profiles_and_none_leaves_them():
    chosen = settings({"profile": "smoke", "lam": 3, "steps": None})
    assert chosen.lam == 3.0 and isinstance(chosen.lam, float) and chosen.steps == PROFILES["smoke"].steps


def test_the_command_makes_the_same_settings_again(tmp_path):
    chosen = settings({"profile": "smoke", "run": str(tmp_path), "lam": 0.5, "exclude": "a b, c", "clamps": "0.1,inf"})
    words = shlex.split(chosen.command("03"))
    given = typed(Settings, pairs([words[i + 1] for i, word in enumerate(words) if word == "-p"], "-p"), "-p")
    profile, run = words[words.index("--profile") + 1], words[words.index("--run") + 1]
    assert settings({"profile": profile, "run": run, **given}) == chosen
    assert words[:2] == ["ate", "run"] and words[words.index("--only") + 1] == "03"


def test_a_notebooks_namespace_is_read_and_ipythons_own_names_are_not():
    namespace = {
        "profile": "smoke",
        "seed": None,
        "_i1": "x",
        "In": ["x"],
        "Out": {},
        "settings": settings,
        "__name__": "x",
    }
    assert from_notebook(namespace) == PROFILES["smoke"]
    with pytest.raises(InputError, match="did you mean 'seed'"):
        from_notebook({**namespace, "sead": 3})


def test_cells_may_run_again_in_one_kernel():
    """What later cells left behind is no parameter then; the parameters themselves still count."""
    first = {"profile": "smoke", "horizon": None}
    left_behind = {"settings": from_notebook(first), "rows": [1], "verdict": ["x"]}
    assert from_notebook({**first, **left_behind}) == PROFILES["smoke"]
    assert from_notebook({**first, **left_behind, "horizon": 8}).horizon == 8


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"steps": 1.5}, "type int"),
        ({"steps": True}, "type int"),
        ({"lam": "2"}, "type float"),
        ({"steps": 0}, "at least 1"),
        ({"held_out": 1.0}, r"share in \(0, 1\)"),
        ({"lams": "1,x"}, "'x'"),
        ({"lam": -0.1}, "λ of 0 or more"),
        ({"clamps": "0.1,-1"}, "positive clamp"),
        ({"profile": "papr"}, "did you mean 'paper'"),
    ],
)
def test_values_out_of_range_are_refused(given, words):
    with pytest.raises(InputError, match=words):
        settings(given)


def test_lists_of_numbers():
    assert numbers("0.5, 2,inf") == (0.5, 2.0, float("inf"))


def test_a_form_of_guidance_brings_its_own_scale_and_the_command_repeats_it(tmp_path):
    usual, paper = settings({"profile": "smoke"}), settings({"profile": "smoke", "at": "noised"})
    assert (usual.at, usual.lam, usual.clamp) == ("estimate", 1.0, math.inf)
    assert (paper.lam, paper.clamp, paper.guidance) == (2.0, 0.1, {"at": "noised"})
    # λ of the other form, given by hand, is what the command has to say.
    for given in ({"at": "noised"}, {"at": "noised", "lam": 1.0, "clamp": math.inf}, {"lam": 2.0, "clamps": "0.1"}):
        chosen = settings({"profile": "smoke", "run": str(tmp_path), **given})
        words = chosen.arguments("03")
        said = typed(Settings, pairs([item for word, item in pairwise(words) if word == "-p"], "-p"), "-p")
        assert settings({"profile": "smoke", "run": str(tmp_path), **said}) == chosen
    with pytest.raises(InputError, match="did you mean 'noised'"):
        settings({"at": "noise"})


def test_a_card_of_settings_without_a_clamp_can_be_written(tmp_path):
    chosen = settings({"profile": "smoke"})
    written = card(chosen.recorded, seeds={}, hashes={}, command="ate run")
    write_json(tmp_path / "card.json", written)
    assert read_json(tmp_path / "card.json")["config"]["clamp"] == "inf"
