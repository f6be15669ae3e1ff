# SPDX-License-Identifier: Apache-2.0
"""The parts of an official SAM 2 network that tracking calls, for several objects at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from sam2.modeling.sam2_base import NO_OBJ_SCORE
from sam2.modeling.sam2_utils import get_1d_sine_pe
from torch import Tensor, nn

from sam_common.types import UInt8Array
from sam_segmentation.models.sam2.answers import Candidates, Chosen, FrameFeatures
from sam_segmentation.models.sam2.constants import keep_constants
from sam_segmentation.models.sam2.memory import Recalled

# Those of the official video loader.
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# How many objects go through the network at once on a GPU; more would take memory for little gain.
# On the processor batches gain a few percent, but a matrix product rounds otherwise in each size
# of batch, and memories in bfloat16 made differences of up to 1e-3 of that.
MAX_BATCH = 16


class Sam2Network:
    """An official network in eval mode, shared with whoever else holds it.

    Each method is what `SAM2Base` does for one object in `track_step`, for a batch of objects
    whose memories may stem from different times. It has to run under `torch.inference_mode`.

    Parameters
    ----------
    model : SAM2Base
        On the device. As in `build_sam2_video_predictor`, masks of prompted frames are binarized
        before they are memorized from here on; an image predictor memorizes nothing.
    device : torch.device

    Attributes
    ----------
    max_batch : int
        How many objects are to be handed over at once.

    """

    def __init__(self, model: Any, device: torch.device) -> None:
        model.binarize_mask_from_pts_for_mem_enc = True
        keep_constants(model)
        self.model = model
        self.device = device
        self.max_batch = 1 if device.type == 'cpu' else MAX_BATCH
        self.side = model.image_size // model.backbone_stride
        self.logits_side = 4 * self.side
        self._mean, self._std = (
            torch.tensor(value, device=device)[:, None, None] for value in (_MEAN, _STD)
        )
        self._maskmem_pos_enc: Tensor | None = None

    def features(self, image_rgb: UInt8Array) -> FrameFeatures:
        """Encode an image (H, W, 3) as the official loader of JPEG folders would have it."""
        size = self.model.image_size
        # Bicubic and with antialiasing, in Pillow's own fixed-point arithmetic.
        resized = np.array(Image.fromarray(np.ascontiguousarray(image_rgb)).resize((size, size)))
        pixels = torch.from_numpy(resized).to(self.device).permute(2, 0, 1)
        image = pixels.to(torch.float32, memory_format=torch.contiguous_format)
        image.div_(255).sub_(self._mean).div_(self._std)
        backbone = self.model.forward_image(image[None])
        _, maps, positions, sizes = self.model._prepare_backbone_features(backbone)
        fine = [
            x.permute(1, 2, 0).view(1, x.shape[2], *size_hw)
            for x, size_hw in zip(maps[:-1], sizes[:-1], strict=True)
        ]
        return FrameFeatures(maps[-1], positions[-1], fine or None)

    def without_memory(self, features: FrameFeatures) -> Tensor:
        """Return the map (1, C, h, w) for an object that begins on this frame."""
        fused: Tensor = self.model._prepare_memory_conditioned_features(
            frame_idx=0,
            is_init_cond_frame=True,
            current_vision_feats=[features.coarse],
            current_vision_pos_embeds=[features.positions],
            feat_sizes=[(self.side, self.side)],
            output_dict={},
            num_frames=self.model.max_obj_ptrs_in_encoder,
        )
        return fused

    def with_memory(self, features: FrameFeatures, recalled: Sequence[Recalled]) -> Tensor:
        """Return the maps (B, C, h, w) of a frame that attends to the memories of B objects.

        All B must recall as many maps and as many pointers; not of the same times.
        """
        count = len(recalled)
        pointers, obj_pos = self._pointers(recalled)
        # Always float32: maps alone would stay bfloat16, which the processor mixes with nothing.
        memory = torch.cat(
            [
                torch.stack([torch.cat([m for _, m in one.maskmems]) for one in recalled]).float(),
                *pointers,
            ],
            dim=1,
        )
        places = torch.cat([self._maskmem_pos(recalled), *obj_pos], dim=1)
        fused = self.model.memory_attention(
            curr=[features.coarse.expand(-1, count, -1)],
            curr_pos=[features.positions.expand(-1, count, -1)],
            memory=memory.transpose(0, 1),
            memory_pos=places.transpose(0, 1),
            num_obj_ptr_tokens=pointers[0].shape[1] if pointers else 0,
        )
        maps: Tensor = fused.permute(1, 2, 0).view(count, -1, self.side, self.side)
        return maps

    def decode(
        self,
        fused: Tensor,
        features: FrameFeatures,
        *,
        points: tuple[Tensor, Tensor] | None = None,
        logits: Tensor | None = None,
        begins: bool = False,
    ) -> Candidates:
        """Answer for B objects.

        Parameters
        ----------
        fused : tensor, shape (B, C, h, w)
        features : FrameFeatures
        points : (tensor of float32, shape (B, P, 2); tensor of int32, shape (B, P)) or None
            In pixels of the network's input, with SAM's labels.
        logits : tensor of float32, shape (B, 1, S, S), or None
            A rough mask.
        begins : bool
            Whether no memory is attended to.

        """
        model, count = self.model, len(fused)
        inputs = points and {'point_coords': points[0], 'point_labels': points[1]}
        multimask = model._use_multimask(begins, inputs)
        if points is None:
            points = (
                torch.zeros(count, 1, 2, device=self.device),
                torch.full((count, 1), -1, dtype=torch.int32, device=self.device),
            )
        sparse, dense = model.sam_prompt_encoder(points=points, boxes=None, masks=logits)
        masks, ious, tokens, presence = model.sam_mask_decoder(
            image_embeddings=fused,
            image_pe=model.sam_prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=multimask,
            repeat_image=False,
            high_res_features=features.fine
            and [fine.expand(count, -1, -1, -1) for fine in features.fine],
        )
        if model.pred_obj_scores:
            masks = torch.where((presence > 0)[:, None, None], masks, NO_OBJ_SCORE)
        return Candidates(masks.float(), ious.float(), tokens, presence.float())

    def choose(self, candidates: Candidates, index: Tensor | None = None) -> Chosen:
        """Take one mask per object: that of `index` (B,), or the one of highest predicted IoU."""
        model, ious = self.model, candidates.ious
        index = ious.argmax(dim=1) if index is None else index
        rows = torch.arange(len(ious), device=self.device)
        several = candidates.tokens.shape[1] > 1
        pointers = model.obj_ptr_proj(candidates.tokens[rows, index if several else 0])
        if model.pred_obj_scores:
            presence = candidates.object_score_logits
            seen = presence.sigmoid() if model.soft_no_obj_ptr else (presence > 0).float()
            if model.fixed_no_obj_ptr:
                pointers = seen * pointers
            pointers = pointers + (1 - seen) * model.no_obj_ptr
        return Chosen(
            candidates.logits[rows, index, None],
            ious[rows, index],
            pointers.float(),
            candidates.object_score_logits,
            candidates.logits.shape[1],
        )

    def given(self, features: FrameFeatures, mask: Tensor) -> Chosen:
        """Take a mask (1, 1, image_size, image_size) of 0 and 1 for the answer, as it is."""
        coarse = features.coarse.permute(1, 2, 0).view(1, -1, self.side, self.side)
        answer = self.model._use_mask_as_output(coarse, features.fine, mask)
        _, _, ious, logits, _, pointers, presence = answer
        return Chosen(logits.float(), ious[:, 0].float(), pointers.float(), presence.float(), 1)

    def memorize(
        self,
        features: FrameFeatures,
        logits: Tensor,
        presence: Tensor,
        *,
        prompted: bool,
        candidates: int = 1,
    ) -> Tensor:
        """Return memory maps, bfloat16 (B, h * w, c), of masks (B, 1, S, S).

        `candidates` says of how many each was chosen: the official code stretches all of them
        before it chooses, and several channels at once are rounded otherwise than one.
        """
        count, size = len(logits), self.model.image_size
        stretched = upscaled(logits.expand(-1, candidates, -1, -1), (size, size))[:, :1]
        maps, _ = self.model._encode_new_memory(
            current_vision_feats=[features.coarse.expand(-1, count, -1)],
            feat_sizes=[(self.side, self.side)],
            pred_masks_high_res=stretched,
            object_score_logits=presence,
            is_mask_from_pts=prompted,
        )
        memory: Tensor = maps.flatten(2).transpose(1, 2).to(torch.bfloat16)
        return memory

    def _maskmem_pos(self, recalled: Sequence[Recalled]) -> Tensor:
        # What lies where does not depend on the time; when it was is added to all of a map.
        model = self.model
        if self._maskmem_pos_enc is None:
            blank = torch.empty(1, model.mem_dim, self.side, self.side, device=self.device)
            where = model.memory_encoder.position_encoding(blank).flatten(2).transpose(1, 2)
            self._maskmem_pos_enc = where + model.maskmem_tpos_enc[:, 0]
        when = [[model.num_maskmem - t - 1 for t, _ in one.maskmems] for one in recalled]
        places: Tensor = self._maskmem_pos_enc[torch.tensor(when, device=self.device)]
        return places.flatten(1, 2)

    def _pointers(self, recalled: Sequence[Recalled]) -> tuple[list[Tensor], list[Tensor]]:
        model = self.model
        if not recalled[0].obj_ptrs:
            return [], []
        vectors = torch.stack([torch.stack([p for _, p in one.obj_ptrs]) for one in recalled])
        count, length, width = vectors.shape
        pieces = width // model.mem_dim
        places = vectors.new_zeros(count, length, model.mem_dim)
        if model.add_tpos_enc_to_obj_ptrs:
            since = torch.tensor([[t for t, _ in one.obj_ptrs] for one in recalled])
            since = since.to(self.device) / (model.max_obj_ptrs_in_encoder - 1)
            width = width if model.proj_tpos_enc_in_obj_ptrs else model.mem_dim
            encoded = get_1d_sine_pe(since.flatten(), dim=width)
            places = model.obj_ptr_tpos_proj(encoded).view(count, length, model.mem_dim)
        vectors = vectors.reshape(count, length * pieces, model.mem_dim)
        return [vectors], [places.repeat_interleave(pieces, dim=1)]


def upscaled(logits: Tensor, size_hw: tuple[int, int]) -> Tensor:
    """Stretch logits (B, M, S, S) to another size, as the official predictors do."""
    return nn.functional.interpolate(logits, size=size_hw, mode='bilinear', align_corners=False)
