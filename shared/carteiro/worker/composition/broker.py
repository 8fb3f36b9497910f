"""FastStream's broker of a worker."""

import asyncio

from faststream.kafka import KafkaBroker
from faststream.security import BaseSecurity

from carteiro.kafka.security import connection_options, ssl_context
from carteiro.settings.worker import WorkerSettings


class WorkerBroker(KafkaBroker):
    """Broker that starts all subscribers at once.

    FastStream starts one after the other, and each waits for its group.
    """

    def __init__(self, settings: WorkerSettings) -> None:
        tls = ssl_context(settings)
        super().__init__(
            connection_options(settings)["bootstrap_servers"],
            client_id="carteiro",
            consumer_only=True,
            allow_auto_create_topics=False,
            graceful_timeout=settings.grace_seconds,
            # FastStream needs only this part of the security settings. Its consumers get the options unchanged.
            security=BaseSecurity(ssl_context=tls, use_ssl=tls is not None),
            # FastStream logs each cancelled request as an error. This worker logs the errors of requests itself.
            logger=None,
        )

    async def start(self) -> None:
        """Connect, and start all subscribers. If one fails, stop all of them and raise its error."""
        await self.connect()
        # All starts are awaited, so that none is still running while the subscribers are stopped.
        starts = await asyncio.gather(*(each.start() for each in self.subscribers), return_exceptions=True)
        for result in starts:
            if isinstance(result, BaseException):
                await asyncio.gather(*(each.stop() for each in self.subscribers), return_exceptions=True)
                raise result
        self.running = True
