"""Whether DeepFace opens a datastore: python oracle/find.py DATASTORE.pkl PHOTO [--distance N]

Runs DeepFace.find as it is on the folder of the datastore, whose name tells model, detector and normalization, and
prints its answers as JSON. Weights: seeded ones in KITH_ORACLE_HOME (timing.py --prepare makes them).
"""

import argparse
import json
import os
import re

import environment  # noqa: F401  (first)
from deepface import DeepFace

NAME = re.compile(r"ds_model_(?P<model>.+)_detector_(?P<detector>.+)_(?P<aligned>aligned|unaligned)_normalization_(?P<normalization>.+)_expand_(?P<expand>\d+)\.pkl")
MODELS = {"arcface": "ArcFace", "facenet512": "Facenet512", "vggface": "VGG-Face"}
NORMALIZATIONS = {n.lower(): n for n in ("base", "raw", "Facenet", "Facenet2018", "VGGFace", "VGGFace2", "ArcFace")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("datastore")
    parser.add_argument("photo")
    parser.add_argument("--distance", type=float, default=None, help="threshold; DeepFace's own unless given")
    options = parser.parse_args()
    match = NAME.fullmatch(os.path.basename(options.datastore))
    if match is None:
        raise SystemExit(f"not the name of a datastore: {options.datastore}")
    answers = DeepFace.find(
        options.photo,
        db_path=os.path.dirname(os.path.abspath(options.datastore)),
        model_name=MODELS[match["model"]],
        detector_backend=match["detector"],
        align=match["aligned"] == "aligned",
        normalization=NORMALIZATIONS[match["normalization"]],
        expand_percentage=int(match["expand"]),
        threshold=options.distance,
        enforce_detection=False,
        refresh_database=False,
        silent=True,
    )
    print(json.dumps([answer.to_dict(orient="records") for answer in answers], default=str))


if __name__ == "__main__":
    main()
