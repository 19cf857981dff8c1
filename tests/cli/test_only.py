"""`ate compare --only`: methods by their names, whatever set they are of, with direct to compare them with."""

from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from ate.cli.compare import compare
from ate.errors import InputError
from ate.experiments.methods import method_set


@pytest.fixture
def asked(monkeypatch):
    """Names of the methods that a command would train, which are then not trained."""
    names = []

    def stop(methods):
        names.extend(method.name for method in methods)
        raise InputError("the end of this test", where="a test", expected="nothing", fix="none")

    study = SimpleNamespace(settings=None, bases=list, methods=method_set, compare=stop)
    monkeypatch.setattr("ate.experiments.study.prepare", lambda settings: study)
    return names


@pytest.mark.parametrize(
    ("options", "names"),
    [
        (("--only", "shift, identity", "--only", "scratch"), ["direct", "scratch", "shift, identity"]),
        (("--only", "direct"), ["direct"]),
        ((), [method.name for method in method_set("comparison")]),
    ],
)  # fmt: skip
def test_methods_by_name(asked, options, names):
    result = CliRunner().invoke(compare, ["--profile", "smoke", *options])
    assert isinstance(result.exception, InputError) and asked == names


def test_an_unknown_name_gets_the_nearest(asked):
    result = CliRunner().invoke(compare, ["--only", "retarget, 69 rows"])
    assert result.exit_code and asked == [] and "'retarget, 96 rows'" in f"{result.output}{result.exception}"
