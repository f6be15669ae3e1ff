# SPDX-License-Identifier: Apache-2.0
"""Scenes: shapes, meshes, textures, a table."""
