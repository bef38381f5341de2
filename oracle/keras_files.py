"""Tiny weight files in every layout that Keras writes, for the reader's tests: python oracle/keras_files.py --out DIR

One small network with each kind of layer, filled from the seed (model name "tiny"), saved by tf_keras (Keras 2) and by
Keras 3. The same values are in every file.
"""

import argparse
import json
import os

import environment  # noqa: F401  (first)
import numpy as np

import seeded

SEED = 1


def network(keras, named: bool):
    layers = keras.layers

    def name(text):
        return {"name": text} if named else {}

    x = inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, use_bias=False, **name("stem"))(x)
    x = layers.BatchNormalization(**name("stem_bn"))(x)
    x = layers.PReLU(shared_axes=[1, 2], **name("stem_prelu"))(x)
    x = layers.Conv2D(5, 1, **name("wide"))(x)
    x = layers.BatchNormalization(scale=False, **name("wide_bn"))(x)
    x = layers.Flatten()(x)
    x = layers.Dense(6, **name("head"))(x)
    return keras.Model(inputs, x)


NAMES = ["stem", "stem_bn", "stem_prelu", "wide", "wide_bn", "head"]


def fill(model) -> None:
    weighted = [layer for layer in model.layers if layer.weights]
    for layer, name in zip(weighted, NAMES, strict=True):
        kinds = [w.name.split("/")[-1].split(":")[0] for w in layer.weights]
        layer.set_weights([seeded.tensor(SEED, "tiny", name, k, tuple(w.shape)) for k, w in zip(kinds, layer.weights)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", required=True)
    out = parser.parse_args().out
    os.makedirs(out, exist_ok=True)
    import keras
    import tf_keras

    for library, number in ((tf_keras, 2), (keras, 3)):
        for named in (True, False):
            library.backend.clear_session()
            model = network(library, named)
            fill(model)
            suffix = "" if named else "-unnamed"
            if number == 2:
                model.save_weights(os.path.join(out, f"keras2{suffix}.h5"), save_format="h5")
            model.save(os.path.join(out, f"keras{number}{suffix}-model.h5"))
            model.save_weights(os.path.join(out, f"keras{number}{suffix}.weights.h5"))
    with open(os.path.join(out, "meta.json"), "w", encoding="utf8") as handle:
        json.dump({"seed": SEED, "versions": {"tf_keras": tf_keras.__version__, "keras": keras.__version__, "numpy": np.__version__}}, handle)


if __name__ == "__main__":
    main()
