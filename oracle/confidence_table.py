"""DeepFace's thresholds and confidences: python oracle/confidence_table.py --out FILE"""

import argparse
import json

import environment  # noqa: F401  (first)
from deepface import DeepFace  # noqa: F401  (first: its modules import each other in a circle)
from deepface.config.threshold import thresholds
from deepface.modules.verification import find_confidence, find_threshold

METRICS = ("cosine", "euclidean", "euclidean_l2", "angular")
# Parts of the threshold at which a confidence is asked for: around it, far below, far above.
PARTS = (0.0, 0.05, 0.3, 0.6, 0.9, 0.999, 1.0, 1.001, 1.1, 1.4, 2.0, 5.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", required=True)
    table = []
    for model in thresholds:
        for metric in METRICS:
            threshold = find_threshold(model, metric)
            distances = [round(part * threshold, 6) for part in PARTS]
            confidences = [find_confidence(d, model, metric, d <= threshold) for d in distances]
            table.append({"model": model, "metric": metric, "threshold": threshold, "distances": distances, "confidences": confidences})
    with open(parser.parse_args().out, "w", encoding="utf8") as handle:
        json.dump(table, handle)


if __name__ == "__main__":
    main()
