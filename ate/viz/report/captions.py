"""What the figures of comparisons and sweeps show, said once for notebooks, commands and the report."""

from typing import Final

# By the name of the function that draws the figure.
CAPTIONS: Final = {
    "success": (
        "Diamond and bar: all rollouts of all training seeds together, with the 95 % Wilson interval. Dots beside "
        "it: single training seeds; their spread is what a single run hides."
    ),
    "paired_differences": (
        "Diamond and bar: mean and 95 % interval over training seeds and starts; dots below it: single seeds. An "
        "interval that crosses zero settles nothing. Verdicts share the error rate between the methods (Holm)."
    ),
    "open_loop_error": (
        "Mean absolute error over the chunk, by joint; whiskers span the training seeds. Radians for joints, share "
        "of the stroke for a gripper opening. It does not rank methods as success does; on recordings without a "
        "simulator it is what there is."
    ),
    "loss_curves": (
        "Against the unshifted target, on the same batches, noise levels and noise. Mean over seeds, band from the "
        "lowest to the highest; where methods coincide, the wide line is the one below. What stays above λ = 0 is "
        "being pulled away from the demonstrations."
    ),
    "guidance_anatomy": (
        "Along the noise levels; 0 is data, 1 is noise. Top: RMS shift over RMS residual; at the dashed line the "
        "shift is as large as the residual. Bottom: share of elements clamped. In a grid one hue a clamp, lighter "
        "for smaller λ; the share clamped hardly depends on λ, so those curves lie on one another, the wide one "
        "below."
    ),
    "grid": (
        "Difference of success to λ = 0 in points, ± half its 95 % interval where seeds differ. Hatched: cannot be "
        "told from λ = 0 after the correction for the number of cells."
    ),
    "response_curves": (
        "One line a clamp, all from the same λ = 0 (dashed). Top: success with its 95 % Wilson band over all "
        "rollouts. Middle: RMS shift over RMS residual; at the dashed line the shift is as large as the error it is "
        "added to, below the dotted one it is lost in the noise of a batch. Bottom: share of elements at the clamp. "
        "Means over noise levels; whiskers span the training seeds."
    ),
    "meter_grid": (
        "Share of elements clamped, and RMS shift over RMS residual (geometric mean, colour in powers of ten), over "
        "noise levels and seeds."
    ),
    "cost": (
        "Seconds of training: the wall time of the shared stream divided by the cells on it, mean over seeds; "
        "whiskers span them. Rollouts: all training seeds together."
    ),
    "parallel_coordinates": (
        "Axes that are the same for all lines are left out. λ = 0 has no clamp (a dash) and no shift (0). The "
        "open-loop error is the mean over joints."
    ),
}
