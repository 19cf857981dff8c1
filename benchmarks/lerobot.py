"""The transcript: on each policy of lerobot, the loss with the hook against the hand-written one.

python -m benchmarks.lerobot
"""

import tempfile
from pathlib import Path

import pytest
import torch

from ate.steer import attach
from tests.lerobot.hand import actions_of, shifted_target_loss
from tests.lerobot.policies import BATCH, HORIZON, POLICIES, build, import_torchvision
from tests.steer.lines import line_alignment, line_robots

LAM, CLAMPS = 2.0, (0.05, 1.0)


def step(case, run):
    torch.manual_seed(7)
    loss = run()
    loss.backward()
    found = torch.cat([p.grad.flatten() for p in case.policy.parameters() if p.grad is not None])
    case.policy.zero_grad()
    return loss.item(), found


def main():
    import_torchvision()
    import diffusers
    import lerobot
    import transformers

    with tempfile.TemporaryDirectory() as folder:
        robots = line_robots(Path(folder))
        alignment, actions = line_alignment(robots, HORIZON), actions_of(robots[1], BATCH)
    print(f"lerobot {lerobot.__version__}, transformers {transformers.__version__}, diffusers {diffusers.__version__}, "
          f"torch {torch.__version__}; λ = {LAM:g}")  # fmt: skip
    print(f"{'policy':<16}{'clamp':>6}{'steps':>6}{'unguided':>12}{'with hook':>12}{'by hand':>12}{'difference':>12}"
          f"{'of gradients':>14}")  # fmt: skip
    for name in POLICIES:
        for clamp in CLAMPS:
            with pytest.MonkeyPatch.context() as patch:
                case = build(name, patch, actions.values)
                plain, _ = step(case, case.loss)
                with attach(case.policy, alignment, "paper", lam=LAM, clamp=clamp, **actions.words) as guided:
                    hooked, mine = step(case, case.loss)
                args = (case, alignment, actions, LAM, clamp)
                wanted, theirs = step(case, lambda args=args: shifted_target_loss(*args))
            apart = float((mine - theirs).norm() / theirs.norm())
            print(f"{name:<16}{clamp:>6g}{guided.steps:>6}{plain:>12.6f}{hooked:>12.6f}{wanted:>12.6f}"
                  f"{abs(hooked - wanted) / wanted:>12.1e}{apart:>14.1e}")  # fmt: skip
    print("difference: relative, of the losses; of gradients: ‖with hook − by hand‖ / ‖by hand‖ over all weights")


if __name__ == "__main__":
    main()
