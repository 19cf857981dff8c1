"""Film strips: what is drawn is where the tool and the object were."""

from dataclasses import replace

import numpy as np
import pytest

from ate import viz
from ate.errors import InputError
from tests.viz.samples import rolled_out


def drawn(figure, name):
    return [trace for trace in figure.data if trace.name == name]


def test_two_views_of_every_rollout_at_five_moments_with_times_in_seconds():
    rollouts = rolled_out()
    figure = viz.film_strip(rollouts, [0, 1])
    tools = drawn(figure, "tool")
    assert len(tools) == len(drawn(figure, "object")) == 2 * 2 * 5 and not drawn(figure, "goal")
    texts = [note.text for note in figure.layout.annotations]
    # 24 steps at 20 a second and 60.
    assert texts[:5] == ["0.0 s", "0.3 s", "0.6 s", "0.9 s", "1.2 s"] and "3.0 s" in texts
    assert "rollout seed 3: succeeded after 1.2 s" in texts[-2] and "rollout seed 4: failed" in texts[-1]
    tool = rollouts.tracks.tool
    for trace, row, step, (across, up) in (
        (tools[4], 0, 24, (0, 1)),
        (tools[9], 0, 24, (0, 2)),
        (tools[17], 1, 30, (0, 2)),
    ):
        assert (trace.x[0], trace.y[0]) == pytest.approx((tool[row, step, across], tool[row, step, up]))


def test_paths_reach_up_to_their_moment_and_no_further():
    rollouts = rolled_out()
    lines = [t for t in viz.film_strip(rollouts, [1], moments=3).data if t.mode == "lines" and t.line.dash == "solid"]
    assert [len(line.x) for line in lines] == [1, 31, 61] * 2
    np.testing.assert_allclose(lines[1].x, rollouts.tracks.tool[1, :31, 0])


def test_all_views_have_one_scale_and_hold_everything():
    figure = viz.film_strip(rolled_out("push"), [0, 1])
    goals = drawn(figure, "goal")
    assert len(goals) == 20 and goals[0].x[0] == pytest.approx(0.12)
    layout = figure.to_dict()["layout"]
    ys = {name: axis for name, axis in layout.items() if name.startswith("yaxis")}
    assert all(axis["scaleanchor"] == axis["anchor"] for axis in ys.values()) and len(ys) == 20
    for trace in figure.data:
        x, y = layout[f"xaxis{trace.xaxis[1:]}"], layout[f"yaxis{trace.yaxis[1:]}"]
        assert x["range"][0] < min(trace.x) and max(trace.x) < x["range"][1]
        assert y["range"][0] < min(trace.y) and max(trace.y) < y["range"][1]


def test_rollouts_that_were_not_recorded_are_refused():
    with pytest.raises(InputError, match="record=True"):
        viz.film_strip(replace(rolled_out(), tracks=None), [0])
