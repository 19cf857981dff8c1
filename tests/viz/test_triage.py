from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from ate import viz
from ate.data import excludes
from ate.data.doctor import dataset_report as sets
from ate.data.doctor.checks.distances import JointDistance
from ate.data.episodes import Episode, Episodes
from ate.errors import InputError
from ate.robots import profile
from ate.viz.figures.camera import MOMENTS
from ate.viz.figures.episode import DRAWN, recorded, set_band
from ate.viz.widgets import triage as grids
from ate.viz.widgets.triage import MOST_BUTTONS, TriageGrid
from tests.viz.samples import distances, episodes, triages
from tests.viz.samples import sets as made
from tests.viz.triaged import examined, report


@pytest.fixture
def drawn(monkeypatch):
    """What the grid draws."""
    figures = []
    monkeypatch.setattr(grids, "draw", figures.append)
    return figures


@pytest.fixture
def grid(tmp_path, drawn):
    return TriageGrid(examined(tmp_path / "ur5e"), tmp_path / "run" / "exclude_adapt.txt")


def press(grid, name):
    grid.buttons[name].click()


def test_buttons_stand_by_oddness_and_say_what_they_are(grid):
    assert list(grid.buttons) == ["episode_0001", "episode_0000", "episode_0004", "episode_0003", "episode_0002"]
    colours = [button.style.button_color for button in grid.buttons.values()]
    assert colours[:3] == [grids.COLOURS[kind] for kind in ("cannot be used", "odd", "ordinary")]
    assert grid.buttons["episode_0000"].description == "episode_0000 · 20.0"
    assert "+20.0 deviations" in grid.buttons["episode_0000"].tooltip
    assert grid.switch.disabled


def test_a_click_draws_the_joints_with_limits(grid, drawn):
    press(grid, "episode_0002")
    (figure,) = drawn
    assert "limits −3.14 to 3.14" in figure.layout.annotations[1].text
    own = next(trace for trace in figure.data if trace.name == "this episode")
    assert own.y[0] == 2 and own.y[-1] == 3
    assert not grid.switch.disabled and not grid.switch.value
    assert "episode_0002" in grid.status.value


def test_a_click_shows_what_the_cameras_saw(grid, drawn, tmp_path):
    with h5py.File(tmp_path / "ur5e" / "episode_0002.hdf5", "r+") as file:
        file["images/front"] = np.full((30, 8, 6, 3), 128, np.uint8)
    press(grid, "episode_0002")
    joints, cameras = drawn
    assert len(joints.data) > 3 and len(cameras.data) == MOMENTS
    assert "front" in [note.text for note in cameras.layout.annotations]


@pytest.mark.slow
def test_the_switch_writes_the_list_and_takes_back(grid):
    press(grid, "episode_0000")
    grid.switch.value = True
    assert excludes.read(grid.file) == {"episode_0000": "clicked; length +20.0 deviations from the median episode"}
    button = grid.buttons["episode_0000"]
    assert button.style.text_decoration == "line-through" and "left out" in button.description
    assert str(grid.file) in grid.status.value and "when the cells above run again" in grid.status.value
    press(grid, "episode_0002")
    assert not grid.switch.value and list(excludes.read(grid.file)) == ["episode_0000"]
    press(grid, "episode_0000")
    assert grid.switch.value
    grid.switch.value = False
    assert excludes.read(grid.file) == {} and button.style.text_decoration == "none"


def test_what_else_stands_in_the_list_stays(tmp_path, drawn):
    file = excludes.write(tmp_path / "list.txt", {"panda/episode_0000": "by the doctor", "ur5e/episode_0003": "jerk"})
    one = TriageGrid(examined(tmp_path / "ur5e", exclude=("episode_0003",), prefix="ur5e/"), file)
    assert "left out" in one.buttons["episode_0003"].description
    assert "left out" not in one.buttons["episode_0000"].description
    press(one, "episode_0000")
    one.switch.value = True
    assert list(excludes.read(file)) == ["panda/episode_0000", "ur5e/episode_0003", "ur5e/episode_0000"]
    press(one, "episode_0003")  # left out already, still drawn, and can be taken back
    assert len(drawn) == 2 and one.switch.value
    one.switch.value = False
    assert list(excludes.read(file)) == ["panda/episode_0000", "ur5e/episode_0000"]


def test_what_a_parameter_leaves_out_is_not_written(tmp_path, drawn):
    one = TriageGrid(examined(tmp_path / "ur5e", exclude=("episode_0003.hdf5",)), tmp_path / "list.txt")
    press(one, "episode_0003")
    assert one.switch.disabled and one.switch.value and "parameter" in one.status.value
    press(one, "episode_0002")
    assert not one.switch.disabled and not one.switch.value and not one.file.exists()


