import itertools
from collections.abc import Iterator

import pytest

from carteiro.models.cloud.batch_api.interface import ProviderBatch
from carteiro.models.errors import InvalidPrompt, Misconfigured, ModelError, RateLimited, Unavailable
from carteiro.worker.batch_api.stage import (
    MAX_SUBMISSIONS,
    TRANSITIONS,
    BatchFacts,
    BatchStage,
    BatchStep,
    next_step,
    stage_after_error,
)

RUNNING = ProviderBatch("batch-1", "name", "file-1", "running")
COMPLETED = ProviderBatch("batch-1", "name", "file-1", "completed")
FAILED = ProviderBatch("batch-1", "name", "file-1", "failed", error_message="a bad line")
NO_ROOM = ProviderBatch("batch-1", "name", "file-1", "failed", error_code="token_limit_exceeded")

POSSIBLE_STEPS = {
    BatchStage.UPLOADED: {BatchStep.WAIT, BatchStep.SUBMIT, BatchStep.ABANDON},
    BatchStage.SUBMITTING: {
        BatchStep.WAIT,
        BatchStep.FIND,
        BatchStep.DELETE_FILE,
        BatchStep.UPLOAD_AGAIN,
        BatchStep.ABANDON,
    },
    BatchStage.RUNNING: {
        BatchStep.WAIT,
        BatchStep.POLL,
        BatchStep.CANCEL,
        BatchStep.STOP,
        BatchStep.END,
        BatchStep.RESUBMIT,
        BatchStep.SHRINK,
    },
    BatchStage.ENDED: {BatchStep.POLL, BatchStep.DISTRIBUTE, BatchStep.CLEAN_UP},
    BatchStage.ABANDONED: {BatchStep.DISTRIBUTE, BatchStep.CLEAN_UP},
}
STAGES_AFTER = {
    BatchStep.SUBMIT: {BatchStage.SUBMITTING, BatchStage.RUNNING},
    BatchStep.FIND: {BatchStage.RUNNING},
    BatchStep.UPLOAD_AGAIN: {BatchStage.UPLOADED},
    BatchStep.STOP: {BatchStage.ENDED},
    BatchStep.END: {BatchStage.ENDED},
    BatchStep.RESUBMIT: {BatchStage.UPLOADED},
    BatchStep.SHRINK: {BatchStage.ABANDONED},
    BatchStep.ABANDON: {BatchStage.ABANDONED},
}
"""Stages that a step leads to. The other steps stay in the stage."""


def all_facts() -> Iterator[BatchFacts]:
    for flags in itertools.product((False, True), repeat=7):
        awaited, replay, finished, overdue, deleted, unlisted, cancelled = flags
        for polled, submissions in itertools.product((None, RUNNING, COMPLETED, FAILED, NO_ROOM), (1, MAX_SUBMISSIONS)):
            yield BatchFacts(awaited, replay, finished, overdue, deleted, unlisted, polled, cancelled, submissions)


@pytest.mark.parametrize("stage", BatchStage)
def test_stage_has_its_steps_and_no_others(stage: BatchStage) -> None:
    assert {next_step(stage, facts) for facts in all_facts()} == POSSIBLE_STEPS[stage]


def test_steps_lead_along_the_table_and_use_all_of_it() -> None:
    used: set[tuple[BatchStage, BatchStage]] = set()
    for stage, steps in POSSIBLE_STEPS.items():
        for step in steps:
            path = [stage, *sorted(STAGES_AFTER.get(step, ()), key=lambda each: each is BatchStage.RUNNING)]
            for each in itertools.pairwise(path):
                assert each[1] in TRANSITIONS[each[0]], (stage, step)
                used.add(each)
            for reached, error in itertools.product(path, (Unavailable("x"), RateLimited("x", 1), InvalidPrompt("x"))):
                if (after := stage_after_error(reached, step, error)) is not reached:
                    assert after in TRANSITIONS[reached], (reached, step, error)
                    used.add((reached, after))
    assert used == {(stage, after) for stage, following in TRANSITIONS.items() for after in following}


