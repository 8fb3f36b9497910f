"""Requests from the lines of an input file."""

import pytest

from carteiro.cli.bulk.input_file import local_error, read_line
from carteiro.cli.request_options import RequestDefaults
from carteiro.worker.parsing import RequestRejected

TRANSLATE = RequestDefaults("translate", {"target": "pt"}, {"wait": "24h"})


@pytest.mark.parametrize(
    "line", [b'{"text": "Hi"}\n', b'"Hi"\r\n', b'\xef\xbb\xbf"Hi"', b'{"text": "Hi", "target": "de"}']
)
def test_line_is_merged_with_the_defaults(line):
    assert read_line(line, TRANSLATE).to_json() == b'{"options":{"wait":"24h"},"text":"Hi","target":"pt"}'


@pytest.mark.parametrize(
    ("line", "code", "says"),
    [
        (b'{"text": ', "invalid_request", "line: is not JSON: "),
        (b"Hi", "invalid_request", "line: is not JSON: "),
        (b"[" * 100_000, "invalid_request", "line: is not JSON: "),
        (b'"\xff"', "invalid_request", "line: is not UTF-8"),
        (b"7", "invalid_request", "line: is neither a JSON object nor a text in quotes"),
        (b'["Hi"]', "invalid_request", "line: is neither"),
        (b"null", "invalid_request", "line: is neither"),
        (b'" "', "invalid_request", "text: must not be blank"),
        (b'{"txt": "Hi"}', "invalid_request", "text: is missing; txt: is not a field of this request"),
        (b'{"text": "Hi", "options": {"stream": true}}', "invalid_request", "options: a reply is either streamed or"),
        (b'"' + b"x" * 2**20 + b'"', "too_large", "value: has "),
    ],
)
def test_line_that_is_not_a_request_is_reported(line, code, says):
    with pytest.raises(RequestRejected) as caught:
        read_line(line, TRANSLATE)
    reply = local_error(caught.value.error)
    assert (reply["status"], reply["error"]["code"], reply["error"]["retryable"]) == ("error", code, False)
    assert reply["error"]["message"].startswith(says)
    assert reply["error"]["fields"]
