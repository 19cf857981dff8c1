"""Compatibility: whether policy, action space and guidance are of one width, horizon, series and statistics."""

from ate.data.passport import Passport
from ate.data.space import ActionSpace
from ate.errors import InputError
from ate.policies.policy import Policy
from ate.steer.guidance import Guidance


def check_guidance(policy: Policy, guidance: Guidance | None, space: ActionSpace) -> None:
    """Refuse a policy that does not fit an action space, or a guidance that fits neither.

    Raises:
        InputError: other widths, series, horizon, columns or statistics.
    """
    config = policy.config
    if space.width != config.features:
        raise InputError(
            f"an action space of width {space.width}",
            where=f"fine-tuning to {space.embodiment.name}",
            expected=f"{config.features}, the width of the policy's unified vector",
            fix="build policy and alignment over the same set of robots",
        )
    trained = {known.source for known in policy.spaces}
    if trained != {space.source}:
        raise InputError(
            f"source {space.source!r}",
            where=f"fine-tuning to {space.embodiment.name}",
            expected=f"{' or '.join(map(repr, sorted(trained)))}, what the policy was pre-trained on",
            fix="take the same series for both; measured positions and commands are not on one time base",
        )
    if guidance is None:
        return
    if guidance.horizon is not None and guidance.horizon != config.horizon:
        raise InputError(
            f"chunks of {guidance.horizon} rows",
            where="guidance",
            expected=f"{config.horizon}, the policy's horizon",
            fix="align with the chunk length of the policy's horizon",
        )
    if guidance.slots is None and guidance.vae.config.features != config.features:
        raise InputError(
            f"an encoder of {guidance.vae.config.features} columns",
            where="guidance",
            expected=f"{len(space.embodiment.slots)} columns, the robot's, or {config.features}, the policy's",
            fix="align on episodes of the robot that the policy is fine-tuned to",
        )
    if guidance.space is not None:
        passport, where = Passport.of(space, config.horizon), "guidance against the policy's action space"
        passport.check(Passport.of(guidance.space, config.horizon), where=where)


def check_goals(guidance: Guidance, rows: int) -> None:
    """Refuse goals of other episodes than those that a replay has.

    Raises:
        InputError: another number of rows.
    """
    if guidance.goals is not None and len(guidance.goals.latents) != rows:
        raise InputError(
            f"{len(guidance.goals.latents)} goals",
            where="guidance at pre-training observations",
            expected=f"{rows}, one for each row of the replay's episodes",
            fix="compute the goals of the very episodes that are replayed: Goals.of",
        )
