"""`tensorflow:`: a directory of weights, by Keras on TensorFlow."""

from functools import partial

from carteiro.models.local.engine_factory import open_engine_model
from carteiro.models.provider import Provider

PROVIDER = Provider(
    scheme="tensorflow", form="tensorflow:DIRECTORY", open=partial(open_engine_model, engine="tensorflow")
)
