"""Sweeps: a small description becomes methods, settings and seeds, or is refused with what is wrong."""

import math

import pytest

from ate.errors import InputError
from ate.experiments import Sweep
from ate.experiments.methods import DIRECT, SCRATCH, cell_name
from ate.experiments.sweep import Setting

BASE = Sweep((0.5, 2.0), (0.1, math.inf), ("sample",), (5,), (20,))


def test_a_sweep_is_a_grid_with_its_baseline():
    assert [method.name for method in BASE.methods] == [
        DIRECT, *(cell_name(lam, clamp) for lam in (0.5, 2.0) for clamp in (0.1, math.inf)),
    ]  # fmt: skip
    assert all(method.encoder == "aligned" for method in BASE.methods[1:])
    assert BASE.settings == (Setting("sample", 5, 20),) and BASE.cells == 5 * 4
    assert BASE.with_options({"lams": "0,0.5,2"}, "here").methods == BASE.methods


def test_every_axis_multiplies_and_names_what_is_unusual():
    sweep = BASE.with_options(
        {"encoder": ["aligned", "mixture"], "sign": [1, -1], "latent": "sample", "demonstrations": "5,25", "steps": 80,
         "parameterization": ["sample", "flow_noise_at_1"]}, "here",
    )  # fmt: skip
    assert len(sweep.methods) == 1 + 4 * 2 * 2
    names = [method.name for method in sweep.methods]
    assert len(set(names)) == len(names) and "λ=0.5, c=0.1, latent sample" in names
    assert "λ=2, c=∞, mixture, reversed, latent sample" in names
    assert len(sweep.settings) == 4 and Setting("flow_noise_at_1", 25, 80) in sweep.settings
    assert sweep.cells == 4 * 17 * 4


def test_an_method_is_called_the_same_in_every_sweep():
    """Names say what is not the paper's, not what this sweep happens to vary: results of two sweeps can be joined."""
    one = BASE.with_options({"at": "estimate"}, "here").methods
    both = BASE.with_options({"at": ["noised", "estimate"]}, "here").methods
    assert set(one) | set(BASE.methods) == set(both)


def test_controls_stand_beside_the_methods_they_are_read_with():
    sweep = BASE.with_options(
        {"controls": "random,identity,scratch", "control_lams": 2, "control_clamps": 0.1, "at": "noised,estimate"}, "x"
    )
    controls = [method for method in sweep.methods if method.encoder in ("random", "identity")]
    assert {(method.lam, method.clamp) for method in controls} == {(2.0, 0.1)} and len(controls) == 4
    assert next(method for method in sweep.methods if method.start == "scratch").name == SCRATCH
    everywhere = BASE.with_options({"controls": "random"}, "x")
    assert len(everywhere.methods) == 1 + 4 + 4
    for method in [a for a in everywhere.methods if a.encoder == "random"]:
        assert method.name == f"{cell_name(method.lam, method.clamp)}, random"


def test_held_out_seeds_are_not_those_of_the_search():
    sweep = BASE.with_options({"seeds": 3, "validate": 2}, "here")
    assert sweep.search_seeds == (0, 1, 2) and sweep.held_out_seeds == (3, 4)
    assert BASE.held_out_seeds == ()


def test_a_file_says_the_same_as_options(tmp_path):
    file = tmp_path / "sweep.yaml"
    file.write_text("lams: [0.5, 1e-3, 2]\nclamps: [.inf, 0.1]\nsign: -1\nencoder: mixture\nseeds: 8\nvalidate: 4\n")
    said = {"lams": "0.5,0.001,2", "clamps": "inf,0.1", "sign": "-1", "encoder": "mixture", "seeds": 8, "validate": "4"}
    assert BASE.read(file) == BASE.with_options(said, "here")
    assert BASE.read(file).methods[1].lam == 1e-3


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"lam": 2}, "did you mean 'lams'"),
        ({"lams": []}, "at least one λ above 0"),
        ({"lams": "0.5,x"}, "lams in here: got 'x'; expected numbers"),
        ({"clamps": [True]}, "clamps in here"),
        ({"clamps": "nan"}, "clamps in here"),
        ({"clamps": 0}, "clamps > 0"),
        ({"seeds": 1.5}, "whole numbers"),
        ({"seeds": [1, 2]}, "one number"),
        ({"seeds": 0}, "at least 1"),
        ({"steps": "20,0"}, "sweep, steps"),
        ({"at": []}, "sweep, at: got no value"),
        ({"at": "noise"}, "did you mean 'noised'"),
        ({"encoder": "mixtur"}, "did you mean 'mixture'"),
        ({"encoder": "none"}, "sweep, encoder"),
        ({"energy": 5}, "names"),
        ({"sign": 2}, "1 or -1"),
        ({"parameterization": "sampel"}, "did you mean 'sample'"),
        ({"controls": "randm"}, "did you mean 'random'"),
        ({"controls": "random", "control_lams": 3}, "values of the sweep, 0.5, 2"),
        ({"schedule": None}, "schedule in here"),
    ],
)
def test_what_makes_no_sense_is_refused(options, words):
    with pytest.raises(InputError, match=words):
        BASE.with_options(options, "here")


def test_a_field_that_no_sweep_has_is_refused_with_its_file(tmp_path):
    file = tmp_path / "sweep.yaml"
    file.write_text("lams: 1\nclamp: 0.1\n")
    with pytest.raises(InputError, match=r"sweep.yaml: got 'clamp'.*did you mean 'clamps'"):
        BASE.read(file)
