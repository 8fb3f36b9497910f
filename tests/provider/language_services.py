"""Language services of Azure and Google, as their documentation and their own libraries' requests describe them.

Like the real ones they refuse fields, versions, languages and lengths that are not documented, each in its own form:
Azure Translator with a number of six digits, Azure Language within a 200, Google as a `google.rpc.Status`.
"""

import asyncio
import html
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from carteiro.text.units import utf16_length
from tests.local_server import LocalServer

Json = dict[str, Any]

KEY = "k-0123456789abcdef0123456789abcdef"
PARENT = "/v3/projects/p-1/locations/"
GLOSSARY = "projects/p-1/locations/us-central1/glossaries/ships"
_AZURE_LANGUAGES = {"en", "pt", "pt-pt", "de", "zh-Hans", "zh-Hant", "nb"}
_GOOGLE_LANGUAGES = {"en", "pt", "pt-PT", "pt-BR", "de", "zh-CN", "zh-TW", "no"}
_MAX_TEXT_ELEMENTS = 5_120


@dataclass(kw_only=True)
class ServiceRequest:
    """One request."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Json = field(default_factory=dict)


class ServiceRefusal(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, body: Json) -> None:
        super().__init__(str(body))
        self.status, self.body = status, body


class LanguageServices(LocalServer):
    """`async with LanguageServices() as services`: listens on a free port of this machine; `services.url` is its
    address. `answer` gives the next request an answer. A text with "Gut" is German, one with "Olá" Portuguese, other
    texts are English. A translation is the text in brackets after the target; a job needs `polls` polls.
    """

    cancels_handlers = True
    max_body_bytes = 16 * 2**20

    def __init__(self) -> None:
        self.requests: list[ServiceRequest] = []
        self.polls = 2
        self.names_own_host = False
        """True if a job's address is at `url`. Behind a proxy, the service names another host."""
        self.cancelled: list[str] = []
        self.polled = asyncio.Event()
        self._jobs: dict[str, tuple[int, Json]] = {}
        self._next: deque[web.Response | float] = deque()

    def answer(self, body: Any, status: int = 200, **headers: str) -> None:
        """Give the next request this body. Headers are written with underscores."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self._next.append(web.json_response(body, status=status, headers=named))

    def hang(self) -> None:
        """Give the next request no answer."""
        self._next.append(3600.0)

    @property
    def last(self) -> ServiceRequest:
        return self.requests[-1]

    def routes(self) -> list[web.RouteDef]:
        return [web.route("*", "/{path:.*}", self._serve)]

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        body = await request.json() if request.can_read_body else {}
        received = ServiceRequest(
            method=request.method,
            path=request.path,
            query=dict(request.query),
            headers={name.lower(): value for name, value in request.headers.items()},
            body=body,
        )
        self.requests.append(received)
        if self._next:
            planned = self._next.popleft()
            if isinstance(planned, web.Response):
                return planned
            await asyncio.sleep(planned)
        try:
            return self._route(received)
        except ServiceRefusal as refusal:
            return web.json_response(refusal.body, status=refusal.status)

    def _route(self, asked: ServiceRequest) -> web.Response:
        path = asked.path
        if path.endswith("/translate"):
            return self._azure_translate(asked)
        if path.startswith("/language/"):
            return self._azure_language(asked)
        if path.startswith(PARENT):
            return web.json_response(self._google_translate(asked))
        if path == "/v2/documents:analyzeSentiment":
            return web.json_response(self._google_sentiment(asked))
        raise ServiceRefusal(404, {"error": {"code": "404", "message": "Resource not found"}})

    # Azure Translator: .../translator/text-translation/2026-06-06/translate-api

    def _azure_translate(self, asked: ServiceRequest) -> web.Response:
        _azure_key(asked, {"error": {"code": 401000, "message": "The request is not authorized."}})
        if asked.query.get("api-version") != "2026-06-06":
            raise _translator_error(400021, "The API version parameter is missing or invalid.")
        only(asked.body, {"inputs"}, _translator_error(400074, "The body of the request is not valid JSON."))
        (item,) = asked.body["inputs"]
        only(item, {"text", "language", "targets", "textType"}, _translator_error(400000, "An input is not valid."))
        (target,) = item["targets"]
        known = {"language", "deploymentName", "tone", "allowFallback"}
        only(target, known, _translator_error(400000, "One of the request inputs is not valid."))
        if utf16_length(item["text"]) > 50_000:
            raise _translator_error(400050, "The input text is too long.")
        if target["language"] not in _AZURE_LANGUAGES:
            raise _translator_error(400036, "The target language is not valid.")
        if item.get("language", "en") not in _AZURE_LANGUAGES:
            raise _translator_error(400035, "The source language is not valid.")
        if "tone" in target and "deploymentName" not in target:
            raise _translator_error(400042, "One of the options specified is not valid.")
        text = item["text"]
        translation: Json = {"language": target["language"], "text": f"{target['language']}[{text}]"}
        if "deploymentName" in target:
            translation |= {"instructionTokens": 12, "sourceTokens": 14, "targetTokens": 16}
            if "tone" in target:
                translation["text"] = f"{target['tone']} {translation['text']}"
        else:
            translation["sourceCharacters"] = len(text)
        answer: Json = {"translations": [translation]}
        if "language" not in item:
            answer["detectedLanguage"] = {"language": _detect(text), "score": 1.0}
        return web.json_response({"value": [answer]}, headers={"X-metered-usage": str(len(text))})

    # Azure Language: specification/cognitiveservices/data-plane/Language/stable/2023-04-01

    def _azure_language(self, asked: ServiceRequest) -> web.Response:
        _azure_key(
            asked,
            {"error": {"code": "401", "message": "Access denied due to invalid subscription key or wrong endpoint."}},
        )
        if asked.query.get("api-version") != "2023-04-01":
            raise ServiceRefusal(404, {"error": {"code": "404", "message": "Resource not found"}})
        if asked.path == "/language/:analyze-text":
            return web.json_response(self._analyze(asked.body))
        if asked.path == "/language/:query-text":
            return web.json_response(self._query(asked.body))
        job = asked.path.removeprefix("/language/analyze-text/jobs").strip("/")
        if asked.method == "POST" and not job:
            return self._submit(asked)
        if asked.method == "POST":
            self.cancelled.append(job.removesuffix(":cancel"))
            return web.Response(status=202)
        return web.json_response(self._poll(job))

    def _analyze(self, body: Json) -> Json:
        invalid = ServiceRefusal(400, {"error": {"code": "InvalidRequest", "message": "Invalid Request."}})
        only(body, {"kind", "analysisInput", "parameters"}, invalid)
        (document,) = body["analysisInput"]["documents"]
        only(document, {"id", "text", "language"}, invalid)
        kind, found = body["kind"], {"id": document["id"], "warnings": []}
        if error := _document_error(document, _MAX_TEXT_ELEMENTS):
            results = {
                "documents": [],
                "errors": [{"id": document["id"], "error": error}],
                "modelVersion": "2025-01-01",
            }
            return {"kind": f"{kind}Results", "results": results}
        if kind == "LanguageDetection":
            language = _detect(document["text"])
            names = {"iso6391Name": language, "name": language, "confidenceScore": 0.9}
            found |= {"detectedLanguage": names if document["text"] != "..." else {"iso6391Name": "(Unknown)"}}
        else:
            assert kind == "SentimentAnalysis"
            assert body["parameters"] == {"stringIndexType": "UnicodeCodePoint"}
            scores = {"positive": 0.01, "neutral": 0.03, "negative": 0.96}
            if "good" in document["text"]:
                scores = {"positive": 0.9, "neutral": 0.07, "negative": 0.03}
            found |= {
                "sentiment": max(scores, key=lambda each: scores[each]),
                "confidenceScores": scores,
                "sentences": [],
            }
        return {"kind": f"{kind}Results", "results": {"documents": [found], "errors": [], "modelVersion": "2025-01-01"}}

    def _query(self, body: Json) -> Json:
        invalid = ServiceRefusal(
            400, {"error": {"code": "InvalidArgument", "message": "Invalid input.", "target": "records"}}
        )
        only(body, {"question", "records", "language", "stringIndexType"}, invalid)
        (record,) = body["records"]
        only(record, {"id", "text"}, invalid)
        if len(record["text"]) > _MAX_TEXT_ELEMENTS:
            raise invalid
        text = record["text"]
        sentences = [each for each in text.split(". ") if "opened" in each]
        if not sentences:
            return {"answers": [{"answer": "No good match found", "confidenceScore": 0.0, "id": None}]}
        long = sentences[0]
        year = next(word.rstrip(".") for word in long.split() if word[:1].isdigit())
        span = {"text": f" {year}", "confidenceScore": 0.9, "offset": long.index(year) - 1, "length": len(year) + 1}
        low = {"answer": text[:3], "confidenceScore": 0.05, "id": "0", "offset": 0, "length": 3}
        best = {"answer": long, "confidenceScore": 0.93, "id": "0", "offset": text.index(long), "length": len(long)}
        return {"answers": [low, {**best, "answerSpan": span}]}

    def _submit(self, asked: ServiceRequest) -> web.Response:
        (document,) = asked.body["analysisInput"]["documents"]
        (task,) = asked.body["tasks"]
        invalid = ServiceRefusal(400, {"error": {"code": "InvalidRequest", "message": "Invalid Request."}})
        only(task, {"taskName", "kind", "parameters"}, invalid)
        if len(document["text"]) > 125_000:
            raise ServiceRefusal(
                400,
                _azure_error("InvalidDocument", "A document within the request was too large to be processed."),
            )
        job = f"b2a1-{len(self._jobs)}"
        results: Json = {"documents": [], "errors": [], "modelVersion": "latest"}
        if error := _document_error(document, 125_000):
            results["errors"].append({"id": document["id"], "error": error})
        else:
            summaries = [{"text": f"In short: {document['text'][:20]}", "contexts": []}]
            results["documents"].append({"id": document["id"], "summaries": summaries, "warnings": []})
        self._jobs[job] = (self.polls, results)
        host = self.url if self.names_own_host else "https://resource.example"
        location = f"{host}/language/analyze-text/jobs/{job}?api-version=2023-04-01"
        return web.Response(status=202, headers={"operation-location": location})

    def _poll(self, job: str) -> Json:
        self.polled.set()
        if job not in self._jobs:
            raise ServiceRefusal(404, {"error": {"code": "NotFound", "message": "Job not found."}})
        left, results = self._jobs[job]
        self._jobs[job] = (left - 1, results)
        if left > 0:
            return {"jobId": job, "status": "running", "tasks": {"completed": 0, "inProgress": 1, "items": []}}
        task = {
            "kind": "AbstractiveSummarizationLROResults",
            "taskName": "0",
            "status": "succeeded",
            "lastUpdateDateTime": "2026-01-01T00:00:00Z",
            "results": results,
        }
        tasks = {"completed": 1, "failed": 0, "inProgress": 0, "total": 1, "items": [task]}
        dates = {f"{name}DateTime": "2026-01-01T00:00:00Z" for name in ("lastUpdated", "created", "expiration")}
        return {"jobId": job, "status": "succeeded", "errors": [], "tasks": tasks, **dates}

    # Google: https://cloud.google.com/translate/docs/reference/rest/v3 and .../natural-language/docs/reference/rest/v2

    def _google_translate(self, asked: ServiceRequest) -> Json:
        _google_credential(asked, key=False)
        location, _, verb = asked.path.removeprefix(PARENT).partition(":")
        body = asked.body
        if verb == "detectLanguage":
            only(body, {"content", "mimeType"}, _google_error(400, "INVALID_ARGUMENT", "Invalid JSON payload."))
            return {"languages": [{"languageCode": _detect(body["content"]), "confidence": 1}]}
        fields = {"contents", "mimeType", "sourceLanguageCode", "targetLanguageCode", "model", "glossaryConfig"}
        only(body, fields, _google_error(400, "INVALID_ARGUMENT", "Invalid JSON payload received. Unknown name."))
        (text,) = body["contents"]
        if len(text) > 30_720:
            raise _google_error(400, "INVALID_ARGUMENT", "Text is too long.")
        if body["targetLanguageCode"] not in _GOOGLE_LANGUAGES:
            raise _google_error(400, "INVALID_ARGUMENT", "Target language is invalid.")
        glossary = body.get("glossaryConfig", {}).get("glossary")
        model = body.get("model", "/models/general/nmt")
        if (glossary or "/general/" not in model) and "sourceLanguageCode" not in body:
            raise _google_error(400, "INVALID_ARGUMENT", "Source language code must be specified.")
        if f"/locations/{location}/" not in (glossary or f"/locations/{location}/"):
            raise _google_error(400, "INVALID_ARGUMENT", "Invalid location.")
        if glossary and glossary != GLOSSARY:
            raise _google_error(404, "NOT_FOUND", f"Glossary not found.; Resource: {glossary}")
        translated = f"{body['targetLanguageCode']}[{text}]"
        if body.get("mimeType", "text/html") == "text/html":
            translated = html.escape(translated)
        found: Json = {"translatedText": translated}
        if "sourceLanguageCode" not in body:
            found["detectedLanguageCode"] = _detect(text)
        answer: Json = {"translations": [found]}
        if glossary:
            answer["glossaryTranslations"] = [{"translatedText": translated.replace("ship", "navio")}]
        return answer

    def _google_sentiment(self, asked: ServiceRequest) -> Json:
        _google_credential(asked, key=True)
        only(asked.body, {"document", "encodingType"}, _google_error(400, "INVALID_ARGUMENT", "Unknown name."))
        document = asked.body["document"]
        if len(document["content"].encode()) > 1_000_000:
            raise _google_error(400, "INVALID_ARGUMENT", "The document is too large: at most 1000000 bytes.")
        language = document.get("languageCode") or _detect(document["content"])
        if language == "sw":
            raise _google_error(
                400, "INVALID_ARGUMENT", "The language sw is not supported for document_sentiment analysis."
            )
        score = 0.8 if "good" in document["content"] else -0.6
        # A zero is left out, as in all of Google's JSON.
        sentiment: Json = {} if "table" in document["content"] else {"score": score, "magnitude": abs(score)}
        answer = {"documentSentiment": sentiment, "languageCode": language, "sentences": []}
        return answer | ({} if language == "de" else {"languageSupported": True})


def only(body: Json, known: set[str], refusal: ServiceRefusal) -> None:
    """Raise the refusal if there is a field that is not known."""
    if set(body) - known:
        raise refusal


def google_status(status: int, code: str, message: str, *details: Json) -> Json:
    """Return an error as `google.rpc.Status` in JSON."""
    return {"error": {"code": status, "message": message, "status": code, "details": list(details)}}


def _google_error(status: int, code: str, message: str) -> ServiceRefusal:
    return ServiceRefusal(status, google_status(status, code, message))


def _google_credential(asked: ServiceRequest, *, key: bool) -> None:
    if key and asked.headers.get("x-goog-api-key") == KEY:
        return
    if asked.headers.get("authorization", "").startswith("Bearer token-"):
        return
    raise _google_error(401, "UNAUTHENTICATED", "Request had invalid authentication credentials.")


def _azure_key(asked: ServiceRequest, error: Json) -> None:
    bearer = asked.headers.get("authorization", "").startswith("Bearer token-")
    if asked.headers.get("ocp-apim-subscription-key") != KEY and not bearer:
        raise ServiceRefusal(401, error)


def _azure_error(inner: str, message: str) -> Json:
    innererror = {"code": inner, "message": message}
    return {"error": {"code": "InvalidRequest", "message": "Invalid Document.", "innererror": innererror}}


def _translator_error(code: int, message: str) -> ServiceRefusal:
    return ServiceRefusal(code // 1000, {"error": {"code": code, "message": message}})


def _document_error(document: Json, limit: int) -> Json | None:
    """Return an error about one document, which Azure Language gives in a 200."""
    if document.get("language") == "sw":
        inner = {"code": "UnsupportedLanguageCode", "message": "Invalid language code. Supported languages: de,en,pt."}
        return {"code": "InvalidArgument", "message": "Invalid Language Code.", "innererror": inner}
    if len(document["text"]) > limit:
        message = f"A document within the request was too large to be processed. Limit document size to: {limit}."
        inner = {"code": "InvalidDocument", "message": message}
        return {"code": "InvalidArgument", "message": "Invalid document in request.", "innererror": inner}
    return None


def _detect(text: str) -> str:
    return "de" if "Gut" in text else "pt" if "Olá" in text else "en"
