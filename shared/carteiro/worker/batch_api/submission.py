"""The submission of a batch, which happens once, even if the provider's answer or the worker is lost."""

from collections.abc import Awaitable, Callable, Sequence

import structlog

from carteiro.models.cloud.batch_api.interface import BatchApi, ProviderBatch
from carteiro.worker.batch_api.batch_record import BatchRecord
from carteiro.worker.batch_api.item import BatchItem
from carteiro.worker.batch_api.job_items import JobItems
from carteiro.worker.batch_api.stage import BatchStage, lacks_capacity

log = structlog.get_logger("carteiro.worker")


class Submission:
    """Steps that submit a batch, or find out if it is submitted. All raise the provider's errors.

    `upload` uploads items under a name, and returns the id of the file. `listing_delay` is the time (seconds) after
    which a submission with an unknown outcome is in the provider's list, if it succeeded.
    """

    def __init__(
        self,
        record: BatchRecord,
        items: JobItems,
        api: BatchApi,
        upload: Callable[[str, Sequence[BatchItem]], Awaitable[str]],
        listing_delay: float,
        now: Callable[[], float],
    ) -> None:
        self._record, self._items, self._api, self._upload = record, items, api, upload
        self._listing_delay, self._now = listing_delay, now
        self._searched_since: float | None = None
        """Time of the first look at the list since the submission or the deletion."""
        self.file_deleted = False
        """True if the file was deleted since the submission."""
        self.unlisted = False
        """True if the batch is still missing in the provider's list `listing_delay` after the first look at it."""

    async def submit(self) -> None:
        """Submit the file. The record says so before."""
        await self._api.wait_until_ready(self._record.state.file)
        # The submission follows the save at once: a worker that has lost the partition fails at the save.
        await self._record.advance(BatchStage.SUBMITTING)
        self._restart_search(file_deleted=False)
        await self._record_submitted([await self._api.submit(self._record.state.name, self._record.state.file)])

    async def find(self) -> None:
        """Look for the batch in the provider's list once."""
        if self._searched_since is None:
            self._searched_since = self._now()
        found = await self._api.find(self._record.state.name, self._record.state.file)
        # A batch that found no room is an earlier submission of the same file.
        if found := [each for each in found if not lacks_capacity(each)]:
            await self._record_submitted(found)
        else:
            self.unlisted = self._now() - self._searched_since > self._listing_delay

    async def delete_file(self) -> None:
        """Delete the file. An earlier owner that was halted right before its submission may resume at any time; then
        its submission fails, and nothing is paid twice.
        """
        await self._api.delete_file(self._record.state.file)
        self._restart_search(file_deleted=True)

    async def upload_again(self) -> None:
        """Upload the awaited items as another file."""
        items = self._items.awaited
        file = await self._upload(self._record.state.name, items)
        ids = tuple(item.id for item in items)
        await self._record.advance(BatchStage.UPLOADED, file=file, item_ids=ids)
        self._items.set_ids(ids)

    def _restart_search(self, *, file_deleted: bool) -> None:
        self.file_deleted, self.unlisted, self._searched_since = file_deleted, False, None

    async def _record_submitted(self, found: Sequence[ProviderBatch]) -> None:
        """Store the id of the submitted batch. Cancel the others if a halted worker has submitted it more than once."""
        alive = [each for each in found if each.status in ("running", "completed")] or list(found)
        name = self._record.state.name
        for other in alive[1:]:
            log.warning("a batch was submitted twice; one is cancelled", batch=name, id=other.id)
            await self._api.cancel(other.id)
        await self._record.advance(BatchStage.RUNNING, provider_id=alive[0].id)
        log.info("a batch is submitted", batch=name, id=alive[0].id, lines=len(self._record.state.item_ids))
