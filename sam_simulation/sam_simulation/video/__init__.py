# SPDX-License-Identifier: Apache-2.0
"""Videos: what moves where, and when."""
