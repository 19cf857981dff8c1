"""The command `ate mask`."""

import json

import click

from ate.errors import InputError


@click.command("mask")
@click.argument("slots", required=False)
@click.option("--robot", help="Robot, or a .toml profile: what the mask is meant for; without SLOTS its mask is shown.")
def mask_command(slots: str | None, robot: str | None) -> None:
    """Check a mask over RDT's 128 slots, e.g. "[0, 1, 2]", or show the mask of a robot.

    SLOTS is a list of slots or of 128 zeros and ones. The exit code is 1 where something is odd.
    """
    from ate.robots import check_slot_mask, profile

    known = None if robot is None else profile(robot)
    if slots is not None:
        odd = check_slot_mask(_parse(slots), known)
        for item in odd:
            click.echo(f"{item.kind}: {item.text}")
        if odd:
            raise SystemExit(1)
        click.echo("Nothing is odd about this mask.")
    elif known is not None:
        from ate.robots import embodiment, slot_mask, slot_name

        click.echo(json.dumps(list(slot_mask(known))))
        body = embodiment(known)
        for place, joint in sorted(zip(body.slots, body.joint_names, strict=True)):
            click.echo(f"{place:4d}  {slot_name(place):24} {joint}")
    else:
        got, fix = "neither slots nor a robot", "ate mask '[0, 1, 2]', or ate mask --robot aloha"
        raise InputError(got, where="ate mask", expected="a mask to check, a robot, or both", fix=fix)


def _parse(text: str) -> list[int]:
    reason = "not a list of whole numbers"
    try:
        tree = json.loads(text)
        if isinstance(tree, list) and all(isinstance(item, int) and abs(item) < 2**31 for item in tree):
            return [int(item) for item in tree]
    except (ValueError, RecursionError) as error:
        reason = str(error)
    shown = text if len(text) <= 60 else f"{text[:57]}…"
    got, fix = f"{shown!r} ({reason})", "write whole numbers between brackets, separated by commas, all in quotes"
    raise InputError(got, where="ate mask, SLOTS", expected="a list of slots such as [0, 1, 2]", fix=fix)
