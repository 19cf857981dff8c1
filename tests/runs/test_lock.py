"""What several processes need is made once; the others wait, say for whom, and read it."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import ate
from ate.errors import InputError
from ate.runs.files import read_json, write_json
from ate.runs.lock import LOCK, lock, locked

# Makes what is missing, slowly, and notes who made it and how often two were at it together.
MAKER = """
import os, sys, time
from pathlib import Path
from ate.runs.lock import lock
folder = Path(sys.argv[1])
with lock(folder, "making it") as waited:
    busy = folder / "busy"
    busy.touch(exist_ok=False)
    if not (folder / "made").exists():
        time.sleep(0.5)
        (folder / "made").write_text(str(os.getpid()))
        (folder / f"maker_{os.getpid()}").touch()
    busy.unlink()
print((folder / "made").read_text(), waited)
"""


def maker(folder):
    return subprocess.Popen([sys.executable, "-c", MAKER, str(folder)], stdout=-1, stderr=-1, text=True)


@pytest.mark.slow
def test_four_at_once_make_it_once_and_read_the_same(tmp_path):
    processes = [maker(tmp_path) for _ in range(4)]
    said = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, said
    assert len(list(tmp_path.glob("maker_*"))) == 1
    assert len({out.split()[0] for out, _ in said}) == 1
    assert all(("waiting for" in err) == (out.split()[1] == "True") for out, err in said)


def test_who_waits_says_for_whom_and_is_told_that_it_waited(tmp_path, capsys):
    held, done = threading.Event(), []

    def second():
        held.wait()
        with lock(tmp_path, "reading") as waited:
            done.append(waited)

    thread = threading.Thread(target=second)
    thread.start()
    with lock(tmp_path, "aligning") as waited:
        assert not waited
        held.set()
        while "waiting" not in (said := capsys.readouterr().err):
            time.sleep(0.01)
        assert done == [] and f"process {os.getpid()} on" in said and "which is aligning" in said
    thread.join(timeout=10)
    assert done == [True]
    with lock(tmp_path, "looking") as waited:
        assert not waited and read_json(tmp_path / f"{LOCK}.json")["purpose"] == "looking"
        assert locked(tmp_path)
    assert not locked(tmp_path)


def test_who_does_not_wait_is_refused_with_the_holder(tmp_path):
    with lock(tmp_path, "aligning"), lock(tmp_path, "another", name=".other"):
        with pytest.raises(InputError) as error, lock(tmp_path, "reading", wait=False):
            pass
        assert f"process {os.getpid()} on" in error.value.got and "aligning" in error.value.got
        assert error.value.where == str(tmp_path) and locked(tmp_path) and locked(tmp_path, ".other")


def test_a_holder_on_another_machine_is_known_by_the_lock_itself(tmp_path, monkeypatch):
    with lock(tmp_path, "aligning"):
        monkeypatch.setattr("ate.runs.lock.socket.gethostname", lambda: "elsewhere")
        assert locked(tmp_path)
        record = (tmp_path / f"{LOCK}.json").read_text()
    (tmp_path / f"{LOCK}.json").write_text(record)
    assert not locked(tmp_path)


def test_a_killed_holder_holds_nothing(tmp_path):
    process = maker(tmp_path)
    while not (tmp_path / "busy").exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=10)
    assert (tmp_path / f"{LOCK}.json").exists() and not locked(tmp_path)
    with lock(tmp_path, "after it"):
        assert not (tmp_path / "made").exists()


def test_an_error_gives_the_lock_back(tmp_path):
    with pytest.raises(ZeroDivisionError), lock(tmp_path, "dividing"):
        _ = 1 / 0
    with lock(tmp_path, "again") as waited:
        assert not waited


def test_no_file_of_the_package_needs_a_posix_system():
    posix = re.compile(r"^\s*(import|from) (fcntl|pwd|grp|resource|termios)\b", re.MULTILINE)
    assert [f for f in Path(ate.__file__).parent.rglob("*.py") if posix.search(f.read_text(encoding="utf-8"))] == []


def test_many_writers_of_one_file_leave_it_whole_and_no_leftovers(tmp_path):
    file = tmp_path / "one.json"
    values = [{"writer": i, "rows": [i] * 2000} for i in range(8)]
    threads = [threading.Thread(target=lambda v=v: [write_json(file, v) for _ in range(10)]) for v in values]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        if file.exists():
            assert read_json(file) in values
    assert read_json(file) in values and [f.name for f in tmp_path.iterdir()] == ["one.json"]
