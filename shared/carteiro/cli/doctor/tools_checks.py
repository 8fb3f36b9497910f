"""Checks of the tools that a worker serves: their file, their topics, and what their MCP servers need."""

import os
import shutil
from collections.abc import AsyncIterator, Iterator

from aiokafka.errors import KafkaConnectionError, KafkaError

from carteiro.cli.doctor.finding import Finding
from carteiro.cli.plural import pluralise
from carteiro.extras import ExtraMissing, needs
from carteiro.kafka.connection import admin_client
from carteiro.kafka.security import connection_options
from carteiro.settings.tools_file import ServerEntry, ToolsFile, ToolsFileInvalid, load_tools_file
from carteiro.settings.worker import WorkerSettings

_ADVICE = "see docs/use/tools.md"


async def check_tools(settings: WorkerSettings) -> AsyncIterator[Finding]:
    """Yield the findings on the file of the settings; none if they name none. No server is started or called."""
    if settings.tools is None:
        return
    try:
        file = load_tools_file(settings.tools)
        if file.servers:
            needs("CARTEIRO_TOOLS", "mcp", "mcp")
    except (ToolsFileInvalid, ExtraMissing) as error:
        for line in str(error).splitlines():
            yield Finding("tools", "fault", line, _ADVICE)
        return
    tools = len(file.topics) + sum(len(server.tools) for server in file.servers.values())
    yield Finding("tools", "ok", f"{settings.tools} serves {pluralise(tools, 'tool')}")
    for name, server in file.servers.items():
        for problem in _problems(server):
            yield Finding(f"server {name}", "warning", problem, "workers go on without its tools until it answers")
    if file.topics:
        async for finding in _check_topics(file, settings):
            yield finding


def _problems(server: ServerEntry) -> Iterator[str]:
    if server.command is not None and shutil.which(server.command[0]) is None:
        yield f"{server.command[0]} is no program here"
    for variable in [*server.env, *filter(None, [server.token_variable])]:
        if not os.environ.get(variable):
            yield f"{variable} is not set"


async def _check_topics(file: ToolsFile, settings: WorkerSettings) -> AsyncIterator[Finding]:
    try:
        async with admin_client(connection_options(settings)) as admin:
            existing = set(await admin.list_topics())
    except KafkaConnectionError:
        return  # The finding on the broker says so.
    except KafkaError as error:
        yield Finding("topics of tools", "fault", f"Kafka does not say: {error!r}", "see docs/run/kafka-security.md")
        return
    for name, entry in file.topics.items():
        if missing := [topic for topic in (entry.topic, entry.replies) if topic not in existing]:
            advice = "`carteiro topics create`, or this user may not see them"
            yield Finding(f"topics of {name}", "warning", f"there is no {', no '.join(missing)}", advice)
        else:
            yield Finding(f"topics of {name}", "ok", f"calls go to {entry.topic}, answers come from {entry.replies}")
