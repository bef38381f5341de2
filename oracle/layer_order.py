"""Prints src/inference/weights/keras-layer-order.ts: Keras' order of the layers that have weights, and their weights."""

import textwrap

import environment  # noqa: F401  (first)
import models

LETTERS = {"kernel": "k", "bias": "c", "gamma": "g", "beta": "b", "moving_mean": "m", "moving_variance": "v", "alpha": "a"}
CONSTANTS = {"arcface": "ARCFACE_ORDER", "retinaface": "RETINAFACE_ORDER", "facenet512": "FACENET_ORDER", "vggface": "VGGFACE_ORDER"}



def letters(layer) -> str:
    kinds = [LETTERS[w.name.split("/")[-1].split(":")[0]] for w in layer.weights]
    return "".join("d" if kind == "k" and type(layer).__name__ == "Dense" else kind for kind in kinds)


print(
    """/**
 * Keras' own order of the layers that have weights, printed by oracle/layer_order.py from DeepFace's models: the order
 * that `load_weights` goes by, which knows no names. After the colon the weights of a layer, in order:
 * k a convolution's kernel, d a dense kernel, c bias, g gamma, b beta, m moving mean,
 * v moving variance, a slope.
 */
const list = (text: string): readonly string[] => text.trim().split(/\\s+/);"""
)
for name, constant in CONSTANTS.items():
    entries = [layer.name + ":" + letters(layer) for layer in models.build(name).layers if layer.weights]
    lines = textwrap.fill(" ".join(entries), width=118, initial_indent="  ", subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
    print(f"\nexport const {constant} = list(`\n{lines}\n`);")
