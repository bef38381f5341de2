"""Weights from a seed, the same bits here and in TypeScript (test/support/seeded-weights.ts).

Every number is four 16-bit uniforms from two counter-based 32-bit hashes, added and scaled: integers, one subtraction,
exact powers of two and two float64 products, so no library function can round differently on the two sides.
"""

import math

import numpy as np

SQRT3 = 1.7320508075688772


def fnv1a(text: str) -> int:
    """32-bit FNV-1a of the text's UTF-8 bytes: the stream's own start."""
    value = 0x811C9DC5
    for byte in text.encode():
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return value


def mix(x: np.ndarray) -> np.ndarray:
    """The "lowbias32" integer hash of uint32 counters."""
    x = x ^ (x >> np.uint32(16))
    x = x * np.uint32(0x7FEB352D)
    x = x ^ (x >> np.uint32(15))
    x = x * np.uint32(0x846CA68B)
    return x ^ (x >> np.uint32(16))


def normal(key: str, count: int) -> np.ndarray:
    """count float64 values, mean 0, variance 1, of the stream named by the key."""
    start = np.uint32(fnv1a(key))
    counters = np.arange(count, dtype=np.uint32) * np.uint32(2) * np.uint32(0x9E3779B9) + start
    first = mix(counters)
    second = mix(counters + np.uint32(0x9E3779B9))
    low = np.uint32(0xFFFF)
    total = ((first & low) + (first >> np.uint32(16)) + (second & low) + (second >> np.uint32(16))).astype(np.float64)
    return (total - 131070.0) / 65536.0 * SQRT3


def tensor(seed: int, model: str, layer: str, kind: str, shape: tuple, gain: float = 1.0) -> np.ndarray:
    """One weight of a layer. kind is Keras' own word (kernel, bias, gamma, beta, moving_mean, …); gain scales a kernel's variance."""
    values = normal(f"{seed}/{model}/{layer}/{kind}", math.prod(shape))
    if kind == "kernel":
        fan_in = math.prod(shape[:-1])
        values = values * math.sqrt(gain / fan_in)
    elif kind == "gamma":
        values = 1.0 + 0.1 * values
    elif kind == "moving_variance":
        values = 1.0 + 0.2 * np.abs(values)
    elif kind == "alpha":
        values = 0.25 + 0.05 * values
    elif kind in ("bias", "beta", "moving_mean"):
        values = 0.1 * values
    else:
        raise ValueError(f"unknown kind of weight: {kind}")
    return values.reshape(shape).astype(np.float32)
