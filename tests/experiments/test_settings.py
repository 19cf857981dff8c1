import math
import shlex
from dataclasses import fields
from itertools import pairwise

import pytest

from ate.errors import InputError
from ate.experiments.settings import (
    CLAMPS_AT_X0,
    CLAMPS_AT_X_T,
    PROFILES,
    from_notebook,
    parameter_kinds,
    settings,
)
from ate.runs.card import card
from ate.runs.files import read_json, write_json
from ate.runs.options import pairs
from ate.steer import GuidanceConfig


def test_given_values_replace_the_profiles_and_none_leaves_them():
    chosen = settings({"profile": "smoke", "lam": 3, "steps": None})
    assert chosen.guidance == GuidanceConfig.of("tool-motion", {"lam": 3.0}) and isinstance(chosen.guidance.lam, float)
    assert chosen.steps == PROFILES["smoke"].steps


def test_policies_that_see_predict_the_sample_unless_it_is_said_otherwise(tmp_path):
    assert settings({"profile": "smoke"}).parameterizations == ("sample", "flow_noise_at_1")
    seeing = {"profile": "smoke", "policy": "vision", "run": str(tmp_path)}
    assert settings(seeing).parameterizations == ("sample",)
    both = settings({**seeing, "parameterizations": "sample,flow_noise_at_1"})
    assert both.parameterizations == ("sample", "flow_noise_at_1")
    assert repeated(both) == both and repeated(settings(seeing)) == settings(seeing)


def test_the_command_makes_the_same_settings_again(tmp_path):
    chosen = settings({"profile": "smoke", "run": str(tmp_path), "lam": 0.5, "exclude": "a b, c", "clamps": "0.1,inf",
                       "joints": "left_*,gripper"})  # fmt: skip
    words = shlex.split(chosen.command("03"))
    assert repeated(chosen) == chosen
    assert words[:2] == ["ate", "run"] and words[words.index("--only") + 1] == "03"


def repeated(chosen):
    """The settings that the command of these settings asks for."""
    words = shlex.split(chosen.command("03"))
    given = pairs([item for word, item in pairwise(words) if word == "-p"], "-p")
    profile, run = words[words.index("--profile") + 1], words[words.index("--run") + 1]
    return settings({"profile": profile, "run": run, **given})


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
    with pytest.raises(InputError) as refused:
        from_notebook({**namespace, "sead": 3})
    assert (refused.value.got, refused.value.where) == ("'sead'", "parameters")


def test_cells_may_run_again_in_one_kernel():
    """What later cells left behind is no parameter then; the parameters themselves still count."""
    first = {"profile": "smoke", "horizon": None}
    left_behind = {"settings": from_notebook(first), "rows": [1], "verdict": ["x"]}
    assert from_notebook({**first, **left_behind}) == PROFILES["smoke"]
    assert from_notebook({**first, **left_behind, "horizon": 8}).horizon == 8


@pytest.mark.parametrize(
    ("given", "where", "got"),
    [
        ({"steps": 1.5}, "steps in parameters", "1.5"),
        ({"steps": True}, "steps in parameters", "True"),
        ({"lam": "two"}, "lam in parameters", "'two'"),
        ({"steps": 0}, "parameter steps", "0"),
        ({"held_out": 1.0}, "parameter held_out", "1.0"),
        ({"lams": "1,x"}, "lams in parameters", "'x'"),
        ({"lams": "0"}, "λ × clamp grid", "λ [0.0] and clamps [inf]"),
        ({"lam": -0.1}, "guidance, lam", "-0.1"),
        ({"clamps": "0.1,-1"}, "guidance, clamp", "-1.0"),
        ({"profile": "papr"}, "parameter profile", "'papr'"),
        ({"train": "elsewhere"}, "parameter train", "'elsewhere'"),
        ({"energy_at": "x_0"}, "guidance, energy_at", "'x_0'"),
        ({"guidance": "papr"}, "guidance preset", "'papr'"),
        ({"lambda": 1.0}, "parameters", "'lambda'"),
    ],
)
def test_values_out_of_range_are_refused(given, where, got):
    with pytest.raises(InputError) as refused:
        settings(given)
    assert (refused.value.where, refused.value.got) == (where, got)


@pytest.mark.parametrize(
    ("given", "guidance"),
    [
        ({}, GuidanceConfig.of("tool-motion")),
        ({"observations": "demonstrations"}, GuidanceConfig()),
        ({"latent": "sample"}, GuidanceConfig(latent="sample")),
        ({"energy_at": "x_t"}, GuidanceConfig(lam=2.0, clamp=0.1, energy_at="x_t")),
        ({"energy_at": "x_t", "lam": 1.0, "clamp": math.inf}, GuidanceConfig(energy_at="x_t")),
        ({"guidance": "paper"}, GuidanceConfig(lam=2.0, energy_at="x_t")),
        ({"guidance": "paper", "clamp": 0.5}, GuidanceConfig(lam=2.0, clamp=0.5, energy_at="x_t")),
        ({"guidance": "paper", "energy_at": "x0_hat"}, GuidanceConfig(lam=2.0)),
        ({"guidance": "released"}, GuidanceConfig(3.0, 0.1, "x_t", "mean", "sample")),
        ({"guidance": "auxiliary", "lam": 2.0, "sign": -1}, GuidanceConfig(lam=2.0, sign=-1)),
        (
            {"lam": 2.0, "clamps": "0.1", "schedule": "alpha"},
            GuidanceConfig.of("tool-motion", {"lam": 2.0, "schedule": "alpha"}),
        ),
    ],
)
def test_a_form_of_guidance_brings_its_own_scale_and_the_command_repeats_it(tmp_path, given, guidance):
    chosen = settings({"profile": "smoke", "run": str(tmp_path), **given})
    assert chosen.guidance == guidance and repeated(chosen) == chosen
    # Without a clamp no rollout succeeds at x_t: its axis has none, unless one is asked for.
    at_demonstrations = CLAMPS_AT_X_T if guidance.energy_at == "x_t" else CLAMPS_AT_X0
    own = (0.1,) if "clamps" in given else (math.inf,) if guidance.at_pretraining else at_demonstrations
    assert chosen.clamps == own
    asked = settings({"profile": "smoke", "run": str(tmp_path), **given, "clamps": "0.1,0.5"})
    assert asked.clamps == (0.1, 0.5) and repeated(asked) == asked


def test_every_option_of_guidance_is_a_parameter_of_its_own():
    for option in fields(GuidanceConfig):
        assert option.name in parameter_kinds() and option.name in PROFILES["demo"].parameters
        other = option.metadata["choices"][-1] if option.metadata["choices"] else 0.25
        chosen = settings({"profile": "smoke", option.name: other})
        assert getattr(chosen.guidance, option.name) == other
        assert getattr(from_notebook({"profile": "smoke", option.name: other}).guidance, option.name) == other


def test_a_card_of_settings_without_a_clamp_can_be_written(tmp_path):
    chosen = settings({"profile": "smoke"})
    written = card(chosen.recorded, seeds={}, hashes={}, command="ate run")
    write_json(tmp_path / "card.json", written)
    assert read_json(tmp_path / "card.json")["config"]["clamp"] == "inf"
