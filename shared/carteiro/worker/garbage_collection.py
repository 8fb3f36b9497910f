"""Short pauses of Python's garbage collector."""

import gc


def exempt_loaded_objects() -> None:
    """Have the collector visit no object again that exists now, until `gc.unfreeze`.

    A full collection visits all objects, and no request makes progress meanwhile. Most objects of a worker are its
    modules, schemas and models: more than a hundred thousand, which stay until its end. To visit them took up to 0.1
    seconds, and up to a fifth of a worker's processor time.
    """
    gc.collect()
    gc.freeze()
