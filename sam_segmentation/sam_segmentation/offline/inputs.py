# SPDX-License-Identifier: Apache-2.0
"""Which kind of video a path is."""

from __future__ import annotations

from pathlib import Path

from sam_segmentation.offline import bag, image_folder
from sam_segmentation.offline.bag import Bag
from sam_segmentation.offline.errors import InputError
from sam_segmentation.offline.frame_source import FrameSource
from sam_segmentation.offline.image_folder import ImageFolder
from sam_segmentation.offline.video_file import VideoFile


def open_input(path: Path, *, topic: str = '') -> FrameSource:
    """Open a video file, a folder of images, or a bag.

    Parameters
    ----------
    path : path
        A folder with a metadata.yaml and .mcap or .db3 files count as bags.
    topic : str
        Of a bag; empty: its only one with colour images.

    Raises
    ------
    InputError
        If there is nothing, or nothing that can be read.

    """
    if not path.exists():
        raise InputError(f'{path} does not exist; give a video, a folder of images, or a bag')
    is_bag = path.suffix in bag.SUFFIXES or (path / bag.METADATA).is_file()
    if topic and not is_bag:
        raise InputError(f'{path} is no bag, so it has no topic {topic!r}; leave --topic out')
    try:
        if is_bag:
            return Bag(path, topic)
        if path.is_dir():
            return ImageFolder(path)
        if path.suffix.lower() in image_folder.SUFFIXES:
            raise InputError(f'{path} is a single image; give the folder that holds the frames')
        return VideoFile(path)
    except OSError as error:
        raise InputError(f'{path} cannot be read: {error.strerror or error}') from error
