"""The page at `/`: the state of a worker, readable without JavaScript, and the form for one request."""

from collections.abc import Sequence
from typing import Any

from carteiro.schemas import ERROR_CODES
from carteiro.tasks.task import Task
from carteiro.wire.topics import Topics
from carteiro.worker.observability.health import Condition
from carteiro.worker.page.markup import Html, element, join, page, render_code_spans, section, table
from carteiro.worker.page.request_fields import request_fields
from carteiro.worker.page.state import ModelState, TaskState, WorkerState

_TITLES = {
    Condition.READY: "Ready",
    Condition.HELD: "Ready, a model is held back",
    Condition.PAUSED: "Paused: no requests are taken",
    Condition.BLOCKED: "Not ready: something has to be done",
    Condition.STALLED: "Stalled: this process has to be restarted",
    Condition.STOPPING: "Stopping",
}
_EXPLANATIONS = {
    Condition.READY: "Requests are taken as they come.",
    Condition.STARTING: "Requests wait in Kafka until the worker is ready.",
    Condition.PAUSED: "Requests wait in Kafka. The worker tries again by itself.",
    Condition.STOPPING: "No new requests are taken. Those in flight are finished.",
}
_MODEL_LABELS = {"available": "", "paused": "paused", "held": "held back"}


def state_page(state: WorkerState, tasks: Sequence[Task[Any, Any]]) -> bytes:
    """Return the page. What changes while the worker runs has an id and `data-live`, so that the script finds it."""
    title = f"{_title(state)} – Carteiro"
    main = join(
        _status(state),
        section("Tasks", _live("tasks-now", _tasks(state)), identity="tasks"),
        _form(state, tasks),
        section("Last errors", _live("errors-now", _errors(state)), identity="errors"),
        section("Worker", _live("worker-now", _worker(state)), identity="worker"),
        _links(),
    )
    return page(title, main, current="./", refreshes=True)


def _live(identity: str, *content: str) -> Html:
    return element("div", *content, id=identity, data_live=True)


def _title(state: WorkerState) -> str:
    return _TITLES.get(state.condition) or state.phase[:1].upper() + state.phase[1:]


def _status(state: WorkerState) -> Html:
    texts = [*state.reasons, *filter(None, [_EXPLANATIONS.get(state.condition)])]
    body = [element("h1", _title(state)), *(element("p", each) for each in texts)]
    return element(
        "div",
        element("span", class_="dot", aria_hidden="true"),
        element("div", *body, id="status-now", data_live=True, role="status"),
        class_="status",
        id="status",
        data_live="condition",
        data_condition=state.condition,
    )


def _tasks(state: WorkerState) -> Html:
    events = any(each.records == "events" for each in state.tasks)
    through = ["Events in", "Events out", "With errors"] if events else ["Requests", "Replies", "Errors"]
    columns = ["Task", "Model", "Lag", "In flight", *through, "Dead letters"]
    caption = "Lag is of this worker's partitions; the other numbers count since its start."
    rows = [[each.task, _models(each), _number(each.lag), *map(_number, _counts(each))] for each in state.tasks]
    return table(caption, columns, rows, numbers=6)


def _counts(task: TaskState) -> tuple[int, ...]:
    return task.in_flight, task.requests, task.ok, task.errors, task.dead_letters


def _models(task: TaskState) -> Html:
    return element("ol", *(element("li", *_model(each)) for each in task.models), class_="models")


def _model(model: ModelState) -> list[Html]:
    label = _MODEL_LABELS[model.condition]
    mark = [element("span", label, class_="mark", data_condition=model.condition)] if label else []
    return [element("code", model.name), *mark]


def _errors(state: WorkerState) -> Html:
    if not state.errors:
        return element("p", "No error replies since the start.", class_="empty")
    rows = [
        [each.code, render_code_spans(ERROR_CODES.get(each.code, "")), each.task, _number(each.count), _time(each.last)]  # type: ignore[call-overload]
        for each in state.errors
    ]
    caption = "Error replies by code since the start, the latest first. Their texts are in the replies only."
    return table(caption, ["Code", "Meaning", "Task", "Replies", "Last"], rows, numbers=2)


def _worker(state: WorkerState) -> Html:
    facts: dict[str, str] = {
        "Kafka": join(*(element("code", each.strip()) for each in state.bootstrap_servers.split(","))),
        "Connection": state.security_protocol,
        "Delivery": state.delivery.replace("_", " ") if state.delivery else "not known yet",
        "Topics": element("code", Topics(state.topic_prefix).requests("<task>")),
        "In flight at most": f"{state.max_in_flight} for each partition",
        "Partitions": _number(sum(each.partitions for each in state.tasks)),
        "Running for": _duration(state.uptime_seconds),
        "Started": _time(state.started),
        "Version": state.version,
    }
    pairs = [element("div", element("dt", name), element("dd", fact)) for name, fact in facts.items()]
    return element("dl", *pairs, class_="facts")


def _form(state: WorkerState, tasks: Sequence[Task[Any, Any]]) -> Html:
    command = element("code", "carteiro ask")
    if not state.form or not tasks:
        setting = element("code", "CARTEIRO_HTTP_FORM=true")
        text = element("p", "The form is off on this worker. ", setting, " turns it on. ", command, " sends one too.")
        return section("Send a request", text, identity="send")
    noscript = element("noscript", element("p", "The form needs JavaScript. ", command, " sends a request without it."))
    options = [element("option", task.name, value=task.name) for task in tasks]
    choice = element(
        "div", element("label", "Task", for_="task"), element("select", *options, id="task"), class_="field"
    )
    fields = [request_fields(task, state.topic_prefix, first=task is tasks[0]) for task in tasks]
    buttons = element(
        "div",
        element("button", "Send", type="submit"),
        element("button", "Stop waiting", type="button", id="stop", class_="quiet", hidden=True),
        element("span", "or Ctrl+Enter", class_="hint"),
        class_="buttons",
    )
    reply = element(
        "div",
        element("h3", "Reply", id="reply-title"),
        element("p", "Nothing has been sent yet.", id="reply-status", role="status"),
        element("div", id="reply-text", aria_live="polite", aria_labelledby="reply-title", role="region", hidden=True),
        element("details", element("summary", "Whole reply"), element("pre", id="reply-json"), id="reply", hidden=True),
        class_="reply",
    )
    form = element("form", choice, *fields, buttons, reply, id="form", hidden=True, aria_labelledby="send-title")
    return section("Send a request", noscript, form, identity="send")


def _links() -> Html:
    names = {"state": "State as JSON", "metrics": "Metrics", "readyz": "Readiness", "livez": "Liveness"}
    links = [element("li", element("a", text, href=link)) for link, text in names.items()]
    return element("footer", element("nav", element("ul", *links), aria_label="For programs"))


def _number(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"


def _time(moment: Any) -> Html:
    return element("time", f"{moment:%Y-%m-%d %H:%M:%S} UTC", datetime=moment.isoformat(timespec="seconds"))


def _duration(seconds: int) -> str:
    for name, length in {"day": 86_400, "hour": 3_600, "minute": 60}.items():
        if seconds >= length:
            number = seconds // length
            return f"{number} {name}{'s' if number > 1 else ''}"
    return f"{seconds} s"
