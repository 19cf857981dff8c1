from .report import Diagnosis as Diagnosis
from .checks import run_checks as run_checks
