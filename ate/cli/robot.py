"""`ate robot`: what is known of a robot, and a drawing of its arm."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ate.errors import InputError

if TYPE_CHECKING:
    from ate.robots.kinematics import Kinematics
    from ate.robots.profile import Profile

POSTURES = 20_000


@click.command("robot")
@click.argument("robot")
@click.option("--tool", help="Link or site whose frame is the tool [default: chosen at the end of the longest chain].")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="New .html file for a drawing of the arm.")
def robot(robot: str, tool: str | None, out: Path | None) -> None:
    """Print the joints, units, limits, chain, tool and reach of ROBOT, and draw its arm in a resting posture.

    ROBOT is a built-in name, a .toml profile, a URDF or MJCF file, or a .json file of `ate identify`.
    """
    from ate.robots.kinematic_table import ROBOTS
    from ate.robots.kinematics import Kinematics
    from ate.robots.model_profile import model_profile
    from ate.robots.model_text import is_model
    from ate.robots.profile import profile
    from ate.runs.tables import table_text

    if out is not None and (out.exists() or out.suffix != ".html"):
        raise InputError(str(out), where="ate robot, --out", expected="the path of a new .html file",
                         fix="give another name")  # fmt: skip
    model = is_model(robot)
    known = model_profile(robot, tool) if model else profile(robot)
    click.echo(f"{known.name}: {known.title}. Source: {known.source}.\n")
    click.echo(table_text(_rows(known)))
    if not model and robot not in ROBOTS:
        click.echo("\nNo kinematics: give its URDF or MJCF instead of the profile for its tool, reach and a drawing.")
        if out is not None:
            raise InputError(f"{robot}, whose kinematics are not known", where="ate robot, --out",
                             expected="a robot with kinematics", fix="give its URDF or MJCF")  # fmt: skip
        return
    kinematics = Kinematics.of(robot, tool)
    click.echo("\n" + "\n".join(_facts(robot, tool, kinematics)))
    if out is not None:
        from ate.runs.files import write_text
        from ate.viz.figures.arm import arm_figure

        write_text(out, arm_figure(kinematics).to_html(include_plotlyjs=True, config={"responsive": True}))
        click.echo(f"The arm is drawn in {out}.")


def _rows(known: "Profile") -> list[dict[str, str]]:
    def number(value: float | None) -> str:
        return "" if value is None else f"{value:.4g}"

    return [
        {"joint": joint.name, "part": joint.part, "unit": joint.unit, "low": number(joint.low),
         "high": number(joint.high), "speed, 1/s": number(joint.max_speed),
         "column": "optional" if joint.optional else "required"}
        for joint in known.joints
    ]  # fmt: skip


def _facts(robot: str, tool: str | None, kinematics: "Kinematics") -> list[str]:
    """Chain, tool, reach and resting posture as sentences."""
    import numpy as np

    from ate.robots.model_file import read_model
    from ate.robots.model_text import SUFFIXES

    low, high = np.clip(kinematics.limits, -np.pi, np.pi).T
    q = np.random.default_rng(0).uniform(low, high, (POSTURES, kinematics.joints))
    far = np.linalg.norm(kinematics.forward(q)[0], axis=1).max()
    position, rotation = kinematics.forward(kinematics.rest)
    rest = ", ".join(f"{value:.2f}" for value in kinematics.rest)
    lines = [
        f"Reach: the tool gets {far:.2f} m away from the base's origin (of {POSTURES:,} random postures).",
        f"Resting posture: {rest}; tool at {_vector(position)} m, its z axis along {_vector(rotation[:, 2])}.",
        "Distances and axes are in the frame of the robot's base.",
    ]
    if not robot.lower().endswith(SUFFIXES):
        return lines
    model = read_model(robot, tool)
    follow = (kinematics.coupling != 0) & (kinematics.coupling != 1) | (kinematics.zero != 0)[:, None]
    moved = [f"{len(model.links)} joints move the tool"] + ["one or more follow another joint"] * bool(follow.any())
    lines.insert(0, f"Chain: base → {' → '.join(model.links)}; {', of which '.join(moved)}.")
    chosen = "" if tool else " (chosen; --tool names another)"
    lines.insert(1, f"Tool: {model.tool}{chosen}.")
    if model.others:
        lines.append(f"Joints that do not move the tool: {', '.join(model.others)}.")
    return lines


def _vector(values: "object") -> str:
    import numpy as np

    return "(" + ", ".join(f"{value:.2f}" for value in np.asarray(values)) + ")"
