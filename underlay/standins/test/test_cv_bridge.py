# SPDX-License-Identifier: Apache-2.0
"""cv_bridge: each encoding there and back, conversions, row padding, byte order, errors."""

import array

import cv2
import numpy as np
import pytest
from cv_bridge import CvBridge, CvBridgeError
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

bridge = CvBridge()
RED_RGB = np.full((4, 6, 3), (200, 30, 10), np.uint8)

ENCODINGS = [
    ('bgr8', 'uint8', 3),
    ('rgb8', 'uint8', 3),
    ('bgra8', 'uint8', 4),
    ('rgba8', 'uint8', 4),
    ('mono8', 'uint8', 1),
    ('mono16', 'uint16', 1),
    ('rgb16', 'uint16', 3),
    ('16UC1', 'uint16', 1),
    ('32FC1', 'float32', 1),
    ('64FC2', 'float64', 2),
    ('8UC3', 'uint8', 3),
    ('8UC1', 'uint8', 1),
    ('8SC1', 'int8', 1),
    ('32SC4', 'int32', 4),
    ('bayer_rggb8', 'uint8', 1),
    ('bayer_gbrg16', 'uint16', 1),
    ('yuv422', 'uint8', 2),
    ('yuv422_yuy2', 'uint8', 2),
    ('8U', 'uint8', 1),
]


def random_image(dtype, channels, height=4, width=6):
    shape = (height, width) if channels == 1 else (height, width, channels)
    return np.random.default_rng(3).integers(0, 100, shape).astype(dtype)


def padded_message(image, encoding, padding=5):
    rows = image.reshape(image.shape[0], -1).view(np.uint8)
    data = np.pad(rows, ((0, 0), (0, padding)), constant_values=255)
    message = Image(height=image.shape[0], width=image.shape[1], encoding=encoding)
    message.step = data.shape[1]
    message.data = array.array('B', data.tobytes())
    return message


@pytest.mark.parametrize(('encoding', 'dtype', 'channels'), ENCODINGS)
def test_image_survives_the_way_there_and_back(encoding, dtype, channels):
    image = random_image(dtype, channels)

    message = bridge.cv2_to_imgmsg(image, encoding, Header(frame_id='camera'))

    assert (message.height, message.width, message.encoding) == (4, 6, encoding)
    assert message.step == 6 * channels * np.dtype(dtype).itemsize
    assert message.header.frame_id == 'camera'
    assert isinstance(message.data, array.array)
    result = bridge.imgmsg_to_cv2(message)
    assert result.dtype == dtype
    np.testing.assert_array_equal(result, image)


@pytest.mark.parametrize(('encoding', 'dtype', 'channels'), ENCODINGS)
def test_row_padding_is_left_out(encoding, dtype, channels):
    image = random_image(dtype, channels)

    np.testing.assert_array_equal(bridge.imgmsg_to_cv2(padded_message(image, encoding)), image)


@pytest.mark.parametrize('dtype', ['uint16', 'float32'])
def test_big_endian_is_read_and_written(dtype):
    image = random_image(dtype, 1)
    message = bridge.cv2_to_imgmsg(image.astype(np.dtype(dtype).newbyteorder('>')))

    assert message.is_bigendian
    assert bytes(message.data) == image.byteswap().tobytes()
    result = bridge.imgmsg_to_cv2(message)
    assert result.dtype.isnative
    np.testing.assert_array_equal(result, image)


def test_part_of_an_image_is_written_as_such():
    image = random_image('uint8', 3, 10, 10)[2:6, 1:9:2]

    np.testing.assert_array_equal(bridge.imgmsg_to_cv2(bridge.cv2_to_imgmsg(image)), image)


def test_passthrough_names_the_opencv_type():
    assert bridge.cv2_to_imgmsg(np.zeros((2, 2, 3), np.float32)).encoding == '32FC3'


@pytest.mark.parametrize('source', ['rgb8', 'bgr8', 'rgba8', 'bgra8', 'rgb16', 'bgra16'])
@pytest.mark.parametrize('target', ['rgb8', 'bgr8', 'rgba8', 'bgra8', 'bgr16', 'rgba16'])
def test_colours_keep_their_meaning(source, target):
    def colour(encoding):
        red, green, blue = (200, 30, 10)
        values = [red, green, blue] if encoding.startswith('rgb') else [blue, green, red]
        values += [255] if 'a' in encoding else []
        return np.array(values) * (257 if encoding.endswith('16') else 1)

    dtype = np.uint16 if source.endswith('16') else np.uint8
    image = np.tile(colour(source).astype(dtype), (4, 6, 1))

    result = bridge.imgmsg_to_cv2(bridge.cv2_to_imgmsg(image, source), target)

    # OpenCV fills an alpha channel that was not there with the source type's most.
    np.testing.assert_array_equal(result, np.tile(colour(target), (4, 6, 1)))


def test_mono_is_what_opencv_makes_of_colour():
    message = bridge.cv2_to_imgmsg(RED_RGB, 'rgb8')

    np.testing.assert_array_equal(
        bridge.imgmsg_to_cv2(message, 'mono8'), cv2.cvtColor(RED_RGB, cv2.COLOR_RGB2GRAY)
    )


