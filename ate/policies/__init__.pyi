from .policy import Policy as Policy
from .policy import PolicyConfig as PolicyConfig
from .policy import build as build
