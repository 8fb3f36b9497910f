"""Language services in fallback chains: tasks, tries, circuits, prices and caps, from the settings to the result."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from carteiro.cli.doctor.model_checks import check_models
from carteiro.models.errors import Unsupported
from carteiro.models.interface import Model
from carteiro.models.prices import load_prices
from carteiro.models.settings import ModelSettings
from carteiro.schemas import Usage
from carteiro.settings.worker import WorkerSettings
from carteiro.tasks.discovery import find_tasks
from carteiro.tasks.task import TaskOutput
from carteiro.worker.composition.factories import create_chains, create_circuit_breakers, open_models
from carteiro.worker.journal.request_journal import RequestJournal
from carteiro.worker.model_calls.budget import BudgetLimits, CostBudget, OverBudget, UsageMeter
from carteiro.worker.model_calls.fallback import FallbackRun
from tests.conftest import eventually
from tests.provider import Provider
from tests.provider.language_services import LanguageServices
from tests.unit.models.cloud.conftest import _nobodys_environment, provider
from tests.unit.models.cloud.language.conftest import OpenService, open_service, services
from tests.unit.worker.journal.fake_writer import FakeWriter

__all__ = ["_nobodys_environment", "open_service", "provider", "services"]

pytestmark = pytest.mark.usefixtures("no_pauses")

TASKS = {task.name: task for task in find_tasks()}
LONG_TEXT = "".join(f"Sentence {number}. " for number in range(4000))


class Asked:
    """Asks a task, whose models `CARTEIRO_<TASK>_MODEL` names, as a worker does."""

    def __init__(self, task: str, limits: BudgetLimits) -> None:
        self.task = TASKS[task]
        self.models: list[Model] = open_models([self.task], WorkerSettings(), ModelSettings())[task]
        self.breakers = create_circuit_breakers(self.models, lambda: None)
        self._chain = create_chains({task: self.models}, self.breakers)[task]
        self._limits = limits
        self.usage = Usage()
        self.answered_by = ""

    async def ask(self, journal: RequestJournal | None = None, **fields: Any) -> TaskOutput[Any]:
        meter = UsageMeter(CostBudget(load_prices(), self._limits), self.task.name, None)
        run = FallbackRun(self._chain, meter, journal=journal)
        request = self.task.request.model_validate(fields)
        try:
            return await run.run(lambda model: self.task.run(request, model))
        finally:
            self.usage, self.answered_by = meter.usage, run.model.name

    async def close(self) -> None:
        for breaker in self.breakers.values():
            await breaker.stop_probing()
        for model in self.models:
            await model.close()


Serve = Callable[..., Awaitable[Asked]]


@pytest.fixture
async def serve(open_service: OpenService, provider: Provider, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Serve]:
    opened = []

    async def make(task: str, models: str, limits: BudgetLimits | None = None, **more: str) -> Asked:
        open_service("azure-translator:", **more)  # It sets the environment.
        monkeypatch.setenv("OPENAI_API_KEY", "sk-none")
        monkeypatch.setenv("OPENAI_BASE_URL", provider.url)
        monkeypatch.setenv(f"CARTEIRO_{task.upper()}_MODEL", models)
        opened.append(Asked(task, limits or BudgetLimits()))
        for model in opened[-1].models:
            await model.load()
        return opened[-1]

    yield make
    for each in opened:
        await each.close()


CHAIN = "azure-translator:,openai:echo"


async def test_translator_answers_and_its_characters_have_a_price(serve: Serve) -> None:
    asked = await serve("translate", CHAIN)
    done = await asked.ask(text="The train leaves at nine.", target="pt")
    assert (done.result.text, done.result.source) == ("pt[The train leaves at nine.]", "en")
    assert asked.answered_by == "azure-translator:"
    assert asked.usage == done.usage == Usage(characters=25, cost_usd=25 * 10 / 1e6)


async def test_next_model_answers_for_a_language_that_the_first_refuses(serve: Serve, provider: Provider) -> None:
    asked = await serve("translate", CHAIN)
    provider.queue_completion("O tren sae ás nove.")
    done = await asked.ask(text="The train leaves at nine.", target="gl")
    assert done.result.text == "O tren sae ás nove."
    assert asked.answered_by == "openai:echo"
    assert not asked.breakers["azure-translator:"].is_open
    alone = await serve("translate", "azure-translator:")
    with pytest.raises(Unsupported, match="azure-translator: does not take the language"):
        await alone.ask(text="The train leaves at nine.", target="gl")


async def test_formality_is_the_tone_of_a_deployment_and_passes_by_the_standard(
    serve: Serve, services: LanguageServices, provider: Provider
) -> None:
    asked = await serve("translate", "azure-translator:,azure-translator:gpt")
    done = await asked.ask(text="Can you close it?", target="pt", formality="formal")
    assert done.result.text == "formal pt[Can you close it?]"
    assert asked.answered_by == "azure-translator:gpt"
    assert len(services.requests) == 1


async def test_glossary_and_model_of_google_are_settings(serve: Serve, services: LanguageServices) -> None:
    asked = await serve(
        "translate",
        "google-translate:general/nmt",
        CARTEIRO_GOOGLE_TRANSLATE_GLOSSARY="ships",
        CARTEIRO_GOOGLE_TRANSLATE_LOCATION="us-central1",
    )
    done = await asked.ask(text="The ship leaves.", source="en", target="pt")
    assert done.result.text == "pt[The navio leaves.]"
    assert services.last.body["model"] == "projects/p-1/locations/us-central1/models/general/nmt"
    assert asked.usage.cost_usd == 16 * 20 / 1e6


async def test_only_the_part_that_failed_is_sent_again(serve: Serve, services: LanguageServices) -> None:
    asked = await serve("translate", "azure-translator:")
    services.answer({"error": {"code": 503000, "message": "Busy."}}, 503)
    await asked.ask(text=LONG_TEXT, source="en", target="pt")
    texts = [request.body["inputs"][0]["text"] for request in services.requests]
    assert sorted(Counter(texts).values()) == [1, 2]
    assert asked.usage.characters == sum(map(len, set(texts)))


@pytest.mark.parametrize(
    ("task", "model", "fields"),
    [
        ("translate", "azure-translator:", {"text": LONG_TEXT, "source": "en", "target": "pt"}),
        ("translate", "google-translate:M1", {"text": "A sentence.", "target": "pt"}),
        ("sentiment", "azure-language:", {"text": "A good day."}),
        ("answer", "azure-language:", {"question": "When?", "context": "It opened in 1867."}),
    ],
)
async def test_calls_of_an_earlier_run_are_found_in_the_journal(
    serve: Serve, services: LanguageServices, task: str, model: str, fields: dict[str, Any]
) -> None:
    asked = await serve(task, model, CARTEIRO_GOOGLE_TRANSLATE_LOCATION="us-central1")
    writer = FakeWriter()
    first = await asked.ask(RequestJournal(writer.next_owner(), 17, 17, 0), **fields)
    made, whole = len(services.requests), asked.usage
    again = await asked.ask(RequestJournal(writer.next_owner(), 17, 17, 0), **fields)
    # The last call of a request is not kept: its reply follows.
    assert len(services.requests) < 2 * made
    assert again.result == first.result
    assert (asked.usage.characters, asked.usage.cost_usd) == (whole.characters, pytest.approx(whole.cost_usd))
    assert asked.usage.reused_calls


async def test_quota_of_the_day_opens_the_circuit_and_the_next_model_answers(
    serve: Serve, services: LanguageServices
) -> None:
    asked = await serve("translate", CHAIN)
    services.answer({"error": {"code": 403001, "message": "It exceeded its free quota."}}, 403)
    await asked.ask(text="Good morning.", target="pt")
    assert asked.answered_by == "openai:echo"
    await eventually(lambda: services.last.body["inputs"][0]["text"] == "yes")
    await eventually(lambda: not asked.breakers["azure-translator:"].is_open)


async def test_cap_stops_a_call_before_it_is_made(serve: Serve, services: LanguageServices) -> None:
    asked = await serve("translate", "azure-translator:", BudgetLimits(per_request=0.0001))
    await asked.ask(text="Hello", target="pt")
    before = len(services.requests)
    with pytest.raises(OverBudget):
        await asked.ask(text="Good morning to all of you.", target="pt")
    assert len(services.requests) == before


@pytest.mark.parametrize(
    ("task", "models", "fields", "result", "characters"),
    [
        ("sentiment", "google-language:", {"text": "A good day."}, ("label", "positive"), 1000),
        ("sentiment", "azure-language:", {"text": "A bad day."}, ("label", "negative"), 2000),
        (
            "answer",
            "azure-language:en",
            {"question": "When?", "context": "It opened in 1867."},
            ("answer", "1867"),
            1000,
        ),
        ("answer", "azure-language:en", {"question": "When?", "context": "It is long."}, ("found", False), 1000),
        ("summarize", "azure-language:en", {"text": "A story."}, ("summary", "In short: A story."), 1000),
    ],
)
async def test_services_do_their_tasks(
    serve: Serve,
    services: LanguageServices,
    task: str,
    models: str,
    fields: dict[str, Any],
    result: tuple[str, Any],
    characters: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("carteiro.models.cloud.language.azure_jobs._FIRST_PAUSE", 0.001)
    services.polls = 0
    asked = await serve(task, models)
    done = await asked.ask(**fields)
    assert getattr(done.result, result[0]) == result[1]
    assert asked.usage.characters == characters
    assert asked.usage.cost_usd == pytest.approx(characters / 1e6)


async def test_labels_that_a_service_does_not_have_go_to_the_next_model(serve: Serve, provider: Provider) -> None:
    asked = await serve("sentiment", "google-language:,openai:echo")
    provider.queue_completion('{"angry": 0.9, "calm": 0.1}')
    done = await asked.ask(text="Where is it?!", labels=["angry", "calm"])
    assert (done.result.label, asked.answered_by) == ("angry", "openai:echo")


async def test_doctor_asks_a_service(serve: Serve, services: LanguageServices) -> None:
    await serve("translate", "azure-translator:")
    found = [each async for each in check_models([TASKS["translate"]], WorkerSettings(), ModelSettings(), ask=True)]
    assert [(each.what, each.verdict) for each in found] == [("model azure-translator:", "ok")]
    services.answer({"error": {"code": 401000, "message": "No."}}, 401)
    found = [each async for each in check_models([TASKS["translate"]], WorkerSettings(), ModelSettings(), ask=True)]
    assert found[0].verdict == "fault"
    assert "AZURE_TEXT_TRANSLATION_APIKEY" in found[0].message
