"""`ate rerun`: recorded episodes as files for the rerun viewer."""

from pathlib import Path

import click


@click.command("rerun")
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="A folder; files there are written anew.")
@click.option(
    "--episode", "names", multiple=True, help="Episode to write, by name; may be repeated [default: first 5]."
)
@click.option("--robot", default="", help="Profile or model file of the robot.")
@click.option("--pictures/--no-pictures", default=True, show_default=True, help="Draw the moving arm as pictures too.")
def rerun(data: Path, out: Path, names: tuple[str, ...], robot: str, pictures: bool) -> None:
    """Write episodes of DATA, a folder of one robot, as .rrd files: a moving arm in 3-D, joints over time, pictures.

    Open them with the viewer: rerun OUT/*.rrd. It needs rerun-sdk: pip install -e '.[rerun]'.
    """
    from ate.data.loading import load
    from ate.errors import unknown
    from ate.viz.rerun_file import sdk, write_episodes

    sdk()
    episodes = load(data, robot=robot)
    known = [item.name for item in episodes]
    for name in names:
        if name not in known:
            raise unknown(name, known, where=f"episode of {data}")
    which = [known.index(name) for name in names] or range(min(5, len(known)))
    for file in write_episodes(episodes, which, out, pictures):
        click.echo(str(file))
