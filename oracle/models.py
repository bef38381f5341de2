"""DeepFace's own network definitions with their weights filled from a seed and saved as the .h5 files DeepFace reads.

Importing this module imports deepface; set TF_USE_LEGACY_KERAS and DEEPFACE_HOME before (see environment.py).
"""

import os

import numpy as np
import tensorflow as tf
from deepface import DeepFace  # noqa: F401  (first: its modules import each other in a circle)
from deepface.commons import weight_utils
from deepface.models.facial_recognition import ArcFace, Facenet, VGGFace
from retinaface.model import retinaface_model

import seeded

# (file, gain of the kernels' variance): where ReLUs stand in a chain, or residual branches are scaled down, a gain of 1
# lets the picture fade until every face has the same vector, and a comparison would show nothing.
FILES = {
    "arcface": ("arcface_weights.h5", 1.0),
    "retinaface": ("retinaface.h5", 1.0),
    "facenet512": ("facenet512_weights.h5", 2.0),
    "vggface": ("vgg_face_weights.h5", 2.0),
}
# RetinaFace's heads: random kernels of full size would throw boxes and landmarks far outside the photo.
HEAD_SCALE = {"face_rpn_bbox_pred": 0.02, "face_rpn_landmark_pred": 0.02, "face_rpn_cls_score": 0.2}


def build(name: str):
    """The network as DeepFace builds it, with the weight loader replaced: initial weights, Keras' default layer names."""
    download, load = weight_utils.download_weights_if_necessary, weight_utils.load_model_weights
    retina_load = retinaface_model.load_weights
    weight_utils.download_weights_if_necessary = lambda **_: None
    weight_utils.load_model_weights = lambda model, weight_file: model
    retinaface_model.load_weights = lambda model: model
    tf.keras.backend.clear_session()
    try:
        if name == "arcface":
            return ArcFace.load_model()
        if name == "facenet512":
            return Facenet.load_facenet512d_model()
        if name == "vggface":
            return VGGFace.base_model()
        return retinaface_model.build_model()
    finally:
        weight_utils.download_weights_if_necessary, weight_utils.load_model_weights = download, load
        retinaface_model.load_weights = retina_load


def fill(model, name: str, seed: int, score_shift: float = 0.0) -> None:
    """Every weight from the seed; score_shift is added to the "face" half of RetinaFace's score biases."""
    gain = FILES[name][1]
    for layer in model.layers:
        values = []
        for weight in layer.weights:
            kind = weight.name.split("/")[-1].split(":")[0]
            value = seeded.tensor(seed, name, layer.name, kind, tuple(weight.shape), gain)
            for head, scale in HEAD_SCALE.items():
                if layer.name.startswith(head) and kind == "kernel":
                    value = (value.astype(np.float64) * scale).astype(np.float32)
            if layer.name.startswith("face_rpn_cls_score") and kind == "bias":
                value[2:] += np.float32(score_shift)
            values.append(value)
        if values:
            layer.set_weights(values)


def save(model, name: str, folder: str) -> str:
    """The layout of DeepFace's own weight files (Keras 2 HDF5)."""
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, FILES[name][0])
    model.save_weights(path, save_format="h5")
    return path
