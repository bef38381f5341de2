"""Runs DeepFace as it is and writes down what passes between its stages.

Each wrapper calls the function that it stands before and changes nothing.
"""

from contextlib import contextmanager

from deepface.commons import image_utils
from deepface.models.facial_recognition.ArcFace import ArcFaceClient  # noqa: F401
from deepface.modules import detection, preprocessing, representation  # noqa: F401
from retinaface import RetinaFace
from retinaface.commons import postprocess, preprocess


class Recorder:
    """Stage name → the values that the stage gave, in order."""

    def __init__(self):
        self.stages: dict[str, list] = {}

    def keep(self, stage: str, value) -> None:
        self.stages.setdefault(stage, []).append(value)


@contextmanager
def recording():
    recorder = Recorder()
    originals = []

    def watch(module, name, stage, pick=lambda result, args: result):
        original = getattr(module, name)
        originals.append((module, name, original))

        def wrapper(*args, **kwargs):
            result = original(*args, **kwargs)
            recorder.keep(stage, pick(result, {**dict(enumerate(args)), **kwargs}))
            return result

        setattr(module, name, wrapper)

    watch(image_utils, "load_image", "decoded", lambda r, _: r[0].copy())
    watch(preprocess, "preprocess_image", "tensor")
    watch(preprocess, "get_image", "bordered", lambda r, _: r.copy())
    watch(RetinaFace, "_predict", "outputs", lambda r, _: [o.copy() for o in r])
    watch(RetinaFace, "detect_faces", "detections")
    watch(postprocess, "cpu_nms", "kept", lambda r, _: list(r))
    watch(detection, "align_img_wrt_eyes", "aligned")
    watch(detection, "project_facial_area", "projected")
    watch(detection, "extract_face", "face", lambda r, _: r.img.copy())
    watch(preprocessing, "resize_image", "letterboxed", lambda r, _: r.copy())
    try:
        yield recorder
    finally:
        for module, name, original in reversed(originals):
            setattr(module, name, original)
