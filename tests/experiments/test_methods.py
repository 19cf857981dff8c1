import json
import math
from dataclasses import replace

import pytest

from ate.errors import InputError
from ate.experiments import MethodSpec, comparison, lambda_clamp
from ate.experiments.methods import CONTROLS, DIRECT, GUIDED, SCRATCH, controls, evidence, method_set
from ate.steer import GuidanceConfig


def test_a_grid_always_holds_its_baseline():
    for lams in ([0.5, 2.0], [0.0, 0.5, 2.0]):
        methods = lambda_clamp(lams, [0.1, math.inf])
        assert [a.guidance.lam for a in methods] == [0.0, 0.5, 0.5, 2.0, 2.0]
        assert methods[0].name == "direct" and methods[0].encoder == "none"
        assert [a.name for a in methods[1:]] == ["λ=0.5, c=0.1", "λ=0.5, c=∞", "λ=2, c=0.1", "λ=2, c=∞"]


def test_the_control_differs_from_the_guided_method_in_its_encoder_alone():
    for guidance, name, encoders in (
        (GuidanceConfig.of("tool-motion"), GUIDED, ("motion", "random-motion")),
        (GuidanceConfig(lam=2.0, clamp=0.1, energy_at="x_t"), "guidance at demonstrations", ("aligned", "random")),
    ):
        methods = {method.name: method for method in comparison(guidance, encoders[0])}
        # That guidance at demonstrations is the published shift itself, which is not trained twice.
        shift = {"published shift"} if guidance.at_pretraining else set()
        assert set(methods) == {DIRECT, "retarget", name, "tool space", "untrained encoder", *shift}
        guided, control = methods[name], methods["untrained encoder"]
        assert replace(control, name=name, encoder=encoders[0]) == guided and control.encoder == encoders[1]
        assert guided.replay == ("retargeted" if guidance.at_pretraining else "none")


def test_without_demonstrations_there_is_what_needs_none():
    methods = comparison(demonstrations=0)
    assert [method.name for method in methods] == [DIRECT, "retarget", "tool space"]
    assert not any(method.needs_demonstrations for method in methods)
    assert all(method.needs_demonstrations for method in controls() if method.encoder != "none")
    assert MethodSpec("x", start="scratch").needs_demonstrations
    assert MethodSpec("x", replay="untranslated").needs_demonstrations


@pytest.mark.parametrize(
    ("lams", "clamps", "where"),
    [([0.0], [0.1], "λ × clamp grid"), ([], [0.1], "λ × clamp grid"), ([1.0], [], "λ × clamp grid"),
     ([-1.0], [0.1], "guidance, lam"), ([1.0], [0.0], "guidance, clamp")],
)  # fmt: skip
def test_impossible_grids_are_refused(lams, clamps, where):
    with pytest.raises(InputError) as refused:
        lambda_clamp(lams, clamps)
    assert refused.value.where == where


@pytest.mark.parametrize(
    "options",
    [{"encoder": "aligned"}, {"guidance": GuidanceConfig()}, {"start": "zero"}, {"replay": "retargetted"},
     {"encoder": "motion", "guidance": GuidanceConfig.of("tool-motion")}, {"space": "tool", "replay": "retargeted"},
     {"share": 0.0}, {"share": 1.5}, {"goals": "mine"}, {"rows": -1},
     {"encoder": "alined", "guidance": GuidanceConfig()}],
)  # fmt: skip
def test_inconsistent_methods_are_refused(options):
    with pytest.raises(InputError) as refused:
        MethodSpec("x", **options)
    assert refused.value.where.startswith("method 'x'")


def test_controls_differ_from_their_forms_in_one_thing():
    methods = {method.name: method for method in controls()}
    assert {DIRECT, SCRATCH, *CONTROLS} - {"guidance at demonstrations"} <= set(methods)
    assert {method.name for method in evidence()} < set(methods)
    guided, retarget = methods[GUIDED], methods["retarget"]
    for name, changed in {
        "untrained encoder": {"encoder": "random-motion"},
        "goals of other episodes": {"goals": "shuffled"},
        "guidance by present Info-VAEs": {"encoder": "aligned"},
        "untrained on both sides": {"encoder": "random-motion", "goals": "own"},
        "guidance without a latent": {"encoder": "identity", "goals": "own"},
        "guidance by plain tool motion": {"encoder": "identity-motion", "goals": "own"},
        "latent distance itself": {"guidance": replace(guided.guidance, latent="mean")},
    }.items():
        assert methods[name] == replace(guided, name=name, **changed)
    for name, replay in (("untranslated",) * 2, ("translated by Info-VAEs", "latent"),
                         ("identified kinematics", "identified")):  # fmt: skip
        assert methods[name] == replace(retarget, name=name, replay=replay)
    shift = methods["published shift"]
    assert methods["shift reversed"] == replace(shift, name="shift reversed", guidance=replace(shift.guidance, sign=-1))
    # As many demonstrations a step as guidance has, and as many rows in all.
    rows = methods["retarget, 96 rows"]
    assert (rows.rows, round(rows.share * rows.rows)) == (96, 32) and methods["direct, 96 rows"].rows == 96


@pytest.mark.parametrize("method", controls(), ids=lambda method: method.name)
def test_a_method_survives_json(method):
    assert MethodSpec.from_tree(json.loads(json.dumps(method.to_tree()))) == method
    assert method.is_baseline == (method.name == DIRECT)


def test_a_set_has_a_name():
    assert method_set("comparison") == comparison() and method_set("evidence") == evidence()
    assert method_set("controls") == controls() and method_set("controls", demonstrations=0) == comparison(
        demonstrations=0
    )
    with pytest.raises(InputError, match="did you mean 'evidence'"):
        method_set("evidenc")
