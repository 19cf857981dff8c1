import pytest

from ate.data import excludes, load
from ate.errors import InputError
from ate.experiments.settings import EXCLUDE_LISTS, settings


def test_a_list_survives_its_file(tmp_path):
    names = {"episode_0003": "length: 9 steps,\na chunk needs 16", "panda/episode_0005": ""}
    file = excludes.write(tmp_path / "list.txt", names)
    assert excludes.read(file) == {"episode_0003": "length: 9 steps, a chunk needs 16", "panda/episode_0005": ""}
    excludes.write(file, {"episode_0001": "clicked"})
    assert excludes.read(file) == {"episode_0001": "clicked"}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("episode_0003\nepisode_0005\n", ["episode_0003", "episode_0005"]),
        ("# by hand\nepisode_0003  # blurred\n\n  episode_0005", ["episode_0003", "episode_0005"]),
        ("episode_0003, episode_0005", ["episode_0003", "episode_0005"]),
        ("episode_0003.hdf5\r\n", ["episode_0003.hdf5"]),
    ],
)
def test_a_list_by_hand_is_read_and_never_overwritten(tmp_path, text, names):
    file = tmp_path / "bad.txt"
    file.write_text(text)
    assert list(excludes.read(file)) == names
    with pytest.raises(InputError, match="nothing was overwritten"):
        excludes.write(file, {"episode_0001": ""})
    assert file.read_text() == text.replace("\r\n", "\n")


@pytest.mark.parametrize("content", [b"", b"\n# nothing\n", b"\xff\xfe\x00", b"x" * 5000])
def test_other_files_are_neither_read_nor_overwritten(tmp_path, content):
    file = tmp_path / "notes.txt"
    file.write_bytes(content)
    for act in (lambda: excludes.read(file), lambda: excludes.write(file, {"episode_0003": ""})):
        with pytest.raises(InputError, match=r"notes\.txt"):
            act()
    assert file.read_bytes() == content and list(tmp_path.iterdir()) == [file]


def test_lists_are_honoured_by_every_notebook_of_a_run(make_set, tmp_path):
    make_set("arm")
    run = tmp_path / "run"
    chosen = settings({"adapt": str(tmp_path / "arm"), "run": str(run), "exclude": "episode_0001"})
    assert [item.name for item in chosen.adapt_data.load()] == ["episode_0000", "episode_0002", "episode_0003"]
    excludes.write(run / EXCLUDE_LISTS["adapt"], {"episode_0002": "clicked"})
    kept = chosen.adapt_data.load()
    assert [item.name for item in kept] == ["episode_0000", "episode_0003"]
    assert [(e.episode, e.reason) for e in kept.ledger.dropped] == [(f"episode_000{i}", "excluded") for i in (1, 2)]
    excludes.write(run / EXCLUDE_LISTS["adapt"], {"episode_0009": "of another set"})
    with pytest.raises(InputError, match="episode_0009"):
        chosen.adapt_data.load()


def test_a_list_may_be_given_by_name(make_set, tmp_path):
    make_set("arm")
    file = excludes.write(tmp_path / "bad.txt", {"episode_0000": "short"})
    chosen = settings({"adapt": str(tmp_path / "arm"), "run": str(tmp_path / "run"), "exclude": str(file)})
    assert len(chosen.adapt_data.load()) == len(load(tmp_path / "arm")) - 1
    with pytest.raises(InputError, match=r"absent\.txt"):
        settings({"exclude": str(tmp_path / "absent.txt")}).adapt_data.load()