@pytest.mark.parametrize('pattern', ['rggb', 'bggr', 'gbrg', 'grbg'])
def test_bayer_of_one_colour_gives_that_colour(pattern):
    values = dict(zip('rgb', (200, 30, 10), strict=True))
    tile = np.array([values[letter] for letter in pattern], np.uint8).reshape(2, 2)
    message = bridge.cv2_to_imgmsg(np.tile(tile, (4, 5)), f'bayer_{pattern}8')

    for target, colour in (('rgb8', (200, 30, 10)), ('bgr8', (10, 30, 200))):
        result = bridge.imgmsg_to_cv2(message, target)
        np.testing.assert_array_equal(result, np.tile(np.uint8(colour), (8, 10, 1)))


@pytest.mark.parametrize(('encoding', 'order'), [('yuv422', 'uyvy'), ('yuv422_yuy2', 'yuyv')])
def test_yuv_is_read_in_its_order(encoding, order):
    # Y=82, U=90, V=240 is pure red in BT.601's studio range.
    values = dict(zip('yuv', (82, 90, 240), strict=True))
    row = np.array([values[letter] for letter in order], np.uint8).reshape(1, 2, 2)
    message = bridge.cv2_to_imgmsg(np.tile(row, (4, 3, 1)), encoding)

    result = bridge.imgmsg_to_cv2(message, 'rgb8').astype(int)

    assert np.abs(result - (255, 0, 0)).max() <= 2
    assert (bridge.imgmsg_to_cv2(message, 'mono8') == 82).all()


@pytest.mark.parametrize(
    ('source', 'target', 'value', 'expected'),
    [
        ('mono8', 'mono16', 255, 65535),
        ('mono16', 'mono8', 65535, 255),
        ('mono16', 'mono8', 128, 0),
        ('mono16', 'mono8', 129, 1),
        ('16UC1', '32FC1', 1234, 1234.0),
        ('32FC1', '16UC1', 1234.6, 1235),
        ('32FC1', '16UC1', -5.0, 0),
        ('32FC1', '16UC1', np.nan, 0),
        ('8UC1', '16UC1', 2, 514),
    ],
)
def test_depth_is_scaled_between_8_and_16_bits_only(source, target, value, expected):
    dtype, _ = bridge.encoding_to_dtype_with_channels(source)
    image = np.full((3, 3), value, dtype)

    result = bridge.imgmsg_to_cv2(bridge.cv2_to_imgmsg(image, source), target)

    assert result.dtype == bridge.encoding_to_dtype_with_channels(target)[0]
    assert (result == expected).all()


@pytest.mark.parametrize(
    ('source', 'target'),
    [
        ('16UC1', 'mono16'),
        ('8UC3', 'bgr8'),
        ('rgb8', '8UC1'),
        ('rgb8', 'bayer_rggb8'),
        ('rgb8', 'yuv422'),
        ('bayer_rggb8', 'rgba8'),
        ('32FC1', '32FC3'),
        ('rgb8', 'nonsense'),
    ],
)
def test_senseless_conversion_is_an_error(source, target):
    dtype, channels = bridge.encoding_to_dtype_with_channels(source)
    message = bridge.cv2_to_imgmsg(random_image(dtype, channels), source)

    with pytest.raises(CvBridgeError):
        bridge.imgmsg_to_cv2(message, target)


def test_odd_width_of_yuv_is_an_error():
    message = bridge.cv2_to_imgmsg(np.zeros((4, 5, 2), np.uint8), 'yuv422')

    with pytest.raises(CvBridgeError):
        bridge.imgmsg_to_cv2(message, 'rgb8')


@pytest.mark.parametrize('change', [{'step': 17}, {'height': 5}, {'encoding': 'jpeg'}])
def test_malformed_message_is_an_error(change):
    message = bridge.cv2_to_imgmsg(RED_RGB, 'rgb8')
    for name, value in change.items():
        setattr(message, name, value)

    with pytest.raises(CvBridgeError):
        bridge.imgmsg_to_cv2(message)


def test_huge_image_without_data_is_an_error():
    with pytest.raises(CvBridgeError, match='0 bytes'):
        bridge.imgmsg_to_cv2(Image(height=10**4, width=10**4, step=10**4, encoding='mono8'))


@pytest.mark.parametrize(
    ('image', 'encoding'),
    [(RED_RGB, 'mono8'), (RED_RGB, 'rgb16'), (RED_RGB, 'x'), (RED_RGB > 3, 'passthrough')],
)
def test_array_of_another_type_than_said_is_an_error(image, encoding):
    with pytest.raises(CvBridgeError):
        bridge.cv2_to_imgmsg(image, encoding)


def test_list_is_no_image():
    with pytest.raises(TypeError, match='numpy'):
        bridge.cv2_to_imgmsg([[1]])


def test_png_keeps_each_value():
    image = random_image('uint16', 1)
    message = bridge.cv2_to_compressed_imgmsg(image, 'png')

    assert message.format == 'png'
    np.testing.assert_array_equal(bridge.compressed_imgmsg_to_cv2(message), image)


def test_compressed_colours_are_bgr():
    message = bridge.cv2_to_compressed_imgmsg(RED_RGB[..., ::-1], 'png')

    np.testing.assert_array_equal(bridge.compressed_imgmsg_to_cv2(message, 'rgb8'), RED_RGB)


def test_compressed_nonsense_is_none_or_an_error():
    message = CompressedImage(format='jpeg', data=array.array('B', b'no image'))

    assert bridge.compressed_imgmsg_to_cv2(message) is None
    with pytest.raises(CvBridgeError):
        bridge.compressed_imgmsg_to_cv2(message, 'rgb8')


def test_unknown_format_is_an_error():
    with pytest.raises(CvBridgeError):
        bridge.cv2_to_compressed_imgmsg(RED_RGB, 'nothing')
