"""LeRobot's calibration files: the range of each motor, which says what −100 to 100 per cent of it are in radians.

`{"shoulder_pan": {"id": 1, "drive_mode": 0, "homing_offset": -1470, "range_min": 758, "range_max": 3292}, …}`, in
counts of the encoder. Source: `lerobot.motors.MotorsBus._normalize` and `_unnormalize`: 0 is the middle of the range,
4095 counts are a turn, and `drive_mode` 1 turns the sense.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ate.errors import InputError

# Counts of a turn less one, of the Feetech and Dynamixel motors that LeRobot's arms have.
COUNTS = 4095
LARGEST = 1_000_000
FIELDS = ("range_min", "range_max")


def is_calibration(name: str | Path) -> bool:
    """Whether this names an existing calibration file of LeRobot."""
    file = Path(name).expanduser()
    return file.suffix.lower() == ".json" and bool(_motors(file))


def ranges(path: Path) -> dict[str, tuple[float, float]]:
    """Motor → its position in radians at −100 and at 100 per cent, from the middle of its range.

    Raises:
        InputError: no calibration, or a motor without a range.
    """
    results = {}
    for name, motor in _motors(path).items():
        low, high = (motor.get(field) for field in FIELDS)
        if not isinstance(low, int) or not isinstance(high, int) or not low < high:
            raise InputError(
                f"range_min {low!r:.40} and range_max {high!r:.40}", where=f"{path}, motor {name}",
                expected="whole numbers, range_min below range_max", fix="calibrate the arm again (lerobot-calibrate)",
            )  # fmt: skip
        half = (high - low) / 2 * 2 * np.pi / COUNTS
        results[name] = (half, -half) if motor.get("drive_mode") else (-half, half)
    if not results:
        raise InputError(
            "no motors with range_min and range_max", where=str(path), expected="a calibration file of LeRobot",
            fix="give the .json in ~/.cache/huggingface/lerobot/calibration/robots, or a profile in TOML",
        )  # fmt: skip
    return results


def _motors(file: Path) -> Mapping[str, Mapping[str, Any]]:
    try:
        if not file.is_file() or file.stat().st_size > LARGEST:
            return {}
        tree = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    motors = isinstance(tree, dict) and all(isinstance(m, dict) and set(FIELDS) <= set(m) for m in tree.values())
    return tree if motors else {}
