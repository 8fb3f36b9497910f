import json
import subprocess
import sys

from carteiro.registry.connection import open_registry
from carteiro.registry.settings import RegistrySettings
from carteiro.registry.subjects import SubjectStrategy
from tests.registry_server import RegistryServer
from tests.unit.registry.confluent import Confluent

AVRO = '{"type":"record","name":"com.shop.Review","fields":[{"name":"text","type":"string"}]}'


async def test_events_and_requests_share_the_schemas(server: RegistryServer, confluent: Confluent) -> None:
    record = await confluent.avro(AVRO, {"text": "a"})
    registry = open_registry(RegistrySettings(url=server.url, subject_name_strategy=SubjectStrategy.RECORD))
    server.requests.clear()
    assert json.loads(await registry.read_request(record) or b"") == {"text": "a"}
    event = await registry.event_format("enriched", {("mood",): {"type": "string"}}).decode(record)
    await event.prepare()
    assert await confluent.read_avro(event.encode({("mood",): "good"}).value) == {"text": "a", "mood": "good"}
    assert server.requests[:2] == ["GET /schemas/ids/1", "POST /subjects/com.shop.Review/versions?normalize=False"]
    await registry.close()


def test_missing_library_is_told_with_the_extra() -> None:
    script = """
import importlib.util, sys
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "authlib" else found(name, *rest)
from carteiro.registry.connection import open_registry
from carteiro.registry.settings import RegistrySettings
try:
    open_registry(RegistrySettings(url="http://registry"))
except ModuleNotFoundError as error:
    print(error)
print("confluent_kafka" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == ("CARTEIRO_SCHEMA_REGISTRY_URL needs authlib: pip install 'carteiro[registry]'\nFalse\n")
