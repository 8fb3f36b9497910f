"""Jobs of Azure Language: their addresses. The rest is tested with summaries, in `test_azure_language`."""

import pytest

from carteiro.models.cloud.connection import ProviderConnection
from carteiro.models.cloud.language.azure_jobs import AzureJobs
from carteiro.models.errors import Unavailable
from tests.unit.models.cloud.language.conftest import endpoint


@pytest.mark.parametrize(
    ("location", "path"),
    [
        ("https://other.example/language/analyze-text/jobs/1-a?api-version=x", "/language/analyze-text/jobs/1-a"),
        ("/language/analyze-text/jobs/1-a", "/language/analyze-text/jobs/1-a"),
        ("https://h/language/analyze-text/jobs/../x", None),
        ("https://h/language/analyze-text/jobs/", None),
        ("https://h/other", None),
        (None, None),
    ],
)
async def test_job_is_asked_for_at_the_endpoint_itself(location: str | None, path: str | None) -> None:
    connection = ProviderConnection("x:", endpoint("http://h"), 1)
    jobs = AzureJobs(connection)
    if path is None:
        with pytest.raises(Unavailable, match="no address"):
            jobs._path_of(location)
    else:
        assert jobs._path_of(location) == path
    await connection.close()
