"""Networks of a user's, of which some layers can be frozen."""

import keras
from keras import layers

Shape = tuple[int, ...]


def chain(input_shape: Shape, num_classes: int, softmax: bool = True) -> keras.Model:
    """Two convolutions and a hidden dense layer, in a network that is called as a backbone is."""
    activation = "softmax" if softmax else None
    stack = [
        layers.Conv2D(2, 3, name="low"),
        layers.BatchNormalization(name="norm"),
        layers.Conv2D(2, 3, name="high"),
        layers.Flatten(),
        layers.Dense(4, name="hidden"),
        layers.Dense(num_classes, activation=activation, name="classes"),
    ]
    return keras.Sequential([keras.Input(input_shape), *stack], name="backbone")


def two_towers(input_shape: Shape, num_classes: int) -> keras.Model:
    """Two nested models with a layer `fc` each: one path for two variables."""
    image = keras.Input(input_shape)
    x = layers.Flatten()(image)
    for name in ("left", "right"):
        inner = keras.Input(x.shape[1:])
        x = keras.Model(inner, layers.Dense(5, name="fc")(inner), name=name)(x)
        x = layers.Dense(5, name=f"after_{name}")(x)
    return keras.Model(image, layers.Dense(num_classes, activation="softmax", name="classes")(x))


def on_a_frozen_base(input_shape: Shape, num_classes: int) -> keras.Model:
    """Two convolutions that are frozen for good, and a hidden dense layer."""
    convolutions = [layers.Conv2D(2, 3, name="low"), layers.Conv2D(2, 3, name="high")]
    base = keras.Sequential([keras.Input(input_shape), *convolutions], name="base")
    base.trainable = False
    image = keras.Input(input_shape)
    x = layers.Dense(3, name="mid")(layers.Flatten()(base(image)))
    return keras.Model(image, layers.Dense(num_classes, activation="softmax", name="classes")(x))


class Block(layers.Layer):
    """A layer of the user's own, of which one part is frozen for good."""

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.fixed, self.learnt = layers.Dense(3, trainable=False), layers.Dense(3)

    def build(self, shape: Shape) -> None:
        """Both see what comes in."""
        self.fixed.build(shape)
        self.learnt.build(shape)

    def call(self, x: object) -> object:
        """The sum of the two."""
        return self.fixed(x) + self.learnt(x)


def blocks(input_shape: Shape, num_classes: int) -> keras.Model:
    """Such a layer before the class scores, which are raw ones behind a softmax of their own."""
    image = keras.Input(input_shape)
    x = Block(name="block")(layers.Flatten()(image))
    x = layers.Dense(num_classes, name="classes")(x)
    return keras.Model(image, layers.Softmax(name="shares")(x))
