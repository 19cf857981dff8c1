from .encoder import Encoder as Encoder
from .encoder import EncoderConfig as EncoderConfig
from .eyes import Eyes as Eyes
from .fitting import FitConfig as FitConfig
from .fitting import fit_encoder as fit_encoder
from .fitting import moments as moments
from .localisation import localisation as localisation
from .seen import see as see
