"""Ways to install: lists of versions agree, the Dockerfile copies what there is, Colab's cells do what they say."""

import subprocess
import tomllib

import nbformat

from ate.experiments.settings import ROOT
from ate.sim.opengl import PACKAGES
from benchmarks.dockerfile import steps


def test_uv_takes_the_versions_that_pip_takes():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert settings["tool"]["uv"]["constraint-dependencies"] == [line for line in lines if "==" in line]


def test_the_dockerfile_copies_what_there_is_and_nothing_that_is_ignored():
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    copied = [source for name, text in steps(ROOT / "Dockerfile") if name == "COPY" for source in text.split()[:-1]]
    assert {"ate", "data", "notebooks", "constraints.txt"} <= set(copied)
    assert all((ROOT / source).exists() and source not in ignored for source in copied)
    packages, install = [text for name, text in steps(ROOT / "Dockerfile") if name == "RUN"]
    assert "-c constraints.txt" in install
    wanted = "libegl1 libopengl0 libgl1-mesa-dri"
    assert wanted in packages and wanted in PACKAGES and wanted in (ROOT / "Makefile").read_text(encoding="utf-8")


def test_colab_fetches_the_clone_and_pins_only_what_is_not_there(tmp_path, monkeypatch):
    source, work = tmp_path / "source", tmp_path / "work"
    source.mkdir(), work.mkdir()
    (source / "constraints.txt").write_text("# versions\nNumPy==0.1\nno_such_package==1.0\n")
    for words in (["init", "-q"], ["add", "."], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "one"]):
        subprocess.run(["git", *words], cwd=source, check=True)
    asked, run = [], subprocess.run

    def watched(command, **options):
        return run(command, **options) if command[0] == "git" else asked.append((command[1:], options))

    monkeypatch.setattr(subprocess, "run", watched)
    monkeypatch.chdir(work)
    notebook = nbformat.read(ROOT / "notebooks" / "colab.ipynb", as_version=4)
    parameters, fetch, execute, _ = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    known = {}
    exec(parameters, known)
    known["source"] = source.as_uri()
    exec(fetch, known)
    exec(execute, known)
    assert (work / "constraints.txt").read_text() == "no_such_package==1.0"
    (install, _), (command, options) = asked
    clone = work / "ate-workbench"
    assert install[-2:] == ["-e", f"{clone}[all]"] and "constraints.txt" in install
    assert command == ["-m", "ate", "run", "--profile", "smoke", "--run", str(work / "runs" / "smoke")]
    assert options["cwd"] == clone and (clone / "constraints.txt").exists()
