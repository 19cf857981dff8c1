"""`ate convert`: recordings of any layout, written in the native one or in another."""

from pathlib import Path

import click


@click.command()
@click.argument("src", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--layout", default="", help="Layout of SRC [default: recognised].")
@click.option(
    "--source", default="qpos", show_default=True, help="Series that must be there and of one width: qpos or action."
)
@click.option("--robot", default="", help="Robot's profile: names columns, and declares what they are measured in.")
@click.option("--joints", default="", help="Columns that are the robot, names or patterns, by commas: right_*.")
@click.option("--rate", type=float, default=None,
              help="Rows a second to write, interpolated; the recording's own where its files say none.")  # fmt: skip
@click.option("--gripper", is_flag=True, help="Write one opening, 0 closed to 1 open, in place of the fingers.")
@click.option("--exclude", multiple=True, help="Episode to leave out, or an exclude list (.txt); may be repeated.")
@click.option("--format", "layout_out", default="native", show_default=True, help="native, lerobot (v3) or robomimic.")
def convert(
    src: Path,
    out: Path,
    layout: str,
    source: str,
    robot: str,
    joints: str,
    rate: float | None,
    gripper: bool,
    exclude: tuple[str, ...],
    layout_out: str,
) -> None:
    """Write the episodes of SRC to the new folder OUT, natively one HDF5 file an episode, and print what came in."""
    from ate.data import excludes
    from ate.data.convert import convert as write
    from ate.data.loading import load
    from ate.data.opening import with_opening
    from ate.data.rate import at_rate
    from ate.robots.profile import profile

    left_out = [name for item in exclude for name in excludes.names(item)]
    episodes = load(src, source, left_out, layout, robot, joints=excludes.names(joints), rate=rate or 0.0)
    episodes = with_opening(episodes) if gripper else episodes
    if rate is not None and any(item.attributes.get("rate_hz") != rate for item in episodes):
        episodes = at_rate(episodes, rate)
    ledger = write(episodes, out, profile(robot) if robot else None, src, layout_out)
    for line in ledger.lines():
        click.echo(line)
    click.echo(f"{len(episodes)} episodes of {episodes.robot} are in {out}.")
