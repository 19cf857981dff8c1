"""With this folder in PYTHONPATH lerobot's commands start where torchvision's wheel is built for CUDA and torch is not.

Python imports this module at every start; names for torchvision's two compiled operators are made when it is imported.
"""

import sys
from importlib.abc import MetaPathFinder


class _Operators(MetaPathFinder):
    library = None

    def find_spec(self, name, path=None, target=None):
        if name == "torchvision" and self.library is None:
            import torch

            if torch.version.cuda is None:
                self.library = torch.library.Library("torchvision", "DEF")
                for operator in ("nms", "qnms"):
                    self.library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")


sys.meta_path.insert(0, _Operators())
