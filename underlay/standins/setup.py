# SPDX-License-Identifier: Apache-2.0
"""Installs the stand-ins for the Python packages of ROS 2 that PyPI lacks.

Only for an environment without an installed ROS 2, see scripts/setup.sh; on a machine with ROS 2
these would shadow the real ones.
"""

import os
import sysconfig

from setuptools import Distribution, setup


class DistributionWithData(Distribution):
    """Carries its data files in an editable wheel too.

    setuptools asks `has_data()` there, but defines `has_data_files()` only.
    """

    def has_data(self) -> bool:
        """Tell whether the editable wheel shall carry data files."""
        return True


# Where the .pth file must go, as data files' folders are given: from the environment's root.
site_packages = os.path.relpath(sysconfig.get_path('purelib'), sysconfig.get_path('data'))

setup(
    distclass=DistributionWithData,
    name='underlay-standins',
    version='0.1.0',
    description='cv_bridge, tf2_ros, ros2 and torchvision::nms where no ROS 2 is installed.',
    license='Apache-2.0',
    # The whole folder becomes one path entry: no import finder that slows each start of Python.
    package_dir={'': '.'},
    packages=['cv_bridge', 'ros2_standin', 'tf2_ros'],
    py_modules=['torchvision_nms', 'torchvision_nms_hook'],
    # A name that sorts after `__editable__...pth`, which makes the hook importable.
    data_files=[(site_packages, ['torchvision_nms_hook.pth'])],
    python_requires='>=3.10',
    install_requires=[
        'numpy',
        'opencv-python-headless',
        'PyYAML',
        'rosbags>=0.11,<0.12',
        'scipy',
    ],
    entry_points={'console_scripts': ['ros2 = ros2_standin.cli:main']},
)
