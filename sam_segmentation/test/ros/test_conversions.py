# SPDX-License-Identifier: Apache-2.0
"""Every encoding is converted rightly or refused by name; nothing is read past its end."""

import struct
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header
from vision_msgs.msg import BoundingBox2D, Point2D

from sam_common.errors import ImageError
from sam_common.ros import conversions as common
from sam_common.ros.conversions import array_to_image, image_to_rgb
from sam_common.scored_mask import ScoredMask
from sam_interfaces.msg import Prompt as PromptMsg
from sam_segmentation.core.errors import PromptError
from sam_segmentation.ros import conversions

# Smooth, so that what Bayer and YUV leave out can be interpolated; every channel differs.
Y, X = np.mgrid[:48, :64].astype(np.float32)
RGB = np.stack([60 + 2 * X, 200 - 3 * Y, 40 + X + Y], axis=-1).astype(np.uint8)
GRAY = cv2.cvtColor(RGB, cv2.COLOR_RGB2GRAY)
HEADER = Header(frame_id='camera')


def bayer(pattern: str) -> np.ndarray:
    mosaic = np.empty(RGB.shape[:2], np.uint8)
    for index, colour in enumerate(pattern):
        row, column = divmod(index, 2)
        mosaic[row::2, column::2] = RGB[row::2, column::2, 'rgb'.index(colour)]
    return mosaic


def packed_yuv(order: str) -> np.ndarray:
    return cv2.cvtColor(
        RGB, {'uyvy': cv2.COLOR_RGB2YUV_UYVY, 'yuyv': cv2.COLOR_RGB2YUV_YUY2}[order]
    )


def planes(order: str) -> np.ndarray:
    """Return brightness above pairs of colours, each of 2 x 2 pixels."""
    height, width = RGB.shape[:2]
    flat = cv2.cvtColor(RGB, cv2.COLOR_RGB2YUV_I420).ravel()
    quarter = height * width // 4
    u, v = flat[4 * quarter : 5 * quarter], flat[5 * quarter :]
    pairs = np.stack((u, v) if order == 'nv12' else (v, u), axis=-1)
    return np.vstack([flat[: 4 * quarter].reshape(height, width), pairs.reshape(-1, width)])


def planes_message(order: str) -> Image:
    msg = array_to_image(planes(order), order, HEADER)
    msg.height = RGB.shape[0]
    return msg


@pytest.mark.parametrize('encoding', ['nv12', 'nv21'])
def test_planes_of_brightness_and_colours_are_converted_to_rgb(encoding):
    msg = planes_message(encoding)
    # Where colours change by 3 a pixel, those of 2 x 2 pixels are off by some.
    assert np.abs(image_to_rgb(msg).astype(int) - RGB).max() <= 8
    msg.data = msg.data[:-1]
    with pytest.raises(ImageError, match='72 x 64 = 4608; send the whole image'):
        image_to_rgb(msg)


@pytest.mark.parametrize('is_bigendian', [0, 1])
@pytest.mark.parametrize('pattern', ['rggb', 'bggr', 'gbrg', 'grbg'])
def test_a_mosaic_of_16_bits_is_converted_to_rgb(pattern, is_bigendian):
    deep = (bayer(pattern).astype(np.uint16) * 257).astype('>u2' if is_bigendian else '<u2')
    msg = array_to_image(deep.view(np.uint8), f'bayer_{pattern}16', HEADER)
    msg.width, msg.is_bigendian = RGB.shape[1], is_bigendian
    eight = image_to_rgb(array_to_image(bayer(pattern), f'bayer_{pattern}8', HEADER))
    assert np.abs(image_to_rgb(msg).astype(int) - eight).max() <= 1


@pytest.mark.parametrize(
    ('encoding', 'remedy'), [('8UC3', 'as rgb8 or bgr8'), ('8UC1', 'as mono8')]
)
def test_an_encoding_that_does_not_name_its_channels_is_refused_with_the_remedy(encoding, remedy):
    with pytest.raises(ImageError, match=remedy):
        image_to_rgb(Image(width=2, height=2, step=8, encoding=encoding, data=bytes(16)))


@pytest.mark.parametrize(
    'format_',
    ['16UC1; png compressed ', '32FC1; compressedDepth png', '16UC1; compressedDepth rvl'],
)
def test_a_compressed_image_of_depth_is_refused_as_colour(format_):
    png = cv2.imencode('.png', RGB.astype(np.uint16)[..., 0])[1].tobytes()
    with pytest.raises(ImageError, match='holds depth'):
        common.compressed_to_rgb(CompressedImage(format=format_, data=png))


