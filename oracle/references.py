"""Makes reference files from real DeepFace: python oracle/references.py --out DIR [--seed N] [--photos FILE …] [--full]

DIR gets one JSON file a photo, meta.json, and the drawn photos. See README.md for what is in them.
"""

import argparse
import json
import os

import environment  # noqa: F401  (first)
import cv2
import numpy as np
import tensorflow as tf
from deepface import DeepFace
from deepface.modules import modeling, representation

import models
import photos
from recorder import recording
from summaries import summary, vector

STRIDES = (32, 16, 8)
LOGIT_OF_THRESHOLD = float(np.log(0.9 / 0.1))
# Of a side path the first faces are enough; a committed file stays small.
SIDE_FACES = 3
NORMALIZATIONS = ("base", "raw", "Facenet", "Facenet2018", "VGGFace", "VGGFace2", "ArcFace")


def make_weights(seed: int, names) -> None:
    for name in names:
        model = models.build(name)
        models.fill(model, name, seed)
        models.save(model, name, environment.weights_folder())
    tf.keras.backend.clear_session()


def retinaface_network():
    """The Keras model under the detector that DeepFace keeps."""
    return modeling.build_model(task="face_detector", model_name="retinaface").model.python_function


def shift_for(logits: np.ndarray, wanted: int) -> float:
    """What to add to the "face" scores of one stride so that about `wanted` anchors pass, none of them close to the edge or to each other."""
    best = np.sort(logits.ravel())[::-1][: wanted + 1]
    gaps = best[:-1] - best[1:]
    apart = int(np.argmax(gaps < 2e-3)) if (gaps < 2e-3).any() else len(gaps)
    if apart == 0:
        return -100.0
    cut = int(np.argmax(gaps[:apart][min(1, apart - 1):])) + min(1, apart - 1)
    return float(np.float32(LOGIT_OF_THRESHOLD - (best[cut] + best[cut + 1]) / 2))


def calibrate(network, path: str, align: bool, wanted: int) -> list[float]:
    """Sets the score biases for this photo; random scores know nothing of faces, so each photo gets its own."""
    biases = [network.get_layer(f"face_rpn_cls_score_stride{s}") for s in STRIDES]
    base = [layer.get_weights() for layer in biases]
    with recording() as record:
        DeepFace.extract_faces(path, detector_backend="retinaface", enforce_detection=False, align=align)
    outputs = record.stages["outputs"][0]
    shifts = []
    for i, (layer, (kernel, bias)) in enumerate(zip(biases, base)):
        probability = outputs[3 * i][..., 2:].astype(np.float64)
        shift = shift_for(np.log(probability / (1 - probability)), wanted)
        moved = bias.copy()
        moved[2:] += np.float32(shift)
        layer.set_weights([kernel, moved])
        shifts.append(shift)
    return shifts


def restore(network, seed: int) -> None:
    models.fill(network, "retinaface", seed)


def detector_stages(record, key: str) -> dict:
    tensor, _, scale = record.stages["tensor"][0]
    outputs = record.stages["outputs"][0]
    names = [f"{kind}{stride}" for stride in STRIDES for kind in ("score", "box", "landmark")]
    detections = record.stages["detections"][0]
    return {
        "decoded": summary(f"{key}/decoded", record.stages["decoded"][0]),
        "bordered": summary(f"{key}/bordered", record.stages["bordered"][0]),
        "tensor": {**summary(f"{key}/tensor", tensor), "scale": float(scale)},
        "outputs": {n: summary(f"{key}/{n}", o) for n, o in zip(names, outputs)},
        "detections": [
            {
                "score": float(d["score"]),
                "area": [int(v) for v in d["facial_area"]],
                "landmarks": {k: [float(c) for c in v] for k, v in d["landmarks"].items()},
            }
            for d in detections.values()
        ],
    }


def face_stages(record, key: str) -> list[dict]:
    faces = []
    for i, crop in enumerate(record.stages["face"]):
        face = {"crop": summary(f"{key}/crop{i}", crop, 48) if crop.size else None}
        if "projected" in record.stages:
            face["angle"] = float(record.stages["aligned"][i][1])
            face["projected"] = [int(v) for v in record.stages["projected"][i]]
        faces.append(face)
    kept = [face for face in faces if face["crop"] is not None]
    for i, face in enumerate(kept):
        face["letterboxed"] = summary(f"{key}/letterboxed{i}", record.stages["letterboxed"][i], 48)
    return faces


def as_result(result: dict) -> dict:
    area = {k: (list(map(int, v)) if isinstance(v, (tuple, list)) else None if v is None else int(v)) for k, v in result["facial_area"].items()}
    return {"area": area, "confidence": float(result["face_confidence"]), "embedding": vector(result["embedding"])}


