"""`ate retarget`: recordings of other robots as a data set of a new one, for whatever trains there."""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@click.command()
@click.argument("pretrain", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--robot", required=True, help="The new robot: a built-in one, or its URDF or MJCF file.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="A folder that is new or empty.")
@click.option("--format", "layout", default="native", show_default=True, help="native, lerobot (v3) or robomimic.")
@click.option("--tool", default="", help="Link of the tool, of a file [default: found].")
@click.option("--robot-pretrain", default="", help="Profile or model file of the recorded robots.")
@click.option("--base", default="", help="Where the new robot's base stands: x y z in m, roll pitch yaw in rad.")
@click.option("--base-pretrain", default="", help="The same of the recorded robots, in the same frame.")
@click.option("--layout", "source_layout", default="", help="Layout of PRETRAIN [default: recognised].")
@click.option("--exclude", multiple=True, help="Episode to leave out, or an exclude list (.txt); may be repeated.")
@click.option("--most-mm", default=5.0, show_default=True, help="Largest error of the tool's position in any row.")
@click.option("--most-deg", default=3.0, show_default=True, help="Largest error of the tool's rotation in any row.")
def retarget(
    pretrain: tuple[Path, ...],
    robot: str,
    out: Path,
    layout: str,
    tool: str,
    robot_pretrain: str,
    base: str,
    base_pretrain: str,
    source_layout: str,
    exclude: tuple[str, ...],
    most_mm: float,
    most_deg: float,
) -> None:
    """Write the episodes of PRETRAIN in the joints of another robot, by inverse kinematics of the tool's motion.

    PRETRAIN is a folder of one robot, or of robots, or several. The gripper's opening, task and scene are copied;
    episodes that the robot cannot follow are left out. report.json in OUT has residuals and reasons by episode. Where
    the bases stand is what only you know: without --base, as in the simulated scene or as the profile says.
    """
    from dataclasses import replace

    import numpy as np

    from ate.data import excludes
    from ate.data.convert import convert
    from ate.data.loading import DataSet
    from ate.data.placements import placements
    from ate.robots.frames import Placement
    from ate.steer.retargeting import Bounds, residual_rows
    from ate.steer.retargeting import retarget as retargeted

    left_out = tuple(name for item in exclude for name in excludes.names(item))
    data = [DataSet(str(path), exclude=left_out, layout=source_layout, robot=robot_pretrain) for path in pretrain]
    sets = [episodes for item in data for episodes in item.load_sets()]
    target = Placement.of(Path(robot) if Path(robot).suffix else robot, tool or None, _base(base, "--base"))
    known = placements(sets)
    stood = _base(base_pretrain, "--base-pretrain")
    known = known if stood is None else {name: replace(place, base=stood) for name, place in known.items()}
    bounds = Bounds(position=most_mm / 1000, rotation=float(np.deg2rad(most_deg)))
    made = retargeted(sets, target, placements=known, bounds=bounds)
    rows = residual_rows(made)
    report = {
        "command": shlex.join(["ate", *sys.argv[1:]]),
        "robot": made.robot,
        "from": {episodes.robot: episodes.digest for episodes in sets},
        "made": made.digest,
        "bounds": {"millimetres": most_mm, "degrees": most_deg, "jump": bounds.jump},
        "ledger": made.ledger.lines(),
        "episodes": rows,
    }
    convert(made, out, layout=layout, report=report)
    for line in made.ledger.lines():
        click.echo(line)
    kept = [row for row in rows if row["kept"]]
    worst = max(row["millimetres"] for row in kept), max(row["degrees"] for row in kept)
    click.echo(f"The tool is at most {worst[0]:.3g} mm and {worst[1]:.3g}° from where it was, in any row.")
    click.echo(f"{len(made)} episodes of {made.robot} are in {out} ({layout}).")


def _base(text: str, option: str) -> "NDArray[np.float64] | None":
    """The pose (4, 4) of six numbers, None of none."""
    from ate.errors import InputError
    from ate.robots.frames import origin

    if not text:
        return None
    try:
        numbers = [float(part) for part in text.replace(",", " ").split()]
    except ValueError:
        numbers = []
    if len(numbers) != 6:
        expected = "six numbers: x y z in metres, roll pitch yaw in radians"
        raise InputError(repr(text), where=option, expected=expected, fix=f'{option} "-0.5 0 0 0 0 0"')
    return origin(numbers)
