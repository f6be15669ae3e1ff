# SPDX-License-Identifier: Apache-2.0
"""How much one request may ask for: what is more is refused before any work."""

from __future__ import annotations

from sam_common.errors import TooLargeError

MIB = 2**20
# Masks in one answer: a byte per pixel. The message and what DDS makes of it are as large again.
MAX_ANSWER_BYTES = 256 * MIB
# Masks that segment_everything holds at once, and runs of pixels before it can leave any out.
MAX_EVERYTHING_BYTES = 1024 * MIB
MAX_EVERYTHING_RUNS = 16_000_000
# What a label image can hold.
MAX_EVERYTHING_MASKS = 65_535
# Images and masks in the requests that wait or run.
MAX_PENDING_BYTES = 512 * MIB


def answer_bytes(masks: int, size_wh: tuple[int, int]) -> int:
    """Return how large so many masks of an image's size are."""
    return masks * size_wh[0] * size_wh[1]


def check_answer(masks: int, size_wh: tuple[int, int]) -> None:
    """Raise TooLargeError if so many masks are more than one answer may hold."""
    size = answer_bytes(masks, size_wh)
    if size > MAX_ANSWER_BYTES:
        raise TooLargeError(
            f'{masks} masks of {size_wh[0]} x {size_wh[1]} px would be {size / MIB:.0f} MiB, but '
            f'an answer holds {MAX_ANSWER_BYTES // MIB} MiB at most; give fewer prompts at once, '
            'leave multimask_output, or give a smaller image'
        )


def check_everything(masks: int, size_wh: tuple[int, int]) -> None:
    """Raise TooLargeError if segment_everything has found more than it may hold."""
    size = answer_bytes(masks, size_wh)
    if masks > MAX_EVERYTHING_MASKS or size > MAX_EVERYTHING_BYTES:
        raise TooLargeError(
            f'{masks} masks of {size_wh[0]} x {size_wh[1]} px were found, {size / MIB:.0f} MiB; '
            f'segment_everything holds {MAX_EVERYTHING_MASKS} masks and '
            f'{MAX_EVERYTHING_BYTES // MIB} MiB at most; raise pred_iou_thresh or '
            'stability_score_thresh, lower points_per_side, or give a smaller image'
        )


def check_runs(runs: int) -> None:
    """Raise TooLargeError if the masks found so far, run-length encoded, are too many runs."""
    if runs > MAX_EVERYTHING_RUNS:
        raise TooLargeError(
            f'the masks found so far have more than {MAX_EVERYTHING_RUNS:,} runs of pixels; raise '
            'pred_iou_thresh or stability_score_thresh, lower points_per_side, or give a smaller '
            'image'
        )


def check_payload(size: int) -> None:
    """Raise TooLargeError if a request alone holds more than all together may [bytes]."""
    if size > MAX_PENDING_BYTES:
        raise TooLargeError(
            f'the request holds {size / MIB:.0f} MiB of images and masks; '
            f'{MAX_PENDING_BYTES // MIB} MiB are accepted: send fewer, or smaller ones'
        )
