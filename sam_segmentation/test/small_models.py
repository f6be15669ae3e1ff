# SPDX-License-Identifier: Apache-2.0
"""Official architectures, made small, with random weights, saved as official checkpoints."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import torch
import yaml

SAM1_NAME = 'small_sam1'
_SEED = 7


def write_small_sam2(
    folder: Path, *, image_size: int = 384, embed_dim: int = 96
) -> tuple[Path, Path]:
    """Write a SAM 2.1 config and its checkpoint; embedding costs much more than a prompt.

    Returns
    -------
    (path, path)
        The config (.yaml, which is the model's name) and the checkpoint.

    """
    from sam_segmentation.models.sam2.config import build_model

    folder.mkdir(parents=True, exist_ok=True)
    config, checkpoint = folder / 'sam2_small.yaml', folder / 'sam2_small.pt'
    config.write_text(yaml.safe_dump({'model': _sam2_config(image_size, embed_dim)}))
    torch.manual_seed(_SEED)
    model = build_model(config)
    enliven(model)
    torch.save({'model': model.state_dict()}, checkpoint)
    return config, checkpoint


def build_small_sam1(image_size: int = 256) -> torch.nn.Module:
    """Make a SAM v1 of two blocks."""
    from segment_anything.modeling import (
        ImageEncoderViT,
        MaskDecoder,
        PromptEncoder,
        Sam,
        TwoWayTransformer,
    )

    patch = 16
    side = image_size // patch
    return Sam(
        ImageEncoderViT(
            img_size=image_size,
            patch_size=patch,
            embed_dim=64,
            depth=2,
            num_heads=4,
            norm_layer=partial(torch.nn.LayerNorm, eps=1e-6),
            use_rel_pos=True,
            window_size=7,
            global_attn_indexes=(1,),
        ),
        PromptEncoder(
            embed_dim=256,
            image_embedding_size=(side, side),
            input_image_size=(image_size, image_size),
            mask_in_chans=16,
        ),
        MaskDecoder(
            num_multimask_outputs=3,
            transformer=TwoWayTransformer(depth=2, embedding_dim=256, mlp_dim=512, num_heads=8),
            transformer_dim=256,
        ),
    ).eval()


def write_small_sam1(folder: Path) -> tuple[str, Path]:
    """Write a SAM v1 checkpoint; returns the name that it loads under here, and the file."""
    from sam_segmentation.models import registry, sam1

    folder.mkdir(parents=True, exist_ok=True)
    if SAM1_NAME not in registry.model_names():
        registry.register(SAM1_NAME, 'sam_segmentation.models.sam1:load')
        sam1.BUILDERS[SAM1_NAME] = build_small_sam1
    torch.manual_seed(_SEED)
    model = build_small_sam1()
    enliven(model)
    checkpoint = folder / 'sam_vit_small.pth'
    torch.save(model.state_dict(), checkpoint)
    return SAM1_NAME, checkpoint


def enliven(model: torch.nn.Module) -> None:
    """Let every part have a say, and the decoder answer logits as large as a trained one's."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if not parameter.any():
                parameter.normal_(0.0, 0.05)
            if 'output_hypernetworks_mlps' in name and '.layers.2.' in name:
                parameter *= 20


def _sam2_config(image_size: int, embed_dim: int) -> dict[str, object]:
    stages = 'sam2.modeling.'
    grid = image_size // 16

    def positions(features: int) -> dict[str, object]:
        return {
            '_target_': f'{stages}position_encoding.PositionEmbeddingSine',
            'num_pos_feats': features,
            'normalize': True,
        }

    def attention(**more: object) -> dict[str, object]:
        return {
            '_target_': f'{stages}sam.transformer.RoPEAttention',
            'rope_theta': 10000.0,
            'feat_sizes': [grid, grid],
            'embedding_dim': 256,
            'num_heads': 1,
            'downsample_rate': 1,
            'dropout': 0.1,
            **more,
        }

    return {
        '_target_': f'{stages}sam2_base.SAM2Base',
        'image_size': image_size,
        'num_maskmem': 7,
        'image_encoder': {
            '_target_': f'{stages}backbones.image_encoder.ImageEncoder',
            'scalp': 1,
            'trunk': {
                '_target_': f'{stages}backbones.hieradet.Hiera',
                'embed_dim': embed_dim,
                'num_heads': 1,
                'stages': [1, 2, 11, 2],
                'global_att_blocks': [7, 10, 13],
                'window_pos_embed_bkg_spatial_size': [7, 7],
            },
            'neck': {
                '_target_': f'{stages}backbones.image_encoder.FpnNeck',
                'position_encoding': positions(256),
                'd_model': 256,
                'backbone_channel_list': [embed_dim * scale for scale in (8, 4, 2, 1)],
                'fpn_top_down_levels': [2, 3],
                'fpn_interp_model': 'nearest',
            },
        },
        'memory_attention': {
            '_target_': f'{stages}memory_attention.MemoryAttention',
            'd_model': 256,
            'pos_enc_at_input': True,
            'num_layers': 2,
            'layer': {
                '_target_': f'{stages}memory_attention.MemoryAttentionLayer',
                'activation': 'relu',
                'dim_feedforward': 512,
                'dropout': 0.1,
                'd_model': 256,
                'pos_enc_at_attn': False,
                'pos_enc_at_cross_attn_keys': True,
                'pos_enc_at_cross_attn_queries': False,
                'self_attention': attention(),
                'cross_attention': attention(rope_k_repeat=True, kv_in_dim=64),
            },
        },
        'memory_encoder': {
            '_target_': f'{stages}memory_encoder.MemoryEncoder',
            'out_dim': 64,
            'position_encoding': positions(64),
            'mask_downsampler': {
                '_target_': f'{stages}memory_encoder.MaskDownSampler',
                'kernel_size': 3,
                'stride': 2,
                'padding': 1,
            },
            'fuser': {
                '_target_': f'{stages}memory_encoder.Fuser',
                'num_layers': 2,
                'layer': {
                    '_target_': f'{stages}memory_encoder.CXBlock',
                    'dim': 256,
                    'kernel_size': 7,
                    'padding': 3,
                    'layer_scale_init_value': 1e-6,
                    'use_dwconv': True,
                },
            },
        },
        'sigmoid_scale_for_mem_enc': 20.0,
        'sigmoid_bias_for_mem_enc': -10.0,
        'use_mask_input_as_output_without_sam': True,
        'directly_add_no_mem_embed': True,
        'no_obj_embed_spatial': True,
        'use_high_res_features_in_sam': True,
        'multimask_output_in_sam': True,
        'iou_prediction_use_sigmoid': True,
        'use_obj_ptrs_in_encoder': True,
        'add_tpos_enc_to_obj_ptrs': True,
        'proj_tpos_enc_in_obj_ptrs': True,
        'use_signed_tpos_enc_to_obj_ptrs': True,
        'only_obj_ptrs_in_the_past_for_eval': True,
        'pred_obj_scores': True,
        'pred_obj_scores_mlp': True,
        'fixed_no_obj_ptr': True,
        'multimask_output_for_tracking': True,
        'use_multimask_token_for_obj_ptr': True,
        'multimask_min_pt_num': 0,
        'multimask_max_pt_num': 1,
        'use_mlp_for_obj_ptr_proj': True,
    }
