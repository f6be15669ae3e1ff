# SPDX-License-Identifier: Apache-2.0
"""SAM 2 and SAM 2.1 on images and on live video."""
