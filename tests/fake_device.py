"""A CUDA device without a GPU: CPU tensors that say they are on `cuda:0` and refuse to meet those that are not.

    with fake_cuda() as cuda:      # in pytest: @pytest.fixture def cuda(): with fake_cuda() as found: yield found
        ...                        # any code, ATE_DEVICE unset: torch.cuda.is_available() is True
    cuda.syncs, cuda.kernels       # Counter({"ate/steer/units.py:40 copy to device": 5, …}), operations on the device

Storages remember where they are: views, parameters, gradients and vmap keep it; kernels are the CPU's. Raises as CUDA
does for two devices in one operation and for numpy, generators or their states of the wrong device; counts by line what
the host waits for. Not seen: other threads and processes, Python within a backward pass, CUDA's rounding.
"""

import traceback
from collections import Counter
from contextlib import ExitStack, contextmanager
from unittest import mock

import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

CUDA, CPU, T, Host = torch.device("cuda", 0), torch.device("cpu"), torch.Tensor, torch._C.Generator
CROSSES = {"copy_", "_local_scalar_dense", "set_", "is_same_size", "alias", "detach"}
NO_SCALAR = {"cat", "stack", "index_select", "gather", "scatter_", "index_add_", "mm", "addmm", "bmm"}
WAITS = {"_local_scalar_dense", "nonzero", "masked_select", "_unique2", "unique_dim", "equal", "repeat_interleave"}
INDEXED = {"index", "index_put_", "_index_put_impl_", "index_put", "_unsafe_index"}
KNOWN = {}  # storages on the device, also from one block to the next; a weak reference keeps its address
_Kind = type("_Kind", (type(Host),), {"__instancecheck__": lambda cls, one: isinstance(one, Host)})
off, wrapped = torch._C.DisableTorchFunction, torch._C._functorch.is_functorch_wrapped_tensor


class Generator(Host, metaclass=_Kind):
    """`torch.Generator` that may be on the device; its state there has another size, as on CUDA."""

    device = CPU

    def __new__(cls, device="cpu"):
        self = super().__new__(cls, "cpu")
        self.device = CUDA if "cuda" in str(device) else CPU
        return self

    def get_state(self):
        state = super().get_state()
        return state if self.device == CPU else torch.cat([state, state[:1]])

    def set_state(self, state):
        if self.device == CUDA and len(state) != len(self.get_state()):
            raise RuntimeError("RNG state is wrong size")
        return super().set_state(state if self.device == CPU else state[:-1])


class Cuda(TorchFunctionMode):
    """What Python sees of the device."""

    def __init__(self, root):
        super().__init__()
        self.root, self.syncs, self.kernels, self.inside = root, Counter(), 0, [False]
        self.default = Generator("cuda").manual_seed(0)

    def on(self, tensor):
        with off():
            while wrapped(tensor):
                tensor = torch._C._functorch.get_unwrapped(tensor)
            return tensor.device == CPU and tensor.untyped_storage()._cdata in KNOWN

    def put(self, tensor):
        with off():
            if tensor.device == CPU and not wrapped(tensor):
                KNOWN.setdefault(tensor.untyped_storage()._cdata, StorageWeakRef(tensor.untyped_storage()))
        return tensor

    def wait(self, what):
        lines = [f for f in traceback.extract_stack() if self.root in f.filename and f.filename != __file__]
        where = f"{lines[-1].filename[lines[-1].filename.rfind(self.root) :]}:{lines[-1].lineno}" if lines else "?"
        self.syncs[f"{where} {what}"] += 1

    def to(self, tensor, said, copy=False, waits=True):
        device = next((torch.device(x) for x in said if isinstance(x, (str, torch.device))), None)
        dtype = next((x for x in said if isinstance(x, torch.dtype)), None)
        for other in (x for x in said if isinstance(x, T)):
            device, dtype = CUDA if self.on(other) else other.device, other.dtype
        there = self.on(tensor) if device is None else device.type == "cuda"
        with off():
            if "meta" in (tensor.device.type, str(device)):
                return tensor.to("meta", dtype)
            if there == self.on(tensor):
                return tensor.to(dtype=dtype, copy=copy)
            if waits or not there:
                self.wait("copy to device" if there else "copy to host")
            found = tensor.to(dtype=dtype, copy=True)
            KNOWN.pop(found.untyped_storage()._cdata, None)
            return self.put(found) if there else found

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs, name = dict(kwargs or {}), getattr(func, "__name__", "")
        first = args[0] if args and isinstance(args[0], T) else None
        if first is not None and self.on(first):
            if name == "__get__" and func.__self__.__name__ in ("device", "is_cuda", "is_cpu"):
                return {"device": CUDA, "is_cuda": True, "is_cpu": False}[func.__self__.__name__]
            if name in ("numpy", "__array__"):
                raise TypeError("can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() first")
            if name == "__deepcopy__":
                copy = self.put(first.detach().clone().requires_grad_(first.requires_grad))
                return args[1].setdefault(id(first), copy)
        if first is not None and name in ("to", "cuda", "cpu", "tolist"):
            kind = {"cuda": CUDA, "to": kwargs.get("device")}.get(name, CPU)
            said = [*args[1:], kind, *map(kwargs.get, ("dtype", "other"))]
            found = self.to(first, said, kwargs.get("copy", False), not kwargs.get("non_blocking", False))
            return found.tolist() if name == "tolist" else found
        wanted = None if kwargs.get("device") is None else torch.device(kwargs["device"]).type
        tensors = [x for x in tree_leaves((args, kwargs)) if isinstance(x, T)]
        here = any(map(self.on, tensors)) if wanted is None else wanted == "cuda"
        if kwargs.get("generator") is not None and (kwargs["generator"].device == CUDA) != here:
            raise RuntimeError(f"Expected a '{'cuda' if here else 'cpu'}' device type for generator")
        if wanted == "cuda":
            kwargs["device"] = "cpu"
            if name in ("tensor", "as_tensor", "asarray") and not (tensors and self.on(tensors[0])):
                self.wait("copy to device")
                return self.put(func(*args, **kwargs).clone())
        self.inside.append(here)
        try:
            result = func(*args, **kwargs)
        finally:
            self.inside.pop()
        return tree_map_only(T, self.put, result) if wanted == "cuda" else result


