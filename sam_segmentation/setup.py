# SPDX-License-Identifier: Apache-2.0
from setuptools import find_packages, setup

package_name = 'sam_segmentation'

setup(
    name=package_name,
    version='0.1.0',
    packages=find_packages(exclude=['test', 'test.*']),
    package_data={'sam_segmentation.models.grabcut': ['ranking.json']},
    data_files=[
        ('share/ament_index/resource_index/packages', [f'resource/{package_name}']),
        (f'share/{package_name}', ['package.xml']),
    ],
    # The models' own code (torch, segment-anything, sam2) is optional here: GrabCut, the default
    # model, needs none of it, and each backend names what it lacks when it is made.
    install_requires=['setuptools', 'numpy', 'Pillow', 'PyYAML', 'rosbags', 'tqdm'],
    extras_require={
        'sam': ['torch', 'torchvision', 'segment-anything==1.0', 'sam2==1.1.0'],
        'test': ['pytest', 'pytest-timeout', 'hypothesis'],
    },
    zip_safe=True,
    maintainer='Maintainers of the SAM ROS 2 suite',
    maintainer_email='sam-ros-suite@users.noreply.github.com',
    description='Promptable segmentation with SAM, SAM 2 and GrabCut.',
    license='Apache-2.0',
    entry_points={
        'console_scripts': [
            'sam_node = sam_segmentation.ros.sam_node:main',
            'download = sam_segmentation.models.download:main',
            'track_video = sam_segmentation.offline.track_video:main',
        ],
    },
)
