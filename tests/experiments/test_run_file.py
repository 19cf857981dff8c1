"""Run files: what a run writes can be run again to the same settings."""

from dataclasses import replace

import pytest
from click.testing import CliRunner

from ate.cli.run import run
from ate.errors import InputError
from ate.experiments import run_file
from ate.experiments.settings import PROFILES, settings

CHANGES = [
    {},
    {"lams": "0.123456789,2", "clamps": "inf", "robot": "ur5e", "exclude": "episode_0001,episode_0004"},
    {"guidance": "paper", "clamp": 0.3, "lams": "1,3"},
    {"guidance": "auxiliary", "lam": 2.5},
]


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("change", CHANGES, ids=range(len(CHANGES)))
def test_what_was_written_is_read_back(profile, change, tmp_path):
    chosen = settings({"profile": profile, "run": str(tmp_path), **change})
    only, values = run_file.read(run_file.write(chosen, ("02", "03")))
    assert only == ("02", "03")
    place = {name: getattr(PROFILES[profile], name) for name in ("executor", "train", "workers")}
    assert settings({**values, "run": str(tmp_path)}) == replace(chosen, **place)


def test_episodes_left_out_by_a_click_are_left_out_again(tmp_path):
    chosen = settings({"profile": "smoke", "run": str(tmp_path / "one"), "exclude": "episode_0002"})
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "exclude_adapt.txt").write_text("episode_0007\n")
    _, values = run_file.read(run_file.write(chosen, ("01",)))
    again = settings({**values, "run": str(tmp_path / "two")})
    assert again.adapt_data.exclude == chosen.adapt_data.exclude
    assert set(again.adapt_data.exclude) == {"episode_0002", "episode_0007"}


def test_unknown_names_are_refused_with_the_nearest(tmp_path):
    file = tmp_path / "run.yaml"
    file.write_text("profile: smoke\nhorizn: 8\n")
    with pytest.raises(InputError, match="did you mean 'horizon'"):
        run_file.read(file)
    file.write_text("profile: smoke\nhorizon: many\n")
    with pytest.raises(InputError, match="horizon"):
        run_file.read(file)


def test_the_command_line_comes_before_the_file(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr("ate.cli.run.execute", lambda only, given: seen.append((only, given)) or settings(given))
    file = tmp_path / "run.yaml"
    file.write_text("profile: smoke\nhorizon: 8\nseed: 3\nonly: 01,02\n")
    words = ["--config", str(file), "-p", "seed=4", "--run", str(tmp_path / "run")]
    assert CliRunner().invoke(run, words).exit_code == 0
    assert seen == [(("01", "02"), {"profile": "smoke", "horizon": 8, "seed": 4, "run": str(tmp_path / "run")})]
    assert CliRunner().invoke(run, ["--only", "03", "--run", str(tmp_path)]).exit_code == 0
    assert seen[1] == (("03",), {"profile": "demo", "run": str(tmp_path)})
