# SPDX-License-Identifier: Apache-2.0
"""Promptable segmentation and tracking with SAM, SAM 2 and GrabCut; only `ros` imports ROS."""

from sam_common.errors import SamError
from sam_common.scored_mask import ScoredMask
from sam_segmentation.core.overlay import draw_overlay
from sam_segmentation.core.prompt import Prompt
from sam_segmentation.core.segmenter import Embedding, EverythingOptions, Segmenter
from sam_segmentation.core.tracked_mask import ObjectState, TrackedMask
from sam_segmentation.core.tracker import Tracker
from sam_segmentation.core.tracker_options import TrackerOptions
from sam_segmentation.evaluation.mask_metrics import mask_iou
from sam_segmentation.models.registry import load_segmenter, load_tracker, model_names

__all__ = [
    'Embedding',
    'EverythingOptions',
    'ObjectState',
    'Prompt',
    'SamError',
    'ScoredMask',
    'Segmenter',
    'TrackedMask',
    'Tracker',
    'TrackerOptions',
    'draw_overlay',
    'load_segmenter',
    'load_tracker',
    'mask_iou',
    'model_names',
]
