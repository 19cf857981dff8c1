"""Following a run from a notebook: curves as they grow, and the button that ends it with a checkpoint."""

import threading
import time

import pytest

from ate.runs.child import Child
from ate.runs.status import Stopped
from ate.viz.widgets.follow import Pane, _judge
from tests.runs.test_child import Walk


def test_the_pane_follows_and_its_button_stops(tmp_path, monkeypatch):
    drawn, ended = [], []
    monkeypatch.setattr("ate.viz.widgets.follow.draw", drawn.append)

    def train():
        walk = Walk(tmp_path / "pretrain")
        slow = walk.step
        walk.step = lambda index: time.sleep(0.01) or slow(index)
        try:
            walk.run(5000)
        except Stopped as error:
            ended.append(error)

    thread = threading.Thread(target=train)
    thread.start()
    child = Child(tmp_path)
    while not any(child.metrics().values()):
        time.sleep(0.02)
    pane = Pane(child)
    pane.refresh()
    pane.refresh()
    assert drawn and "running" in pane._status.value and not pane.button.disabled
    pane._stop(None)
    assert pane.button.disabled
    thread.join(10)
    pane.refresh()
    assert ended and "stopped" in pane._status.value and not child.alive
    with pytest.raises(Stopped, match="again to go on"):
        _judge(child)
