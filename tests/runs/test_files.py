"""Keys: equal settings have one key, everything that matters changes it, and what has no one form is refused."""

import math
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from ate.runs.files import array_digest, content_key, file_digest


@dataclass(frozen=True)
class Options:
    lam: float = 1.0
    names: tuple[str, ...] = ("a", "b")


def test_order_and_container_do_not_change_a_key():
    key = content_key({"b": [1, 2.5, None], "a": Options()})
    assert key == content_key({"a": {"names": ["a", "b"], "lam": 1.0}, "b": (1, 2.5, None)}) and len(key) == 64


def test_every_difference_changes_a_key():
    values = [None, True, 1, 1.0, 1.0 + 1e-15, "1", math.inf, -math.inf, "Infinity", [], [[]], {}, {"a": 1}, {"b": 1},
              Options(), Options(2.0), Options(names=("ab",))]  # fmt: skip
    assert all(content_key(one) != content_key(other) for one, other in combinations(values, 2))


@pytest.mark.parametrize("value", [math.nan, {1: 2}, Path("a"), {1, 2}, np.zeros(2), Options, b"a", object()])
def test_what_has_no_form_of_its_own_in_json_is_refused(value):
    with pytest.raises(TypeError):
        content_key({"a": [value]})


def test_digests_see_every_byte(tmp_path):
    rows = np.arange(6.0).reshape(2, 3)
    (tmp_path / "rows").write_bytes(rows.tobytes())
    assert file_digest(tmp_path / "rows") == array_digest(rows) == array_digest(rows[:1], rows[1:])
    assert array_digest(rows) != array_digest(rows.T) and array_digest(np.array([0.0])) != array_digest(
        np.array([-0.0])
    )
