"""The ladder of one arm of a study: notebook 03 climbs with a policy that it has just compared."""

from ate.diagnose.checks import climb
from ate.diagnose.report import Ladder
from ate.errors import unknown
from ate.experiments.seed_run import SeedRun


def climb_seed(done: SeedRun, arm: str, seed: int = 0) -> Ladder:
    """Climb with what one arm of one training seed trained, from the weights it started from.

    Args:
        done: the arms' policies, with the demonstrations drawn and the episodes held out.
        arm: which.
        seed: of the noise that chunks are denoised from.

    Raises:
        InputError: no such arm.
    """
    if arm not in done.trained:
        raise unknown(arm, done.trained, where="arm of the ladder")
    policy = done.trained[arm].policy
    return climb(policy, done.drawn, start=done.starts[arm], held_out=done.held_out, seed=seed)
