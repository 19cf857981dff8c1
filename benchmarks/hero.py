"""The animation at the top of the README: direct fine-tuning and the best method of a run, from one start.

python -m benchmarks.hero runs/demo docs/hero.webp
"""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ate import experiments
from ate.experiments.replay import replay_in
from ate.experiments.settings import settings
from ate.viz.figures.footage import rollout_pictures
from ate.viz.report.contrast import Part, contrast

# Pixels of a side, of the line above the pictures and of the gap between them; quality of WebP.
SIDE, LINE, GAP, QUALITY = 340, 30, 4, 60
# Seconds that it lasts; rollouts of Lift take three, so that they are shown at half their speed.
SECONDS = 6.0
COLORS = {True: (0, 110, 80), False: (190, 70, 20)}


def parts_of(run: Path) -> list[Part]:
    """Direct fine-tuning and the best method of one seed of a demo run, rolled out again from one start."""
    study = experiments.prepare(replace(settings({"profile": "demo"}), run=str(run.resolve())))
    pair = contrast(study.compare(study.methods()))
    assert pair is not None, "a demo run has rollouts"
    replays = [replay_in(study, result) for result in (pair.direct, pair.best)]
    return [Part(done.rollouts, pair.index, done.result.method) for done in replays if done.rollouts is not None]


def draw(parts: list[Part], file: Path) -> None:
    """Write the animation."""
    films = [rollout_pictures(part.rollouts, part.index, SIDE) for part in parts]
    count = max(map(len, films)) + 8
    font = ImageFont.load_default(18)
    frames = []
    for i in range(count):
        sheet = Image.new("RGB", (len(films) * SIDE + (len(films) - 1) * GAP, SIDE + LINE), "white")
        pen = ImageDraw.Draw(sheet)
        for place, (part, film) in enumerate(zip(parts, films, strict=True)):
            left, success = place * (SIDE + GAP), bool(part.rollouts.success[part.index])
            sheet.paste(Image.fromarray(np.ascontiguousarray(film[min(i, len(film) - 1)])), (left, LINE))
            ended = i >= len(film) - 1
            text = part.outcome if ended else part.label
            color = COLORS[success] if ended else (40, 50, 60)
            pen.text((left + SIDE / 2, LINE / 2), text, fill=color, font=font, anchor="mm")
        frames.append(sheet)
    duration = round(1000 * SECONDS / count)
    frames[0].save(file, save_all=True, append_images=frames[1:], duration=duration, loop=0, quality=QUALITY, method=6)


if __name__ == "__main__":
    draw(parts_of(Path(sys.argv[1])), Path(sys.argv[2]))
