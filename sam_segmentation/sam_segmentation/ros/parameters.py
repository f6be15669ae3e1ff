# SPDX-License-Identifier: Apache-2.0
"""The parameters of `sam_node`: each declared once, with its range and what it means."""

from __future__ import annotations

from rclpy.node import Node

from sam_common.ros.async_services import REQUEST_TIMEOUT
from sam_common.ros.parameters import (
    APPLIED_AT_CONFIGURE,
    RECTIFIED_PARAMETER,
    Parameter,
    value,
)
from sam_segmentation.core.prompt import MAX_REFINE_ROUNDS
from sam_segmentation.core.segmenter import (
    MAX_POINTS_PER_SIDE,
    EverythingOptions,
)
from sam_segmentation.core.tracker_options import MAX_OBJECTS, TrackerOptions
from sam_segmentation.models.registry import DEFAULT_MODEL, model_names

PARAMETERS = (
    Parameter(
        'model',
        DEFAULT_MODEL,
        f'One of {", ".join(model_names())}, or the path of a SAM 2 config (.yaml). '
        + APPLIED_AT_CONFIGURE,
    ),
    Parameter(
        'checkpoint',
        '',
        f'File with the weights; empty: where `download` puts them. {APPLIED_AT_CONFIGURE}',
    ),
    Parameter(
        'device',
        'auto',
        f'auto (CUDA where there is one), cpu, cuda or cuda:N. {APPLIED_AT_CONFIGURE}',
    ),
    Parameter(
        'image_transport',
        'raw',
        f'raw (~/image) or compressed (~/image/compressed). {APPLIED_AT_CONFIGURE}',
    ),
    RECTIFIED_PARAMETER,
    Parameter(
        'autostart',
        True,
        'Whether the node configures and activates itself; else a lifecycle manager does.',
        read_only=True,
    ),
    Parameter(
        'confidence_threshold',
        0.0,
        'Masks with a lower score are left out of the mask, the overlay, the detections and the '
        'label image; the objects are tracked and listed all the same, and services answer.',
        (0, 1),
    ),
    Parameter(
        'refine_rounds',
        0,
        'How often the mask of a prompt goes back into the model together with it. For tracked '
        f'objects: {APPLIED_AT_CONFIGURE}',
        (0, MAX_REFINE_ROUNDS),
    ),
    Parameter(
        'max_objects',
        TrackerOptions.max_objects,
        f'How many objects may be tracked at once. {APPLIED_AT_CONFIGURE}',
        (1, MAX_OBJECTS),
    ),
    Parameter(
        'memory_policy',
        TrackerOptions.memory,
        'Which past frames a model with a memory tracks by: fifo (the last ones, as the official '
        'SAM 2) or motion_aware (those in which the object was surely seen). '
        + APPLIED_AT_CONFIGURE,
    ),
    Parameter(
        'lost_after',
        TrackerOptions.lost_after,
        'TfLookup without a observation after which an occluded object counts as lost. '
        + APPLIED_AT_CONFIGURE,
        (1, 10_000),
    ),
    Parameter(
        'points_per_side',
        EverythingOptions.points_per_side,
        'segment_everything: side of the square grid of points that are tried.',
        (1, MAX_POINTS_PER_SIDE),
    ),
    Parameter(
        'pred_iou_thresh',
        EverythingOptions.pred_iou_thresh,
        'segment_everything: masks with a lower score are dropped.',
        (0, 1),
    ),
    Parameter(
        'stability_score_thresh',
        EverythingOptions.stability_score_thresh,
        'segment_everything: masks that change more as the threshold moves are dropped.',
        (0, 1),
    ),
    Parameter(
        'min_mask_region_area',
        EverythingOptions.min_mask_region_area,
        'segment_everything: islands and holes smaller than this are removed [px].',
        (0, 1_000_000),
    ),
    Parameter(
        'frame_buffer_size',
        30,
        f'How many past frames a stamp can name. {APPLIED_AT_CONFIGURE}',
        (1, 300),
    ),
    Parameter(
        'embedding_cache_size',
        4,
        f'Of how many images the embedding is kept. {APPLIED_AT_CONFIGURE}',
        (1, 100),
    ),
    Parameter(
        'max_pending_requests',
        32,
        f'Requests that may wait; one more is refused. {APPLIED_AT_CONFIGURE}',
        (1, 1000),
    ),
    Parameter(
        'max_prompts',
        64,
        'Prompts that one request, or one message of detections, may hold.',
        (1, 1000),
    ),
    REQUEST_TIMEOUT,
)


def everything_options(node: Node) -> EverythingOptions:
    """Return the node's defaults for segment_everything."""
    return EverythingOptions(
        points_per_side=value(node, 'points_per_side'),
        pred_iou_thresh=value(node, 'pred_iou_thresh'),
        stability_score_thresh=value(node, 'stability_score_thresh'),
        min_mask_region_area=value(node, 'min_mask_region_area'),
    )


def tracker_options(node: Node) -> TrackerOptions:
    """Return how to track; raises PromptError for a memory policy that is unknown."""
    return TrackerOptions(
        memory=value(node, 'memory_policy'),
        refine_rounds=value(node, 'refine_rounds'),
        max_objects=value(node, 'max_objects'),
        lost_after=value(node, 'lost_after'),
    )
