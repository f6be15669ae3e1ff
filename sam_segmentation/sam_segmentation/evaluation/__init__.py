# SPDX-License-Identifier: Apache-2.0
"""Masks and tracks compared with ground truth."""
