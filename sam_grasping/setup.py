# SPDX-License-Identifier: Apache-2.0
from setuptools import find_packages, setup

package_name = 'sam_grasping'

setup(
    name=package_name,
    version='0.1.0',
    packages=find_packages(exclude=['test', 'test.*']),
    package_data={'sam_grasping.core.geometric': ['score.json']},
    data_files=[
        ('share/ament_index/resource_index/packages', [f'resource/{package_name}']),
        (f'share/{package_name}', ['package.xml']),
    ],
    install_requires=['setuptools', 'numpy', 'scipy'],
    extras_require={'test': ['pytest', 'pytest-timeout', 'hypothesis']},
    zip_safe=True,
    maintainer='Maintainers of the SAM ROS 2 suite',
    maintainer_email='sam-ros-suite@users.noreply.github.com',
    description='From mask and depth to ranked grasps of a parallel-jaw gripper.',
    license='Apache-2.0',
    entry_points={'console_scripts': ['grasp_node = sam_grasping.ros.grasp_node:main']},
)
