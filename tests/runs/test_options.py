"""Options: what becomes a typed value, and what is refused."""

import math
from dataclasses import dataclass

import pytest

from ate.errors import InputError
from ate.runs.options import pairs, typed


@dataclass
class Config:
    steps: int = 1
    lam: float = 0.0
    clamp: float | None = None
    name: str = ""
    resume: bool = False
    lams: tuple[float, ...] = ()


def test_text_becomes_what_the_field_is():
    given = pairs(["steps=3", "lam=1e-4", "clamp=inf", "name=a=b", "resume=true", "lams=0.5, 2"], "-p")
    values = typed(Config, given, "-p")
    assert values == {"steps": 3, "lam": 1e-4, "clamp": math.inf, "name": "a=b", "resume": True, "lams": (0.5, 2.0)}
    assert [type(value) for value in values.values()] == [int, float, float, str, bool, tuple]


def test_values_of_yaml_and_notebooks_are_taken_as_they_are():
    assert typed(Config, {"lam": 2, "lams": [1, 2.5], "clamp": None}, "a.yaml") == {
        "lam": 2.0, "lams": (1.0, 2.5), "clamp": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    "given",
    [{"steps": "2.5"}, {"steps": 2.5}, {"steps": True}, {"lam": "x"}, {"lam": float("nan")}, {"lam": False},
     {"name": 3}, {"resume": 3}, {"lams": "0.5,x"}, {"lams": [True]}, {"steps": None}],
)  # fmt: skip
def test_a_value_of_another_type_is_refused_by_name(given):
    (name,) = given
    with pytest.raises(InputError) as error:
        typed(Config, given, "a.yaml")
    assert error.value.where == f"{name} in a.yaml"


def test_a_mistyped_name_gets_the_nearest_one():
    with pytest.raises(InputError) as error:
        typed(Config, {"lamb": 2}, "-p")
    assert "did you mean 'lam'" in error.value.fix


@pytest.mark.parametrize("item", ["lam", "=2", ""])
def test_what_is_no_pair_is_refused(item):
    with pytest.raises(InputError):
        pairs([item], "-p")
