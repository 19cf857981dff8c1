"""The diagnosis of one method of a study: notebook 03 climbs with a policy that it has just compared."""

from ate.diagnose.checks import run_checks
from ate.diagnose.report import Diagnosis
from ate.errors import unknown
from ate.experiments.seed_run import SeedRun


def diagnose_seed(done: SeedRun, method: str, seed: int = 0) -> Diagnosis:
    """Climb with what one method of one training seed trained, from the weights it started from.

    Args:
        done: the methods' policies, with the demonstrations drawn and the episodes held out.
        method: which.
        seed: of the noise that chunks are denoised from.

    Raises:
        InputError: no such method.
    """
    if method not in done.trained:
        raise unknown(method, done.trained, where="method of the diagnosis")
    policy = done.trained[method].policy
    return run_checks(policy, done.drawn, start=done.starts[method], held_out=done.held_out, seed=seed)
