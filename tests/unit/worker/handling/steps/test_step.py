"""The composition of steps."""

from carteiro.schemas.generate import GenerateRequest
from carteiro.worker.handling.steps.step import compose


async def test_steps_run_in_order_around_the_last_handler(make_context, next_handler):
    events = []

    def step(name):
        async def run(context, handle):
            events.append(f"{name} begins")
            reply = await handle(context)
            events.append(f"{name} ends")
            return reply

        return run

    async def last(context):
        events.append("last")
        return await next_handler(context)

    context = make_context(GenerateRequest(prompt="Why?"))
    reply = await compose(step("first"), step("second"), last=last)(context)
    assert events == ["first begins", "second begins", "last", "second ends", "first ends"]
    assert reply.result.text == "text 1"
    assert next_handler.context is context


async def test_step_may_answer_without_the_next_one(make_context, next_handler):
    context = make_context(GenerateRequest(prompt="Why?"))
    stored = await next_handler(context)

    async def answer(context, handle):
        return stored

    async def fail(context, handle):
        raise AssertionError

    assert await compose(answer, fail, last=fail)(context) is stored
