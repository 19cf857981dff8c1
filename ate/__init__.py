"""Align-Then-stEer: align the action chunks of pre-training and adaptation robots, then steer a policy's fine-tuning.

Rooms, each above those that it may import: `ate.runs`, `ate.robots`, `ate.data`, `ate.sim`, `ate.policies`,
`ate.align`, `ate.steer`, `ate.experiments`, `ate.diagnose`, `ate.viz`, `ate.batch`, `ate.cli`. Each is imported when
first used.
"""

import lazy_loader

__version__ = "0.1.0"
__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    ("align", "batch", "cli", "data", "diagnose", "experiments", "policies", "robots", "runs", "sim", "steer", "viz"),
)
