from .checkpoint_statistics import Fit as Fit
from .checkpoint_statistics import check_statistics as check_statistics
from .checks import diagnose_seed as diagnose_seed
from .checks import run_checks as run_checks
from .report import Diagnosis as Diagnosis
