# SPDX-License-Identifier: Apache-2.0
"""Images are decoded alike with ROS and without."""

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from sam_common import images as decoding
from sam_common.errors import ImageError
from sam_common.ros import conversions

HEADER = Header(stamp=Time(), frame_id='camera')
SIZE_WH, PADDING = (8, 6), 5


def message(encoding, *, is_bigendian=0):
    width, height = SIZE_WH
    step = width * decoding.BYTES_PER_PIXEL[encoding] + PADDING
    rows = height * 3 // 2 if encoding in ('nv12', 'nv21') else height
    pixels = np.random.default_rng(3).integers(0, 256, rows * step, np.uint8)
    msg = Image(header=HEADER, width=width, height=height, encoding=encoding, step=step)
    msg.is_bigendian = is_bigendian
    msg.data = pixels.tobytes()
    return msg


@pytest.mark.parametrize('is_bigendian', [0, 1])
@pytest.mark.parametrize('encoding', decoding.BYTES_PER_PIXEL)
def test_every_encoding_is_read_as_the_node_reads_it(encoding, is_bigendian):
    msg = message(encoding, is_bigendian=is_bigendian)
    ours, theirs = decoding.raw_to_rgb(msg), conversions.image_to_rgb(msg)
    assert ours.shape == (6, 8, 3)
    # 16 bits may be rounded another way.
    assert np.abs(ours.astype(int) - theirs).max() <= (1 if '16' in encoding else 0)


def change(name, value):
    msg = message('rgb8')
    setattr(msg, name, value)
    return msg


@pytest.mark.parametrize(
    ('msg', 'expected'),
    [
        (change('encoding', '32FC1'), "encoding '32FC1' cannot be used"),
        (change('width', 0), 'is 0 x 6 px'),
        (change('step', 23), 'step is 23, but a row'),
        (change('data', b'123'), 'holds 3 bytes'),
        (change('height', 2**31), 'at most 100,000,000 pixels'),
        (change('encoding', 'yuv422'), None),
    ],
)
def test_the_same_messages_are_refused(msg, expected):
    for read in (decoding.raw_to_rgb, conversions.image_to_rgb):
        if expected is None:
            assert read(msg).shape == (6, 8, 3)
        else:
            with pytest.raises(ImageError, match=expected):
                read(msg)


@pytest.mark.parametrize('data', [b'', b'no image', b'\x89PNG\r\n\x1a\n' + bytes(9)])
def test_the_same_files_are_refused(data):
    with pytest.raises(ImageError):
        decoding.decode_image(data, 'it')
    with pytest.raises(ImageError):
        conversions.compressed_to_rgb(CompressedImage(header=HEADER, format='png', data=data))


@pytest.mark.parametrize('encoding', ['bayer_rggb8', 'bayer_bggr8', 'bayer_gbrg8', 'bayer_grbg8'])
def test_a_bayer_image_of_one_row_is_refused_rather_than_crashing(encoding):
    msg = message(encoding)
    msg.height = 1
    with pytest.raises(ImageError, match='needs 2 x 2'):
        decoding.raw_to_rgb(msg)
