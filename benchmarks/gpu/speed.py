"""Stage 1: chunks a second at two batches, eager, in bf16 throughout, compiled and as one CUDA graph, as shares of the
measured peak; and whether a graph trains what eager steps do."""

from collections.abc import Callable
from dataclasses import replace

import torch

from ate.align.config import AlignConfig
from ate.align.vae import InfoVAE
from ate.align.vae_config import VAEConfig
from benchmarks.alignment import PlainVAE, flops, stepper
from benchmarks.gpu.measure import Notes, bandwidth, kernels, peak, seconds

WIDTH = 128
# Steps before a graph is captured.
WARM_UP = 3


def device_peak(notes: Notes) -> None:
    """Peak and bandwidth of this very device."""
    notes.tried("peak, TFLOP/s", lambda: round(peak(notes.device, notes.quick) / 1e12, 4))
    notes.tried("bandwidth, GB/s", lambda: round(bandwidth(notes.device, notes.quick) / 1e9, 1))


def stage_one(notes: Notes) -> None:
    """Chunks a second and kernels of a step, ours and one of torch's own modules as the release has them."""
    most, cuda = peak(notes.device, notes.quick), notes.device.type == "cuda"
    for batch in (8,) if notes.quick else (64, 1024):
        sizes = {"chunk": 8, "latent": 32, "layers": 3} if notes.quick else {"chunk": 64, "latent": 512, "layers": 9}
        config = AlignConfig(batch=batch, dropout=0.0, **sizes)
        shape = VAEConfig(WIDTH, config.latent, config.layers, config.heads, config.feedforward, 0.0)
        repeats = 2 if notes.quick else max(3, 640 // batch)

        def measured(make: Callable[[], Callable[[], None]], config: AlignConfig = config, repeats: int = repeats):  # type: ignore[no-untyped-def]
            """Of the step that `make` returns: throughput, share of the peak, kernels."""
            step = make()
            took = seconds(step, notes.device, repeats, 2 if notes.quick else 5)
            share = flops(WIDTH, config) / took / most
            return {"chunks/s": round(config.batch / took, 1), "share of peak": round(share, 3),
                    "kernels": kernels(step, notes.device)}  # fmt: skip

        def eager(
            network: type, fused: bool, precision: str = "auto", capturable: bool = False,
            config: AlignConfig = config, shape: VAEConfig = shape,
        ) -> Callable[[], None]:  # fmt: skip
            """A step of a network in a precision."""
            torch.manual_seed(0)
            own = replace(config, precision=precision)
            return stepper(network(shape), WIDTH, own, notes.device, fused, capturable)

        notes.tried(f"batch {batch}, torch's modules", lambda e=eager: measured(lambda: e(PlainVAE, False)))
        notes.tried(f"batch {batch}, eager", lambda e=eager: measured(lambda: e(InfoVAE, True)))
        notes.tried(f"batch {batch}, bf16", lambda e=eager: measured(lambda: e(InfoVAE, True, "bfloat16_copy")))
        if cuda:
            notes.tried(f"batch {batch}, compiled", lambda e=eager: measured(lambda: torch.compile(e(InfoVAE, True))))
            for name in ("auto", "bfloat16_copy"):
                notes.tried(
                    f"batch {batch}, graphed, {name}",
                    lambda e=eager, name=name: measured(lambda: graphed(e(InfoVAE, True, name, True))),
                )
            notes.tried(
                f"batch {batch}, graph against eager, over the way", lambda s=shape, c=config: difference(s, c, notes)
            )


def difference(shape: VAEConfig, config: AlignConfig, notes: Notes) -> float:
    """How far the weights of graphed and eager steps on the same random numbers are apart, over the way they went."""
    ends = []
    for wrap in (lambda step: step, graphed):
        torch.manual_seed(0)
        vae = InfoVAE(shape)
        start = torch.cat([weight.detach().flatten() for weight in vae.parameters()])
        step = stepper(vae, WIDTH, config, notes.device, True, True)
        torch.manual_seed(1)
        run = wrap(step)
        # A graph is captured after as many steps.
        for _ in range(5 if run is not step else 5 + WARM_UP):
            run()
        ends.append(torch.cat([weight.detach().flatten().cpu() for weight in vae.parameters()]))
    return float((ends[0] - ends[1]).norm() / (ends[0] - start).norm())


def graphed(step: Callable[[], None]) -> Callable[[], None]:
    """A step as one CUDA graph, optimiser included."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(WARM_UP):
            step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay
