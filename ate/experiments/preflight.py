"""Pre-flight: everything that would stop a study, found before anything is computed or written."""

from ate.align.config import preset
from ate.data.chunks import chunk
from ate.errors import unknown
from ate.experiments.executors import Executor
from ate.experiments.settings import Settings
from ate.policies.noise import PARAMETERIZATIONS
from ate.robots import unify
from ate.runs.directory import RunDirectory


def preflight(settings: Settings, strict: bool = True) -> None:
    """Check the run directory's format, read the data and check every name and length; writes nothing.

    Args:
        settings: what is about to run.
        strict: refuse sets with bad episodes; inspecting them is what notebook 01 is for.

    Raises:
        InputError: the first thing that is wrong, with file or parameter, and the way out.
    """
    RunDirectory(settings.directory)
    for name in settings.parameterizations:
        if name not in PARAMETERIZATIONS:
            raise unknown(name, PARAMETERIZATIONS, where="parameter parameterizations")
    Executor.parse(settings.executor, settings.workers)
    preset(settings.align).with_options(chunk=settings.horizon, held_out=settings.held_out)
    sets = settings.pretrain_data.load_sets(strict)
    adapt = settings.adapt_data.load(strict)
    for episodes in (*sets, adapt):
        chunk(episodes, settings.horizon)
    unify([*sets, adapt])
