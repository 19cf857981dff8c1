"""The card of a failure: one record, readable as text and as HTML, that loses nothing on its way through JSON."""

import json

import pytest

from ate.errors import InputError, unknown
from ate.runs.directory import RunDirectory
from ate.runs.failure import NotebookFailed, NotebookFailure, section_of

WHERE = {
    "notebook": "03",
    "title": "Steer the policy",
    "section": "Fine-tuning",
    "cell": 7,
    "command": "ate run --profile smoke --run /r --only 03",
    "output": "/r/notebooks/03_steer_policy.ipynb",
}
BAD = InputError("6 columns", where="episode_0001.hdf5", expected="7 columns", fix="exclude it; or record it again")


def test_bad_input_is_told_by_its_parts():
    failure = NotebookFailure.of("InputError", str(BAD), **WHERE, not_run=("04",))
    said = dict(failure.rows())
    assert failure.stage == "03 · Steer the policy failed in “Fine-tuning” (cell 7)"
    assert said["Got"] == BAD.got and said["Where"] == BAD.where and said["Expected"] == BAD.expected
    assert said["Fix"] == BAD.fix and said["Repeat with"] == WHERE["command"]
    assert said["Not run"].startswith("04")
    text = str(NotebookFailed(failure))
    assert text.startswith(failure.stage) and all(part in text for part in said.values())
    assert "report: /r/report.html" in text.lower()


@pytest.mark.parametrize(
    ("error", "message", "words"),
    [
        ("ValueError", "no such thing", "read the end of cell 7"),
        ("OutOfMemoryError", "CUDA out of memory", "smaller batch"),
        ("MemoryError", "", "smaller batch"),
        ("DeadKernelError", "Kernel died", "killed"),
        ("Stopped", "stopped at step 3", "last checkpoint"),
        ("ModuleNotFoundError", "No module named 'umap'", "pip install"),
    ],
)
def test_other_errors_are_named_with_their_type_and_a_way_out(error, message, words):
    failure = NotebookFailure.of(error, message, **WHERE)
    said = dict(failure.rows())
    assert said["Error"] == (f"{error}: {message}" if message else error)
    assert words in said["Fix"] and "Not run" not in said


def test_a_kernel_that_never_began_names_no_cell():
    failure = NotebookFailure.of(
        "RuntimeError", "Kernel died before replying", **{**WHERE, "cell": None, "section": ""}
    )
    assert failure.stage == "03 · Steer the policy failed at its start" and "None" not in failure.text()


def test_html_is_one_block_in_which_nothing_becomes_markup_or_a_formula():
    message = "<script>taken()</script> costs $x_1$\n\nand *more* & 'more'"
    html = NotebookFailure.of("ValueError", message, **WHERE).html()
    # A blank line would end a block of HTML inside markdown.
    assert "\n" not in html and html.startswith("<div") and html.endswith("</div>")
    assert "<script" not in html and "&lt;script&gt;" in html and "$" not in html and "&#36;x_1&#36;" in html


@pytest.mark.parametrize("message", [str(BAD), "plain", ""])
def test_it_comes_back_from_the_run_directory_and_goes_with_a_new_run_of_its_notebook(tmp_path, message):
    run = RunDirectory(tmp_path)
    failure = NotebookFailure.of("InputError", message, **WHERE, not_run=("04",))
    run.save_failure(failure)
    assert run.failures() == [failure] and RunDirectory.existing(tmp_path).headlines() == {}
    kept = json.loads((tmp_path / "failures" / "03.json").read_text())
    assert kept["command"] == WHERE["command"] and ("got" in kept) == (message == str(BAD))
    assert run.begin("04").failures() == [failure]
    assert run.begin("03").failures() == []


def test_a_section_is_the_last_heading_before_the_cell():
    cells = [
        ("markdown", "# 03 · Title\n\n## not a heading of mine? It is."),
        ("code", "## a comment"),
        ("markdown", "## Fine-tuning\n\ntext"),
        ("code", "train()"),
        ("markdown", "### Later"),
    ]
    assert section_of(cells[:1], 0) == "" and section_of([("markdown", "# Title"), ("code", "")], 1) == ""
    assert section_of(cells, 2) == "not a heading of mine? It is."
    assert section_of(cells, 3) == "Fine-tuning" and section_of(cells, 5) == "Later"


@pytest.mark.parametrize("error", [BAD, unknown("lamb", ["lam", "lams"], where="parameters")])
def test_an_input_error_is_read_back_from_its_text(error):
    back = InputError.parse(str(error))
    assert back is not None and vars(back) == vars(error) and str(back) == str(error)
    assert InputError.parse(f"ValueError: {error} and more") is None and InputError.parse("") is None
