# SPDX-License-Identifier: Apache-2.0
"""Which kind of video a path is."""

from __future__ import annotations

from pathlib import Path

from sam_common.files import FileError, check_ordinary
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
        A folder with a metadata.yaml or one .mcap or .db3 file in it counts as a bag, and so
        does such a file.
    topic : str
        Of a bag; empty: its only one with colour images.

    Raises
    ------
    InputError
        If there is nothing, or nothing that can be read.

    """
    try:
        if not path.exists():
            raise InputError(f'{path} does not exist; give a video, a folder of images, or a bag')
        is_folder = path.is_dir()
        if not is_folder:
            check_ordinary(path)
        bag_path = _bag_in(path) if is_folder else path if path.suffix in bag.SUFFIXES else None
        if topic and bag_path is None:
            raise InputError(f'{path} is no bag, so it has no topic {topic!r}; leave --topic out')
        if bag_path is not None:
            return Bag(bag_path, topic)
        if is_folder:
            return ImageFolder(path)
        if path.suffix.lower() in image_folder.SUFFIXES:
            raise InputError(f'{path} is a single image; give the folder that holds the frames')
        return VideoFile(path)
    except FileError as error:
        raise InputError(str(error)) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, 'strerror', None) or error
        raise InputError(f'{path} cannot be read: {reason}') from error


def _bag_in(folder: Path) -> Path | None:
    """Return the bag that a folder is, or the only one that lies in it without its metadata."""
    if (folder / bag.METADATA).is_file():
        return folder
    found = sorted(file for file in folder.iterdir() if file.suffix in bag.SUFFIXES)
    if len(found) > 1:
        raise InputError(
            f'{folder} holds {len(found)} files of bags but no {bag.METADATA}; write it by '
            '`ros2 bag reindex`, or give one of the files'
        )
    return found[0] if found else None
