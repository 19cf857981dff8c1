"""Meter table: what guidance did by noise level, what that means, and what to do, as text."""

from collections.abc import Sequence

from ate.runs.tables import table_text
from ate.steer.guidance_config import GuidanceConfig
from ate.steer.meter import ACTIVE_RATIO, FELT_RATIO, MOST_RATIO, meter_sentence

# A tenth of the residual is felt and leaves the demonstrations their say.
AIM = 0.1
# Share of elements at the clamp, and cosine of shift and residual, from which either is worth a word.
CLAMPED, OPPOSED = 0.5, 0.5


def meter_text(rows: Sequence[dict[str, float]], config: GuidanceConfig, steps: int) -> str:
    """The meter as a table with a sentence and an advice below it.

    Args:
        rows: of the meter (`ate.steer.meter`).
        config: λ and clamp that were measured.
        steps: training steps that were guided.
    """
    if not rows:
        return "No guided step yet: the table is filled while the policy trains."
    table = [
        {
            "noise level": f"{row['t_low']:g} to {row['t_high']:g}",
            "shift / residual": f"{row['ratio']:.2g}",
            "at the clamp": f"{row['clamped']:.0%}",
            "cosine": f"{row['cosine']:+.2f}",
            "samples": f"{row['samples']:.0f}",
            "means": meaning(row),
            "do": advice([row], config, brief=True),
        }
        for row in rows
    ]
    title = f"Guidance over {steps} steps, {config.label()}"
    return "\n".join([title, table_text(table), meter_sentence(list(rows)), f"To do: {advice(rows, config)}."])


def meaning(row: dict[str, float]) -> str:
    """What one row of the meter says."""
    ratio = row["ratio"]
    if ratio < ACTIVE_RATIO:
        return "lost in the noise of a batch"
    strength = "weak" if ratio < FELT_RATIO else "felt" if ratio <= MOST_RATIO else "outweighs the demonstrations"
    parts = [strength]
    if row["clamped"] > CLAMPED:
        parts.append("the clamp decides")
    if abs(row["cosine"]) > OPPOSED:
        # The residual is the supervised gradient up to a positive factor.
        parts.append("with the demonstrations" if row["cosine"] > 0 else "against the demonstrations")
    return ", ".join(parts)


def advice(rows: Sequence[dict[str, float]], config: GuidanceConfig, *, brief: bool = False) -> str:
    """What to do about some rows together; the shift is proportional to λ, so that λ follows from the ratio."""
    most = max(row["ratio"] for row in rows)
    if most == 0 or config.lam == 0:
        return "set lam= above 0" if config.lam == 0 else "check joints= and the alignment: the shift is 0"
    felt = [row for row in rows if row["ratio"] >= FELT_RATIO]
    does = []
    if most < FELT_RATIO or most > MOST_RATIO:
        does.append(f"{'raise' if most < AIM else 'lower'} λ: lam={config.lam * AIM / most:.2g}")
    if sum(row["clamped"] > CLAMPED for row in felt or rows) * 2 >= len(felt or rows):
        why = f" (clamp=inf for none): its bound of {config.clamp:g}, not the latent distance, sets the shift"
        does.append("raise the clamp" + ("" if brief else why))
    return "; ".join(does) or "leave it"