def represent(path, **options):
    defaults = {"model_name": "ArcFace", "detector_backend": "retinaface", "enforce_detection": False}
    with recording() as record:
        results = DeepFace.represent(path, **{**defaults, **options})
    return record, results


def legacy_find_query(path: str) -> list[str]:
    """The query vectors as find() of 0.0.94–0.0.100 makes them: the gallery is embedded in BGR, these in RGB (recognition.py, 0.0.100)."""
    faces = DeepFace.extract_faces(path, detector_backend="retinaface", enforce_detection=False)
    return [
        vector(representation.represent(face["face"], model_name="ArcFace", detector_backend="skip")[0]["embedding"])
        for face in faces
    ]


def dump(folder: str, key: str, record) -> None:
    """Every stage in full, for looking at a difference by hand; never committed."""
    os.makedirs(folder, exist_ok=True)
    arrays = {}
    for stage, values in record.stages.items():
        for i, value in enumerate(values):
            value = value[0] if isinstance(value, tuple) else value
            if isinstance(value, np.ndarray):
                arrays[f"{stage}{i}"] = value
    np.savez(os.path.join(folder, f"{key}.npz"), **arrays)


def variants_of(path: str, models_wanted) -> list[dict]:
    """The same photo by other settings; the first face of each is kept."""
    options = [{"normalization": n} for n in NORMALIZATIONS[1:]]
    options += [{"expand_percentage": 25}, {"detector_backend": "skip"}]
    options += [{"model_name": m} for m in models_wanted]
    options += [{"model_name": m, "normalization": n} for m, n in (("Facenet512", "Facenet2018"),) if m in models_wanted]
    found = []
    for option in options:
        _, results = represent(path, **option)
        if results:
            found.append({"options": option, "first": as_result(results[0])})
    return found


def reference_of(path: str, out: str, options, with_variants: bool) -> dict:
    network = retinaface_network()
    restore(network, options.seed)
    key = os.path.splitext(os.path.basename(path))[0]
    shifts = calibrate(network, path, True, options.anchors)
    record, results = represent(path)
    if options.full:
        dump(os.path.join(out, "full"), key, record)
    reference = {
        "photo": photos.name_of(path, out),
        "sha256": photos.sha256(path),
        "scoreShifts": shifts,
        **detector_stages(record, key),
        "faces": face_stages(record, key),
        "results": [as_result(r) for r in results],
        "legacyFind": legacy_find_query(path)[:SIDE_FACES],
        "variants": variants_of(path, options.others) if with_variants else [],
    }
    restore(network, options.seed)
    shifts = calibrate(network, path, False, options.anchors)
    record, results = represent(path, align=False)
    reference["unaligned"] = {"scoreShifts": shifts, "faces": len(results), "results": [as_result(r) for r in results[:SIDE_FACES]]}
    return reference


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--photos", nargs="*", default=[])
    parser.add_argument("--drawn", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--anchors", type=int, default=5, help="anchors a stride that pass, at most")
    parser.add_argument("--others", nargs="*", default=["Facenet512", "VGG-Face"], help="further recognition models")
    parser.add_argument("--variants", nargs="*", help="names of the photos that are also run by other settings and models; all unless given")
    parser.add_argument("--full", action="store_true", help="also every stage in full (photo content: never commit it)")
    options = parser.parse_args()
    os.makedirs(options.out, exist_ok=True)
    names = {"ArcFace": "arcface", "Facenet512": "facenet512", "VGG-Face": "vggface"}
    make_weights(options.seed, ["arcface", "retinaface", *(names[m] for m in options.others)])
    paths = (photos.write_drawn(options.out) if options.drawn else []) + options.photos
    files = []
    for path in paths:
        name = os.path.splitext(os.path.basename(path))[0]
        reference = reference_of(path, options.out, options, options.variants is None or name in options.variants)
        file = f"{name}.json"
        with open(os.path.join(options.out, file), "w", encoding="utf8") as handle:
            json.dump(reference, handle)
        files.append(file)
        print(f"{file}: {len(reference['results'])} faces", flush=True)
    meta = {
        "seed": options.seed,
        "files": files,
        "headScale": models.HEAD_SCALE,
        "gain": {name: gain for name, (_, gain) in models.FILES.items()},
        "versions": {"deepface": DeepFace.__version__, "opencv": cv2.__version__, "tensorflow": tf.__version__, "numpy": np.__version__},
    }
    with open(os.path.join(options.out, "meta.json"), "w", encoding="utf8") as handle:
        json.dump(meta, handle, indent=1)


if __name__ == "__main__":
    main()
