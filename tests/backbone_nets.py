"""Networks of a user's that are cut to be backbones."""

import keras
from keras import layers

Shape = tuple[int, ...]


def maps(input_shape: Shape, num_classes: int, filters: int = 3) -> keras.Model:
    """Its head is a pooling, dropout and class scores."""
    image = keras.Input(input_shape)
    x = layers.Conv2D(filters, 3, use_bias=False)(image)
    x = layers.Activation("relu")(layers.BatchNormalization()(x))
    x = layers.Dropout(0.2)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(image, layers.Dense(num_classes, activation="softmax")(x), name="backbone")


def dense(input_shape: Shape, num_classes: int) -> keras.Model:
    """A hidden dense layer, as wide as there are classes, stands before the raw scores."""
    return keras.Sequential(
        [
            layers.Conv2D(2, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(2 * num_classes, activation="relu"),
            layers.Dense(num_classes),
            layers.Softmax(),
        ]
    )


def branches(input_shape: Shape, num_classes: int) -> keras.Model:
    """Two ways from the image, of which neither is all."""
    image = keras.Input(input_shape)
    ways = [layers.Conv2D(2, side, activation="relu")(image) for side in (1, 3)]
    x = layers.Concatenate()([layers.GlobalMaxPooling2D()(each) for each in ways])
    return keras.Model(image, layers.Dense(num_classes, activation="softmax")(x))


def nested(input_shape: Shape, num_classes: int) -> keras.Model:
    """A model in a model."""
    inner = maps(input_shape, num_classes)
    stem = keras.Model(inner.inputs, inner.layers[3].output, name="stem")
    image = keras.Input(input_shape)
    x = layers.GlobalAveragePooling2D()(stem(image))
    return keras.Model(image, layers.Dense(num_classes, activation="softmax")(x))


class Calling(keras.Model):
    """Layers that only its `call` connects."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.conv = layers.Conv2D(2, 3)
        self.scores = layers.Dense(num_classes, activation="softmax")

    def call(self, x: object) -> object:
        """One after the other."""
        return self.scores(layers.Flatten()(self.conv(x)))


def calling(input_shape: Shape, num_classes: int) -> keras.Model:
    """No graph of layers."""
    return Calling(num_classes)


def untrained(input_shape: Shape, num_classes: int) -> keras.Model:
    """No weights before its scores."""
    return keras.Sequential([layers.Flatten(), layers.Dense(num_classes, activation="softmax")])
