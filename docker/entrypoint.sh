#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs a command in the workspace. `docker exec` and health checks do not pass the image's
# entry point: name it there.
set -e
# Its setup.bash sources the ROS 2 that it was built on, too.
source /opt/sam/install/setup.bash
exec "$@"
