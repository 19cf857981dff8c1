"""Pre-flight: everything that would stop a study, found before anything is computed or written."""

from ate.align.config import preset
from ate.data.chunks import chunk
from ate.data.formats.native import load, load_sets
from ate.data.robots import unify
from ate.errors import unknown
from ate.presets import Settings, names
from ate.steer.paths import PARAMETERIZATIONS


def preflight(settings: Settings) -> None:
    """Read the data and check every name and length; writes nothing.

    Raises:
        InputError: the first thing that is wrong, with file or parameter, and the way out.
    """
    for name in names(settings.parameterizations):
        if name not in PARAMETERIZATIONS:
            raise unknown(name, PARAMETERIZATIONS, where="parameter parameterizations")
    preset(settings.align).with_options(chunk=settings.horizon, held_out=settings.held_out)
    sets = load_sets(settings.pretrain, settings.source, settings.excluded_pretrain)
    adapt = load(settings.adapt, settings.source, settings.excluded)
    for episodes in (*sets, adapt):
        chunk(episodes, settings.horizon)
    unify([*sets, adapt])
