"""Files of batches at Google, which has an API of its own for them."""

import pytest

from carteiro.models.cloud.client import CloudModel
from carteiro.models.errors import Unavailable
from tests.provider import Provider
from tests.unit.models.cloud.batch_api.batch_calls import (
    batch_api_of,
    encode_lines,
    read_results,
    submit_batch,
    wait_until_ended,
)
from tests.unit.models.cloud.cloud_models import KEY


@pytest.mark.parametrize("model", ["google"], indirect=True)
async def test_googles_key_is_only_in_the_expected_header(model: CloudModel, provider: Provider) -> None:
    await read_results(model, await wait_until_ended(model, await submit_batch(model, "one")))
    start, end = provider.batches.of("upload")
    assert start.headers["x-goog-api-key"] == KEY
    assert start.headers["X-Goog-Upload-Protocol"] == "resumable"
    assert not {"x-goog-api-key", "Authorization"} & set(end.headers)
    assert end.headers["Content-Length"] == start.headers["X-Goog-Upload-Header-Content-Length"]
    for kind in ("submit", "look"):
        assert provider.batches.of(kind)[0].headers["Authorization"] == f"Bearer {KEY}"
        assert "x-goog-api-key" not in provider.batches.of(kind)[0].headers
    assert provider.batches.of("download")[0].headers["x-goog-api-key"] == KEY


async def test_more_files_than_a_page_holds(google: CloudModel, provider: Provider) -> None:
    for number in range(250):
        provider.batches.store(f"files/x{number}", f"ours-{number}.jsonl", b"")
    found = await batch_api_of(google).list_files("ours-")
    assert {file for file, _ in found} == {f"files/x{number}" for number in range(250)}
    assert len(provider.batches.of("files")) == 3


async def test_invalid_upload_address_of_google_is_unavailable(google: CloudModel, provider: Provider) -> None:
    for headers in ({}, {"X_Goog_Upload_URL": "file:///etc/passwd"}):
        provider.batches.refuse("upload", 200, {}, **headers)
        with pytest.raises(Unavailable, match="no address"):
            await batch_api_of(google).upload("one", encode_lines(google, "one"))
