# SPDX-License-Identifier: Apache-2.0
"""From a camera_info to the camera of an image, by the rules of sensor_msgs/CameraInfo.

https://www.ros.org/reps/rep-0104.html: width, height, K, D and P are those of the sensor at full
resolution; an image shows the window `roi` of it, and of that each `binning` pixels as one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from sam_common.camera_model import CameraModel
from sam_common.errors import CameraModelError

RECTIFIED = ('auto', 'true', 'false')
# The longest side of a sensor [px].
MAX_SIDE = 100_000
# K and P give the same camera where they differ by no more than this [px].
SAME_PX = 0.01
# What image_transport adds to a topic's name.
_TRANSPORTS = ('compressed', 'compressedDepth', 'theora', 'zstd', 'ffmpeg')


class CameraInfo(Protocol):
    """What `sensor_msgs/CameraInfo` holds, whoever read the message."""

    width: int
    height: int
    distortion_model: str
    d: Any
    k: Any
    p: Any
    binning_x: int
    binning_y: int
    roi: Any


def camera_of(info: CameraInfo, size_wh: tuple[int, int], *, rectified: bool) -> CameraModel:
    """Return the camera of an image.

    Which window of the sensor an image shows, and how its pixels were put together, is decided by
    its size: as `roi` and `binning` say; or as one of the two alone, or none, says, since some
    drivers apply them and tell of them all the same, with the size and K of what they deliver.
    An image of none of these sizes was scaled, if the ratio of both its sides to what it should be
    is one, but for rounding.

    Pixels are counted by their centres. So a pixel that takes in `b` x `b` others has its centre
    at (u + 0.5) / b - 0.5 of theirs.

    Parameters
    ----------
    info : CameraInfo
    size_wh : (int, int)
        Of the image [px].
    rectified : bool
        Whether the image is rectified: then P holds, without distortion; else K and D. What P says
        of a second camera (Tx, Ty) is left aside, since depth is that of the camera itself; and
        points are in the frame of the camera whose image it is, after R if it is rectified.

    Raises
    ------
    CameraModelError
        If the calibration cannot be used, or is not that of an image of this size.

    """
    fx, fy, cx, cy = _pinhole(info, rectified=rectified)
    (x, y), (scale_x, scale_y) = _placing(info, size_wh)
    # The ray of a pixel is the same in both images; distortion is a matter of rays.
    try:
        return CameraModel(
            fx=fx * scale_x,
            fy=fy * scale_y,
            cx=(cx - x + 0.5) * scale_x - 0.5,
            cy=(cy - y + 0.5) * scale_y - 0.5,
            size_wh=size_wh,
            distortion_model='' if rectified else info.distortion_model,
            distortion=() if rectified else _numbers(info.d),
        )
    except CameraModelError as error:
        raise CameraModelError(f'this camera_info cannot be used: {error}') from error


def is_rectified(info: CameraInfo, rectified: str, topic: str) -> bool:
    """Return whether an image is rectified, so that P of its camera_info holds.

    image_proc publishes a rectified image with the camera_info of the raw one, K, D and all
    (ros-perception/image_pipeline#388), so that nothing but the topic's name tells.

    Parameters
    ----------
    info : CameraInfo
    rectified : str
        'true', 'false', or 'auto': by the name of the topic, which has the word rect or rectified
        in its last part, as `image_rect`, `image_rect_color` or `image_rect_raw`; and where P is
        not given or the same as K, and there is no distortion, it is no matter.
    topic : str
        Of the image, after remapping.

    Raises
    ------
    CameraModelError
        If `rectified` is none of the three.

    """
    if rectified not in RECTIFIED:
        raise CameraModelError(f'rectified is {rectified!r}; use {", ".join(RECTIFIED)}')
    if rectified != 'auto':
        return rectified == 'true'
    parts = [part for part in topic.split('/') if part]
    if len(parts) > 1 and parts[-1] in _TRANSPORTS:
        parts.pop()
    words = parts[-1].split('_') if parts else []
    if not {'rect', 'rectified'}.intersection(words):
        return False
    # Without P, K gives the camera, unless there is distortion: then that is an error.
    return any(_numbers(info.p)) or any(_numbers(info.d))


def calibration_in_use(info: CameraInfo, *, rectified: bool) -> str:
    """Return in words what of a camera_info is made use of, and whether the rest differs."""
    used, other = 'K and D (raw image)', 'P'
    if rectified:
        used, other = 'P (rectified image)', 'K and D'
    p, d = _numbers(info.p), _numbers(info.d)
    raw = np.array(_numbers(info.k))[[0, 4, 2, 5]]
    ideal = np.array(p)[[0, 5, 2, 6]]
    if not any(p) or (not any(d) and np.allclose(raw, ideal, rtol=0, atol=SAME_PX)):
        return used
    return f'{used}; {other} would give another camera, see the parameter rectified'


def _numbers(values: Any) -> tuple[float, ...]:
    return tuple(float(value) for value in values)


def _pinhole(info: CameraInfo, *, rectified: bool) -> tuple[float, float, float, float]:
    """Return fx, fy, cx, cy at full resolution [px]."""
    name, matrix, columns = ('P', _numbers(info.p), 4) if rectified else ('K', _numbers(info.k), 3)
    if len(matrix) != 3 * columns:
        raise CameraModelError(
            f'{name} of camera_info has {len(matrix)} numbers; it must have {3 * columns}: '
            'calibrate the camera'
        )
    if rectified and not any(matrix):
        raise CameraModelError(
            'the image is rectified, but P of its camera_info is all 0; publish the whole '
            'calibration, or set rectified to false if the image is raw'
        )
    rows = [matrix[first : first + columns] for first in range(0, 3 * columns, columns)]
    (fx, skew, cx), (below, fy, cy) = rows[0][:3], rows[1][:3]
    if skew or below or any(rows[2][:2]):
        raise CameraModelError(
            f'{name} of camera_info is {rows}; it must be [fx, 0, cx], [0, fy, cy], [0, 0, 1], '
            'row by row: calibrate the camera'
        )
    return fx, fy, cx, cy


@dataclass(frozen=True)
class _Window:
    """Pixels of the sensor, of which an image makes one of each `binning_xy`."""

    origin_xy: tuple[int, int]
    size_wh: tuple[int, int]
    binning_xy: tuple[int, int]

    @property
    def image_wh(self) -> tuple[int, int]:
        """Of the image [px]; what fills no whole pixel is left out."""
        (width, height), (x, y) = self.size_wh, self.binning_xy
        return width // x, height // y

    def __str__(self) -> str:
        return 'x'.join(str(side) for side in self.image_wh)


def _placing(
    info: CameraInfo, size_wh: tuple[int, int]
) -> tuple[tuple[int, int], tuple[float, float]]:
    """Return where an image begins on the sensor, and how many of its pixels make one there."""
    full_wh, roi, binning = _layout(info)
    once = (1, 1)
    stated = _Window(*roi, binning)
    whole = _Window((0, 0), full_wh, once)
    for window in (stated, whole, _Window(*roi, once), _Window((0, 0), full_wh, binning)):
        if window.image_wh == size_wh:
            x, y = window.binning_xy
            return window.origin_xy, (1 / x, 1 / y)
    if _is_scaled(size_wh, stated.size_wh) and not (
        stated.size_wh != full_wh and _is_scaled(size_wh, full_wh)
    ):
        (width, height), (full_width, full_height) = size_wh, stated.size_wh
        return stated.origin_xy, (width / full_width, height / full_height)
    said = (
        f'{stated} px (width and height are {whole}, roi {_Window(*roi, once)}, binning {binning})'
    )
    raise CameraModelError(
        f'the image is {size_wh[0]}x{size_wh[1]} px, but its camera_info says {said}; give both '
        'of one camera and resolution'
    )


def _layout(
    info: CameraInfo,
) -> tuple[tuple[int, int], tuple[tuple[int, int], tuple[int, int]], tuple[int, int]]:
    """Return the full size, roi as its first pixel and size, and binning."""
    width, height = int(info.width), int(info.height)
    if not (1 <= width <= MAX_SIDE and 1 <= height <= MAX_SIDE):
        raise CameraModelError(
            f'camera_info says that the full image is {width}x{height} px; each side must be 1 to '
            f'{MAX_SIDE:,}: publish the size that the camera was calibrated at'
        )
    x, y, roi_width, roi_height = (
        int(getattr(info.roi, name)) for name in ('x_offset', 'y_offset', 'width', 'height')
    )
    if not (x or y or roi_width or roi_height):
        roi_width, roi_height = width, height
    if not (roi_width and roi_height) or x + roi_width > width or y + roi_height > height:
        raise CameraModelError(
            f'roi of camera_info is {roi_width}x{roi_height} px from ({x}, {y}) on, which is not '
            f'within its {width}x{height} px; give it at full resolution, or all 0'
        )
    # 0 means 1.
    binning = max(int(info.binning_x), 1), max(int(info.binning_y), 1)
    if binning[0] > roi_width or binning[1] > roi_height:
        raise CameraModelError(
            f'camera_info has a binning of {binning[0]}x{binning[1]} of {roi_width}x{roi_height} '
            'px, which leaves no pixel; say how many pixels of the sensor make one'
        )
    return (width, height), ((x, y), (roi_width, roi_height)), binning


def _is_scaled(size_wh: tuple[int, int], full_wh: tuple[int, int]) -> bool:
    """Tell whether the ratio of both sides is one, but for rounding to whole pixels."""
    (width, height), (full_width, full_height) = size_wh, full_wh
    if (width == full_width) != (height == full_height):
        return False
    off = abs(width * full_height - height * full_width)
    return off < max(full_width, full_height)
