# SPDX-License-Identifier: Apache-2.0
"""What a JPEG or PNG file holds, found without decoding it, and what its pixels need of it.

PNG: https://www.w3.org/TR/png; JPEG: ITU-T T.81, annex B.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import NamedTuple

from sam_common.errors import ImageError

MAX_PIXELS = 100_000_000
MAX_FILE_BYTES = 256 * 2**20
MAX_DECODED_BYTES = 400_000_000
MAX_SCANS, MAX_SCANNED_PIXELS = 32, 1_000_000_000
# Writers cut a PNG's pixels into pieces of 8 kB and more; a JPEG has some tables per scan.
MAX_CHUNKS, MAX_SEGMENTS = 65_536, 4_096

_PNG, _JPEG = b'\x89PNG\r\n\x1a\n', b'\xff\xd8\xff'
_OTHERS = {
    b'\x00\x00\x00\x0cjP  ': 'JPEG 2000',
    b'\xff\x4f\xff\x51': 'JPEG 2000',
    b'GIF8': 'GIF',
    b'BM': 'BMP',
    b'II*\x00': 'TIFF',
    b'MM\x00*': 'TIFF',
    b'RIFF': 'WebP',
    b'v/1\x01': 'OpenEXR',
    b'#?': 'Radiance HDR',
}
_PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_PNG_BITS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_PNG_KEPT = (b'IHDR', b'PLTE', b'IDAT', b'IEND')
_CHUNK = struct.Struct('>I4s')
_IHDR = struct.Struct('>IIBBBBB')
_EOI, _SOS = 0xD9, 0xDA
# SOF0 to SOF15; among their numbers lie DHT, JPG and DAC, which are no frames.
_FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = 0xC2
_DECODABLE = {0xC0, 0xC1, _PROGRESSIVE}
# JFIF and Adobe say what the channels mean; camera data, profiles, previews and comments don't.
_KEPT_APPS = {0xE0, 0xEE}
# Between scans, every marker but the stuffed zero, restarts and fill.
_NEXT_MARKER = re.compile(rb'\xff[^\x00\xd0-\xd7\xff]')


@dataclass(frozen=True)
class ImageHeader:
    """What a file holds.

    Parameters
    ----------
    kind : str
        'JPEG' or 'PNG'.
    size_wh : (int, int)
        [px]
    channels, bits : int
        Of a pixel and of a channel; a palette counts as one channel.
    pixel_data : bytes
        The file without whatever its pixels don't need: profiles, texts, camera data, previews,
        transparency, further frames.

    """

    kind: str
    size_wh: tuple[int, int]
    channels: int
    bits: int
    pixel_data: bytes


def read_image_header(data: bytes, what: str) -> ImageHeader:
    """Return what a JPEG or PNG file holds.

    Parameters
    ----------
    data : bytes
        The file.
    what : str
        How an error calls it.

    Raises
    ------
    ImageError
        If it is neither, is damaged or cut off, is of a kind that is not decoded (CMYK,
        arithmetic coding, ...), or would take more memory or time than any camera's image.

    """
    if len(data) > MAX_FILE_BYTES:
        raise ImageError(
            f'{what} has {len(data):,} bytes; at most {MAX_FILE_BYTES:,} are accepted: scale it '
            'down'
        )
    try:
        if data.startswith(_PNG):
            return _read_png(data, what)
        if data.startswith(_JPEG):
            return _read_jpeg(data, what)
    except (struct.error, IndexError) as error:
        raise _cut_off(what) from error
    kind = next((name for start, name in _OTHERS.items() if data.startswith(start)), '')
    held = f'is {kind}' if kind else f'begins with {data[:8]!r}' if data else 'is empty'
    raise ImageError(f'{what} cannot be decoded: it {held}; give a whole JPEG or PNG')


def check_size(width: int, height: int, what: str) -> None:
    """Raise ImageError for an image without pixels or with too many."""
    if not (width and height):
        raise ImageError(f'{what} is {width} x {height} px; give it a size')
    if width * height > MAX_PIXELS:
        raise ImageError(
            f'{what} is {width} x {height} px; at most {MAX_PIXELS:,} pixels are accepted: '
            'scale it down'
        )


def _read_png(data: bytes, what: str) -> ImageHeader:
    if _CHUNK.unpack_from(data, len(_PNG)) != (_IHDR.size, b'IHDR'):
        raise ImageError(f'{what} is no PNG: its header is not the first; write it anew')
    width, height, bits, colour, *methods = _IHDR.unpack_from(data, len(_PNG) + _CHUNK.size)
    check_size(width, height, what)
    if bits not in _PNG_BITS.get(colour, ()) or methods[:2] != [0, 0] or methods[2] > 1:
        raise ImageError(
            f'{what} is a PNG of colour type {colour} with {bits} bits (methods {methods}), which '
            'does not exist; write it anew'
        )
    channels = _PNG_CHANNELS[colour]
    decoded = max(channels, 3) * (2 if bits == 16 else 1)
    _check_decoded(width * height * decoded, what)
    kept, position, is_whole, has_pixels = [_PNG], len(_PNG), False, False
    for _ in range(MAX_CHUNKS):
        length, name = _CHUNK.unpack_from(data, position)
        # Behind the chunk, 4 bytes of checksum.
        end = position + _CHUNK.size + length + 4
        if end > len(data):
            raise _cut_off(what)
        if name in _PNG_KEPT:
            kept.append(data[position:end])
        has_pixels = has_pixels or name == b'IDAT'
        position, is_whole = end, name == b'IEND'
        if is_whole:
            break
    if not is_whole:
        raise ImageError(f'{what} has more than {MAX_CHUNKS} chunks; write it anew')
    if not has_pixels:
        raise ImageError(f'{what} is a PNG without pixels; send the whole file')
    return ImageHeader('PNG', (width, height), channels, bits, b''.join(kept))


def _read_jpeg(data: bytes, what: str) -> ImageHeader:
    kept, position = [data[:2]], 2
    frame: _FrameHeader | None = None
    scans_begin = scans = 0
    for _ in range(MAX_SEGMENTS):
        begin = position
        if scans:
            found = _NEXT_MARKER.search(data, position)
            if found is None:
                raise _cut_off(what)
            position = found.start()
        while data[position] == data[position + 1] == 0xFF:
            position += 1
        fill, marker = data[position], data[position + 1]
        if fill != 0xFF:
            raise ImageError(f'{what} is a damaged JPEG; send the whole file')
        if marker == _EOI:
            break
        (length,) = struct.unpack_from('>H', data, position + 2)
        end = position + 2 + length
        if length < 2 or end > len(data):
            raise _cut_off(what)
        if marker in _FRAMES:
            if frame is not None:
                raise ImageError(f'{what} is a JPEG of several frames; send one image')
            frame = _jpeg_frame(data, position, marker, what)
        if marker == _SOS:
            scans += 1
            scans_begin = scans_begin or begin
            _check_scans(frame, scans, what)
        elif not scans and (not 0xE0 <= marker <= 0xFE or marker in _KEPT_APPS):
            kept.append(data[position:end])
        position = end
    else:
        raise ImageError(f'{what} has more than {MAX_SEGMENTS} segments; write it anew')
    if frame is None or not scans:
        raise ImageError(f'{what} is a JPEG without pixels; send the whole file')
    # What follows the end is not looked at: some cameras pad their images.
    kept.append(data[scans_begin : position + 2])
    return ImageHeader('JPEG', (frame.width, frame.height), frame.channels, 8, b''.join(kept))


class _FrameHeader(NamedTuple):
    width: int
    height: int
    channels: int
    is_progressive: bool


def _jpeg_frame(data: bytes, position: int, marker: int, what: str) -> _FrameHeader:
    bits, height, width, channels = struct.unpack_from('>BHHB', data, position + 4)
    if marker not in _DECODABLE or bits != 8:
        raise ImageError(
            f'{what} is a JPEG of kind SOF{marker - 0xC0} with {bits} bits; give a baseline or '
            'progressive one with 8'
        )
    if channels not in (1, 3):
        raise ImageError(
            f'{what} is a JPEG of {channels} channels{" (CMYK)" if channels == 4 else ""}; give '
            'one in grey or in colours'
        )
    check_size(width, height, what)
    return _FrameHeader(width, height, channels, marker == _PROGRESSIVE)


def _check_scans(frame: _FrameHeader | None, scans: int, what: str) -> None:
    if frame is None:
        raise ImageError(f'{what} is a damaged JPEG; send the whole file')
    pixels = frame.width * frame.height
    # An image in several scans is held as coefficients, two bytes each, until the last one.
    held = 2 * frame.channels if scans > 1 or frame.is_progressive else 0
    _check_decoded(pixels * (3 + held), what)
    if scans > MAX_SCANS or (scans > 1 and scans * pixels > MAX_SCANNED_PIXELS):
        raise ImageError(
            f'{what} is a JPEG of {scans} scans or more, {frame.width} x {frame.height} px; at '
            f'most {MAX_SCANS} are accepted, and {MAX_SCANNED_PIXELS:,} pixels in all: save it '
            'as a baseline JPEG'
        )


def _check_decoded(size: int, what: str) -> None:
    if size > MAX_DECODED_BYTES:
        raise ImageError(
            f'{what} takes {size:,} bytes to decode; at most {MAX_DECODED_BYTES:,} are accepted: '
            'scale it down'
        )


def _cut_off(what: str) -> ImageError:
    return ImageError(f'{what} is cut off; give a whole JPEG or PNG')
