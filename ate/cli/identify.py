"""`ate identify`: kinematics from demonstrations that recorded joints and tool poses."""

from pathlib import Path

import click

from ate.errors import InputError


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="New .json file for the kinematics.")
@click.option("--needed", type=click.Path(path_type=Path),
              help="Pre-training set, or folder of sets, whose tool poses the robot shall reach.")  # fmt: skip
@click.option("--robot", default="", help="Robot's profile: units, and limits instead of the observed range.")
@click.option("--episodes", type=int, help="Take the first so many episodes.")
@click.option("--layout", default="", help="Layout of the files [default: recognised].")
@click.option("--exclude", default="", help="Exclude list, or names separated by commas.")
def identify(
    data: Path, out: Path | None, needed: Path | None, robot: str, episodes: int | None, layout: str, exclude: str
) -> None:
    """Identify the kinematics of the robot that recorded DATA with `ee_pose`, and print how sure they are.

    The file that --out names goes wherever a robot's URDF goes. Poses of --needed are in the frame in which robots of
    the shipped sets stand on their table; sets of other robots must have recorded theirs in this robot's base frame.
    """
    from ate.data import excludes
    from ate.data.loading import load
    from ate.data.tool_poses import identify_robot, needed_poses
    from ate.robots.profile import profile
    from ate.runs.files import write_json

    if out is not None and (out.exists() or out.suffix != ".json"):
        raise InputError(str(out), where="ate identify, --out", expected="the path of a new .json file",
                         fix="give another name")  # fmt: skip
    demonstrations = load(data, "qpos", excludes.names(exclude), layout, robot)
    if episodes is not None:
        demonstrations = demonstrations.select(range(min(max(episodes, 1), len(demonstrations))))
    known = profile(robot) if robot else None
    wanted = [] if needed is None else needed_poses(needed, demonstrations.robot)
    identified = identify_robot(demonstrations, known, wanted)
    click.echo("\n".join(identified.lines()))
    if out is not None:
        facts = {name: getattr(identified, name) for name in ("fit", "error", "verdict")}
        facts |= {"held_out": identified.held_out.tolist()}
        write_json(out, {"kinematics": identified.kinematics.to_tree(), "metres": facts, "data": demonstrations.digest})
        click.echo(f"kinematics are in {out}: give this file where a robot's name or URDF goes.")
