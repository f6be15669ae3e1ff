# SPDX-License-Identifier: Apache-2.0
"""Normals of points by principal components of their neighbours."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from sam_common.types import FloatArray, IntArray

NEIGHBOURS = 20
RADIUS_M = 0.01
# A curve of 2 cm is smoother than this, an edge is not; and how near a face is one's own [m].
ROUGH, OFF_M = 0.02, 0.0015
SAME_SIDE = 0.4


def estimate_normals(points: FloatArray, viewpoint: FloatArray) -> FloatArray:
    """Return unit normals (N, 3) of points (N, 3) [m], turned to the viewpoint (3,)."""
    towards = viewpoint - points
    towards /= np.linalg.norm(towards, axis=1, keepdims=True)
    if len(points) < 4:
        return towards
    distance, index = cKDTree(points).query(
        points, k=min(NEIGHBOURS, len(points)), distance_upper_bound=RADIUS_M
    )
    found = np.isfinite(distance)
    deviation = points[np.where(found, index, 0)] - points[:, None]
    # Near points count more, so that an edge turns the normals beside it less.
    weight = np.where(found, np.exp(-((distance / (0.6 * RADIUS_M)) ** 2)), 0.0)
    weight /= weight.sum(axis=1, keepdims=True)
    deviation -= np.einsum('nk,nki->ni', weight, deviation)[:, None]
    weighted = deviation * weight[..., None]
    values, vectors = np.linalg.eigh(weighted.transpose(0, 2, 1) @ deviation)
    normals = vectors[..., 0]
    # Neighbours in a line have no normal: take the way to the camera.
    line = values[:, 1] < 1e-3 * values[:, 2]
    normals = np.where(line[:, None], towards, normals)
    normals *= np.where((normals * towards).sum(axis=1) < 0, -1.0, 1.0)[:, None]
    roughness = values[:, 0] / np.maximum(values.sum(axis=1), 1e-12)
    return _sharpened(points, normals, roughness, np.where(found, index, -1))


def _sharpened(
    points: FloatArray, normals: FloatArray, roughness: FloatArray, index: IntArray
) -> FloatArray:
    """Return normals that an edge does not round: there, that of the flattest face it lies on.

    After the edge-preserving filter of Kuwahara et al. (1976), with surfaces for grey values.
    """
    rough = np.flatnonzero(roughness > ROUGH)
    if not len(rough):
        return normals
    near = np.where(index[rough] < 0, rough[:, None], index[rough])
    off = np.einsum('nki,nki->nk', points[rough, None] - points[near], normals[near])
    cost = roughness[near] + (off / OFF_M) ** 2 * ROUGH
    # The other side of a thin wall is not this one.
    cost[np.einsum('nki,ni->nk', normals[near], normals[rough]) < SAME_SIDE] = np.inf
    best = near[np.arange(len(rough)), cost.argmin(axis=1)]
    result = normals.copy()
    result[rough] = normals[best]
    return result
