"""Simulator: seven robot arms, three table-top tasks and a scripted expert.

`build` makes the MuJoCo model of a robot of `ate.robots.kinematic_table`, `tasks` defines success, `environments` steps
many of them at once, `expert` solves the tasks, `rollout` runs any policy, and `demos` records the expert.
The robots are faithful in kinematics and simplified in dynamics. Importing this package does not import MuJoCo.

    from ate.sim.rollout import rollout
    outcome = rollout(policy, "ur5e", "lift", seeds=range(100), execute=8)
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
