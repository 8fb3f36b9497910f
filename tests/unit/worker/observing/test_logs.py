import json
import logging

import pytest
import structlog

from carteiro.worker.observing.logs import configure_logs


@pytest.fixture(autouse=True)
def _as_before():
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def test_a_line_is_json_with_the_ids_of_its_request(capsys):
    configure_logs("info", "json")
    with structlog.contextvars.bound_contextvars(correlation_id="abc"):
        structlog.get_logger("carteiro.worker").info("answered", model="m")
        structlog.get_logger("carteiro.worker").debug("too fine")
    (line,) = capsys.readouterr().err.splitlines()
    fields = json.loads(line)
    assert (fields["event"], fields["level"], fields["correlation_id"], fields["model"]) == (
        "answered",
        "info",
        "abc",
        "m",
    )
    assert fields["timestamp"].endswith("Z")


def test_what_kafka_s_client_repeats_is_logged_once(capsys):
    configure_logs("info", "json")
    for node in range(100):
        logging.getLogger("aiokafka.cluster").error("Unable to connect to node %s", node)
        logging.getLogger("carteiro.other").error("every one of these counts")
    lines = [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()]
    assert lines.count("Unable to connect to node 0") == 1
    assert lines.count("every one of these counts") == 100
    assert len(lines) == 101


@pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)])
def test_colours_on_a_terminal_unless_they_are_not_wanted(capsys, monkeypatch, no_color, coloured):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("NO_COLOR", no_color)
    configure_logs("info", "auto")
    structlog.get_logger("carteiro.worker").info("answered")
    assert ("\x1b[" in capsys.readouterr().err) is coloured
