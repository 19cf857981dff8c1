from .checks import climb as climb
from .report import Ladder as Ladder
