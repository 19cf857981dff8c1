"""Sweeps: a small description becomes methods, regimes and seeds, or is refused with what is wrong."""

import math
from dataclasses import fields

import pytest

from ate.errors import InputError
from ate.experiments import Sweep
from ate.experiments.methods import DIRECT, SCRATCH
from ate.experiments.results import Regime
from ate.experiments.sweep import AXES
from ate.steer import GuidanceConfig

BASE = Sweep((0.5, 2.0), (0.1, math.inf), ("sample",), (5,), (20,))


def test_a_sweep_is_a_grid_with_its_baseline():
    names = [method.name for method in BASE.methods]
    assert names == [DIRECT, "λ=0.5, c=0.1", "λ=0.5, c=∞", "λ=2, c=0.1", "λ=2, c=∞"]
    assert all(method.encoder == "aligned" for method in BASE.methods[1:])
    assert BASE.regimes == (Regime("sample", 5, 20),) and BASE.cells == 5 * 4
    assert BASE.with_options({"lams": "0,0.5,2"}, "here").methods == BASE.methods


def test_every_axis_multiplies_and_names_what_is_unusual():
    sweep = BASE.with_options(
        {"encoder": ["aligned", "mixture"], "sign": [1, -1], "latent": "sample", "demonstrations": "5,25", "steps": 80,
         "parameterization": ["sample", "flow_noise_at_1"]}, "here",
    )  # fmt: skip
    assert len(sweep.methods) == 1 + 4 * 2 * 2
    names = [method.name for method in sweep.methods]
    assert len(set(names)) == len(names) and "λ=0.5, c=0.1, latent sample" in names
    assert "λ=2, c=∞, latent sample, sign -1, mixture" in names
    assert len(sweep.regimes) == 4 and Regime("flow_noise_at_1", 25, 80) in sweep.regimes
    assert sweep.cells == 4 * 17 * 4


def test_an_method_is_called_the_same_in_every_sweep():
    """Names say what differs from the default, not what this sweep varies: results of two sweeps can be joined."""
    one = BASE.with_options({"energy_at": "x_t"}, "here").methods
    both = BASE.with_options({"energy_at": ["x0_hat", "x_t"]}, "here").methods
    assert set(one) | set(BASE.methods) == set(both)


def test_controls_stand_beside_the_methods_they_are_read_with():
    sweep = BASE.with_options(
        {"controls": "random,identity,scratch", "control_lams": 2, "control_clamps": 0.1, "energy_at": "x_t,x0_hat"},
        "x",
    )
    controls = [method for method in sweep.methods if method.encoder in ("random", "identity")]
    assert {(method.guidance.lam, method.guidance.clamp) for method in controls} == {(2.0, 0.1)} and len(controls) == 4
    assert next(method for method in sweep.methods if method.start == "scratch").name == SCRATCH
    everywhere = BASE.with_options({"controls": "random"}, "x")
    assert len(everywhere.methods) == 1 + 4 + 4
    for method in [a for a in everywhere.methods if a.encoder == "random"]:
        assert method.name == f"{method.guidance.label()}, random"


def test_held_out_seeds_are_not_those_of_the_search():
    sweep = BASE.with_options({"seeds": 3, "validate": 2}, "here")
    assert sweep.search_seeds == (0, 1, 2) and sweep.held_out_seeds == (3, 4)
    assert BASE.held_out_seeds == ()


def test_a_file_says_the_same_as_options(tmp_path):
    file = tmp_path / "sweep.yaml"
    file.write_text("lams: [0.5, 1e-3, 2]\nclamps: [.inf, 0.1]\nsign: -1\nencoder: mixture\nseeds: 8\nvalidate: 4\n")
    options = {
        "lams": "0.5,0.001,2",
        "clamps": "inf,0.1",
        "sign": "-1",
        "encoder": "mixture",
        "seeds": 8,
        "validate": "4",
    }
    assert BASE.read(file) == BASE.with_options({**options, "seeds": 8}, "here")
    assert BASE.read(file).methods[1].guidance.lam == 1e-3


