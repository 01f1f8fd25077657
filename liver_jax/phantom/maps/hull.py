"""Smooth convex outlines of a body, slice by slice, from what is known to lie inside.

A convex region is the intersection of half-planes: its support function h(angle) is how far it
reaches in each direction n(angle), and max over the angles of (n . p - h) is the signed distance of
a point p, negative inside. Smoothing a support function along the body leaves every slice convex.
"""

import numpy as np
import scipy.ndimage

_DIRECTIONS = 96
_ROUND = 3.0  # SD of the smoothing over directions, which rounds corners
ANGLES = np.linspace(0.0, 2 * np.pi, _DIRECTIONS, endpoint=False)
_NORMALS = np.stack([np.cos(ANGLES), np.sin(ANGLES)])  # 0 is right, pi / 2 is front


def support(mask: np.ndarray, x_mm: np.ndarray, y_mm: np.ndarray) -> np.ndarray:
    """How far a mask reaches in each direction.

    Args:
        mask: bool [z, x, y].
        x_mm: Voxel centres along x.
        y_mm: Along y.

    Returns:
        float [z, angle] in mm; -inf where a slice of the mask is empty.
    """
    reach = np.full((len(mask), _DIRECTIONS), -np.inf)
    # A row's ends suffice: no point between them reaches further.
    first = mask.argmax(axis=2)
    last = mask.shape[2] - 1 - mask[:, :, ::-1].argmax(axis=2)
    filled = mask.any(axis=2)
    for k in np.flatnonzero(filled.any(axis=1)):
        rows = np.flatnonzero(filled[k])
        x = np.concatenate([x_mm[rows]] * 2)
        y = y_mm[np.concatenate([first[k, rows], last[k, rows]])]
        reach[k] = (np.stack([x, y], axis=1) @ _NORMALS).max(axis=0)
    return reach


def smoothed(reach: np.ndarray, step_mm: float, sigma_mm: float) -> np.ndarray:
    """A support function that varies smoothly from slice to slice and holds what it held.

    Args:
        reach: float [z, angle]; at least one slice is not empty.
        step_mm: Between slices.
        sigma_mm: Of the Gaussian along z.

    Returns:
        float [z, angle]; empty slices take after their neighbours.
    """
    known = np.isfinite(reach[:, 0])
    heights = np.arange(len(reach))
    filled = np.stack(
        [np.interp(heights, heights[known], column[known]) for column in reach.T], axis=1
    )
    widest = scipy.ndimage.maximum_filter1d(
        filled, 1 + 2 * round(0.75 * sigma_mm / step_mm), axis=0, mode="nearest"
    )
    along_z = scipy.ndimage.gaussian_filter1d(widest, sigma_mm / step_mm, axis=0, mode="nearest")
    return scipy.ndimage.gaussian_filter1d(along_z, _ROUND, axis=1, mode="wrap")


def rounded(reach: np.ndarray) -> np.ndarray:
    """Fills the corners of an outline half way to the ellipse that is as wide and as deep.

    Args:
        reach: float [z, angle].

    Returns:
        float [z, angle]; nowhere less than before.
    """
    right, front, left, back = (reach[:, k * _DIRECTIONS // 4, None] for k in range(4))
    across, along = _NORMALS[:, None]
    middle = (right - left) / 2 * across + (front - back) / 2 * along
    ellipse = middle + np.hypot((right + left) / 2 * across, (front + back) / 2 * along)
    return (reach + np.maximum(reach, ellipse)) / 2


def distance_mm(reach: np.ndarray, x_mm: np.ndarray, y_mm: np.ndarray) -> np.ndarray:
    """The signed distance to the outline in each slice's plane, negative inside.

    Args:
        reach: float [z, angle].
        x_mm: Where to measure it, along x.
        y_mm: Along y.

    Returns:
        float32 [z, x, y].
    """
    along = (
        _NORMALS[0].astype(np.float32)[:, None, None] * x_mm.astype(np.float32)[None, :, None]
        + _NORMALS[1].astype(np.float32)[:, None, None] * y_mm.astype(np.float32)[None, None, :]
    )
    distance = np.full((len(reach), len(x_mm), len(y_mm)), -np.inf, np.float32)
    for k, row in enumerate(reach.astype(np.float32)):
        for plane, h in zip(along, row, strict=True):
            np.maximum(distance[k], plane - h, out=distance[k])
    return distance
