"""System C's network in Keras, in its published setting, as fast as Keras goes. Run by `training.py` as a process:

    python keras_peer.py ARRAYS.npz --epochs 4 --batch 32

It needs Keras and NumPy alone (pip install tensorflow-cpu), nothing of Kunstkammer, and prints one JSON object. The
arrays are `pictures`, uint8 (N, 120, 120, 1), and `labels`, int64 (N,). They are held in memory as float32, and nothing
is augmented: Keras' own augmentation, which the published setting has, would only cost it time.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np


def network(classes: int, shape: tuple[int, ...]) -> keras.Model:
    """Return the published network: six convolutions, each pooled, one dense layer, one sigmoid for two classes."""
    layers: list[keras.layers.Layer] = [keras.Input(shape)]
    for stage in ((32, 32), (64, 64), (128,), (256,)):
        for width in stage:
            layers.append(keras.layers.Conv2D(width, 3, padding="same", activation="relu"))
            layers.append(keras.layers.MaxPooling2D())
        if stage == (32, 32):
            layers.append(keras.layers.BatchNormalization())
    layers += [keras.layers.Flatten(), keras.layers.Dense(1028, activation="relu")]
    layers.append(
        keras.layers.Dense(1, activation="sigmoid")
        if classes == 2
        else keras.layers.Dense(classes, activation="softmax")
    )
    return keras.Sequential(layers)


class Clock(keras.callbacks.Callback):
    """Times the epochs."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []
        self.start = 0.0

    def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
        """Start the clock."""
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: object = None) -> None:
        """Stop the clock."""
        self.seconds.append(time.perf_counter() - self.start)


def rate(pictures: np.ndarray, labels: np.ndarray, *, epochs: int, batch: int) -> tuple[float, int]:
    """Return pictures/s from the second epoch on, and how many parameters learn."""
    keras.utils.set_random_seed(0)
    classes = int(labels.max()) + 1
    model = network(classes, pictures.shape[1:])
    model.compile(
        optimizer=keras.optimizers.SGD(learning_rate=0.001, momentum=0.9),
        loss="binary_crossentropy" if classes == 2 else "sparse_categorical_crossentropy",
        metrics=["accuracy"],
        jit_compile=False,  # XLA takes two to eight times as long for this network on a processor
    )
    clock = Clock()
    model.fit(pictures, labels, batch_size=batch, epochs=epochs, verbose=0, callbacks=[clock])
    trainable = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    return len(pictures) * (epochs - 1) / sum(clock.seconds[1:]), trainable


def main() -> None:
    """Measure and print one JSON object."""
    parser = argparse.ArgumentParser(description="Time SketchNet in Keras.")
    parser.add_argument("arrays")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--policy", choices=("float32", "mixed_bfloat16"), default="float32", help="Keras' precision")
    args = parser.parse_args()
    with np.load(args.arrays, allow_pickle=False) as arrays:
        pictures, labels = arrays["pictures"].astype(np.float32) / 255, arrays["labels"]
    keras.mixed_precision.set_global_policy(args.policy)
    speed, trainable = rate(pictures, labels, epochs=args.epochs, batch=args.batch)
    found = {
        "pictures_per_second": speed,
        "trainable_parameters": trainable,
        "keras": keras.__version__,
        "backend": keras.config.backend(),
        "python": sys.version.split()[0],
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
