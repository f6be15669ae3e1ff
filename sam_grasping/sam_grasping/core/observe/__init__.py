# SPDX-License-Identifier: Apache-2.0
"""From a depth image and a mask to points, surfaces and obstacles."""
