"""Quadratic models of many pictures at every level, as products of matrices."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from triptych.descriptors.batched.linear import Matrix, filtering, resizing, symmetric
from triptych.descriptors.polynomial import DUAL, WEIGHT, WEIGHT_X, WEIGHT_XX
from triptych.descriptors.pyramid import Pyramid


@dataclass(frozen=True)
class _Axis:
    """From the full picture to a level's coefficients: plain, of x or y, of its square."""

    plain: Tensor
    first: Tensor
    second: Tensor


def _axis(level: Matrix, device: torch.device) -> _Axis:
    size = len(level)
    plain = filtering(symmetric(WEIGHT), size, "edge")
    first = filtering(symmetric(WEIGHT_X, -1), size, "edge") * float(DUAL[0])
    square = filtering(symmetric(WEIGHT_XX), size, "edge")
    second = plain * float(DUAL[1]) + square * float(DUAL[2])
    found = (torch.from_numpy(part @ level).float().to(device) for part in (plain, first, second))
    return _Axis(*found)


class Expansion:
    """``Pyramid.models`` of many pictures of one size.

    A level's picture is the full one blurred and made smaller, and its models are filters of that:
    all of it is one matrix for rows and one for columns.
    """

    def __init__(self, pyramid: Pyramid, device: torch.device) -> None:
        self._down: list[_Axis] = []
        self._along: list[_Axis] = []
        for (reach, sigma), (height, width) in zip(pyramid.blurs, pyramid.sizes, strict=True):
            taps = np.asarray(cv2.getGaussianKernel(reach, sigma), np.float64).ravel()
            for axes, full, size in (
                (self._down, pyramid.height, height),
                (self._along, pyramid.width, width),
            ):
                level = resizing(full, size) @ filtering(taps, full, "mirror")
                axes.append(_axis(level, device))
        # The mixed term is the product of two first ones, each of which has their factor in it.
        self._mixed = float(DUAL[3] / DUAL[0] ** 2)

    def models(self, pictures: Tensor) -> list[Tensor]:
        """Of pictures (n, H, W), uint8, the models at each level, (5, n, h, w).

        In the order y, x, y^2, x^2, xy.
        """
        full = pictures.float()
        found = []
        for down, along in zip(self._down, self._along, strict=True):
            plain, first, second = (
                torch.bmm(part.expand(len(full), -1, -1), full)
                for part in (down.plain, down.first, down.second)
            )
            size = (5, *plain.shape[:2], len(along.plain))
            out = torch.empty(size, dtype=full.dtype, device=full.device)
            torch.matmul(first, along.plain.T, out=out[0])
            torch.matmul(plain, along.first.T, out=out[1])
            torch.matmul(second, along.plain.T, out=out[2])
            torch.matmul(plain, along.second.T, out=out[3])
            torch.matmul(first, along.first.T, out=out[4])
            out[4] *= self._mixed
            found.append(out)
        return found
