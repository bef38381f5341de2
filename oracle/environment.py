"""Import this before deepface: legacy Keras, quiet logs, and a home of its own so that nobody's weights are touched."""

import os
import sys

HOME = os.environ.get("KITH_ORACLE_HOME", "/tmp/kith-oracle")
os.environ["DEEPFACE_HOME"] = HOME
os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
os.environ["DEEPFACE_LOG_LEVEL"] = "40"
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))


def weights_folder() -> str:
    return os.path.join(HOME, ".deepface", "weights")
