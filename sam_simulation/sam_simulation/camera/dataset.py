# SPDX-License-Identifier: Apache-2.0
"""Still scenes, one view each, for tuning and for measuring."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sam_simulation.camera.renderer import Renderer
from sam_simulation.camera.rgbd_frame import RgbdFrame
from sam_simulation.camera.viewpoint import random_view
from sam_simulation.scene.tabletop import Tabletop

DEVELOPMENT_SEEDS = range(200)
HELD_OUT_SEEDS = range(1000, 1050)  # nothing is tuned on these


def frames(
    seeds: Iterable[int], *, size_wh: tuple[int, int] = (640, 480)
) -> Iterator[tuple[Tabletop, RgbdFrame]]:
    """Yield each seed's scene with one frame from its random view.

    Parameters
    ----------
    seeds : iterable of int
    size_wh : (int, int)
        Of the images [px].

    Raises
    ------
    RenderingError
        If there is no OpenGL to render with.

    """
    for seed in seeds:
        scene = Tabletop(seed)
        with Renderer(scene, size_wh) as renderer:
            yield scene, renderer.render(random_view(seed))
