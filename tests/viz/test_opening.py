"""What a notebook begins with: its question, and the answer that its own headline gives."""

import pytest

from ate import viz
from ate.experiments.settings import settings
from ate.viz.report import section as sections
from ate.viz.report.opening import PENDING, QUESTIONS, opening


def findings(*levels):
    return {"findings": {"columns": ["level"], "rows": [[level] for level in levels]}, "episodes": 7}


@pytest.mark.parametrize(("levels", "worst"), [(("PASS",), "PASS"), (("WARN", "PASS"), "WARN"), (("FAIL",), "FAIL")])
def test_01_is_answered_by_the_doctor(levels, worst):
    opened = opening("01", findings(*levels), [])
    assert opened.level == worst and opened.question == QUESTIONS["01"]
    assert f"{levels.count('FAIL')} FAIL, {levels.count('WARN')} WARN in 7 episodes" in opened.answer


@pytest.mark.parametrize(("light", "level"), [("helps", "PASS"), ("hurts", "FAIL"), ("cannot tell", "WARN")])
def test_03_has_the_question_and_the_light_of_its_answer(light, level):
    answer = {"question": "Does it?", "light": light, "sentence": "It says.", "settle": "Do this."}
    assert opening("03", {"answer": answer}, []) == ("Does it?", "It says. Do this.", level)


def test_other_sections_have_none_and_04_ends_with_the_held_out_seeds():
    assert opening("compare-25x80", {}, ["helps"]) is None
    assert opening("04", {}, ["first", "on held-out seeds"]).answer == "on held-out seeds"


def test_a_section_displays_the_question_first_and_puts_the_answer_there(tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr(sections, "show_opening", lambda *parts, update=False: shown.append((parts, update)))
    section = viz.Section.begin(settings({"profile": "smoke", "run": str(tmp_path / "run")}), "01")
    section.finish({"command": "ate run"}, ["read"], findings=[{"level": "PASS"}], episodes=3)
    assert shown[0] == (("01", QUESTIONS["01"], PENDING), False)
    assert shown[1][1] and shown[1][0][-1] == "PASS" and "3 episodes" in shown[1][0][2]
