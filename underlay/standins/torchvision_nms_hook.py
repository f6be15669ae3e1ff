# SPDX-License-Identifier: Apache-2.0
"""Makes `import torchvision` work where its compiled operators don't load.

The wheels of torchvision link to CUDA; beside a CPU build of torch `import torchvision` ends in
`operator torchvision::nms does not exist`. torchvision_nms_hook.pth, which Python reads whenever
it starts, puts a finder before all others, which asks here once one of two modules of torchvision
is imported: until then nothing of this is loaded.
"""

import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType


def _after_extension(extension: ModuleType) -> None:
    # Its own code has just tried to load the compiled operators.
    if not extension._has_ops():
        import torchvision_nms

        torchvision_nms.define_operators()


def _after_boxes(boxes: ModuleType) -> None:
    # nms() asks whether the compiled operators are there before it calls torch.ops.torchvision.
    module = sys.modules.get('torchvision_nms')
    if module is not None and module.operators_defined():
        boxes.__dict__['_assert_has_ops'] = module.assert_has_ops


_AFTER_IMPORT = {
    'torchvision.extension': _after_extension,
    'torchvision.ops.boxes': _after_boxes,
}


def find_spec(
    name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
) -> ModuleSpec | None:
    """Return what the other finders find, with a step added after the module's own code."""
    for finder in sys.meta_path:
        if getattr(finder, '__name__', '') != 'TorchvisionFinder':
            spec = finder.find_spec(name, path, target)
            if spec is not None and spec.loader is not None:
                _extend(spec, _AFTER_IMPORT[name])
                return spec
    return None


def _extend(spec: ModuleSpec, after: Callable[[ModuleType], None]) -> None:
    loader = spec.loader
    if loader is None:
        return
    run = loader.exec_module

    def exec_module(module: ModuleType) -> None:
        run(module)
        after(module)

    loader.__dict__['exec_module'] = exec_module
