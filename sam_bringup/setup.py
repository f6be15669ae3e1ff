# SPDX-License-Identifier: Apache-2.0
from glob import glob

from setuptools import find_packages, setup

package_name = 'sam_bringup'

setup(
    name=package_name,
    version='0.1.0',
    packages=find_packages(exclude=['test', 'test.*']),
    data_files=[
        ('share/ament_index/resource_index/packages', [f'resource/{package_name}']),
        (f'share/{package_name}', ['package.xml']),
        (f'share/{package_name}/launch', glob('launch/*')),
        (f'share/{package_name}/config', glob('config/*')),
        (f'share/{package_name}/bags/tabletop', glob('bags/tabletop/*')),
    ],
    install_requires=['setuptools', 'numpy', 'Pillow'],
    extras_require={'test': ['pytest']},
    zip_safe=True,
    maintainer='Maintainers of the SAM ROS 2 suite',
    maintainer_email='sam-ros-suite@users.noreply.github.com',
    description='Launch files, parameters and the demo of the SAM suite.',
    license='Apache-2.0',
    entry_points={'console_scripts': ['demo = sam_bringup.demo:main']},
)
