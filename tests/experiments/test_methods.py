import math
from dataclasses import replace

import pytest

from ate.errors import InputError
from ate.experiments import MethodSpec, comparison, lambda_clamp
from ate.experiments.methods import CONTROLS, DIRECT, SCRATCH, evidence
from ate.steer import GuidanceConfig


def test_a_grid_always_holds_its_baseline():
    for lams in ([0.5, 2.0], [0.0, 0.5, 2.0]):
        methods = lambda_clamp(lams, [0.1, math.inf])
        assert [a.guidance.lam for a in methods] == [0.0, 0.5, 0.5, 2.0, 2.0]
        assert methods[0].name == "direct" and methods[0].encoder == "none"
        assert [a.name for a in methods[1:]] == ["λ=0.5, c=0.1", "λ=0.5, c=∞", "λ=2, c=0.1", "λ=2, c=∞"]


def test_the_control_differs_from_ate_in_its_encoder_alone():
    methods = {method.name: method for method in comparison(GuidanceConfig(lam=2.0, clamp=0.1, energy_at="x_t"))}
    assert set(methods) == {"direct", "scratch", "ATE", "random encoder"}
    ate, control = methods["ATE"], methods["random encoder"]
    assert replace(control, name="ATE", encoder="aligned") == ate and control.encoder == "random"


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
    [{"encoder": "aligned"}, {"guidance": GuidanceConfig()}, {"start": "zero"},
     {"encoder": "alined", "guidance": GuidanceConfig()}],
)  # fmt: skip
def test_inconsistent_methods_are_refused(options):
    with pytest.raises(InputError) as refused:
        MethodSpec("x", **options)
    assert refused.value.where.startswith("method 'x'")


def test_evidence_holds_every_form_with_what_it_must_beat():
    methods = {method.name: method for method in evidence()}
    assert set(methods) >= {DIRECT, SCRATCH, "reversed", "ATE released", "auxiliary, random"}
    # ATE and its random encoder are of the comparison.
    assert set(CONTROLS) - set(methods) == {"ATE"}
    for form in set(CONTROLS) & set(methods):
        for control in CONTROLS[form]:
            guided, untaught = methods[form], methods[control]
            # A control differs from its form in the encoder alone.
            assert replace(untaught, name=guided.name, encoder=guided.encoder) == guided
            assert untaught.encoder in ("random", "identity")
    turned = methods["reversed"]
    assert replace(turned, name="ATE paper", guidance=replace(turned.guidance, sign=1)) == methods["ATE paper"]
