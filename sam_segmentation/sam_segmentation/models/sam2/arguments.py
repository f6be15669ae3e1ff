# SPDX-License-Identifier: Apache-2.0
"""What a SAM 2 config may ask for: the layers, their arguments, and how large each may be."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from sam2.modeling.backbones.hieradet import Hiera
from sam2.modeling.backbones.image_encoder import FpnNeck, ImageEncoder
from sam2.modeling.memory_attention import MemoryAttention, MemoryAttentionLayer
from sam2.modeling.memory_encoder import CXBlock, Fuser, MaskDownSampler, MemoryEncoder
from sam2.modeling.position_encoding import PositionEmbeddingSine
from sam2.modeling.sam.transformer import RoPEAttention
from sam2.modeling.sam2_base import SAM2Base

TARGETS: Mapping[str, Any] = MappingProxyType(
    {
        f'{layer.__module__}.{layer.__name__}': layer
        for layer in (
            SAM2Base,
            ImageEncoder,
            Hiera,
            FpnNeck,
            PositionEmbeddingSine,
            MemoryAttention,
            MemoryAttentionLayer,
            RoPEAttention,
            MemoryEncoder,
            MaskDownSampler,
            Fuser,
            CXBlock,
        )
    }
)
_MAX_ITEMS = 64


@dataclass(frozen=True)
class Number:
    """A number between two bounds, both included; a whole one unless `real`."""

    low: float
    high: float
    real: bool = False

    def fits(self, value: object) -> bool:
        """Whether a value of a config is one."""
        kinds = (int, float) if self.real else (int,)
        return (
            isinstance(value, kinds)
            and not isinstance(value, bool)
            and math.isfinite(value)
            and self.low <= value <= self.high
        )

    def __str__(self) -> str:
        kind = 'number' if self.real else 'whole number'
        return f'a {kind} from {self.low:g} to {self.high:g}'


@dataclass(frozen=True)
class Numbers:
    """A list of numbers, of at most `_MAX_ITEMS`."""

    each: Number

    def fits(self, value: object) -> bool:
        """Whether a value of a config is one."""
        return (
            isinstance(value, list)
            and len(value) <= _MAX_ITEMS
            and all(self.each.fits(item) for item in value)
        )

    def __str__(self) -> str:
        return f'a list of at most {_MAX_ITEMS}, each {self.each}'


@dataclass(frozen=True)
class Choice:
    """One of a few values."""

    values: tuple[object, ...]

    def fits(self, value: object) -> bool:
        """Whether a value of a config is one."""
        return any(
            value is one or (isinstance(value, str) and value == one) for one in self.values
        )

    def __str__(self) -> str:
        return ' or '.join(map(str, self.values))


@dataclass(frozen=True)
class Layer:
    """A layer of one of some classes."""

    classes: tuple[Any, ...]

    def __str__(self) -> str:
        return 'a layer with the _target_ ' + ' or '.join(
            name for name, layer in TARGETS.items() if layer in self.classes
        )


Rule = Number | Numbers | Choice | Layer

_TRUTH = Choice((True, False))
_SHARE = Number(0, 1, real=True)
_WIDTH = Number(1, 16_384)
_SMALL = Number(0, 16)
_COUNT = Number(0, 1024)
_FACTOR = Number(-1e6, 1e6, real=True)

# By their names, which mean the same in all layers.
ARGUMENTS: Mapping[str, Rule] = MappingProxyType(
    {
        'image_encoder': Layer((ImageEncoder,)),
        'trunk': Layer((Hiera,)),
        'neck': Layer((FpnNeck,)),
        'position_encoding': Layer((PositionEmbeddingSine,)),
        'memory_attention': Layer((MemoryAttention,)),
        'layer': Layer((MemoryAttentionLayer, CXBlock)),
        'self_attention': Layer((RoPEAttention,)),
        'cross_attention': Layer((RoPEAttention,)),
        'memory_encoder': Layer((MemoryEncoder,)),
        'mask_downsampler': Layer((MaskDownSampler,)),
        'fuser': Layer((Fuser,)),
        # Sizes of the images and of what is computed from them.
        'image_size': Number(32, 2048),
        'backbone_stride': Number(8, 64),
        'feat_sizes': Numbers(Number(1, 256)),
        'window_spec': Numbers(Number(0, 64)),
        'window_pos_embed_bkg_spatial_size': Numbers(Number(1, 128)),
        'strides': Numbers(Number(1, 64)),
        'q_stride': Numbers(Number(1, 8)),
        'kernel_size': _SMALL,
        'stride': _SMALL,
        'padding': _SMALL,
        'total_stride': Number(1, 64),
        'scalp': _SMALL,
        # Widths.
        'embed_dim': _WIDTH,
        'd_model': _WIDTH,
        'dim': _WIDTH,
        'dim_feedforward': _WIDTH,
        'embedding_dim': _WIDTH,
        'kv_in_dim': _WIDTH,
        'in_dim': _WIDTH,
        'out_dim': _WIDTH,
        'num_pos_feats': _WIDTH,
        'backbone_channel_list': Numbers(_WIDTH),
        'num_heads': Number(1, 256),
        'downsample_rate': Number(1, 256),
        'dim_mul': Number(0.25, 8, real=True),
        'head_mul': Number(0.25, 8, real=True),
        # Depths and counts.
        'stages': Numbers(Number(1, 64)),
        'q_pool': _SMALL,
        'global_att_blocks': Numbers(_COUNT),
        'fpn_top_down_levels': Numbers(_SMALL),
        'num_layers': Number(1, 32),
        'num_maskmem': Number(1, 64),
        'max_obj_ptrs_in_encoder': Number(2, 256),
        'max_cond_frames_in_attn': Number(-1, 1024),
        'memory_temporal_stride_for_eval': Number(1, 1024),
        'multimask_min_pt_num': _COUNT,
        'multimask_max_pt_num': _COUNT,
        # Factors.
        'temperature': Number(1, 1e6, real=True),
        'rope_theta': Number(1, 1e9, real=True),
        'scale': _FACTOR,
        'sigmoid_scale_for_mem_enc': _FACTOR,
        'sigmoid_bias_for_mem_enc': _FACTOR,
        'layer_scale_init_value': _FACTOR,
        'drop_path_rate': _SHARE,
        'drop_path': _SHARE,
        'dropout': _SHARE,
        'dynamic_multimask_stability_delta': _FACTOR,
        'dynamic_multimask_stability_thresh': _SHARE,
        # Words.
        'activation': Choice(('relu', 'gelu', 'glu')),
        'fpn_interp_model': Choice(('nearest', 'bilinear', 'bicubic')),
        'fuse_type': Choice(('sum', 'avg')),
        **dict.fromkeys(
            (
                'add_tpos_enc_to_obj_ptrs',
                'batch_first',
                'binarize_mask_from_pts_for_mem_enc',
                'directly_add_no_mem_embed',
                'dynamic_multimask_via_stability',
                'fixed_no_obj_ptr',
                'input_projection',
                'iou_prediction_use_sigmoid',
                'multimask_output_for_tracking',
                'multimask_output_in_sam',
                'no_obj_embed_spatial',
                'non_overlap_masks_for_mem_enc',
                'normalize',
                'only_obj_ptrs_in_the_past_for_eval',
                'pos_enc_at_attn',
                'pos_enc_at_cross_attn_keys',
                'pos_enc_at_cross_attn_queries',
                'pos_enc_at_input',
                'pred_obj_scores',
                'pred_obj_scores_mlp',
                'proj_tpos_enc_in_obj_ptrs',
                'return_interm_layers',
                'rope_k_repeat',
                'soft_no_obj_ptr',
                'use_dwconv',
                'use_high_res_features_in_sam',
                'use_mask_input_as_output_without_sam',
                'use_mlp_for_obj_ptr_proj',
                'use_multimask_token_for_obj_ptr',
                'use_obj_ptrs_in_encoder',
                'use_signed_tpos_enc_to_obj_ptrs',
                'warmup_cache',
            ),
            _TRUTH,
        ),
        # Torch would start a compiler of C++; nothing is read by a bare torch.load.
        'compile_image_encoder': Choice((False,)),
        'weights_path': Choice((None,)),
    }
)
# Those that may be null, as their defaults in sam2 are.
NULLABLE = frozenset(
    {'dim', 'fpn_top_down_levels', 'global_att_blocks', 'kv_in_dim', 'scale', 'weights_path'}
)
