import json

import pytest
import torch

from ate.errors import InputError
from ate.runs import checkpoint
from ate.runs.device import pick
from ate.runs.directory import FORMAT, RunDirectory
from ate.runs.files import read_json
from ate.runs.loop import train


def test_a_tree_comes_back_bit_equal(tmp_path):
    shared = torch.randn(3)
    tree = {"a": [shared, shared, {"n": 1, "x": 0.1, "none": None}], 3: "text", "flags": [True, False]}
    tree = {"outer": tree, "int64": torch.arange(4), "bytes": torch.tensor([1, 2], dtype=torch.uint8)}
    checkpoint.save(tmp_path / "c.safetensors", tree)
    back = checkpoint.load(tmp_path / "c.safetensors")
    assert back["outer"][3] == "text" and back["outer"]["a"][2] == {"n": 1, "x": 0.1, "none": None}
    assert torch.equal(back["outer"]["a"][1], shared) and back["int64"].dtype == torch.int64
    assert not list(tmp_path.glob("*.tmp"))


@pytest.mark.parametrize("content", [b"", b"junk" * 100, None])
def test_foreign_or_broken_files_are_refused(tmp_path, content):
    file = tmp_path / "c.safetensors"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(InputError, match=r"c\.safetensors"):
        checkpoint.load(file)


def test_objects_are_refused_and_leave_nothing(tmp_path):
    with pytest.raises(TypeError, match="plain values"):
        checkpoint.save(tmp_path / "c.safetensors", {"x": object()})
    assert not list(tmp_path.iterdir())


def job(stop_at=None):
    torch.manual_seed(0)
    model = torch.nn.Linear(4, 1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    generator = torch.Generator().manual_seed(5)

    def step(i):
        if i == stop_at:
            raise KeyboardInterrupt
        x = torch.randn(8, 4, generator=generator)
        loss = (model(x) - x.sum(1, keepdim=True)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return {"loss": loss}

    return step, {"model": model, "optimizer": optimizer, "generator": generator}


@pytest.mark.parametrize("stop_at", [3, 10, 17, 29])
def test_a_stopped_run_resumes_to_the_same_bits(tmp_path, stop_at):
    options = {"log_every": 5, "checkpoint_every": 10, "identity": "x"}
    step, whole = job()
    expected = train(step, whole, 30, **options)
    step, state = job(stop_at)
    with pytest.raises(KeyboardInterrupt):
        train(step, state, 30, directory=tmp_path, **options)
    step, state = job()
    rows = train(step, state, 30, directory=tmp_path, **options)
    assert rows == expected
    assert all(torch.equal(a, b) for a, b in zip(state["model"].parameters(), whole["model"].parameters(), strict=True))
    assert [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()] == rows


def test_a_finished_run_is_read_not_run(tmp_path):
    step, state = job()
    rows = train(step, state, 10, directory=tmp_path, log_every=5)
    step, state = job(stop_at=0)
    assert train(step, state, 10, directory=tmp_path, log_every=5) == rows


def test_a_checkpoint_of_another_run_is_refused(tmp_path):
    step, state = job()
    train(step, state, 10, directory=tmp_path, identity="one")
    step, state = job()
    with pytest.raises(InputError, match="another run"):
        train(step, state, 20, directory=tmp_path, identity="two")


def test_device_is_the_argument_or_follows_the_environment(monkeypatch):
    monkeypatch.setenv("ATE_DEVICE", "cpu")
    assert pick().type == "cpu"
    monkeypatch.setenv("ATE_DEVICE", "toaster")
    with pytest.raises(InputError) as error:
        pick()
    assert error.value.where == "ATE_DEVICE"
    assert pick("meta").type == "meta"
    with pytest.raises(InputError) as error:
        pick("oven")
    assert (error.value.where, error.value.got) == ("device", "'oven'")


def test_run_directory_refuses_a_folder_that_no_run_wrote(tmp_path):
    with pytest.raises(InputError, match="headlines"):
        RunDirectory.existing(tmp_path)
    RunDirectory(tmp_path).save_headline("01", {"episodes": 3})
    assert RunDirectory.existing(tmp_path).headlines() == {"01": {"episodes": 3}}


def test_a_run_directory_is_read_by_its_own_version_only(tmp_path):
    """Notebooks begin with `RunDirectory(…).begin(…)`."""
    run = RunDirectory(tmp_path / "new")
    assert not run.path.exists()
    run.begin("01")
    assert read_json(run.path / "run.json") == {"format": FORMAT} and RunDirectory(run.path) == run
    (run.path / "run.json").write_text('{"format": 99}')
    (tmp_path / "earlier" / "align").mkdir(parents=True)
    for folder in ("new", "earlier"):
        with pytest.raises(InputError) as error:
            RunDirectory(tmp_path / folder).begin("01")
        assert error.value.where == str(tmp_path / folder) and "--run" in error.value.fix
    assert [f.name for f in (tmp_path / "earlier").iterdir()] == ["align"]


def test_beginning_a_notebook_forgets_its_own_results_only(tmp_path):
    run = RunDirectory(tmp_path)
    for notebook in ("01", "02"):
        run.save_headline(notebook, {"n": 1})
        run.save_card(notebook, {"n": 1})
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "x.json").write_text("{}")
    run.begin("02")
    assert list(run.headlines()) == list(run.cards()) == ["01"] and (tmp_path / "results" / "x.json").exists()
