"""Negotiation of the form of one prompt's request with its model."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from carteiro.models.cloud.format_changes import (
    candidate_changes,
    change_for_error,
    change_for_truncated_reasoning,
)
from carteiro.models.cloud.rejection_cause import is_output_limit_used_up, is_request_rejected
from carteiro.models.cloud.request_format import Dialect, FormatChange, RequestFormat
from carteiro.models.errors import InvalidOutput, ModelError, attach_usage, attached_usage
from carteiro.models.interface import RevocableTextSink
from carteiro.models.prompt import Prompt
from carteiro.models.results import Completion
from carteiro.schemas import ErrorCode, Usage

MAX_CALLS = 4
"""Maximum number of calls for one prompt."""
_CODES_AFTER_ACCEPTANCE: tuple[ErrorCode, ...] = ("invalid_output", "model_refused")
"""Failures of a request whose form the model has taken."""
BodyBuilder = Callable[[RequestFormat], dict[str, Any]]


class ForwardedText(RevocableTextSink):
    """Sink that passes a completion on piece by piece, and knows if there was any text."""

    def __init__(self, on_text: Callable[[str], None]) -> None:
        self._on_text = on_text
        self.has_text = False

    def __call__(self, text: str) -> None:
        self.has_text = True
        self._on_text(text)

    def restart(self) -> None:
        if isinstance(self._on_text, RevocableTextSink):
            self._on_text.restart()
            self.has_text = False


class FormatNegotiation:
    """Calls for one completion after the first call, at most `MAX_CALLS` in all, until the model takes the form of the
    request. The first call had the form `form`. `build_body` gives the body in a form.

    There is no further call after text has been passed on. What a call teaches goes into the `dialect` once the model
    has taken the request: a refusal for another reason teaches nothing.
    """

    def __init__(
        self,
        dialect: Dialect,
        prompt: Prompt,
        form: RequestFormat,
        build_body: BodyBuilder,
        forwarded: ForwardedText | None = None,
    ) -> None:
        self._dialect, self._prompt, self._build_body = dialect, prompt, build_body
        self._format = form
        self.body = build_body(form)
        """The body to send."""
        self._sent_bodies = [self.body]
        self._known_changes: list[FormatChange] = []
        self._candidate: FormatChange | None = None
        self._candidates: list[FormatChange] | None = None
        self._base_format = self._format
        self._first_failure: ModelError | None = None
        self._truncated: Completion | None = None
        self.usage = Usage()
        """Tokens of the calls without an answer, or with an answer that is replaced by another call."""
        self._forwarded = forwarded or ForwardedText(lambda _: None)

    async def run(
        self, outcome: Completion | ModelError, call: Callable[[dict[str, Any]], Awaitable[Completion]]
    ) -> Completion:
        """Return the completion, given the outcome of the first call. `call` makes another call, with this body.

        Raise the errors of `carteiro.models.errors`, with the usage of all calls.
        """
        while True:
            done = self.on_completion(outcome) if isinstance(outcome, Completion) else self.on_failure(outcome)
            if done is not None:
                return done
            try:
                outcome = await call(self.body)
            except ModelError as failure:
                outcome = failure
            except asyncio.CancelledError as cancelled:
                attach_usage(cancelled, self.usage + (attached_usage(cancelled) or Usage()))
                raise

    def on_failure(self, failure: ModelError) -> Completion | None:
        """Choose another form after a failure. If no form is left, return the earlier truncated completion if it is of
        use, or raise the first refusal. Raise the failure itself if it is not about the form.
        """
        if failure.code in _CODES_AFTER_ACCEPTANCE:
            self._learn_changes()
        first = self._first_failure or failure
        if not is_request_rejected(failure) and failure.code != first.code:
            first = failure
        step = None if self._forwarded.has_text or len(self._sent_bodies) >= MAX_CALLS else self._next_change(failure)
        if step is not None:
            self._first_failure = self._first_failure or failure
            self.usage += failure.usage or Usage()
            return None
        spent = self.usage + (failure.usage or Usage())
        if self._truncated is not None and (self._truncated.text.strip() or is_request_rejected(failure)):
            return replace(self._truncated, usage=spent)
        first.usage = spent if spent != Usage() else None
        if is_request_rejected(first) and is_output_limit_used_up(first):
            used_up = InvalidOutput(
                "the limit of output tokens was used up before the first word: raise it, or leave it out"
            )
            used_up.usage = first.usage
            raise used_up from first
        raise first

    def on_completion(self, completion: Completion) -> Completion | None:
        """Learn from a completion. Return it, or None if the prompt needs another call without a limit."""
        self._learn_changes()
        completion = replace(completion, usage=self.usage + completion.usage)
        step = change_for_truncated_reasoning(self._prompt, self._format, self.body, completion)
        if step is None:
            return completion
        if self._forwarded.has_text or self._truncated or len(self._sent_bodies) >= MAX_CALLS:
            self._dialect.learn(step)
            return completion
        self._truncated = completion
        self._known_changes.append(step)
        if not self._use_format(self._format | step.change):
            return completion
        self.usage = completion.usage
        return None

    def _learn_changes(self) -> None:
        for step in (*self._known_changes, *([self._candidate] if self._candidate else [])):
            self._dialect.learn(step)
        self._dialect.record_accepted(self.body, self._format)

    def _next_change(self, failure: ModelError) -> FormatChange | None:
        """Apply the next change of form. Return it, or None if no change is left."""
        form, current = self._format, self._dialect.format_for(self._prompt)
        if form | current != form and self._use_format(form | current):
            self._candidate = None
            return FormatChange(current)  # Another call has learnt this change in the meantime.
        step = change_for_error(self._dialect, self._prompt, form, self.body, failure)
        if step is not None:
            self._known_changes.append(step)
            return step if self._use_format(form | step.change) else None
        if self._candidates is None:
            self._candidates = candidate_changes(self._dialect, self._prompt, form, self.body, failure)
            self._base_format = form
        while self._candidates:
            self._candidate = self._candidates.pop(0)
            if self._use_format(self._base_format | self._candidate.change):
                return self._candidate
        return None

    def _use_format(self, form: RequestFormat) -> bool:
        """Build the body in a form. Return False if the body was already sent without success."""
        body = self._build_body(form)
        if body in self._sent_bodies:
            return False
        self._format, self.body = form, body
        self._sent_bodies.append(body)
        return True