@pytest.mark.parametrize(
    ("options", "where", "got"),
    [
        ({"lam": 2}, "here", "'lam'"),
        ({"lams": []}, "λ × clamp grid", "λ [] and clamps [0.1, inf]"),
        ({"lams": "0.5,x"}, "lams in here", "'x'"),
        ({"clamps": [True]}, "clamps in here", "True"),
        ({"clamps": "nan"}, "clamps in here", "'nan'"),
        ({"clamps": 0}, "guidance, clamp", "0.0"),
        ({"seeds": 1.5}, "seeds in here", "1.5"),
        ({"seeds": [1, 2]}, "seeds in here", "[1, 2]"),
        ({"seeds": 0}, "sweep, seeds", "0"),
        ({"steps": "20,0"}, "sweep, steps", "0"),
        ({"energy_at": []}, "sweep, energy_at", "no value"),
        ({"energy_at": "x_0"}, "guidance, energy_at", "'x_0'"),
        ({"encoder": "mixtur"}, "sweep, encoder", "'mixtur'"),
        ({"encoder": "none"}, "sweep, encoder", "'none'"),
        ({"reduction": 5}, "reduction in here", "5"),
        ({"sign": 2}, "guidance, sign", "'2'"),
        ({"parameterization": "sampel"}, "sweep, parameterization", "'sampel'"),
        ({"controls": "randm"}, "sweep, controls", "'randm'"),
        ({"controls": "random", "control_lams": 3}, "sweep, control_lams", "3"),
        ({"schedule": None}, "schedule in here", "None"),
        ({"guidance": {"sign": 1}}, "here", "'guidance'"),
    ],
)
def test_what_makes_no_sense_is_refused(options, where, got):
    with pytest.raises(InputError) as refused:
        BASE.with_options(options, "here")
    assert (refused.value.where, refused.value.got) == (where, got)


def test_every_option_of_guidance_is_an_axis():
    assert {"lam", "clamp", *AXES} == {option.name for option in fields(GuidanceConfig)}
    for option in fields(GuidanceConfig):
        name = {"lam": "lams", "clamp": "clamps"}.get(option.name, option.name)
        values = option.metadata["choices"] or (0.5, 2.0)
        # Latents are sampled at demonstrations alone, and decoded elsewhere alone.
        form = {"observations": "pretraining"} if option.name == "latent" else {}
        values = tuple(value for value in values if value != "sample")
        swept = BASE.with_options({**form, name: list(values)}, "here").methods[1:]
        assert {getattr(method.guidance, option.name) for method in swept} == set(values)


def test_shares_are_an_axis_where_guidance_acts_at_pretraining_observations():
    form = {"observations": "pretraining", "lams": "1,3", "clamps": "inf", "share": "0.25,0.5", "controls": "random"}
    methods = BASE.with_options(form, "here").methods[1:]
    assert len(methods) == 2 * 2 * 2 and {method.share for method in methods} == {0.25, 0.5}
    assert {(method.encoder, method.replay) for method in methods} == {
        ("motion", "retargeted"), ("random-motion", "retargeted"),
    }  # fmt: skip
    assert "λ=1, c=∞, at pretraining observations, share 0.25" in {method.name for method in methods}
    assert len({method.name for method in methods}) == len(methods)
    # At the demonstrations there is no replay to have a share of.
    assert len(BASE.with_options({"share": "0.25,0.5"}, "here").methods) == len(BASE.methods)


def test_a_field_that_no_sweep_has_is_refused_with_its_file(tmp_path):
    file = tmp_path / "sweep.yaml"
    file.write_text("lams: 1\nclamp: 0.1\n")
    with pytest.raises(InputError) as refused:
        BASE.read(file)
    assert (refused.value.where, refused.value.got) == (str(file), "'clamp'")
