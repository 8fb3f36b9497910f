import asyncio
import gc
import weakref

from carteiro.concurrency.background_tasks import BackgroundTasks


async def test_running_task_is_kept_alive_and_forgotten_when_it_ends() -> None:
    tasks, go = BackgroundTasks(), asyncio.Event()

    async def work() -> None:
        await go.wait()

    task = weakref.ref(tasks.start(work()))
    await asyncio.sleep(0)
    gc.collect()
    assert task() is not None
    assert len(tasks) == 1
    go.set()
    await tasks.wait()
    assert len(tasks) == 0


async def test_wait_includes_tasks_that_tasks_start_and_raises_no_error_of_a_task() -> None:
    tasks, ended = BackgroundTasks(), []

    async def child() -> None:
        await asyncio.sleep(0)
        ended.append("child")

    async def parent() -> None:
        tasks.start(child())
        raise ValueError("of a task")

    tasks.start(parent())
    await tasks.wait()
    assert ended == ["child"]


async def test_cancel_ends_every_task() -> None:
    tasks = BackgroundTasks()
    started = [tasks.start(asyncio.Event().wait()) for _ in range(3)]
    await tasks.cancel()
    assert all(task.cancelled() for task in started)
    assert len(tasks) == 0


async def test_cancel_ends_tasks_that_cancelled_tasks_start() -> None:
    tasks = BackgroundTasks()
    children = []

    async def parent() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            children.append(tasks.start(asyncio.Event().wait()))

    tasks.start(parent())
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await tasks.cancel()
    assert [child.cancelled() for child in children] == [True]
