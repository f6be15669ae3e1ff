# SPDX-License-Identifier: Apache-2.0
"""RVL data of depth images, made plainly, nibble after nibble."""

import struct


def encode_rvl(image):
    """Return an image, uint16 (H, W), as RVL data."""
    nibbles, values, begin, before = [], image.ravel().tolist(), 0, 0

    def put(number):
        while number > 7:
            nibbles.append(8 | number & 7)
            number >>= 3
        nibbles.append(number)

    while begin < len(values):
        first = next((i for i in range(begin, len(values)) if values[i]), len(values))
        last = next((i for i in range(first, len(values)) if not values[i]), len(values))
        put(first - begin)
        put(last - first)
        for value in values[first:last]:
            step = value - before
            put(2 * step if step >= 0 else -2 * step - 1)
            before = value
        begin = last
    nibbles += [0] * (-len(nibbles) % 8)
    words = (nibbles[at : at + 8] for at in range(0, len(nibbles), 8))
    return b''.join(
        struct.pack('<I', int(''.join(f'{nibble:x}' for nibble in word), 16)) for word in words
    )
