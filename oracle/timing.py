"""Times real DeepFace: python oracle/timing.py --photo FILE [--rows N] [--repeat N]; prints one JSON object.

Weights are seeded (RetinaFace's scores calibrated to the photo, see README.md) and left in KITH_ORACLE_HOME, so that
bench/deepface-speed.ts runs on the same files. The datastore is random vectors in DeepFace's own layout.
"""

import argparse
import json
import os
import pickle
import resource
import statistics
import time

import environment  # noqa: F401  (first)
import numpy as np
from deepface import DeepFace
from deepface.modules import modeling, representation
from retinaface import RetinaFace

import models
from references import STRIDES, calibrate, make_weights, retinaface_network

DATASTORE = "ds_model_arcface_detector_retinaface_aligned_normalization_base_expand_0.pkl"


def prepare(photo: str, seed: int, anchors: int) -> None:
    """Weights in KITH_ORACLE_HOME whose detector finds a handful of faces in this photo."""
    make_weights(seed, ["arcface", "retinaface"])
    shifts = calibrate(retinaface_network(), photo, True, anchors)
    model = models.build("retinaface")
    models.fill(model, "retinaface", seed)
    for stride, shift in zip(STRIDES, shifts):
        layer = model.get_layer(f"face_rpn_cls_score_stride{stride}")
        kernel, bias = layer.get_weights()
        bias[2:] += np.float32(shift)
        layer.set_weights([kernel, bias])
    models.save(model, "retinaface", environment.weights_folder())


def write_datastore(folder: str, rows: int) -> None:
    os.makedirs(folder, exist_ok=True)
    rng = np.random.Generator(np.random.PCG64(1))
    entries = [
        {
            "identity": os.path.join(folder, f"Person {i % 2625}", f"{i}.jpg"),
            "hash": f"{i:040x}",
            "embedding": rng.standard_normal(512).tolist(),
            "target_x": 1,
            "target_y": 2,
            "target_w": 90,
            "target_h": 110,
        }
        for i in range(rows)
    ]
    with open(os.path.join(folder, DATASTORE), "wb") as handle:
        pickle.dump(entries, handle, pickle.HIGHEST_PROTOCOL)


def median(work, repeat: int) -> float:
    """Milliseconds, the median of several runs after one that warms up."""
    work()
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        work()
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photo", required=True)
    parser.add_argument("--rows", type=int, default=23661)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--anchors", type=int, default=1)
    parser.add_argument("--prepare", action="store_true", help="only make the weights and the datastore")
    options = parser.parse_args()
    folder = os.path.join(environment.HOME, "storage", "domain")
    if options.prepare:
        prepare(options.photo, 1, options.anchors)
        write_datastore(folder, options.rows)
        return
    arcface = modeling.build_model(task="facial_recognition", model_name="ArcFace")
    retinaface = RetinaFace.build_model()
    face = np.random.Generator(np.random.PCG64(2)).random((1, 112, 112, 3), dtype=np.float32)
    image = np.zeros((1, 1024, 1024, 3), np.float32)
    find = {"detector_backend": "retinaface", "model_name": "ArcFace", "refresh_database": False, "silent": True, "enforce_detection": False}
    result = {
        "arcface": median(lambda: arcface.forward(face), options.repeat * 2),
        "retinaface1024": median(lambda: [o.numpy() for o in retinaface(image)], options.repeat),
        "represent": median(lambda: DeepFace.represent(options.photo, model_name="ArcFace", detector_backend="retinaface", enforce_detection=False), options.repeat),
        "find": median(lambda: DeepFace.find(options.photo, db_path=folder, **find), max(2, options.repeat // 2)),
        "faces": len(representation.represent(options.photo, model_name="ArcFace", detector_backend="retinaface", enforce_detection=False)),
        "peakMegabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
