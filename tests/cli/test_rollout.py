"""`ate rollout` and `ate serve` from the command line."""

import json
from functools import partial

import av
import pytest
from click.testing import CliRunner

from ate.cli.rollout import rollout, serve
from ate.data import load
from ate.errors import InputError
from ate.experiments.settings import SHIPPED
from ate.policies import build
from ate.policies.serving.server import Service
from ate.viz.figures.footage import rollout_pictures


@pytest.fixture
def policy_file(tmp_path):
    episodes = load(SHIPPED / "lift" / "adapt" / "ur5e").select(range(2))
    build([episodes], horizon=8, seed=0, hidden=8, denoising_steps=1).save(tmp_path / "policy.safetensors")
    return str(tmp_path / "policy.safetensors")


@pytest.mark.slow
def test_rollouts_of_a_file_with_film_and_numbers(policy_file, tmp_path):
    words = ["--policy", policy_file, "--robot", "ur5e", "--rollouts", "2", "--first-seed", "5"]
    words += ["--film", str(tmp_path / "film.html"), "--json", str(tmp_path / "out.json")]
    result = CliRunner().invoke(rollout, words)
    assert result.exit_code == 0, result.output
    found = json.loads((tmp_path / "out.json").read_text())
    assert found["seeds"] == [5, 6] and len(found["success"]) == 2 and found["closest"][0] > 0
    assert "seed 5" in (tmp_path / "film.html").read_text()
    assert f"{sum(found['success'])} of 2" in result.output


def test_a_robot_that_the_policy_does_not_know_is_refused(policy_file):
    error = CliRunner().invoke(rollout, ["--policy", policy_file, "--robot", "ur5"]).exception
    assert isinstance(error, InputError) and "'ur5e'" in error.fix


def test_serving_to_other_machines_has_to_be_asked_for(policy_file):
    error = CliRunner().invoke(serve, ["--policy", policy_file, "--host", "0.0.0.0"]).exception
    assert isinstance(error, InputError) and "--remote" in error.fix


def test_the_address_has_the_token_of_the_environment(policy_file, monkeypatch):
    class Ended:
        """A server that is over at once."""

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def serve_forever(self):
            pass

    asked = []
    monkeypatch.setattr(Service, "listen", lambda service, *where: asked.append((service.token, where)) or Ended())
    monkeypatch.setattr(Service, "address", lambda service, server: f"ws://127.0.0.1:1/?token={service.token}")
    monkeypatch.setenv("ATE_TOKEN", "known")
    result = CliRunner().invoke(serve, ["--policy", policy_file])
    assert result.exit_code == 0 and "token=known" in result.output
    assert asked == [("known", ("127.0.0.1", 8000, False))]


@pytest.mark.slow
def test_a_film_is_an_mp4_where_its_name_says_so(policy_file, tmp_path, monkeypatch):
    monkeypatch.setattr("ate.viz.figures.footage.rollout_pictures", partial(rollout_pictures, side=32))
    film = tmp_path / "film.mp4"
    words = ["--policy", policy_file, "--robot", "ur5e", "--rollouts", "1", "--film", str(film)]
    assert CliRunner().invoke(rollout, words).exit_code == 0
    with av.open(str(film)) as container:
        assert container.streams.video[0].width == 32 and container.streams.video[0].frames > 2