def test_errors_are_visible(grid, tmp_path):
    press(grid, "episode_0001")
    assert "episode_0001.hdf5" in grid.status.value and "<b>" in grid.status.value
    grid.file.parent.mkdir(exist_ok=True)
    grid.file.write_text("something of mine\n")
    press(grid, "episode_0002")
    assert "something of mine" in grid.status.value
    assert grid.file.read_text() == "something of mine\n"


def test_a_list_that_cannot_be_written_leaves_the_switch_as_it_was(grid):
    press(grid, "episode_0002")
    grid.file.parent.mkdir(exist_ok=True)
    grid.file.write_text("something of mine\n")
    grid.switch.value = True
    assert "something of mine" in grid.status.value and not grid.switch.value
    assert grid.file.read_text() == "something of mine\n"


def test_many_episodes_have_at_most_so_many_buttons(tmp_path, drawn):
    one = replace(examined(tmp_path / "ur5e"), report=report(triages(150, odd=2)))
    grid = TriageGrid(one, tmp_path / "list.txt")
    assert len(grid.buttons) == MOST_BUTTONS == 120
    episodes_tab = grid.box.children[1].children[0].children[0]
    assert any("30 more episodes" in getattr(child, "value", "") for child in episodes_tab.children)


def test_nothing_is_shown_in_batch(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("ATE_BATCH", "1")
    grids.show_triage([examined(tmp_path / "ur5e")], tmp_path / "list.txt")
    assert capsys.readouterr().out == ""


def test_examined_sets_know_what_can_be_drawn(tmp_path):
    one = examined(tmp_path / "ur5e", exclude=("episode_0003",))
    assert [item.name for item in one.readable] == ["episode_0000", "episode_0002", "episode_0004"]
    assert [item.name for item in one.all] == ["episode_0000", "episode_0002", "episode_0003", "episode_0004"]
    assert one.profile == profile("ur5e") and sets.oddest(one) == 0
    nothing = examined(tmp_path / "ur5e", exclude=tuple(f"episode_{i:04d}" for i in range(5)))
    with pytest.raises(InputError, match="no episode"):
        sets.usable([nothing])


def test_robots_without_a_profile_are_not_in_the_slot_picture(tmp_path):
    one = examined(tmp_path / "ur5e")
    assert sets.rdt_bodies([one])[0].slots == (0, 2, 10)
    other = replace(one, all=replace(one.all, robot="someone"))
    assert sets.rdt_bodies([one, other]) == ()


def test_sentences_name_level_counts_and_what_is_left_out(tmp_path):
    lines = sets.doctor_sentences([examined(tmp_path / "ur5e", exclude=("episode_0003",))])
    assert lines[0] == "Doctor on ur5e: FAIL (1 FAIL, 1 WARN, 1 PASS), first units of elbow_joint."
    assert lines[1] == "Left out of ur5e: episode_0003."


def test_distances_without_a_partner_are_said_to_be():
    old, new = made()
    found = distances(new)
    found[1] = JointDistance(new.joint_names[1], 1, *[np.nan] * 4)
    titles = [note.text for note in viz.joint_comparison(old, new, found).layout.annotations]
    assert [title.split("<b>")[1].split("</b>")[0] for title in titles] == [
        "gripper", *(f"ur5e_joint{i}" for i in (6, 5, 4, 3, 1, 2))
    ]  # fmt: skip
    assert "distance 0.6 (chance 0.02, 95 %: 0.35)<br>50 % outside" in titles[0] and "no pre-training" in titles[-1]


def test_the_grid_shows_the_oddest_and_says_of_how_many():
    figure = viz.triage_grid(triages(75, odd=3, unusable=2))
    labels = [label.split(" · ")[0] for label in figure.layout.yaxis.ticktext]
    assert labels[:5] == [f"episode_{i:04d}" for i in (3, 4, 0, 1, 2)] and len(labels) == 60
    assert "the 60 oddest of 75" in figure.layout.xaxis.title.text
    reasons = [note.text for note in figure.layout.annotations]
    assert reasons[0] == "cannot be used: an empty file" and reasons[2].startswith("length +20.0")
    assert len(reasons) == 5 and list(figure.data[0].text[2]) == ["+20.0", "−0.5"]
    assert "episode_0000" in figure.data[0].customdata[2][0]
    assert "all 4" in viz.triage_grid(report(triages(4))).layout.xaxis.title.text


def test_the_verdict_has_what_fails_on_top_and_escapes(tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr("ate.viz.tables.findings.display", lambda html: shown.append(html.data))
    viz.show_verdict([examined(tmp_path / "ur5e")])
    head, table = shown
    assert "<b>FAIL</b>" in head and "1 FAIL, 1 WARN, 1 PASS" in head
    rows = [table.index(f"<b>{level}</b>") for level in ("FAIL", "WARN", "PASS")]
    assert rows == sorted(rows) and rows[1] < table.index("<details>") < rows[2]
    assert "declare degrees &lt;b&gt;" in table


def test_findings_that_differ_in_their_joint_alone_are_one_row(tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr("ate.viz.tables.findings.display", lambda html: shown.append(html.data))
    one = examined(tmp_path / "ur5e")
    (fail, *rest) = one.report.findings
    findings = (fail, replace(fail, subject="wrist_1_joint"), replace(fail, subject="wrist_2_joint", got="0"), *rest)
    viz.show_verdict([replace(one, report=replace(one.report, findings=findings))])
    assert "elbow_joint, wrist_1_joint<" in shown[1] and shown[1].count("<b>FAIL</b>") == 2
    assert "2 FAIL" in shown[0]


@pytest.mark.slow
def test_a_joint_that_stands_still_is_not_magnified():
    figure, _ = joint_by_joint([0.5] * 5)
    low, high = figure.layout.yaxis.range
    assert (low, high) == pytest.approx((-0.01, 0.01))


def joint_by_joint(values, **more):
    """The figure of one UR5e episode of these elbow positions, its other joints at zero."""
    body = profile("ur5e")
    rows = np.zeros((len(values), len(body.joint_names)))
    rows[:, 2] = values
    item = Episode.of("e", Path("/nowhere/e.hdf5"), qpos=rows)
    figure = viz.episode_joints(Episodes((item,), "qpos", "ur5e", body.joint_names, 10.0), 0, body)
    return figure, [trace for trace in figure.data if trace.xaxis == "x3"]


def test_limits_are_dashed_and_what_is_beyond_is_marked():
    figure, elbow = joint_by_joint([0.0, 3.0, 3.2, 3.3, 0.0])
    (beyond,) = [trace for trace in elbow if trace.name == "beyond a limit"]
    assert list(beyond.x) == pytest.approx([0.2, 0.3]) and list(beyond.y) == pytest.approx([3.2, 3.3])
    lines = [shape.y0 for shape in figure.layout.shapes if shape.xref.startswith("x3")]
    assert lines == pytest.approx([-np.pi, np.pi], abs=1e-6)
    low, high = figure.layout.yaxis3.range
    assert low > -2 and high > 3.3  # the near limit is in view, the far one a click away
    whole = figure.layout.updatemenus[0].buttons[1].args[0]["yaxis3.range"]
    assert whole[0] < -np.pi and whole[1] > np.pi


def test_limits_are_in_the_units_of_the_recording():
    body = profile("so101")
    item = Episode.of("e", Path("/nowhere/e.hdf5"), qpos=np.zeros((5, len(body.joint_names))))
    figure = viz.episode_joints(Episodes((item,), "qpos", "so101", body.joint_names), 0, body)
    pan = np.degrees(body.joints[0].high)
    assert figure.layout.shapes[1].y0 == pytest.approx(pan) and "(°)" in figure.layout.annotations[0].text
    assert "limits 0.00 to 100" in figure.layout.annotations[5].text


def test_without_a_profile_nothing_is_said_of_limits_or_units():
    figure = viz.episode_joints(episodes("someone", 3), 0)
    assert not figure.layout.shapes and not figure.layout.updatemenus
    assert all("limits" not in note.text and "rad" not in note.text for note in figure.layout.annotations)


@pytest.mark.slow
def test_a_jump_of_one_row_survives_thinning_and_gaps_stay_gaps():
    values = np.zeros(20 * DRAWN)
    values[777], values[1500] = 2.0, np.nan
    _, elbow = joint_by_joint(values)
    own = elbow[3]
    assert len(own.x) < 1.1 * DRAWN
    assert max(y for y in own.y if not np.isnan(y)) == 2.0 and np.isnan(own.y).sum() == 1


def test_the_band_is_over_episodes_at_one_stage_and_leaves_out_what_is_no_number():
    made_up = [np.full((n, 1), level, dtype=float) for n, level in ((10, 0.0), (40, 1.0), (25, 2.0))]
    made_up[1][:] = np.nan
    items = [Episode.of(f"e{i}", Path("/nowhere"), qpos=rows) for i, rows in enumerate(made_up)]
    band = set_band(Episodes(tuple(items), "qpos", "x", ("a",)))
    np.testing.assert_allclose(band[1], 1.0)
    np.testing.assert_allclose(band[0], 0.02)
    assert np.isnan(recorded(Episodes(tuple(items), "qpos", "x", ("a",)), 1)).all()
