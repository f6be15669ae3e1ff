# SPDX-License-Identifier: Apache-2.0
from setuptools import find_packages, setup

package_name = 'sam_common'

setup(
    name=package_name,
    version='0.1.0',
    packages=find_packages(exclude=['test', 'test.*']),
    data_files=[
        ('share/ament_index/resource_index/packages', [f'resource/{package_name}']),
        (f'share/{package_name}', ['package.xml']),
    ],
    install_requires=['setuptools', 'numpy', 'scipy', 'PyYAML'],
    extras_require={'test': ['pytest', 'pytest-timeout', 'hypothesis']},
    zip_safe=True,
    maintainer='Maintainers of the SAM ROS 2 suite',
    maintainer_email='sam-ros-suite@users.noreply.github.com',
    description='What the packages of the SAM suite share: images, cameras, stamps, nodes.',
    license='Apache-2.0',
)
