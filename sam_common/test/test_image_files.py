# SPDX-License-Identifier: Apache-2.0
"""JPEG and PNG come out right or are refused by name; nothing else reaches a decoder."""

import io
import struct
import subprocess
import sys
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from sam_common import image_header
from sam_common.errors import ImageError
from sam_common.images import decode_image, decode_values

Y, X = np.mgrid[:40, :64].astype(np.float32)
RGB = np.stack([60 + 2 * X, 200 - 3 * Y, 40 + X + Y], axis=-1).astype(np.uint8)
GREY = RGB[..., 0]
PNG_START = b'\x89PNG\r\n\x1a\n'


def saved(image, kind, **options):
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def chunk(name, content=b''):
    checksum = zlib.crc32(name + content)
    return struct.pack('>I', len(content)) + name + content + struct.pack('>I', checksum)


def png(*chunks, size_wh=(64, 40), bits=8, colour=0, interlaced=0):
    head = struct.pack('>IIBBBBB', *size_wh, bits, colour, 0, 0, interlaced)
    return PNG_START + chunk(b'IHDR', head) + b''.join(chunks) + chunk(b'IEND')


PIXELS = chunk(b'IDAT', zlib.compress(b''.join(b'\0' + row.tobytes() for row in GREY)))
COLOUR, PLAIN = Image.fromarray(RGB), Image.fromarray(GREY)
PALETTE = COLOUR.quantize(32)


@pytest.mark.parametrize(
    ('image', 'expected'),
    [
        (COLOUR, RGB),
        (PLAIN, np.dstack([GREY] * 3)),
        (PALETTE, np.asarray(PALETTE.convert('RGB'))),
        (Image.fromarray(GREY > 100), np.dstack([(GREY > 100) * np.uint8(255)] * 3)),
        (Image.fromarray(np.dstack([RGB, GREY]), 'RGBA'), RGB),
        (Image.fromarray(np.dstack([GREY, GREY]), 'LA'), np.dstack([GREY] * 3)),
        (Image.fromarray(GREY.astype(np.uint16) * 257), np.dstack([GREY] * 3)),
    ],
    ids=['colour', 'grey', 'palette', 'one_bit', 'alpha', 'grey_alpha', '16_bit'],
)
def test_every_kind_of_png_comes_out_right(image, expected):
    np.testing.assert_array_equal(decode_image(saved(image, 'PNG'), 'it'), expected)


def test_values_keep_their_bits():
    deep = (GREY.astype(np.uint16) << 8) + 1
    np.testing.assert_array_equal(decode_values(saved(Image.fromarray(deep), 'PNG'), 'it'), deep)


@pytest.mark.parametrize('options', [{}, {'progressive': True}, {'quality': 100}])
@pytest.mark.parametrize('image', [COLOUR, PLAIN], ids=['colour', 'grey'])
def test_jpeg_comes_out_right(image, options):
    pixels = decode_image(saved(image, 'JPEG', **{'quality': 95, **options}), 'it')
    assert np.abs(pixels.astype(int) - np.asarray(image.convert('RGB'))).max() <= 12


def test_what_follows_the_end_is_not_looked_at():
    data = saved(COLOUR, 'JPEG')
    np.testing.assert_array_equal(decode_image(data + bytes(500), 'it'), decode_image(data, 'it'))


@pytest.mark.parametrize('kind', ['JPEG', 'PNG'])
def test_a_rotation_of_the_camera_is_not_applied(kind):
    exif = Image.Exif()
    exif[0x0112] = 6
    assert decode_image(saved(COLOUR, kind, exif=exif), 'it').shape == RGB.shape


JPEG_2000 = struct.pack('>I4sI', 12, b'jP  ', 0x0D0A870A) + struct.pack('>I4s', 20, b'ftypjp2 ')
CODE_STREAM = b'\xff\x4f\xff\x51' + bytes(60)
CMYK = saved(Image.fromarray(np.dstack([RGB, GREY]), 'CMYK'), 'JPEG')


@pytest.mark.parametrize(
    ('data', 'named'),
    [
        (JPEG_2000, 'is JPEG 2000; give a whole JPEG or PNG'),
        (CODE_STREAM, 'is JPEG 2000'),
        (saved(COLOUR, 'GIF'), 'is GIF'),
        (saved(COLOUR, 'BMP'), 'is BMP'),
        (saved(COLOUR, 'TIFF'), 'is TIFF'),
        (saved(COLOUR, 'WEBP'), 'is WebP'),
        (saved(COLOUR, 'PPM'), "begins with b'P6"),
        (b'', 'is empty'),
        (CMYK, 'CMYK'),
        (png(), 'without pixels'),
        (png(PIXELS, bits=3), 'does not exist'),
        (png(PIXELS, size_wh=(0, 40)), 'is 0 x 40 px'),
        (b'\xff\xd8\xff\xd9', 'without pixels'),
        (saved(COLOUR, 'JPEG').replace(b'\xff\xc0', b'\xff\xc9'), 'kind SOF9'),
    ],
)
def test_everything_else_is_refused_by_name_before_any_decoder_sees_it(data, named, monkeypatch):
    monkeypatch.setattr(cv2, 'imdecode', None)
    for decode in (decode_image, decode_values):
        with pytest.raises(ImageError, match=named):
            decode(data, 'it')


