from .checks import diagnose_seed as diagnose_seed
from .checks import run_checks as run_checks
from .report import Diagnosis as Diagnosis
