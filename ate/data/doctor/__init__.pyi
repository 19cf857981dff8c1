from .checks.distances import JointDistance as JointDistance
from .checks.distances import joint_distances as joint_distances
from .examination import examine as examine
from .examination import examine_sets as examine_sets
from .report import Finding as Finding
from .report import Report as Report
from .report import Triage as Triage
