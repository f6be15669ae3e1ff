# SPDX-License-Identifier: Apache-2.0
"""A simulated tabletop, seen by an RGB-D camera, with ground truth."""

from sam_simulation.camera.gl import make_context
from sam_simulation.errors import RenderingError
from sam_simulation.physics.evaluator import GraspEvaluator
from sam_simulation.scene.tabletop import Tabletop

__all__ = ['GraspEvaluator', 'RenderingError', 'Tabletop', 'make_context']
