"""Seven simulated arms, three table-top tasks, one scripted expert: where a policy is tried out.

`robots` is a table of published kinematic facts, `kinematics` turns joint angles into poses (numpy only),
`build` turns a row of the table into a MuJoCo model, `tasks` says what success is, `expert` solves the tasks,
`rollout` runs any policy in many environments at once and `demos` records what the expert did.
The robots are faithful in kinematics and simplified in dynamics. Importing this package does not import MuJoCo.

    from ate.sim.rollout import rollout
    outcome = rollout(policy, "ur5e", "lift", seeds=range(100), execute=8)
"""

from importlib import import_module
from typing import Any

_HOMES = {
    "Robot": "robots",
    "robot": "robots",
    "ROBOTS": "robots",
    "forward_kinematics": "kinematics",
    "build_model": "build",
    "Task": "tasks",
    "task": "tasks",
    "TASKS": "tasks",
    "Expert": "expert",
    "Environments": "environments",
    "Rollouts": "rollout",
    "parallel": "rollout",
    "rollout_many": "rollout",
    "record": "demos",
    "record_all": "demos",
    "verify": "demos",
}


def __getattr__(name: str) -> Any:
    """Import a public name of this package when it is first asked for."""
    if name in _HOMES:
        return getattr(import_module(f"ate.sim.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'ate.sim' has no attribute {name!r}")


def __dir__() -> list[str]:
    """Names for completion, without importing anything."""
    return sorted({*globals(), *_HOMES})
