"""Name type: an option whose value is one of a few names; another one is refused with the nearest."""

from typing import Any

import click

from ate.errors import unknown


class Name(click.Choice[str]):
    """`click.Choice` that says which name was meant, as every other list of names does."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The name.

        Raises:
            InputError: another one, with the nearest.
        """
        if value not in self.choices:
            raise unknown(str(value), self.choices, where=param.opts[0] if param is not None else "option")
        return super().convert(value, param, ctx)
