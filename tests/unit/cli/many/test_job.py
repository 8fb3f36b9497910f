"""What a job knows of itself when it is opened again."""

import json
from pathlib import Path

import pytest

from carteiro.cli.composing import Laid
from carteiro.cli.many.job import Job, opened
from carteiro.cli.many.journal import JobFailed

SUMMARIZE = Laid("summarize", {}, {})
OK = {"status": "ok", "usage": {"input_tokens": 3, "output_tokens": 2}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").write_text('"One."\n"Two."\n\n"Four."\n"Five."')
    return tmp_path


def job(folder: Path, laid: Laid = SUMMARIZE, replies: str = "llm.summarize.replies"):
    return opened(laid, folder / "in", folder / "out", replies)


def begin(folder: Path) -> None:
    with job(folder) as new:
        new.begin({0: 17, 1: 4})
        new.sent([4, 2, 1])
        new.answer(2, OK)


def unsent(found: Job) -> list[int]:
    return [line for line, _ in found.source.unsent()]


def test_a_new_job(folder):
    with job(folder) as new:
        assert (new.beginning, new.states.total, unsent(new)) == (None, 4, [1, 2, 4, 5])
        new.begin({0: 17})
        assert new.correlation_id(5) == f"{new.beginning.job}-5".encode()
        assert new.line(new.correlation_id(5)) == 5


def test_it_is_what_it_was(folder):
    begin(folder)
    with job(folder) as again:
        assert again.beginning.offsets == {0: 17, 1: 4}
        assert unsent(again) == [5]
        states = again.states
        assert (states.sent, states.open, states.answered, states.answered_all) == (3, 2, 1, False)
        assert (again.tally.ok, again.tally.input_tokens) == (1, 3)
        for line in (1, 2, 4, 5):
            again.answer(line, OK)
        assert (states.open, states.answered_all, again.tally.ok) == (0, True, 4)
    assert [json.loads(line)["line"] for line in (folder / "out").read_text().splitlines()] == [2, 1, 4, 5]


def test_a_reply_before_kafka_has_confirmed_the_request(folder):
    with job(folder) as new:
        new.begin({})
        new.answer(1, OK)
        new.sent([1])
        assert (new.states.sent, new.states.open, new.states.answered) == (1, 0, 1)


@pytest.mark.parametrize("name", ["out", "out.job"])
@pytest.mark.parametrize("cut", range(1, 15))
def test_a_torn_last_line_is_as_if_it_had_not_been_begun(folder, name, cut):
    begin(folder)
    path = folder / name
    path.write_bytes(path.read_bytes()[:-cut])
    with job(folder) as again:
        if name == "out":
            assert (again.states.sent, again.states.open, again.states.answered) == (3, 3, 0)
            again.answer(2, OK)
        else:
            assert unsent(again) == [1, 4, 5], "sent again, but for what is answered"
        assert again.beginning.offsets == {0: 17, 1: 4}
    assert json.loads((folder / "out").read_text()) == {"line": 2, "reply": OK}


def test_a_torn_beginning_is_none(folder):
    (folder / "out.job").write_bytes(b'{"job": "12", "inp')
    with job(folder) as new:
        assert (new.beginning, len(unsent(new))) == (None, 4)


def test_anything_else_than_it_was_begun_with_is_refused(folder):
    begin(folder)
    for laid, replies, says in (
        (Laid("summarize", {"length": "short"}, {}), "llm.summarize.replies", "another task or other options"),
        (Laid("summarize", {}, {"wait": "24h"}), "llm.summarize.replies", "another task or other options"),
        (Laid("sentiment", {}, {}), "llm.sentiment.replies", "another task or other options"),
        (SUMMARIZE, "other.summarize.replies", "was begun with replies on llm.summarize.replies"),
    ):
        with pytest.raises(JobFailed, match=says), job(folder, laid, replies):
            pass
    (folder / "in").write_text('"One."')
    with pytest.raises(JobFailed, match=f"{folder}/in: is not what {folder}/out was begun with"), job(folder):
        pass


@pytest.mark.parametrize("out", ["mine", "mine\n"])
@pytest.mark.parametrize("notes", [None, b"", b'{"job": "12", "inp'])
def test_a_file_that_is_not_ours_is_not_touched(folder, out, notes):
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
def test_a_line_that_is_not_ours_is_said(folder, name, line):
    begin(folder)
    with (folder / name).open("a") as file:
        file.write(f"{line}\n")
    with pytest.raises(JobFailed, match=rf"{folder}/{name}: line [23] is "), job(folder):
        pass


def test_correlation_ids_of_others(folder):
    with job(folder) as new:
        name = new.begin({}).job.encode()
        for other in (b"", b"-1", b"x-1", name, name + b"-", name + b"-0", name + b"-3", name + b"-6", name + b"-1x"):
            assert new.line(other) is None
        assert new.line(name + b"-" + b"9" * 10_000) is None


def test_half_a_surrogate_pair_is_written_as_it_came(folder):
    with job(folder) as new:
        new.begin({})
        new.answer(1, json.loads('{"status": "ok", "text": "\\ud800 e Ol\u00e1"}'))
    assert (folder / "out").read_text() == '{"line": 1, "reply": {"status": "ok", "text": "\\ud800 e Olá"}}\n'


def test_lines_in_a_row_are_noted_as_one(folder):
    (folder / "in").write_text('"x"\n' * 20_000)
    with job(folder) as new:
        new.begin({})
        new.sent([*range(1, 10_001), 10_003, *range(10_005, 20_001)])
    assert (folder / "out.job").read_text().splitlines()[1] == '{"sent":[[1,10000],[10003,10003],[10005,20000]]}'
    with job(folder) as again:
        assert unsent(again) == [10_001, 10_002, 10_004]
