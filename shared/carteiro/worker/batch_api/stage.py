"""The stages of a batch's life, and the decision about the next step. Pure: no provider, no Kafka, no clock."""

from dataclasses import dataclass
from enum import Enum

from carteiro.models.cloud.batch_api.interface import ProviderBatch
from carteiro.models.errors import Misconfigured, ModelError, RateLimited, Unavailable

MAX_SUBMISSIONS = 5
"""Submissions of a batch that exceeds the provider's capacity, before it is abandoned and batches become smaller."""
_CAPACITY_CODES = ("token_limit_exceeded",)
"""Error codes of a batch that the provider accepts after other batches have ended."""


class BatchStage(Enum):
    """Stage of a batch, as its record stores it."""

    UPLOADED = "uploaded"
    """Its file is uploaded. The batch is certainly not submitted."""
    SUBMITTING = "submitting"
    """It may be submitted. Stored before each submission, and left once the provider's answer is known."""
    RUNNING = "running"
    """It is submitted, and the provider's id of it is known."""
    ENDED = "ended"
    """The provider has ended it. Its results are distributed until all its requests are finished."""
    ABANDONED = "abandoned"
    """It is not submitted any more. Its requests continue without it."""


TRANSITIONS = {
    BatchStage.UPLOADED: frozenset({BatchStage.SUBMITTING, BatchStage.ABANDONED}),
    BatchStage.SUBMITTING: frozenset({BatchStage.UPLOADED, BatchStage.RUNNING, BatchStage.ABANDONED}),
    BatchStage.RUNNING: frozenset({BatchStage.UPLOADED, BatchStage.ENDED, BatchStage.ABANDONED}),
    BatchStage.ENDED: frozenset[BatchStage](),
    BatchStage.ABANDONED: frozenset[BatchStage](),
}
"""The allowed transitions. A batch ends with the deletion of its record, in ENDED or ABANDONED."""


class BatchStep(Enum):
    """One step of a batch's job."""

    WAIT = "wait for a moment"
    SUBMIT = "submit the file"
    FIND = "look for the batch in the provider's list"
    DELETE_FILE = "delete the file, so that a late submission of it fails"
    UPLOAD_AGAIN = "upload the awaited items as another file"
    POLL = "read the provider's status"
    CANCEL = "cancel the batch, and go on polling"
    STOP = "cancel the batch, whose results nobody needs"
    END = "note that the provider has ended the batch"
    RESUBMIT = "prepare for another submission of the file, when the provider has room"
    SHRINK = "make later batches smaller, and abandon this one"
    ABANDON = "abandon the batch"
    DISTRIBUTE = "give the results to the awaited items"
    CLEAN_UP = "delete the files and the record"


@dataclass(frozen=True, slots=True)
class BatchFacts:
    """Facts about a batch besides its stage, as its job knows them."""

    awaited: bool
    """True if a call waits for an item."""
    replay_expected: bool
    """True if items may still be attached, because the requests of an earlier owner are started again."""
    finished: bool
    """True if all requests with an item of the batch are finished."""
    overdue: bool = False
    """True if an awaited item's deadline is near."""
    file_deleted: bool = False
    """True if the file was deleted since the submission, so that no late submission can succeed."""
    unlisted: bool = False
    """True if the batch was missing in the provider's list for long enough since the submission or the deletion."""
    polled: ProviderBatch | None = None
    """The provider's status; None if it has to be read."""
    cancelled: bool = False
    """True if the batch was cancelled."""
    submissions: int = 1
    """Submissions of the batch for which the provider had no room, and this one."""


def next_step(stage: BatchStage, facts: BatchFacts) -> BatchStep:
    """Return the next step of a batch's job."""
    match stage:
        case BatchStage.UPLOADED:
            return _wait_or(facts, BatchStep.SUBMIT)
        case BatchStage.SUBMITTING:
            if not facts.unlisted:
                return BatchStep.FIND
            return _wait_or(facts, BatchStep.UPLOAD_AGAIN) if facts.file_deleted else BatchStep.DELETE_FILE
        case BatchStage.RUNNING:
            return _step_of_running(facts)
        case BatchStage.ENDED if facts.polled is None and not facts.finished:
            return BatchStep.POLL
        case BatchStage.ENDED | BatchStage.ABANDONED:
            return BatchStep.CLEAN_UP if facts.finished else BatchStep.DISTRIBUTE


def stage_after_error(stage: BatchStage, step: BatchStep, error: ModelError) -> BatchStage:
    """Return the stage of a batch after a provider's error in a step that began or was in `stage`.

    Only a submission's own error response proves that the batch was not submitted; no response proves nothing.
    """
    transient = isinstance(error, Unavailable | RateLimited | Misconfigured)
    match stage, step:
        case BatchStage.SUBMITTING, BatchStep.SUBMIT:
            if not transient:
                return BatchStage.ABANDONED
            return BatchStage.SUBMITTING if isinstance(error, Unavailable) else BatchStage.UPLOADED
        case (BatchStage.UPLOADED, BatchStep.SUBMIT) | (BatchStage.SUBMITTING, BatchStep.UPLOAD_AGAIN):
            return stage if transient else BatchStage.ABANDONED
        case _:
            return stage


def lacks_capacity(batch: ProviderBatch) -> bool:
    """Return True if a batch failed, unpaid, because the provider had no room for it at that time."""
    return batch.status == "failed" and batch.error_code in _CAPACITY_CODES


def _wait_or(facts: BatchFacts, step: BatchStep) -> BatchStep:
    """Return `step` if a call waits for the batch, and else the decision of a batch that is not submitted."""
    if facts.awaited:
        return step
    return BatchStep.WAIT if facts.replay_expected else BatchStep.ABANDON


def _step_of_running(facts: BatchFacts) -> BatchStep:
    if (batch := facts.polled) is not None and batch.status != "running":
        if not lacks_capacity(batch):
            return BatchStep.END
        return BatchStep.RESUBMIT if facts.submissions < MAX_SUBMISSIONS else BatchStep.SHRINK
    if facts.finished:
        return BatchStep.STOP
    if batch is None:
        return BatchStep.POLL
    if not facts.cancelled and (facts.overdue or not (facts.awaited or facts.replay_expected)):
        return BatchStep.CANCEL
    return BatchStep.WAIT
