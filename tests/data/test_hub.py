"""Data sets by id: local copies of every kind, links of a download cache, and nothing fetched unasked."""

import hashlib
import json
import os
import shutil

import huggingface_hub
import numpy as np
import pytest
from click.testing import CliRunner

from ate.cli.doctor import doctor
from ate.data import load
from ate.data.hub import is_id, located
from ate.errors import InputError
from ate.experiments.settings import settings
from tests.data.formats.makers import lerobot_v2, lerobot_v3


@pytest.fixture
def home(tmp_path, monkeypatch):
    for name in ("HF_LEROBOT_HOME", "HF_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    return tmp_path / "hf"


def cached(home, source, identity="user/arm", revision="abc", main=True):
    """A snapshot as huggingface_hub keeps it: links into blobs."""
    root = home / "hub" / f"datasets--{identity.replace('/', '--')}"
    (root / "blobs").mkdir(parents=True, exist_ok=True)
    for file in (f for f in source.rglob("*") if f.is_file()):
        blob = root / "blobs" / hashlib.sha256(file.read_bytes()).hexdigest()
        shutil.copyfile(file, blob)
        link = root / "snapshots" / revision / file.relative_to(source)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(os.path.relpath(blob, link.parent))
    if main:
        (root / "refs").mkdir(exist_ok=True)
        (root / "refs" / "main").write_text(revision)
    return root / "snapshots" / revision


@pytest.mark.parametrize("make", [lerobot_v2, lerobot_v3])
def test_a_cache_of_links_reads_as_the_set_itself(make, home, tmp_path):
    plain = make(tmp_path / "plain")
    snapshot = cached(home, plain)
    assert located("user/arm") == str(snapshot)
    linked, whole = load(located("user/arm")), load(plain)
    assert [np.array_equal(a.qpos, b.qpos) for a, b in zip(linked, whole, strict=True)] == [True, True]
    assert linked.task == whole.task == "lift"
    # Called as the set calls it, so that what lies beside it is found too, and nothing counts as left over.
    assert all(item.path.is_relative_to(snapshot) for item in linked) and not linked.ledger.unlisted


def test_the_copy_that_lerobot_reads_comes_first_and_paths_stay_paths(home, tmp_path, monkeypatch):
    cached(home, lerobot_v2(tmp_path / "plain"), main=False)
    assert located("user/arm").endswith("snapshots/abc")
    own = lerobot_v2(home / "lerobot" / "user" / "arm")
    assert located("user/arm") == str(own)
    monkeypatch.chdir(home / "lerobot")
    assert located("user/arm") == "user/arm" and not is_id("user/arm") and is_id("user/other")
    assert located("/nowhere/at/all") == "/nowhere/at/all" and located("./user/other") == "./user/other"


def test_links_out_of_the_cache_are_refused(home, tmp_path):
    snapshot = cached(home, lerobot_v2(tmp_path / "plain"))
    file = next(snapshot.rglob("episode_000000.parquet"))
    file.unlink()
    file.symlink_to(next((tmp_path / "plain").rglob("episode_000000.parquet")))
    with pytest.raises(InputError, match="leads outside"):
        load(located("user/arm"))


def test_nothing_is_fetched_unless_it_is_asked_for(home, monkeypatch):
    asked = []
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *a, **k: asked.append((a, k)) or "/fetched")
    chosen = settings({"profile": "smoke", "adapt": "user/arm"})
    with pytest.raises(InputError) as caught:
        _ = chosen.adapt_data
    assert "download=true" in caught.value.fix and "hf download user/arm --repo-type dataset" in caught.value.fix
    assert not asked
    assert settings({"profile": "smoke", "adapt": "user/arm", "download": True}).adapt_data.path == "/fetched"
    (((identity,), how),) = asked
    assert identity == "user/arm" and how["repo_type"] == "dataset" and "videos/*" not in how["allow_patterns"]


def test_a_hub_that_does_not_answer_is_an_error_with_the_id(home, monkeypatch):

    def offline(*_, **__):
        raise huggingface_hub.errors.LocalEntryNotFoundError("no network")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", offline)
    with pytest.raises(InputError) as caught:
        located("user/arm", download=True)
    assert "user/arm" in caught.value.where and "no network" in caught.value.got


def test_the_doctor_takes_ids(home, tmp_path):
    cached(home, lerobot_v3(tmp_path / "plain"))
    ended = CliRunner().invoke(doctor, ["user/arm", "--against", "user/arm", "--json", str(tmp_path / "report.json")])
    assert not isinstance(ended.exception, InputError), ended.output
    (report,) = [json.loads((tmp_path / "report.json").read_text())]
    assert report["path"] == str(located("user/arm"))
    ended = CliRunner().invoke(doctor, ["user/other"])
    assert isinstance(ended.exception, InputError) and "hf download user/other" in str(ended.exception)
