import pytest
import torch

from ate.align import fit
from ate.align.vae import InfoVAE
from ate.align.vae_config import VAEConfig
from ate.data import load
from ate.experiments.settings import ROOT
from ate.steer import Guidance
from tests.steer.loops import D


@pytest.fixture(autouse=True)
def _one_thread():
    # Bits are compared, and sums of several threads differ in the last of them.
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def vae():
    torch.manual_seed(0)
    return InfoVAE(VAEConfig(features=D, latent=8, layers=3, heads=2, feedforward=16, dropout=0.1))


@pytest.fixture
def guidance(vae):
    return Guidance(vae, "paper", lam=2.0, clamp=0.05)


@pytest.fixture(scope="session")
def recordings():
    """Demonstrations of the new robot."""
    return load(ROOT / "data/lift/adapt/ur5e").select(range(20))


@pytest.fixture(scope="session")
def alignment(recordings):
    """An alignment of them, trained for seconds."""
    return fit([load(ROOT / "data/lift/pretrain/panda").select(range(8))], recordings, "smoke")