@pytest.mark.parametrize(
    ('encoding', 'pixels', 'expected', 'tolerance'),
    [
        ('rgb8', RGB, RGB, 0),
        ('bgr8', RGB[..., ::-1], RGB, 0),
        ('rgba8', np.dstack([RGB, GRAY]), RGB, 0),
        ('bgra8', np.dstack([RGB[..., ::-1], GRAY]), RGB, 0),
        ('mono8', GRAY, np.dstack([GRAY] * 3), 0),
        ('mono16', GRAY.astype(np.uint16) * 257, np.dstack([GRAY] * 3), 1),
        ('rgb16', RGB.astype(np.uint16) * 257, RGB, 1),
        ('bgr16', RGB[..., ::-1].astype(np.uint16) * 257, RGB, 1),
        ('bayer_rggb8', bayer('rggb'), RGB, 6),
        ('bayer_bggr8', bayer('bggr'), RGB, 6),
        ('bayer_gbrg8', bayer('gbrg'), RGB, 6),
        ('bayer_grbg8', bayer('grbg'), RGB, 6),
        ('yuv422', packed_yuv('uyvy'), RGB, 4),
        ('uyvy', packed_yuv('uyvy'), RGB, 4),
        ('yuv422_yuy2', packed_yuv('yuyv'), RGB, 4),
        ('yuyv', packed_yuv('yuyv'), RGB, 4),
    ],
)
def test_encoding_is_converted_to_rgb(encoding, pixels, expected, tolerance):
    result = image_to_rgb(array_to_image(pixels, encoding, HEADER))
    assert result.dtype == np.uint8
    # Without the outermost pixels, where a mosaic has fewer neighbours.
    difference = np.abs(result.astype(int) - expected)[2:-2, 2:-2]
    assert difference.max() <= tolerance


@pytest.mark.parametrize(
    'encoding', ['16UC1', '32FC1', '8UC1', '8UC3', 'jpeg', '', 'rgb', '\u00fc']
)
def test_encoding_without_colours_is_refused_by_name(encoding):
    with pytest.raises(ImageError, match='encoding ' + repr(encoding).replace('\\', '.')):
        image_to_rgb(Image(width=2, height=2, step=8, encoding=encoding, data=bytes(16)))


@pytest.mark.parametrize(
    ('fields', 'reason'),
    [
        ({'width': 0}, '0 x 4 px'),
        ({'height': 0}, '4 x 0 px'),
        ({'step': 11}, 'step is 11.*takes 12 bytes'),
        ({'data': bytes(47)}, '47 bytes.*4 x 12 = 48'),
        ({'width': 10_000, 'height': 10_000, 'step': 30_000, 'data': b''}, '0 bytes'),
        ({'width': 2**31, 'height': 2**31, 'step': 2**31}, 'at most 100,000,000'),
    ],
)
def test_image_that_does_not_add_up_is_refused(fields, reason):
    good = {'width': 4, 'height': 4, 'step': 12, 'encoding': 'rgb8', 'data': bytes(48)}
    image_to_rgb(Image(**good))
    with pytest.raises(ImageError, match=reason):
        image_to_rgb(Image(**(good | fields)))


@pytest.mark.parametrize('encoding', ['rgb8', 'yuyv', 'bayer_rggb8'])
def test_padding_at_the_end_of_rows_is_skipped(encoding):
    pixels = {'rgb8': RGB, 'yuyv': packed_yuv('yuyv'), 'bayer_rggb8': bayer('rggb')}[encoding]
    plain = array_to_image(pixels, encoding, HEADER)
    rows = np.frombuffer(plain.data, np.uint8).reshape(plain.height, plain.step)
    padded = array_to_image(np.pad(rows, ((0, 0), (0, 10)), constant_values=99), encoding, HEADER)
    padded.width, padded.step = plain.width, plain.step + 10
    np.testing.assert_array_equal(image_to_rgb(padded), image_to_rgb(plain))


def test_yuv_of_odd_width_is_refused():
    with pytest.raises(ImageError, match='width is 3'):
        image_to_rgb(Image(width=3, height=1, step=6, encoding='yuyv', data=bytes(6)))


