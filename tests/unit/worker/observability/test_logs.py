import json
import logging

import pytest
import structlog

from carteiro.worker.observability.logs import configure_logs, traceback_summary


@pytest.fixture(autouse=True)
def _as_before():
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def test_json_line_has_the_ids_of_its_request(capsys):
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


def test_repeated_messages_of_the_kafka_client_are_logged_once(capsys):
    configure_logs("info", "json")
    for node in range(100):
        logging.getLogger("aiokafka.cluster").error("Unable to connect to node %s", node)
        logging.getLogger("carteiro.other").error("every one of these counts")
    lines = [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()]
    assert lines.count("Unable to connect to node 0") == 1
    assert lines.count("every one of these counts") == 100
    assert len(lines) == 101


@pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)])
def test_terminal_output_is_coloured_unless_no_color_is_set(capsys, monkeypatch, no_color, coloured):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("NO_COLOR", no_color)
    configure_logs("info", "auto")
    structlog.get_logger("carteiro.worker").info("answered")
    assert ("\x1b[" in capsys.readouterr().err) is coloured


@pytest.mark.parametrize(
    "text", ["a\nFAKE", "a\r\nFAKE", "a\x1b[2JFAKE", "a\x9bFAKE", "a\u2028FAKE", "a\u202eFAKE", "a\x00"]
)
def test_control_characters_are_escaped_on_the_console(capsys, text):
    configure_logs("info", "console")
    structlog.get_logger("carteiro.worker").info(text, reason=text)
    written = capsys.readouterr().err
    assert len(written.splitlines()) == 1
    assert written.rstrip("\n").isprintable()
    assert "a\\" in written


def test_traceback_summary_has_the_type_and_frames_but_not_the_message():
    try:
        int("canary-4711")
    except ValueError as error:
        origin = traceback_summary(error)
    assert origin.startswith("ValueError < test_logs.py:")
    assert "canary" not in origin
