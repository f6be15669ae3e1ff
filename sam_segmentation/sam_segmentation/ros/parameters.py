# SPDX-License-Identifier: Apache-2.0
"""The parameters of `sam_node`: the only place that states their ranges, defaults and meaning."""

from __future__ import annotations

from dataclasses import dataclass

from rclpy.node import Node

from sam_common.ros.parameters import Applied, NodeOptions, parameter, read_options
from sam_segmentation.core.prompt import MAX_REFINE_ROUNDS
from sam_segmentation.core.segmenter import MAX_POINTS_PER_SIDE, EverythingOptions
from sam_segmentation.core.tracker_options import MAX_OBJECTS, TrackerOptions
from sam_segmentation.models.registry import DEFAULT_MODEL


@dataclass(frozen=True)
class SamNodeOptions(NodeOptions):
    """The values that `sam_node` has at one moment; `options` reads them."""

    model: str = parameter(
        DEFAULT_MODEL,
        'Which model segments: grabcut (needs no weights); sam_vit_b|l|h, '
        'sam2_hiera_tiny|small|base_plus|large or sam2.1_hiera_tiny|small|base_plus|large (first '
        'run `ros2 run sam_segmentation download MODEL`); or the path of a SAM 2 config (.yaml), '
        'with `checkpoint` set. An unknown name is refused with a list of the known ones.',
        applied=Applied.CONFIGURE,
    )
    checkpoint: str = parameter(
        '',
        'File with the weights; empty: where `download` puts them.',
        applied=Applied.CONFIGURE,
    )
    device: str = parameter(
        'auto',
        'auto (CUDA where there is one), cpu, cuda or cuda:N.',
        applied=Applied.CONFIGURE,
    )
    image_transport: str = parameter(
        'raw',
        'raw listens to ~/image, compressed to ~/image/compressed.',
        applied=Applied.ACTIVATE,
    )
    confidence_threshold: float = parameter(
        0.0,
        'Masks with a lower score are left out of the mask, the overlay, the detections and the '
        'label image. Their objects are still tracked and listed, and services still answer.',
        (0, 1),
    )
    refine_rounds: int = parameter(
        0,
        'Number of refinement passes that feed the predicted mask back into the model with the '
        'prompt. For tracked objects it is applied when the node is configured.',
        (0, MAX_REFINE_ROUNDS),
    )
    max_objects: int = parameter(
        TrackerOptions.max_objects,
        'How many objects may be tracked at once.',
        (1, MAX_OBJECTS),
        applied=Applied.CONFIGURE,
    )
    memory_policy: str = parameter(
        TrackerOptions.memory,
        'By which past frames SAM 2 tracks: fifo (the last ones, as the official SAM 2) or '
        'motion_aware (those in which the object was surely seen, and the mask that agrees with '
        'its motion).',
        applied=Applied.CONFIGURE,
    )
    lost_after: int = parameter(
        TrackerOptions.lost_after,
        'Number of frames without an observation after which an occluded object counts as lost.',
        (1, 10_000),
        applied=Applied.CONFIGURE,
    )
    points_per_side: int = parameter(
        EverythingOptions.points_per_side,
        'segment_everything: side of the square grid of points that are tried.',
        (1, MAX_POINTS_PER_SIDE),
    )
    pred_iou_thresh: float = parameter(
        EverythingOptions.pred_iou_thresh,
        'segment_everything: masks with a lower score are dropped.',
        (0, 1),
    )
    stability_score_thresh: float = parameter(
        EverythingOptions.stability_score_thresh,
        'segment_everything: masks with a lower stability score, which change more as the '
        'threshold moves, are dropped.',
        (0, 1),
    )
    min_mask_region_area: int = parameter(
        EverythingOptions.min_mask_region_area,
        'segment_everything: islands and holes smaller than this are removed [px].',
        (0, 1_000_000),
    )
    frame_buffer_size: int = parameter(
        30,
        'How many past frames the stamp of a request can name.',
        (1, 300),
        applied=Applied.CONFIGURE,
    )
    embedding_cache_size: int = parameter(
        4,
        'For how many images the embedding is kept.',
        (1, 100),
        applied=Applied.CONFIGURE,
    )
    max_prompts: int = parameter(
        64,
        'How many prompts one request, or one message of detections, may hold.',
        (1, 1000),
    )

    @property
    def everything(self) -> EverythingOptions:
        """The defaults for segment_everything."""
        return EverythingOptions(
            points_per_side=self.points_per_side,
            pred_iou_thresh=self.pred_iou_thresh,
            stability_score_thresh=self.stability_score_thresh,
            min_mask_region_area=self.min_mask_region_area,
        )

    @property
    def tracking(self) -> TrackerOptions:
        """How to track; raises PromptError for an unknown memory policy."""
        return TrackerOptions(
            memory=self.memory_policy,
            refine_rounds=self.refine_rounds,
            max_objects=self.max_objects,
            lost_after=self.lost_after,
        )


def options(node: Node) -> SamNodeOptions:
    """Return the node's present options: a parameter may change between two calls."""
    return read_options(node, SamNodeOptions)