def test_compressed_image_is_rgb():
    png = cv2.imencode('.png', RGB[..., ::-1])[1].tobytes()
    np.testing.assert_array_equal(
        common.compressed_to_rgb(CompressedImage(format='png', data=png)), RGB
    )


@pytest.mark.parametrize('data', [b'', b'no image', cv2.imencode('.jpg', RGB)[1].tobytes()[:20]])
def test_damaged_compressed_image_is_refused(data):
    with pytest.raises(ImageError):
        common.compressed_to_rgb(CompressedImage(format='jpeg', data=data))


@pytest.mark.parametrize('size', [(12_000, 12_000), (60_000, 60_000)])
def test_compressed_image_that_would_unpack_to_gigabytes_is_refused(size):
    png = bytearray(cv2.imencode('.png', RGB)[1].tobytes())
    png[16:24] = struct.pack('>II', *size)
    png[29:33] = struct.pack('>I', zlib.crc32(png[12:29]))
    with pytest.raises(ImageError, match='scale it down'):
        common.compressed_to_rgb(CompressedImage(format='png', data=bytes(png)))


def test_box_survives_the_round_trip():
    box = (10.5, 20.25, 30.5, 60.0)
    assert conversions.box_from_msg(common.box_to_msg(box)) == pytest.approx(box)


def test_box_of_size_zero_is_none():
    assert conversions.box_from_msg(BoundingBox2D()) is None


@given(st.floats(-50, 50), st.floats(0.1, 500), st.floats(0.1, 500))
def test_a_rotated_box_becomes_the_upright_one_round_its_corners(theta, width, height):
    box = BoundingBox2D(size_x=width, size_y=height)
    box.center.theta, box.center.position.x, box.center.position.y = theta, 20.0, -30.0
    corners = np.array([(x, y) for x in (-width, width) for y in (-height, height)]) / 2
    cos, sin = np.cos(theta), np.sin(theta)
    turned = corners @ np.array([[cos, sin], [-sin, cos]]) + (20, -30)
    expected = [*turned.min(axis=0), *turned.max(axis=0)]
    np.testing.assert_allclose(conversions.box_from_msg(box), expected, atol=1e-6)


@pytest.mark.parametrize(
    ('x', 'theta', 'width', 'sign'),
    [
        (np.nan, 0, 2, 'not finite'),
        (0, np.inf, 2, 'not finite'),
        (0, 0, np.inf, 'not finite'),
        (0, 0, 0, 'no area'),
        (0, 1, -3, 'no area'),
    ],
)
def test_a_box_that_means_nothing_is_refused(x, theta, width, sign):
    box = BoundingBox2D(size_x=float(width), size_y=5.0)
    box.center.theta, box.center.position.x = float(theta), float(x)
    with pytest.raises(PromptError, match=sign):
        conversions.box_from_msg(box)


def test_mask_of_one_pixel_has_a_box_of_one_pixel():
    mask = np.zeros((6, 8), bool)
    mask[2, 5] = True
    msg = conversions.object_to_msg(ScoredMask(mask, 0.5), 3, HEADER)
    assert (msg.box.size_x, msg.box.size_y) == (1.0, 1.0)
    assert (msg.box.center.position.x, msg.box.center.position.y) == (5.0, 2.0)
    assert (msg.id, msg.area, msg.mask.encoding, msg.mask.step) == (3, 1, 'mono8', 8)
    assert msg.mask.header == HEADER
    np.testing.assert_array_equal(common.mask_from_msg(msg.mask), mask)


def test_prompt_keeps_every_part():
    mask = np.zeros((6, 8), bool)
    mask[1:3, 2:5] = True
    msg = PromptMsg(
        points=[Point2D(x=1.5, y=2.0), Point2D(x=3.0, y=4.0)],
        labels=[1, 0],
        box=common.box_to_msg((0.0, 1.0, 4.0, 5.0)),
        mask=common.mask_to_msg(mask, HEADER),
        text='cup',
    )
    prompt = conversions.prompt_from_msg(msg)
    np.testing.assert_array_equal(prompt.points_xy, [(1.5, 2), (3, 4)])
    np.testing.assert_array_equal(prompt.labels, [1, 0])
    np.testing.assert_array_equal(prompt.box_xyxy, (0, 1, 4, 5))
    np.testing.assert_array_equal(prompt.mask, mask)
    assert prompt.text == 'cup'
