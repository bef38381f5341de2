"""References for InsightFace's geometry: OpenCV's resize and warpAffine, scikit-image's similarity transform.

    python -m venv venv && venv/bin/pip install numpy opencv-python-headless==4.11.0.86 scikit-image==0.26.0
    venv/bin/python oracle/insightface_crops.py > test/inference/insightface-reference.json

The picture is a formula that the test computes too, so nothing but numbers is stored.
"""

import json

import cv2
import numpy as np
from skimage.transform import SimilarityTransform

TEMPLATE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]],
    dtype=np.float64,
)
# Points of faces in the picture: upright and small, turned and large, reaching over the edge.
FACES = {
    "upright": [[100.5, 80.25], [130.0, 81.0], [115.0, 97.5], [103.0, 112.0], [127.5, 112.75]],
    "turned": [[60.0, 190.0], [140.0, 70.0], [150.0, 165.0], [125.0, 240.0], [185.0, 150.0]],
    "edge": [[-8.0, 20.0], [30.0, 12.0], [14.0, 38.0], [2.0, 60.0], [34.0, 54.0]],
}
SIZES = {"wide": (301, 200), "tall": (90, 277), "large": (1400, 933)}


def picture(width, height):
    y, x, c = np.mgrid[0:height, 0:width, 0:3]
    smooth = 96 + 70 * np.sin(x / 9.0 + c) + 60 * np.cos(y / 7.0 - c)
    return np.clip(np.floor(smooth), 0, 255).astype(np.uint8)


def summary(image):
    """Enough of an image to tell a wrong one: its corner, its middle, its sums."""
    height, width = image.shape[:2]
    rows = [0, height // 3, height // 2, height - 1]
    return {
        "size": [width, height],
        "sum": [int(image[:, :, c].astype(np.int64).sum()) for c in range(3)],
        "rows": [image[row, :: max(1, width // 16)].reshape(-1).tolist() for row in rows],
    }


def letterbox(image, side=640):
    height, width = image.shape[:2]
    ratio = height / width
    size = (int(side / ratio), side) if ratio > 1 else (side, int(side * ratio))
    return cv2.resize(image, size)


def main():
    face_picture = picture(220, 260)
    crops = {}
    for name, points in FACES.items():
        transform = SimilarityTransform.from_estimate(np.array(points), TEMPLATE)
        matrix = transform.params[0:2, :]
        crop = cv2.warpAffine(face_picture, matrix, (112, 112), borderValue=0.0)
        crops[name] = {"points": points, "matrix": matrix.reshape(-1).tolist(), "crop": summary(crop)}
    resized = {name: summary(letterbox(picture(*size))) for name, size in SIZES.items()}
    print(json.dumps({"opencv": cv2.__version__, "picture": [220, 260], "crops": crops,
                      "sizes": SIZES, "letterboxes": resized}))


main()