@pytest.mark.parametrize('kind', ['JPEG', 'PNG'])
def test_an_image_that_is_cut_off_is_refused_however_little_is_missing(kind):
    data = saved(COLOUR, kind)
    for missing in (1, 2, 100, len(data) // 2, len(data) - 12):
        with pytest.raises(ImageError, match=r'cut off|decoded'):
            decode_image(data[:-missing], 'it')


def scans(count, size_wh):
    frame = struct.pack('>HHBHHB9s', 0xFFC2, 17, 8, *size_wh[::-1], 3, b'\1\x11\0\2\x11\0\3\x11\0')
    scan = b'\xff\xda\0\x08\x01\x01\0\0\0\0' + b'\x55'
    return b'\xff\xd8' + frame + scan * count + b'\xff\xd9'


@pytest.mark.parametrize(
    ('data', 'named'),
    [
        (png(PIXELS, size_wh=(60_000, 60_000)), 'at most 100,000,000 pixels'),
        (png(PIXELS, size_wh=(9_999, 9_999), bits=16, colour=6), 'at most 400,000,000 are acc'),
        (png(*[chunk(b'IDAT')] * image_header.MAX_CHUNKS), 'more than 65536 chunks'),
        (scans(33, (64, 48)), 'at most 32 are accepted'),
        (scans(30, (6_000, 6_000)), '1,000,000,000 pixels in all'),
        (scans(1, (9_000, 9_000)), 'at most 400,000,000 are accepted'),
        (b'\xff\xd8' + b'\xff\xfe\0\x02' * 5_000, 'more than 4096 segments'),
    ],
)
def test_what_would_take_too_much_memory_or_time_is_refused(data, named, monkeypatch):
    monkeypatch.setattr(cv2, 'imdecode', None)
    with pytest.raises(ImageError, match=named):
        decode_image(data, 'it')


def test_a_file_without_measure_is_refused(monkeypatch):
    monkeypatch.setattr(image_header, 'MAX_FILE_BYTES', 1000)
    with pytest.raises(ImageError, match='at most 1,000 are accepted'):
        decode_image(PNG_START + bytes(1000), 'it')


def test_what_the_pixels_do_not_need_never_reaches_the_decoder():
    bomb = zlib.compress(bytes(50_000_000))
    further = (
        chunk(b'iCCP', b'x\0\0' + bomb),
        chunk(b'zTXt', b'x\0\0' + bomb),
        chunk(b'acTL', struct.pack('>II', 2**31 - 1, 0)),
        chunk(b'fdAT', bytes(9)),
        chunk(b'eXIf', b'II*\0' + b'\xff' * 40),
    )
    header = image_header.read_image_header(png(*further, PIXELS), 'it')
    assert header.pixel_data == png(PIXELS)
    commented = saved(COLOUR, 'JPEG', comment=b'x' * 500, icc_profile=b'y' * 500)
    header = image_header.read_image_header(commented, 'it')
    assert b'x' * 500 not in header.pixel_data
    assert b'y' * 500 not in header.pixel_data


# Run apart, since what it looks for would end the process.
FUZZ = """
import random, sys
from sam_common.images import decode_image, decode_values
from sam_common.errors import ImageError
from pathlib import Path
draw = random.Random(11)
refused = 0
seeds = [file.read_bytes() for file in sorted(Path(sys.argv[1]).iterdir())]
for number in range(3000):
    data = bytearray(seeds[number % len(seeds)])
    for _ in range(draw.choice((1, 2, 8))):
        place = min(int(draw.expovariate(0.01)), len(data) - 1) if draw.random() < 0.5 else (
            draw.randrange(len(data)))
        action = draw.randrange(4)
        if action == 0:
            data[place] = draw.choice((0, 255, 127, 128, draw.randrange(256)))
        elif action == 1:
            del data[place:place + draw.choice((1, 4, 50))]
        elif action == 2:
            data[place:place] = data[place:place + draw.choice((1, 4, 50))]
        else:
            data[place] ^= 1 << draw.randrange(8)
        data = data or bytearray(1)
    for decode in (decode_image, decode_values):
        try:
            decode(bytes(data), 'it')
        except ImageError:
            refused += 1
print(refused)
"""


def test_no_damaged_file_ends_the_process_or_raises_anything_else(tmp_path):
    small = COLOUR.resize((24, 17))
    files = [
        saved(small, 'JPEG'),
        saved(small, 'JPEG', progressive=True),
        saved(small.convert('L'), 'JPEG'),
        saved(small, 'PNG'),
        saved(small.quantize(8), 'PNG', transparency=3),
        saved(small.convert('LA'), 'PNG'),
        saved(small.convert('I;16'), 'PNG'),
    ]
    for number, data in enumerate(files):
        (tmp_path / str(number)).write_bytes(data)
    done = subprocess.run(
        [sys.executable, '-c', FUZZ, str(tmp_path)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout) > 1000
