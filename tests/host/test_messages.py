"""Messages that leave the host: a webhook on loopback, commands, and where nothing may be sent."""

import http.server
import json
import resource
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from minicloud.config import load
from minicloud.errors import Permanent, Retry, UsageError
from minicloud.host import messages
from minicloud.host.messages import LocalMessages


class Hook(http.server.BaseHTTPRequestHandler):
    seen: list[tuple[str, dict[str, str], bytes]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        type(self).seen.append((self.path, dict(self.headers), body))
        status = 302 if self.path == "/away" else 500 if self.path == "/broken" else 204
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "http://169.254.169.254/latest")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Silence."""


@pytest.fixture
def hook() -> Iterator[str]:
    Hook.seen = []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_a_webhook_gets_the_body_and_the_headers(hook: str) -> None:
    LocalMessages().post(f"{hook}/x?y=1", b'{"a": 1}', {"x-amz-sns-message-id": "m", "Content-Type": "text/plain"})
    ((path, headers, body),) = Hook.seen
    assert (path, headers["x-amz-sns-message-id"], json.loads(body)) == ("/x?y=1", "m", {"a": 1})


@pytest.mark.parametrize("path", ["/broken", "/away"])
def test_what_is_no_success_is_a_failure_and_no_redirect_is_followed(hook: str, path: str) -> None:
    with pytest.raises(Retry):
        LocalMessages().post(f"{hook}{path}", b"", {})
    assert len(Hook.seen) == 1


@pytest.mark.parametrize(
    "url", ["http://169.254.169.254/", "http://[fe80::1]/", "http://0.0.0.0/", "http://user:secret@127.0.0.1/"]
)
def test_nothing_is_sent_to_metadata_services(url: str) -> None:
    with pytest.raises(Permanent):
        LocalMessages().post(url, b"", {})


def test_a_command_gets_the_body_and_no_shell(tmp_path: Path) -> None:
    out = tmp_path / "out"
    LocalMessages().run(("/usr/bin/tee", str(out), str(tmp_path / "$HOME")), b"body")
    assert out.read_bytes() == b"body"
    assert (tmp_path / "$HOME").read_bytes() == b"body"
    with pytest.raises(Retry, match="status 1"):
        LocalMessages().run(("/bin/false",), b"")
    with pytest.raises(Retry, match="not installed"):
        LocalMessages().run(("/nowhere",), b"")


def test_a_command_may_talk_and_leave_others_behind_and_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that it says is kept but the end, and a child that holds its output is not waited for."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    flood = "import os\nfor _ in range(4096): os.write(2, b'x' * 65536)\nos.write(2, b' the end'); raise SystemExit(3)"
    with pytest.raises(Retry, match=r"status 3: x* the end"):
        LocalMessages().run((sys.executable, "-c", flood), b"body")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10
    left = "import subprocess; subprocess.Popen(['/bin/sleep', '5'])"
    LocalMessages().run((sys.executable, "-c", left), b"body")
    monkeypatch.setattr(messages, "COMMAND_TIMEOUT", 0.2)
    with pytest.raises(Retry, match="did not end in time"):
        LocalMessages().run(("/bin/sleep", "60"), b"")


def test_topics_are_settings(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('[topics.ops]\nwebhook = "https://hook.example/"\n[topics.pager]\ncommand = ["/bin/true", "x"]\n')
    path.chmod(0o600)
    environment = {"MINICLOUD_CONFIG": str(path), "MINICLOUD_TOPICS": "nonsense", "MINICLOUD_SAMPLE_SECONDS": "5"}
    settings = load(environment)
    assert settings.sample_seconds == 5
    assert settings.topics["pager"].command == ("/bin/true", "x")
    assert settings.topics["ops"].webhook == "https://hook.example/"
    path.write_text("[topics.ops]\n")
    with pytest.raises(UsageError, match=r"topics\.ops"):
        load(environment)
