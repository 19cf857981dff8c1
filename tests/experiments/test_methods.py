import math
from dataclasses import replace

import pytest

from ate.errors import InputError
from ate.experiments import MethodSpec, comparison, lambda_clamp
from ate.experiments.methods import CONTROLS, DIRECT, SCRATCH, cell_name, evidence
from ate.steer import GuidanceConfig


def test_a_grid_always_holds_its_baseline():
    for lams in ([0.5, 2.0], [0.0, 0.5, 2.0]):
        methods = lambda_clamp(lams, [0.1, math.inf])
        assert [a.lam for a in methods] == [0.0, 0.5, 0.5, 2.0, 2.0]
        assert methods[0].name == "direct" and methods[0].encoder == "none"
        assert [a.name for a in methods[1:]] == [cell_name(lam, c) for lam in (0.5, 2.0) for c in (0.1, math.inf)]


def test_the_control_differs_from_ate_in_its_encoder_alone():
    methods = {method.name: method for method in comparison(GuidanceConfig(lam=2.0, clamp=0.1, energy_at="x_t"))}
    assert set(methods) == {"direct", "scratch", "ATE", "random encoder"}
    ate, control = methods["ATE"], methods["random encoder"]
    assert (ate.lam, ate.clamp, ate.sign, ate.energy, ate.start) == (
        control.lam, control.clamp, control.sign, control.energy, control.start,
    )  # fmt: skip
    assert (ate.encoder, control.encoder) == ("aligned", "random")


@pytest.mark.parametrize(
    ("lams", "clamps"), [([0.0], [0.1]), ([], [0.1]), ([1.0], []), ([-1.0], [0.1]), ([1.0], [0.0])]
)
def test_impossible_grids_are_refused(lams, clamps):
    with pytest.raises(InputError, match="λ × clamp grid"):
        lambda_clamp(lams, clamps)


@pytest.mark.parametrize(
    "options", [{"encoder": "aligned"}, {"lam": 1.0}, {"start": "zero"}, {"encoder": "alined", "lam": 1.0}]
)
def test_inconsistent_methods_are_refused(options):
    with pytest.raises(InputError, match="method 'x'"):
        MethodSpec("x", **options)


def test_evidence_holds_every_form_with_what_it_must_beat():
    methods = {method.name: method for method in evidence()}
    assert set(methods) >= {DIRECT, SCRATCH, "reversed", "ATE released", "auxiliary, random"}
    for form, controls in CONTROLS.items():
        for control in controls:
            if form not in methods:
                continue
            mine, other = methods[form], methods[control]
            # A control differs from its form in the encoder alone.
            assert replace(other, name=mine.name, encoder=mine.encoder) == mine
            assert other.encoder in ("random", "identity")
    turned = replace(methods["reversed"], name="ATE paper", sign=1)
    assert turned == methods["ATE paper"]
