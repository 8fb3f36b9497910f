"""Rare and short pauses of Python's garbage collector. No request makes progress while it visits objects."""

import gc

_DEFAULT_THRESHOLDS = gc.get_threshold()
_OBJECTS_PER_REQUEST = 250
"""More objects than a request in flight has. A served request leaves none that only the collector finds."""


def exempt_loaded_objects() -> None:
    """Have the collector visit no object again that exists now.

    Most objects of a worker are its modules, schemas and models: more than a hundred thousand, which stay until its
    end. To visit them took up to 0.1 seconds, and up to a fifth of a worker's processor time.
    """
    gc.collect()
    gc.freeze()


def collect_rarely(max_in_flight: int) -> None:
    """Collect only after more new objects than so many requests in flight have.

    By default each of their objects is visited several times: a third of the processor time with a thousand requests in
    flight.
    """
    gc.set_threshold(_OBJECTS_PER_REQUEST * max_in_flight, *_DEFAULT_THRESHOLDS[1:])


def exempt_all_at_exit() -> None:
    """Have Python's end visit no objects.

    It collects several times: 1.5 seconds of processor time after a local model, for memory that goes with the process.
    """
    gc.freeze()


def restore_collection() -> None:
    """Collect again as Python does by default."""
    gc.unfreeze()
    gc.set_threshold(*_DEFAULT_THRESHOLDS)
