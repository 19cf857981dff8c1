"""Seven simulated arms, three table-top tasks, one scripted expert: where a policy is tried out.

`robots` is a table of published kinematic facts, `kinematics` turns joint angles into poses (numpy only),
`build` turns a row of the table into a MuJoCo model, `tasks` says what success is, `expert` solves the tasks,
`rollout` runs any policy in many environments at once and `demos` records what the expert did.
The robots are faithful in kinematics and simplified in dynamics. Importing this package does not import MuJoCo.

    from ate.sim.rollout import rollout
    outcome = rollout(policy, "ur5e", "lift", seeds=range(100), execute=8)
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
