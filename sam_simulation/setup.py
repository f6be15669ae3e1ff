# SPDX-License-Identifier: Apache-2.0
from setuptools import find_packages, setup

package_name = 'sam_simulation'

setup(
    name=package_name,
    version='0.1.0',
    packages=find_packages(exclude=['test', 'test.*']),
    data_files=[
        ('share/ament_index/resource_index/packages', [f'resource/{package_name}']),
        (f'share/{package_name}', ['package.xml']),
    ],
    install_requires=['setuptools', 'numpy', 'mujoco', 'rosbags', 'tqdm'],
    extras_require={'test': ['pytest', 'pytest-timeout']},
    zip_safe=True,
    maintainer='Maintainers of the SAM ROS 2 suite',
    maintainer_email='sam-ros-suite@users.noreply.github.com',
    description='A simulated tabletop with ground truth: RGB-D camera, recorder, judge of grasps.',
    license='Apache-2.0',
    entry_points={
        'console_scripts': [
            'camera_node = sam_simulation.ros.camera_node:main',
            'record = sam_simulation.ros.record:main',
        ],
    },
)