class Below(TorchDispatchMode):
    """What operations do, below autograd and vmap."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        cuda, kwargs, name = self.cuda, kwargs or {}, func._schema.name.split("::")[1]
        tensors = [x for x in tree_leaves((args, kwargs)) if isinstance(x, T)]
        places = list(map(cuda.on, tensors))
        here = any(places) if tensors else cuda.inside[-1] and str(kwargs.get("device")) != "meta"
        with off(), ExitStack() as after:
            if here and tensors:
                self.check(name, tensors, places)
            if here and torch.Tag.nondeterministic_seeded in func.tags and kwargs.get("generator") is None:
                after.callback(torch.default_generator.set_state, torch.default_generator.get_state())
                after.callback(lambda: Host.set_state(cuda.default, torch.default_generator.get_state()))
                torch.default_generator.set_state(Host.get_state(cuda.default))
            result = func(*args, **kwargs)
            if here and (not tensors or not name.endswith("_") or places[0]):
                cuda.kernels += not func.is_view and name not in ("empty", "detach", "_local_scalar_dense")
                tree_map_only(T, cuda.put, result)
        return result

    def check(self, name, tensors, places):
        indices = tensors[1:] if name in INDEXED and places[0] else []
        if any(x.dtype in (torch.bool, torch.uint8) for x in indices[: 1 if "put" in name else None]):
            self.cuda.wait("boolean mask")
        elif name in WAITS or (name == "copy_" and places[0] != places[1]):
            self.cuda.wait(name if name in WAITS else f"copy to {'device' if places[0] else 'host'}")
        for place, (tensor, here) in enumerate(zip(tensors, places, strict=True)):
            if here or name in CROSSES or tensor.device != CPU:
                continue
            if indices and place and not tensor.is_floating_point():
                self.cuda.wait("host index into a device tensor")
            elif tensor.dim() or name in NO_SCALAR or (name.endswith("_") and place == 0):
                raise RuntimeError("Expected all tensors to be on the same device, but found at least two devices, "
                                   f"cuda:0 and cpu! (argument {place} of aten.{name})")  # fmt: skip


@contextmanager
def fake_cuda(root="ate/"):
    """The device, for the length of a block and for this thread."""
    cuda, below, autocast, group = Cuda(root), Below(), torch.autocast, torch._C._group_tensors_by_device_and_dtype
    below.cuda, state = cuda, cuda.default
    said = {"is_available": True, "is_bf16_supported": True, "device_count": 1, "current_device": 0,
            "synchronize": None, "set_device": None, "get_device_name": "no GPU"}  # fmt: skip
    said = {name: lambda *_, value=value: value for name, value in said.items()} | {
        "default_generators": (state,), "manual_seed_all": state.manual_seed,
        "get_rng_state": lambda *_: state.get_state(), "set_rng_state": lambda new, *_: state.set_state(new),
    }  # fmt: skip
    with ExitStack() as stack:
        for name, value in said.items():
            stack.enter_context(mock.patch.object(torch.cuda, name, value))
        for owner, name, value in (
            (torch, "Generator", Generator),
            (torch, "autocast", lambda kind, *a, **k: autocast("cpu" if "cuda" in str(kind) else kind, *a, **k)),
            (torch._C, "_group_tensors_by_device_and_dtype", lambda lists, *rest: {
                (CUDA if cuda.on(v[0][0][0]) else k[0], k[1]): v for k, v in group(lists, *rest).items()}),
        ):  # fmt: skip
            stack.enter_context(mock.patch.object(owner, name, value))
        stack.enter_context(below)
        yield stack.enter_context(cuda)
