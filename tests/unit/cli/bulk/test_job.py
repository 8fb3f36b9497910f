"""The state of a bulk job that is opened again."""

import json
from pathlib import Path

import pytest

from carteiro.cli.bulk.job import BulkJob, open_job
from carteiro.cli.bulk.journal import JobFailed
from carteiro.cli.request_options import RequestDefaults

SUMMARIZE = RequestDefaults("summarize", {}, {})
OK = {"status": "ok", "usage": {"input_tokens": 3, "output_tokens": 2}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").write_text('"One."\n"Two."\n\n"Four."\n"Five."')
    return tmp_path


def job(folder: Path, defaults: RequestDefaults = SUMMARIZE, replies: str = "llm.summarize.replies"):
    return open_job(defaults, folder / "in", folder / "out", replies)


def begin(folder: Path) -> None:
    with job(folder) as new:
        new.start({0: 17, 1: 4})
        new.mark_sent([4, 2, 1])
        new.record_reply(2, OK)


def unsent(found: BulkJob) -> list[int]:
    return [line for line, _ in found.source.unsent_lines()]


def test_new_job_has_all_requests_unsent(folder):
    with job(folder) as new:
        assert (new.header, new.states.total, unsent(new)) == (None, 4, [1, 2, 4, 5])
        new.start({0: 17})
        assert new.correlation_id(5) == f"{new.header.job}-5".encode()
        assert new.line_of(new.correlation_id(5)) == 5


def test_reopened_job_has_its_earlier_state(folder):
    begin(folder)
    with job(folder) as again:
        assert again.header.offsets == {0: 17, 1: 4}
        assert unsent(again) == [5]
        states = again.states
        assert (states.sent, states.in_flight, states.answered, states.all_answered) == (3, 2, 1, False)
        assert (again.summary.ok, again.summary.input_tokens) == (1, 3)
        for line in (1, 2, 4, 5):
            again.record_reply(line, OK)
        assert (states.in_flight, states.all_answered, again.summary.ok) == (0, True, 4)
    assert [json.loads(line)["line"] for line in (folder / "out").read_text().splitlines()] == [2, 1, 4, 5]


def test_reply_before_the_confirmation_counts_the_request_as_sent(folder):
    with job(folder) as new:
        new.start({})
        new.record_reply(1, OK)
        new.mark_sent([1])
        assert (new.states.sent, new.states.in_flight, new.states.answered) == (1, 0, 1)


@pytest.mark.parametrize("name", ["out", "out.job"])
@pytest.mark.parametrize("cut", range(1, 15))
def test_torn_last_line_is_ignored(folder, name, cut):
    begin(folder)
    path = folder / name
    path.write_bytes(path.read_bytes()[:-cut])
    with job(folder) as again:
        if name == "out":
            assert (again.states.sent, again.states.in_flight, again.states.answered) == (3, 3, 0)
            again.record_reply(2, OK)
        else:
            assert unsent(again) == [1, 4, 5], "sent again, but for what is answered"
        assert again.header.offsets == {0: 17, 1: 4}
    assert json.loads((folder / "out").read_text()) == {"line": 2, "reply": OK}


def test_torn_first_line_means_a_new_job(folder):
    (folder / "out.job").write_bytes(b'{"job": "12", "inp')
    with job(folder) as new:
        assert (new.header, len(unsent(new))) == (None, 4)


def test_other_arguments_than_at_the_start_are_rejected(folder):
    begin(folder)
    for defaults, replies, says in (
        (
            RequestDefaults("summarize", {"length": "short"}, {}),
            "llm.summarize.replies",
            "another task or other options",
        ),
        (RequestDefaults("summarize", {}, {"wait": "24h"}), "llm.summarize.replies", "another task or other options"),
        (RequestDefaults("sentiment", {}, {}), "llm.sentiment.replies", "another task or other options"),
        (SUMMARIZE, "other.summarize.replies", "was begun with replies on llm.summarize.replies"),
    ):
        with pytest.raises(JobFailed, match=says), job(folder, defaults, replies):
            pass
    (folder / "in").write_text('"One."')
    with pytest.raises(JobFailed, match=f"{folder}/in: is not what {folder}/out was begun with"), job(folder):
        pass


@pytest.mark.parametrize("out", ["mine", "mine\n"])
@pytest.mark.parametrize("notes", [None, b"", b'{"job": "12", "inp'])
def test_foreign_file_is_not_changed(folder, out, notes):
    (folder / "out").write_text(out)
    if notes is not None:
        (folder / "out.job").write_bytes(notes)
    with pytest.raises(JobFailed, match="was not begun by this command"), job(folder):
        pass
    assert (folder / "out").read_text() == out


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("out", "[]"),
        ("out", '{"line": 99, "reply": {}}'),
        ("out", '{"line": 3, "reply": {}}'),
        ("out", '{"line": 1}'),
        ("out", "\0\0"),
        ("out.job", "[]"),
        ("out.job", '{"sent": [[0, 1]]}'),
        ("out.job", '{"sent": [[4, 99]]}'),
    ],
)
def test_foreign_line_is_reported(folder, name, line):
    begin(folder)
    with (folder / name).open("a") as file:
        file.write(f"{line}\n")
    with pytest.raises(JobFailed, match=rf"{folder}/{name}: line [23] "), job(folder):
        pass


def test_correlation_ids_of_other_jobs_are_ignored(folder):
    with job(folder) as new:
        name = new.start({}).job.encode()
        for other in (b"", b"-1", b"x-1", name, name + b"-", name + b"-0", name + b"-3", name + b"-6", name + b"-1x"):
            assert new.line_of(other) is None
        assert new.line_of(name + b"-" + b"9" * 10_000) is None


def test_half_a_surrogate_pair_is_written_unchanged(folder):
    with job(folder) as new:
        new.start({})
        new.record_reply(1, json.loads('{"status": "ok", "text": "\\ud800 e Ol\u00e1"}'))
    assert (folder / "out").read_text() == '{"line": 1, "reply": {"status": "ok", "text": "\\ud800 e Olá"}}\n'


def test_consecutive_lines_are_noted_as_one_range(folder):
    (folder / "in").write_text('"x"\n' * 20_000)
    with job(folder) as new:
        new.start({})
        new.mark_sent([*range(1, 10_001), 10_003, *range(10_005, 20_001)])
    assert (folder / "out.job").read_text().splitlines()[1] == '{"sent":[[1,10000],[10003,10003],[10005,20000]]}'
    with job(folder) as again:
        assert unsent(again) == [10_001, 10_002, 10_004]
