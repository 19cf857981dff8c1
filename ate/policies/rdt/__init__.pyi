from .loading import download as download
from .loading import load as load
from .lora import with_lora as with_lora
from .memory import memory_need as memory_need
from .runner import Runner as Runner
from .runner import RunnerConfig as RunnerConfig
from .transformer import RDT as RDT
