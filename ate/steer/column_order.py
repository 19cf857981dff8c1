"""Column order: the order of columns by which an alignment brings chunks back best."""

from collections.abc import Callable, Sequence
from itertools import combinations

import torch
from torch import Tensor

from ate.align.alignment import Alignment
from ate.steer.reconstruction import MISFIT, left_by, total_error

# Two columns have changed places where doing so multiplies the error by this or less. Right orders get worse by any.
BETTER = 0.7


@torch.no_grad()
def better_order(alignment: Alignment, chunks: Tensor, names: Sequence[str]) -> tuple[str, ...] | None:
    """The names in the order by which the chunks come back best; None where theirs is best, or none is good.

    Columns may have been normalised each by itself, so that they change places as they are, or by what their names
    say, so that they do in data units.

    Args:
        alignment: its network encodes and decodes them.
        chunks: clean chunks `(B, S, dof)` in the alignment's units and order, by `names`.
        names: what the policy's columns were called, in its order.
    """
    normalizer = alignment.space.normalizer
    raw = _swaps(alignment, normalizer.denormalize(chunks), normalizer.normalize)
    error, order = min(_swaps(alignment, chunks, lambda values: values), raw)
    if order == sorted(order) or error > max(MISFIT / 2, 2 * left_by(alignment)):
        return None
    ours = alignment.joint_names
    # What was called ours[column] is the joint whose place it moved to.
    renamed = {ours[column]: ours[place] for place, column in enumerate(order)}
    return tuple(renamed.get(name, name) for name in names)


def _swaps(alignment: Alignment, values: Tensor, enter: Callable[[Tensor], Tensor]) -> tuple[float, list[int]]:
    """The least error by swaps of two columns, the best one at a time, and the column at each place then."""
    order = list(range(values.shape[-1]))
    least = total_error(alignment, enter(values))
    for _ in range(len(order)):
        tried = []
        for a, b in combinations(range(len(order)), 2):
            swapped = list(order)
            swapped[a], swapped[b] = order[b], order[a]
            tried.append((total_error(alignment, enter(values[..., swapped])), swapped))
        error, swapped = min(tried)
        if error > BETTER * least:
            break
        least, order = error, swapped
    return least, order
