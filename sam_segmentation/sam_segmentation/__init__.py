# SPDX-License-Identifier: Apache-2.0
"""Promptable segmentation with SAM, SAM 2 and GrabCut; no ROS below this name but in `ros`."""

from sam_segmentation.core.errors import SamError
from sam_segmentation.core.prompt import Prompt
from sam_segmentation.core.registry import load_segmenter, load_tracker, model_names
from sam_segmentation.core.scored_mask import ScoredMask
from sam_segmentation.core.segmenter import Embedding, EverythingOptions, Segmenter
from sam_segmentation.core.tracked_mask import ObjectState, TrackedMask
from sam_segmentation.core.tracker import Tracker
from sam_segmentation.core.tracker_options import TrackerOptions

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
    'load_segmenter',
    'load_tracker',
    'model_names',
]
