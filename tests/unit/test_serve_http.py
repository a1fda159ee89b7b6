"""The endpoint's part of `minicloud serve`: its flags and settings."""

import dataclasses
import ssl
import urllib.request
from pathlib import Path

import pytest

from minicloud.cli.serve_http import Front, Options
from minicloud.cloud import Cloud
from minicloud.errors import UsageError
from tests.endpoint_fixtures import Served


def test_none_listens_nowhere(cloud: Cloud) -> None:
    front = Front(cloud, Options(listen="none"))
    front.start()
    front.stop()


def test_the_flag_goes_before_the_setting(cloud: Cloud, served: Served, caplog: pytest.LogCaptureFixture) -> None:
    cloud.settings = dataclasses.replace(cloud.settings, listen=served.url.partition("//")[2])
    with pytest.raises(UsageError, match="cannot listen"):
        Front(cloud, Options()).start()
    with caplog.at_level("INFO"):
        front = Front(cloud, Options(listen="127.0.0.1:0", tls=True))
        front.start()
    url = caplog.messages[-1].removeprefix("the AWS endpoint is ")
    trusted = ssl.create_default_context(cafile=str(cloud.settings.home / "endpoint.pem"))
    with urllib.request.urlopen(f"{url}/health", context=trusted) as response:
        assert response.status == 200
    front.stop()
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"{url}/health", context=trusted)


@pytest.mark.parametrize("address", ["0.0.0.0:1", "nowhere:1", "127.0.0.1", "127.0.0.1:99999", "127.0.0.1:x"])
def test_where_it_cannot_listen_it_says_so(cloud: Cloud, address: str) -> None:
    with pytest.raises(UsageError):
        Front(cloud, Options(listen=address)).start()


def test_a_key_without_a_certificate_is_refused(cloud: Cloud) -> None:
    with pytest.raises(UsageError, match="go together"):
        Front(cloud, Options(listen="127.0.0.1:0", key=Path("x"))).start()
