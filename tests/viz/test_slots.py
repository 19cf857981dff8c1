import numpy as np
import pytest

from ate.errors import InputError
from ate.robots import embodiment, profile, slot_name
from ate.viz.figures.slots import slot_picture
from tests.browser import open_page

README = [0, 1, 2, 3, 4, 5, 10, 51, 52, 53, 54, 55, 60]


def bodies(*names):
    return [embodiment(profile(name)) for name in names]


def sheets(figure):
    return [trace for trace in figure.data if trace.type == "heatmap"]


def test_one_sheet_a_robot_of_128_cells_that_name_joint_and_slot():
    figure = slot_picture(bodies("aloha", "panda"), ["ALOHA", "Panda"])
    assert [note.text for note in figure.layout.annotations[:2]] == ["ALOHA", "Panda"]
    first, second = sheets(figure)
    hovers = np.array(first.customdata).ravel()
    assert hovers.shape == (128,)
    assert hovers[50] == "slot 50, left_arm_joint_0<br>left_waist" and hovers[6].endswith("masked")
    assert all(slot_name(i) in hover for i, hover in enumerate(hovers))
    used = np.array(second.z).ravel() % 2 == 1
    assert list(np.flatnonzero(used)) == [*range(7), 10]


def test_arms_base_and_reserved_slots_differ_in_colour():
    (sheet,) = sheets(slot_picture(bodies("aloha")))
    kinds = np.array(sheet.z).ravel() // 2
    assert len({kinds[0], kinds[50], kinds[100], kinds[45]}) == 4
    assert len({kinds[0], kinds[44]}) == len({kinds[50], kinds[94]}) == 1
    assert len({color for _, color in sheet.colorscale}) == 8


def test_slots_that_a_mask_leaves_out_are_outlined():
    figure = slot_picture(bodies("aloha", "panda"), mask=README)
    marks = [(shape.yref, round((shape.x0 + shape.x1) / 2), round((shape.y0 + shape.y1) / 2), shape.line.dash)
             for shape in figure.layout.shapes]  # fmt: skip
    assert [mark for mark in marks if mark[0] == "y"] == [("y", 50 % 16, 50 // 16, "solid")]
    assert ("y2", 6, 0, "solid") in marks
    assert sum(mark[0] == "y2" and mark[3] == "dot" for mark in marks) == 6
    assert not slot_picture(bodies("aloha")).layout.shapes


def test_only_the_128_slot_vector_has_a_picture():
    with pytest.raises(InputError, match="panda with 8"):
        slot_picture([embodiment(profile("panda"), layout="compact")])
    with pytest.raises(InputError, match="no embodiment"):
        slot_picture([])


@pytest.mark.browser
def test_names_of_cells_stay_inside_their_cells(tmp_path):
    page_file = tmp_path / "slots.html"
    slot_picture(bodies("aloha", "baxter"), mask=README).write_html(page_file, include_plotlyjs=True)
    with open_page(tmp_path / "profile", width=1000, height=1000) as page:
        page.goto(page_file.as_uri())
        page.wait_for_selector(".heatmap-label")
        boxes = page.evaluate(
            "[...document.querySelectorAll('.heatmap-label text')].map(e => e.getBoundingClientRect())"
            ".map(r => [r.width, r.height])"
        )
        assert not page.problems
    assert len(boxes) == 2 * 128
    assert max(width for width, _ in boxes) < 56 and max(height for _, height in boxes) < 44
