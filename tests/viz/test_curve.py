"""Learning curves: what is drawn is what was measured, and a run without a curve is told what to sweep."""

import numpy as np
import pytest
from click.testing import CliRunner

from ate.cli.report import curve
from ate.errors import InputError
from ate.experiments.results import RunResult
from ate.runs.directory import RunDirectory
from ate.runs.files import write_json
from ate.viz.figures.curve import learning_curve
from tests.methods import method as spec

RATES = {"direct": {5: 0.3, 25: 0.6}, "scratch": {5: 0.0, 25: 0.1}, "λ=1": {5: 0.5, 25: 0.6}}


def runs(steps=80):
    rng = np.random.default_rng(0)
    return [
        RunResult(spec(method, float(method == "λ=1")), seed, "sample", n,
                  tuple(bool(x) for x in rng.random(50) < rate), (), (), (), {}, 1.0, steps)
        for method, by in RATES.items() for n, rate in by.items() for seed in range(4)
    ]  # fmt: skip


def test_every_method_is_a_line_through_its_rates():
    results = runs()
    figure = learning_curve(results, "demonstrations")
    lines = {trace.name: trace for trace in figure.data if trace.mode == "lines+markers"}
    assert set(lines) == set(RATES)
    for method, trace in lines.items():
        assert list(trace.x) == [5, 25]
        measured = [
            100 * np.mean([r.success for r in results if (r.method, r.demonstrations) == (method, n)]) for n in (5, 25)
        ]
        assert list(trace.y) == pytest.approx(measured)
    # Thirty and fifty points below direct can be told; direct itself has nothing to be told from.
    assert list(lines["scratch"].marker.symbol) == ["circle", "circle"]
    assert list(lines["direct"].marker.symbol) == ["circle-open", "circle-open"]


@pytest.mark.slow
def test_the_command_draws_into_the_report(tmp_path):
    for index, result in enumerate(runs()):
        write_json(RunDirectory(tmp_path).folder("results") / "cells" / f"{index:04d}.json", result.to_tree())
    told = CliRunner().invoke(curve, [str(tmp_path)], catch_exceptions=False)
    assert told.exit_code == 0 and "sample, scratch, 25 demonstrations" in told.output
    (figure,) = RunDirectory(tmp_path).figures()
    assert figure["title"] == "Success against demonstrations, at 80 steps"
    assert "Learning curves" in (tmp_path / "report.html").read_text()


def test_a_run_at_one_number_is_told_what_to_sweep(tmp_path):
    for index, result in enumerate(r for r in runs() if r.demonstrations == 5):
        write_json(RunDirectory(tmp_path).folder("results") / "cells" / f"{index:04d}.json", result.to_tree())
    with pytest.raises(InputError, match="--axis demonstrations=5,10,25,50"):
        CliRunner().invoke(curve, [str(tmp_path)], catch_exceptions=False, standalone_mode=False)
