import asyncio

from carteiro.concurrency.coalesced_call import CoalescedCall


async def test_calls_of_one_step_are_one_call() -> None:
    calls: list[str] = []
    call = CoalescedCall(lambda: calls.append("called"))
    for _ in range(3):
        call.schedule()
    assert not calls
    await asyncio.sleep(0)
    assert calls == ["called"]
    await asyncio.sleep(0)
    assert calls == ["called"]


async def test_function_may_schedule_itself() -> None:
    steps = 0

    def count() -> None:
        nonlocal steps
        steps += 1
        if steps < 3:
            call.schedule()

    call = CoalescedCall(count)
    call.schedule()
    for _ in range(5):
        await asyncio.sleep(0)
    assert steps == 3


async def test_failure_does_not_prevent_the_next_call() -> None:
    failures: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context["exception"]))
    call = CoalescedCall(lambda: 1 // 0)  # type: ignore[arg-type]
    for _ in range(2):
        call.schedule()
        await asyncio.sleep(0)
    assert [type(each) for each in failures] == [ZeroDivisionError, ZeroDivisionError]
