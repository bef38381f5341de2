"""Times real DeepFace for bench/deepface-speed.ts: python oracle/timing.py --photo FILE [--prepare] [--rows N]

Weights are seeded (RetinaFace's scores calibrated to the photo, see README.md) and left in KITH_ORACLE_HOME, so that
bench/deepface-speed.ts runs on the same files. The datastore is random vectors in DeepFace's own layout.
"""

import argparse
import os
import pickle
import resource
import sys
import time

import environment  # noqa: F401  (first)
import cv2
import numpy as np
from deepface import DeepFace
from deepface.modules import modeling

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


def memory_peak() -> float:
    """The largest resident memory of this process so far, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def tasks(photo: str, folder: str) -> dict:
    """What can be timed, by name; each works on what the one before it has loaded."""
    options = {"model_name": "ArcFace", "detector_backend": "retinaface", "enforce_detection": False}
    arcface = modeling.build_model(task="facial_recognition", model_name="ArcFace")
    face = np.random.Generator(np.random.PCG64(2)).random((1, 112, 112, 3), dtype=np.float32)
    image = cv2.imread(photo)
    height, width = image.shape[0] // 2, image.shape[1] // 2
    bordered = cv2.copyMakeBorder(image, height, height, width, width, cv2.BORDER_CONSTANT, value=[0, 0, 0])
    detector = modeling.build_model(task="face_detector", model_name="retinaface")
    return {
        "arcface": lambda: arcface.forward(face),
        "retinaface": lambda: detector.detect_faces(bordered),
        "represent": lambda: DeepFace.represent(photo, **options),
        "find": lambda: DeepFace.find(photo, db_path=folder, refresh_database=False, silent=True, **options),
    }


def serve(photo: str, folder: str) -> None:
    """Reads a task's name a line, answers its milliseconds and those of processor time; "memory" answers the peak. bench/deepface-speed.ts takes turns with it."""
    known = tasks(photo, folder)
    print("ready", flush=True)
    for line in sys.stdin:
        name = line.strip()
        if name == "memory":
            print(memory_peak(), 0, flush=True)
            continue
        start, busy = time.perf_counter(), time.process_time()
        known[name]()
        print(1000 * (time.perf_counter() - start), 1000 * (time.process_time() - busy), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photo", required=True)
    parser.add_argument("--rows", type=int, default=23661)
    parser.add_argument("--anchors", type=int, default=1)
    parser.add_argument("--prepare", action="store_true", help="make the weights and the datastore")
    options = parser.parse_args()
    folder = os.path.join(environment.HOME, "storage", "domain")
    if options.prepare:
        prepare(options.photo, 1, options.anchors)
        write_datastore(folder, options.rows)
    else:
        serve(options.photo, folder)


if __name__ == "__main__":
    main()
