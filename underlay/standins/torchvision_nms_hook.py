# SPDX-License-Identifier: Apache-2.0
"""Makes `import torchvision` work where its compiled operators don't load.

The wheels of torchvision link to CUDA; beside a CPU build of torch `import torchvision` ends in
`operator torchvision::nms does not exist`. A `.pth` file imports this module when Python starts,
so that it must cost next to nothing: it only watches for two modules of torchvision.
"""

import sys

TYPE_CHECKING = False  # typing itself is too dear here; type checkers know this name
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType


def _after_extension(extension: 'ModuleType') -> None:
    # Loads the compiled operators, so that afterwards it is known whether they are there.
    if not extension._has_ops():
        import torchvision_nms

        torchvision_nms.define_operators()


def _after_boxes(boxes: 'ModuleType') -> None:
    # nms() asks whether the compiled operators are there before it calls torch.ops.torchvision.
    module = sys.modules.get('torchvision_nms')
    if module is not None and module.operators_defined():
        boxes._assert_has_ops = module.assert_has_ops  # type: ignore[attr-defined]


_AFTER_IMPORT = {
    'torchvision.extension': _after_extension,
    'torchvision.ops.boxes': _after_boxes,
}


class TorchvisionFinder:
    """Finds nothing itself; adds a step after the two modules' own code has run."""

    @staticmethod
    def find_spec(
        name: str, path: 'Sequence[str] | None' = None, target: 'ModuleType | None' = None
    ) -> 'ModuleSpec | None':
        """Return the spec that the other finders give for a watched module, else None."""
        after = _AFTER_IMPORT.get(name)
        if after is None:
            return None
        for finder in sys.meta_path:
            if finder is not TorchvisionFinder:
                spec = finder.find_spec(name, path, target)
                if spec is not None and spec.loader is not None:
                    _extend(spec, after)
                    return spec
        return None


def _extend(spec: 'ModuleSpec', after: 'Callable[[ModuleType], None]') -> None:
    loader = spec.loader
    run = loader.exec_module  # type: ignore[union-attr]

    def exec_module(module: 'ModuleType') -> None:
        run(module)
        after(module)

    loader.exec_module = exec_module  # type: ignore[union-attr,method-assign]


sys.meta_path.insert(0, TorchvisionFinder)  # type: ignore[arg-type]
