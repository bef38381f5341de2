"""Photos to run on: real ones by path, and drawn ones, which are made here and may be committed."""

import hashlib
import os

import cv2
import numpy as np

PACKAGE = "@vladmandic/face-api/demo"


def drawn(number: int, width: int, height: int) -> np.ndarray:
    """A picture of shapes on a soft ground, by its number: the same every time."""
    rng = np.random.Generator(np.random.PCG64(number))
    y, x = np.mgrid[0:height, 0:width]
    image = np.empty((height, width, 3), np.uint8)
    for channel in range(3):
        a, b, c = rng.integers(1, 5, 3)
        image[..., channel] = (x * a // 3 + y * b // 3 + 40 * c) % 200 // 8 * 8 + 20
    for _ in range(3):
        centre = (int(rng.integers(width // 5, 4 * width // 5)), int(rng.integers(height // 4, 3 * height // 4)))
        size = int(rng.integers(height // 8, height // 4))
        skin = tuple(int(v) for v in rng.integers(60, 250, 3))
        cv2.ellipse(image, centre, (size * 3 // 4, size), int(rng.integers(-30, 30)), 0, 360, skin, -1)
        for side in (-1, 1):
            eye = (centre[0] + side * size // 3, centre[1] - size // 4)
            cv2.circle(image, eye, max(2, size // 8), (250, 250, 250), -1)
            cv2.circle(image, eye, max(1, size // 16), (20, 20, 20), -1)
        cv2.line(image, (centre[0] - size // 4, centre[1] + size // 2), (centre[0] + size // 4, centre[1] + size // 2), (30, 30, 160), 3)
    return image


def write_drawn(folder: str) -> list[str]:
    """Three drawn photos as PNG (nothing is lost in them): landscape, portrait, and one small enough to be scaled up."""
    paths = []
    for number, (width, height) in enumerate([(640, 480), (300, 420), (90, 70)], start=1):
        path = os.path.join(folder, f"drawn{number}.png")
        cv2.imwrite(path, drawn(number, width, height), [cv2.IMWRITE_PNG_COMPRESSION, 9])
        paths.append(path)
    return paths


def name_of(path: str, folder: str) -> str:
    """How a reference names its photo: inside the package, beside the reference, or by its full path."""
    full = os.path.abspath(path)
    if PACKAGE in full:
        return f"npm:{full[full.index(PACKAGE):]}"
    if os.path.dirname(full) == os.path.abspath(folder):
        return os.path.basename(full)
    return full


def sha256(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()
