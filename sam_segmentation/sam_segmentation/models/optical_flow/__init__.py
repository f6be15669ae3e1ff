# SPDX-License-Identifier: Apache-2.0
"""Tracking by optical flow, for models without a memory of their own."""
