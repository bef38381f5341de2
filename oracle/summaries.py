"""What a reference file holds of an array: never the whole of it, so that no photo can be put together again."""

import base64
import hashlib

import numpy as np

import seeded


def positions(key: str, size: int, count: int) -> np.ndarray:
    """count flat positions of an array, from the key alone (test/support/references.ts computes the same)."""
    start = np.uint32(seeded.fnv1a(key))
    hashes = seeded.mix(np.arange(count, dtype=np.uint32) * np.uint32(0x9E3779B9) + start)
    return (hashes.astype(np.uint64) * np.uint64(size)) >> np.uint64(32)


def summary(name: str, array: np.ndarray, count: int = 96) -> dict:
    """Shape, mean, spread, a checksum for whole numbers, and count sparse values."""
    array = np.ascontiguousarray(array)
    flat = array.ravel()
    picked = flat[positions(name, flat.size, count)]
    result = {
        "shape": list(array.shape),
        "mean": float(flat.mean(dtype=np.float64)),
        "deviation": float(flat.std(dtype=np.float64)),
        "samples": [int(v) if array.dtype == np.uint8 else float(f"{v:.7g}") for v in picked],
    }
    if array.dtype == np.uint8:
        result["sha256"] = hashlib.sha256(array.tobytes()).hexdigest()
    return result


def vector(values) -> str:
    """A vector as base64 of little-endian float32."""
    return base64.b64encode(np.asarray(values, dtype="<f4").tobytes()).decode()