def test_every_stage_can_be_reached_and_leads_to_the_end() -> None:
    reached = {BatchStage.UPLOADED}
    while more := {after for stage in reached for after in TRANSITIONS[stage]} - reached:
        reached |= more
    assert reached == set(BatchStage)
    assert {stage for stage, following in TRANSITIONS.items() if not following} == {
        BatchStage.ENDED,
        BatchStage.ABANDONED,
    }


@pytest.mark.parametrize("stage", BatchStage)
def test_batch_is_submitted_only_if_it_certainly_is_not_yet_and_a_call_waits(stage: BatchStage) -> None:
    for facts in all_facts():
        if next_step(stage, facts) is BatchStep.SUBMIT:
            assert stage is BatchStage.UPLOADED
            assert facts.awaited


def test_items_are_uploaded_again_only_after_the_deletion_of_the_file_and_a_full_search() -> None:
    for facts in all_facts():
        if next_step(BatchStage.SUBMITTING, facts) in (BatchStep.UPLOAD_AGAIN, BatchStep.ABANDON):
            assert facts.file_deleted
            assert facts.unlisted


@pytest.mark.parametrize("stage", BatchStage)
def test_awaited_items_are_never_abandoned_without_a_reason_of_the_provider(stage: BatchStage) -> None:
    for facts in all_facts():
        step = next_step(stage, facts)
        if facts.awaited:
            assert step is not BatchStep.ABANDON
        if step is BatchStep.SHRINK:
            assert facts.polled is NO_ROOM


@pytest.mark.parametrize(
    ("facts", "step"),
    [
        (BatchFacts(awaited=True, replay_expected=False, finished=False), BatchStep.POLL),
        (BatchFacts(awaited=True, replay_expected=False, finished=False, polled=RUNNING), BatchStep.WAIT),
        (BatchFacts(awaited=True, replay_expected=False, finished=False, polled=COMPLETED), BatchStep.END),
        (BatchFacts(awaited=True, replay_expected=False, finished=False, polled=FAILED), BatchStep.END),
        (BatchFacts(awaited=True, replay_expected=False, finished=False, polled=NO_ROOM), BatchStep.RESUBMIT),
        (BatchFacts(awaited=False, replay_expected=True, finished=False, polled=RUNNING), BatchStep.WAIT),
        (BatchFacts(awaited=False, replay_expected=False, finished=False, polled=RUNNING), BatchStep.CANCEL),
        (BatchFacts(awaited=False, replay_expected=False, finished=True, polled=RUNNING), BatchStep.STOP),
    ],
)
def test_running_batch_is_followed_to_its_end(facts: BatchFacts, step: BatchStep) -> None:
    assert next_step(BatchStage.RUNNING, facts) is step


@pytest.mark.parametrize("cancelled", [False, True])
def test_batch_is_cancelled_once_if_a_deadline_is_near(cancelled: bool) -> None:
    facts = BatchFacts(
        awaited=True, replay_expected=False, finished=False, overdue=True, polled=RUNNING, cancelled=cancelled
    )
    assert next_step(BatchStage.RUNNING, facts) is (BatchStep.WAIT if cancelled else BatchStep.CANCEL)


@pytest.mark.parametrize(
    ("error", "stage"),
    [
        (Unavailable("no answer"), BatchStage.SUBMITTING),
        (RateLimited("slowly", 1), BatchStage.UPLOADED),
        (Misconfigured("the key"), BatchStage.UPLOADED),
        (InvalidPrompt("the file"), BatchStage.ABANDONED),
    ],
)
def test_only_an_error_response_proves_that_a_batch_was_not_submitted(error: ModelError, stage: BatchStage) -> None:
    assert stage_after_error(BatchStage.SUBMITTING, BatchStep.SUBMIT, error) is stage


@pytest.mark.parametrize("error", [Unavailable("x"), RateLimited("x", 1), Misconfigured("x"), InvalidPrompt("x")])
@pytest.mark.parametrize("step", [BatchStep.FIND, BatchStep.DELETE_FILE])
def test_error_of_the_search_proves_nothing(step: BatchStep, error: ModelError) -> None:
    assert stage_after_error(BatchStage.SUBMITTING, step, error) is BatchStage.SUBMITTING
