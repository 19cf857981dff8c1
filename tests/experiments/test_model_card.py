"""Model cards, and their way to the hub past a client that records what is sent."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from ate.cli.push import push
from ate.errors import InputError
from ate.experiments.model_card import Model
from ate.policies import build
from tests.steer.lines import line_alignment, line_robots


class Hub:
    def __init__(self):
        self.calls, self.files = [], {}

    def create_repo(self, repository, private, exist_ok):
        self.calls.append((repository, private, exist_ok))
        return f"https://huggingface.co/{repository}"

    def upload_file(self, path_or_fileobj, path_in_repo, repo_id):
        sent = path_or_fileobj
        self.files[f"{repo_id}/{path_in_repo}"] = sent if isinstance(sent, bytes) else Path(sent).read_bytes()


@pytest.fixture
def policy_file(make_set, tmp_path):
    file = tmp_path / "policy.safetensors"
    build([make_set("a")], horizon=4, seed=0, hidden=8).save(file)
    return file


def test_a_policy_goes_with_its_card(policy_file):
    hub, model = Hub(), Model.of(policy_file)
    assert Model.of(policy_file.parent) == model
    assert model.push("jane/lift", api=hub).endswith("jane/lift")
    assert hub.calls == [("jane/lift", True, True)]
    assert hub.files["jane/lift/policy.safetensors"] == policy_file.read_bytes()
    card = hub.files["jane/lift/README.md"].decode()
    assert card.startswith("---\nlibrary_name: ate\n") and "joint1, joint2" in card and "4 rows" in card


@pytest.mark.slow
def test_an_alignment_is_found_in_its_folder(tmp_path):
    robots = line_robots(tmp_path)
    line_alignment(robots, 4).save(tmp_path / "run" / "align")
    model = Model.of(tmp_path / "run")
    assert model.kind == "alignment" and model.facts["new robot"] == robots[1].robot
    assert robots[0].robot in model.text
    line_again = tmp_path / "run" / "other"
    line_again.mkdir()
    (line_again / model.file.name).write_bytes(model.file.read_bytes())
    with pytest.raises(InputError, match="2 of them"):
        Model.of(tmp_path / "run")


def test_nothing_is_sent_unless_asked(policy_file, tmp_path, monkeypatch):
    sent = []
    monkeypatch.setattr(Model, "push", lambda *words, **options: sent.append(words))
    shown = CliRunner().invoke(push, [str(policy_file), "--show"])
    assert shown.exit_code == 0 and "# Policy" in shown.output
    assert isinstance(CliRunner().invoke(push, [str(policy_file)]).exception, InputError)
    assert not sent
    assert CliRunner().invoke(push, [str(policy_file), "--to", "jane/lift"]).exit_code == 0 and len(sent) == 1


def test_what_cannot_be_sent_is_refused(policy_file, tmp_path):
    for name in ("lift", "jane/", "a/b/c"):
        with pytest.raises(InputError, match="user/name"):
            Model.of(policy_file).push(name, api=Hub())
    with pytest.raises(InputError, match="no checkpoint"):
        Model.of(tmp_path / "nothing")
