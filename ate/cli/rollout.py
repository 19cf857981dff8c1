"""`ate rollout`: any policy in the simulator and on recordings; `ate serve`: any policy for other simulators."""

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ate.sim.rollout import Rollouts

POLICY = "Checkpoint of ate, package.module:Class, file.py:Class, or ws://host:port."
CHECKPOINT = "File or folder that the class is called with."


def _policy_options(command: Callable[..., Any]) -> Callable[..., Any]:
    command = click.option("--checkpoint", type=click.Path(path_type=Path), help=CHECKPOINT)(command)
    return click.option("--policy", "name", required=True, help=POLICY)(command)


@click.command("rollout")
@_policy_options
@click.option("--robot", required=True, help="Robot of the simulator.")
@click.option("--task", default="lift", show_default=True, help="Task of the simulator.")
@click.option("--simulator", default="", help="Address of a gymnasium environment, in place of the task.")
@click.option("--rollouts", default=50, show_default=True, help="Episodes, from seeds that follow each other.")
@click.option("--first-seed", default=0, show_default=True, help="Seed of the first episode.")
@click.option("--execute", default=8, show_default=True, help="Rows of a chunk carried out before the next one.")
@click.option("--data", type=click.Path(path_type=Path), help="Recordings to measure the open-loop error on as well.")
@click.option(
    "--film",
    type=click.Path(path_type=Path),
    help="Draw three of the episodes into this HTML file, or film a success and a failure as .mp4.",
)
@click.option(
    "--rerun", type=click.Path(path_type=Path), help="Write three of them for the rerun viewer into this folder."
)
@click.option("--json", "json_out", type=click.Path(path_type=Path), help="Write the results to this file.")
def rollout(
    name: str,
    checkpoint: Path | None,
    robot: str,
    task: str,
    simulator: str,
    rollouts: int,
    first_seed: int,
    execute: int,
    data: Path | None,
    film: Path | None,
    rerun: Path | None,
    json_out: Path | None,
) -> None:
    """Roll a policy out in the simulator: ours, a class of yours, or one that is served."""
    from ate.experiments.stats.comparisons import wilson
    from ate.policies.actor_rollout import rollout_actor
    from ate.policies.actor_source import actor, is_own
    from ate.runs.device import one_thread
    from ate.runs.files import write_json

    acting = actor(name, checkpoint, robot if is_own(name) else "")
    seeds = range(first_seed, first_seed + rollouts)
    with one_thread():
        outcome = rollout_actor(acting, robot, simulator or task, seeds, execute, record=bool(film or rerun))
        results: dict[str, Any] = {
            "policy": name, "robot": robot, "task": simulator or task, "seeds": [int(seed) for seed in outcome.seeds],
            "success": [bool(success) for success in outcome.success], "steps": [int(n) for n in outcome.steps],
            "closest": [float(metres) for metres in outcome.closest],
        }  # fmt: skip
        if data is not None:
            from ate.data.loading import load
            from ate.steer.evaluation import open_loop

            results["open_loop"] = open_loop(acting, load(data))
    hits = int(outcome.success.sum())
    low, high = wilson(hits, rollouts)
    rate = f"{hits} of {rollouts} succeed ({100 * low:.0f} to {100 * high:.0f} %, 95 % interval)"
    click.echo(f"{name} on {robot}, {simulator or task}: {rate}")
    for joint, error in results.get("open_loop", {}).items():
        click.echo(f"  open-loop error of {joint}: {error:.4f}")
    if film is not None:
        _film(outcome, film)
        click.echo(f"film: {film}")
    if rerun is not None:
        from ate.viz.rerun_file import write_rollouts

        write_rollouts(outcome, range(min(3, rollouts)), rerun)
        click.echo(f"for the rerun viewer: {rerun}")
    if json_out is not None:
        write_json(json_out, results)


def _film(outcome: "Rollouts", file: Path) -> None:
    """Three episodes as a film strip, or the first success next to the first failure as an mp4."""
    from ate.runs.files import write_atomic, write_text

    if file.suffix == ".mp4":
        from ate.experiments.replay import telling
        from ate.viz.figures.footage import rollout_pictures, side_by_side

        data = side_by_side([rollout_pictures(outcome, index) for index in telling(outcome.success)])
        write_atomic(file, lambda temporary: temporary.write_bytes(data))
        return
    from ate.viz.figures.film import film_strip

    strip = film_strip(outcome, range(min(3, len(outcome.success))))
    write_text(file, strip.to_html(include_plotlyjs=True))


@click.command("serve")
@_policy_options
@click.option("--robot", default="", help="Whose action space a checkpoint of several robots acts in.")
@click.option("--port", default=8000, show_default=True, help="0 for any free one.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--remote", is_flag=True, help="Let other machines come; --host says through which address.")
@click.option("--execute", default=8, show_default=True, help="Rows of a chunk given to clients that take single rows.")
def serve(name: str, checkpoint: Path | None, robot: str, port: int, host: str, remote: bool, execute: int) -> None:
    """Serve a policy over a websocket in vla-eval's protocol, on this machine, behind a token, until Ctrl-C."""
    from ate.policies.actor_source import source
    from ate.policies.serving.client import TOKEN
    from ate.policies.serving.server import Service

    service = Service(*source(name, checkpoint, robot), execute=execute)
    if os.environ.get(TOKEN):
        service = replace(service, token=os.environ[TOKEN])
    with service.listen(host, port, remote) as server:
        click.echo(f"{name} at {service.address(server)}")
        sys.stdout.flush()
        server.serve_forever()
