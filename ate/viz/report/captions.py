"""Titles and captions of figures, written once for notebooks, commands and the report.

A name in braces is filled in by `ate.viz.report.section.Section`: `{robot}` and `{task}` of the adaptation robot;
`{budget}`, `{kind}` and `{guidance}` of results; others as the notebook gives them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, NamedTuple

import plotly.graph_objects as go


class Words(NamedTuple):
    """Title and caption of a figure."""

    title: str
    caption: str


@dataclass(frozen=True)
class Picture:
    """A figure with the words that belong to it, which a section keeps and displays together.

    Attributes:
        name: of the file, without number and ending.
        figure: the drawing.
        title: above it.
        caption: below it: what is drawn, and how to read it.
    """

    name: str
    figure: go.Figure
    title: str
    caption: str


# By the name of the function that draws the figure.
FIGURES: Final[Mapping[str, Words]] = MappingProxyType({
    "episode_lengths": Words(
        "Episode lengths",
        "Steps of every episode; boxes are quartiles. Expect one compact cloud for each robot. Look at a point far "
        "from the others before training on it.",
    ),
    "triage_grid": Words(
        "Episodes of {robot}, the oddest first",
        "One row for each episode, one column for each measure; the darker, the further from the median episode. "
        "A row without words at its right is ordinary. A column that is dark from top to bottom means a set of two "
        "kinds of episodes.",
    ),
    "episode_joints": Words(
        "The oddest episode of {robot}: {episode}",
        "Blue: this episode. Grey: the middle 98 % of the set at the same share of an episode; dotted: its median. "
        "Red, dashed: joint limits. Where blue leaves grey, this demonstration differs from the others.",
    ),
    "camera_strip": Words(
        "What the cameras saw of {episode}, {robot}",
        "A row a camera, from the first to the last row of the episode. Nothing is trained on pictures here: look "
        "whether they show the task that the joints do, and whether something stands in the way.",
    ),
    "sample_episode": Words(
        "One demonstration of {robot}: {episode}",
        "Every joint over time. Time is in steps where the recording does not give its rate.",
    ),
    "joint_distributions": Words(
        "Joint positions of pre-training robots and adaptation robot",
        "Boxes hold the middle half of all steps, whiskers 1 % to 99 %. Joints of one slot differ between robots in "
        "offset and range. A box without height is a joint that never moves.",
    ),
    "joint_comparison": Words(
        "Each joint, pre-training against adaptation",
        "Grey: all pre-training robots, dashed their 1 % and 99 %. Colour: the adaptation robot, red where the "
        "distance is larger than chance gives. The most distant joint comes first. Compare a shape that is cut off "
        "or split in two with the findings above.",
    ),
    "slot_map": Words(
        "Joints in the unified vector",
        "Rows are robots, columns are slots. Joints of one column share a slot and should have the same role in the "
        "arm.",
    ),
    "slot_picture": Words(
        "{robot} in RDT's 128 slots",
        "Cells of strong colour are used, faint ones masked. An arm of six joints fills slots 0 to 5 if it is the "
        "right one, 50 to 55 if it is the left one; its gripper takes slot 10 or 60.",
    ),
    "training_curves": Words(
        "Training of both stages",
        "Solid: training chunks. Dashed: held-out episodes. A dashed reconstruction that rises while the solid one "
        "falls is overfitting. An MMD that is not positive has no place on a log axis and is left out.",
    ),
    "containment": Words(
        "Are adaptation latents inside the pre-training distribution?",
        "In words: {verdict}",
    ),
    "success": Words(
        "Success on {robot}, {task}: {budget}",
        "Diamond and bar: all rollouts of all training seeds together, with the 95 % Wilson interval. Dots below: "
        "single training seeds. Their spread is what a single run hides.",
    ),
    "paired_differences": Words(
        "Difference to direct fine-tuning, paired by training seed",
        "Diamond and bar: mean and 95 % interval over training seeds and starts. Dots: single seeds. An interval that "
        "crosses zero settles nothing. Verdicts share the error rate between the methods (Holm).",
    ),
    "residuals": Words(
        "How well {robot} follows the tools of {source}",
        "One dot for each retargeted episode: the largest residual of its rows; dashed: what is allowed. Where few of "
        "a robot's episodes are kept, what is left is another task. Millimetres instead of micrometres mean that "
        "limits of joints or of speed, or poses out of reach, were met.",
    ),
    "open_loop_error": Words(
        "Open-loop error on held-out episodes of {robot}",
        "Mean absolute error over the chunk, by joint in its unit, with the 95 % interval over training seeds and "
        "held-out episodes. It does not rank methods as success does. On recordings without a simulator it is the "
        "only measure.",
    ),
    "loss_curves": Words(
        "Fine-tuning loss against the unshifted target",
        "Mean over seeds, band from the lowest to the highest. Methods that see no other episodes share batches, "
        "noise levels and noise; where they coincide, the wide line is the one below. A shifted method that stays "
        "above direct is being pulled away from the demonstrations.",
    ),
    "guidance_anatomy": Words(
        "Guidance along the noise levels, {guidance}",
        "Noise level 0 is data, 1 is noise. Top: RMS shift over RMS residual; at the dashed line the shift is as "
        "large as the residual. Bottom: share of elements clamped. At pre-training observations the residual is the "
        "distance to the retargeted chunk. In a grid each clamp has a hue, lighter for smaller λ. The share clamped "
        "hardly depends on λ, so those curves coincide; the wide one is below.",
    ),
    "sampled_spread": Words(
        "Spread of the chunks sampled for one observation",
        "Standard deviation over 16 draws of the noise, mean over steps and moving joints, one value for each of 64 "
        "held-out observations. A method above direct removes too little noise: it carries the shift.",
    ),
    "diagnosis_errors": Words(
        "What the policy predicts for {robot}, and two predictors that learned nothing",
        "Mean absolute error over the chunk in per cent of each joint's spread; whiskers span the episodes. Hold "
        "repeats the observed pose, the mean chunk ignores it. A policy that is not well below both has not learned "
        "that joint, whatever its loss.",
    ),
    "grid": Words(
        "λ × {axis} on {robot}, {task} ({kind}): {budget}",
        "Difference of success to λ = 0 in points, with half its 95 % interval or, where that is uneven, its ends. "
        "Hatched: cannot be told from λ = 0 after the correction for the number of cells.",
    ),
    "response_curves": Words(
        "Success over λ, and what the meter measured at the same λ",
        "One line for each {axis}, all from the same λ = 0 (dashed). Top: success with its 95 % Wilson band over all "
        "rollouts. Middle: RMS shift over RMS residual. At the dashed line the shift is as large as the error it is "
        "added to, below the dotted one it is lost in the noise of a batch. Bottom: share of elements at the clamp. "
        "Means over noise levels; whiskers span the training seeds.",
    ),
    "meter_grid": Words(
        "Saturation and activity of every cell",
        "Share of elements clamped, and RMS shift over RMS residual (geometric mean, colour in powers of ten), over "
        "noise levels and seeds.",
    ),
    "cost": Words(
        "Cost of each cell",
        "Seconds of training: the wall time of the shared stream divided by the cells on it, mean over seeds; "
        "whiskers span them. Rollouts: all training seeds together.",
    ),
    "parallel_coordinates": Words(
        "Every cell and training seed with all its options and outcomes",
        "Axes that are the same for all lines are left out. λ = 0 has no clamp (a dash) and no shift (0). The "
        "open-loop error is the mean over joints.",
    ),
    "validated": Words(
        "The highest cell on {seeds} training seeds that the search has not used",
        "Diamond and bar: mean and 95 % interval over training seeds and starts. Dots: single seeds. An interval that "
        "crosses zero settles nothing.",
    ),
})  # fmt: skip

# By the name of the table in a headline: what it is, and how to read it.
TABLES: Final[Mapping[str, Words]] = MappingProxyType({
    "sets": Words(
        "Data sets",
        "One row for each set. Chunks are what is trained on: an episode shorter than a chunk gives none.",
    ),
    "findings": Words(
        "Findings of the doctor",
        "One row for each finding, the worst first. FAIL: do not train on it. WARN: look before you do.",
    ),
    "judgements": Words(
        "Alignments compared",
        "One row for each alignment. Numbers before a slash should come close to those behind it, but the tool error "
        "of translation should be far below that of another chunk.",
    ),
    "scorecard": Words(
        "Where the latents lie",
        "One row for each measure. The reference is what held-out pre-training chunks have, and of a translation what "
        "another chunk would give.",
    ),
    "correspondence": Words(
        "What neighbours have in common",
        "One row for each quantity. Neighbours correspond where the value is better than by chance and than at the "
        "same time of another episode.",
    ),
    "table": Words(
        "Methods",
        "One row for each policy and method. Differences are to direct fine-tuning; where their interval holds zero, "
        "nothing is settled.",
    ),
    "base_policies": Words(
        "Base policies on their own robots",
        "One row for each base policy: its success on robots it was trained on. Below 80 % it has little to hand over.",
    ),
    "retargeted": Words(
        "Episodes moved to the new robot",
        "One row for each robot they come from. Kept is how many the new robot can follow within the limits.",
    ),
    "diagnosis": Words(
        "Diagnosis of the policy",
        "One row for each check, in the order in which to look. The first FAIL is where to begin.",
    ),
    "joint_errors": Words(
        "Held-out error by joint",
        "One row for each policy, method and joint, in the joint's unit. The interval is over training seeds and "
        "held-out episodes.",
    ),
    "variants": Words(
        "Alignments compared",
        "One row for each variant of alignment. What is above, or below, its null by more than its interval counts.",
    ),
    "validation": Words(
        "Held-out seeds",
        "One row for each policy and method, on training seeds that the search has not used.",
    ),
})  # fmt: skip
