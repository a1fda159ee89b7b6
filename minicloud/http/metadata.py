"""The instance metadata service: one listener on each subnet's bridge, where the firewall leads 169.254.169.254.

- Who asks follows from the bridge that the packet came through and the address that it came from, which no guest can forge;
  nothing in a request is believed.
- Version 2 as on EC2: a token by PUT (400 for a bad time to live, 403 with X-Forwarded-For), which goes no further than the
  instance's hop limit; without a valid one 401. Version 1 where HttpTokens is optional. 403 where the endpoint is disabled.
- Each connection is a thread; a guest may have only so many, and ask only so often (`metadata_peers.py`). Over its rate it gets
  503, as on EC2, and then is not heard for a moment.
- It is spoken to by an address, or by EC2's names for it: a web page that a guest shows does not get at it by a name of its own.
"""

import functools
import logging
import socket
import threading
from collections.abc import Mapping
from http.server import ThreadingHTTPServer
from ipaddress import IPv4Network
from typing import Any

from ..cloud import Cloud
from ..host.bridges import bridge_name
from ..metadata import tree, versions
from ..reconcile import isolation
from ..state.rows import Subnet
from . import metadata_identity, metadata_tokens
from .metadata_about import about_address
from .metadata_credentials import Credentials
from .metadata_peers import Peer, Peers
from .metadata_requests import GuestHandler
from .silence import Silence

log = logging.getLogger(__name__)

TTL_HEADER = "X-aws-ec2-metadata-token-ttl-seconds"
TOKEN_HEADER = "X-aws-ec2-metadata-token"  # noqa: S105  a header's name
_USUAL_TTL = 64
_PERIOD = 0.25


class Handler(GuestHandler):
    """One connection of a guest."""

    protocol_version = "HTTP/1.1"
    server_version = "EC2ws"
    sys_version = ""
    timeout = 10
    server: "Listener"

    def setup(self) -> None:
        """Begin."""
        self.peers, self.peer = self.server.peers, self.server.peer_of(self.request)
        super().setup()

    def do_GET(self) -> None:  # noqa: N802
        """A leaf, or the list of a directory."""
        self.connection.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, _USUAL_TTL)
        about = self._about()
        if about is None or not self._allowed(about):
            return
        found = self._find(about, self.path.split("?")[0])
        if found is None:
            self._answer(404)
        else:
            self._answer(200, found)

    do_HEAD = do_GET  # noqa: N815  http.server calls it so

    def do_PUT(self) -> None:  # noqa: N802
        """A token."""
        about = self._about()
        if about is None:
            return
        options = about.row.metadata_options
        seconds = metadata_tokens.seconds_asked(self.headers.get(TTL_HEADER))
        if options.get("HttpEndpoint") == "disabled" or self.headers.get("X-Forwarded-For") is not None:
            self._answer(403)
        elif self.path.rstrip("/") != "/latest/api/token":
            self._answer(405 if self._find(about, self.path) is not None else 404)
        elif seconds is None:
            self._answer(400)
        else:
            # Packets of this answer die at the first router too many: a container or a proxy behind the guest gets none.
            self.connection.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, int(options.get("HttpPutResponseHopLimit", 1)))
            token = metadata_tokens.make(self.server.secret, about.row.id, seconds)
            self._answer(200, token, {TTL_HEADER: str(seconds)})

    def _refuse(self) -> None:
        if self._about() is not None:
            self._answer(405)

    do_POST = do_DELETE = do_PATCH = do_OPTIONS = _refuse  # noqa: N815

    def _about(self) -> tree.About | None:
        about = about_address(self.server.cloud, self.server.network_id, self.client_address[0], self.server.credentials)
        if about is None:
            self._answer(404)
        return about

    def _allowed(self, about: tree.About) -> bool:
        options, token = about.row.metadata_options, self.headers.get(TOKEN_HEADER)
        if options.get("HttpEndpoint") == "disabled":
            self._answer(403)
            return False
        if token is None and options.get("HttpTokens", "optional") == "optional":
            return True
        if token is None or not metadata_tokens.valid(self.server.secret, about.row.id, token):
            self._answer(401)
            return False
        return True

    def _find(self, about: tree.About, path: str) -> str | bytes | None:
        version, _, rest = path.strip("/").partition("/")
        if not version:
            return "\n".join(versions.ALL)
        if version not in versions.ALL:
            return None
        if rest == "user-data":
            return about.row.user_data or None
        settings = self.server.cloud.settings
        whole = versions.of({"meta-data": tree.meta_data(about, settings), "dynamic": self._dynamic(about)}, version)
        # The directories at the top are the only ones that are listed without a slash.
        names = sorted([*whole, *(["user-data"] if about.row.user_data else [])])
        return tree.find(whole, rest) if rest else "\n".join(names)

    def _dynamic(self, about: tree.About) -> tree.Tree:
        settings = self.server.cloud.settings
        signed = tree.document(about, settings)
        pkcs7 = functools.partial(metadata_identity.pkcs7, settings.home, signed)
        signature = functools.partial(metadata_identity.signature, settings.home, signed)
        identity = {"document": signed, "pkcs7": pkcs7, "rsa2048": pkcs7, "signature": signature}
        return {"fws": {"instance-monitoring": about.row.monitoring}, "instance-identity": identity}

    def _answer(self, status: int, body: str | bytes = b"", headers: Mapping[str, str] | None = None) -> None:
        data = body.encode() if isinstance(body, str) else body
        binary = isinstance(body, bytes) and bool(body)
        self.send_response(status)
        self.send_header("Content-Type", "application/octet-stream" if binary else "text/plain")
        self.send_header("Content-Length", str(len(data)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if status != 200:
            # What is left of a body that nobody read must not be taken for another request.
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def finish(self) -> None:
        """The connection ends, and the thread with its view of the state."""
        super().finish()
        self.server.cloud.state.close()

    def log_message(self, format: str, *args: Any) -> None:
        """Guests do not fill the host's log."""
        log.debug("%s %s", self.client_address[0], format % args)


class Listener(ThreadingHTTPServer):
    """The service on one bridge."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(
        self,
        cloud: Cloud,
        network_id: str,
        address: str,
        device: str,
        secret: bytes,
        *,
        credentials: Credentials | None = None,
        peers: Peers | None = None,
    ) -> None:
        self.cloud, self.network_id, self.device, self.secret = cloud, network_id, device, secret
        self.credentials = credentials or Credentials(cloud)
        self.index = socket.if_nametoindex(device) if device else 0
        self.peers = peers or Peers()
        self._served: dict[Any, Peer] = {}
        super().__init__((address, cloud.settings.metadata_port), Handler)
        self._silence = Silence(self.socket)

    def server_bind(self) -> None:
        """Only what comes through the bridge itself reaches us, whatever routes the host has."""
        if self.device:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, self.device.encode())
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = "metadata", self.server_address[1]

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Not more connections of one guest than it can have use for, nor more often."""
        peer = self.peers.admit(self.network_id, client_address[0], request)
        if peer is None:
            self._silence.begin(client_address[0])
            return False
        self._served[request] = peer
        return True

    def peer_of(self, request: Any) -> Peer:
        """Whose connection this is."""
        return self._served[request]

    def shutdown_request(self, request: Any) -> None:
        """The end of a connection."""
        peer = self._served.pop(request, None)
        if peer is not None:
            self.peers.crowd.leave(peer)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        """Now and then, whatever else there is to do."""
        self.peers.crowd.cut_overdue()
        self._silence.end_overdue()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        """A guest that goes away in the midst of something is no event."""
        log.debug("metadata: a connection of %s failed", client_address[0], exc_info=True)


class Service:
    """Listeners on all bridges, as they come and go."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._listeners: dict[str, Listener] = {}
        self._credentials = Credentials(cloud)
        self._secret = b""
        self._peers = Peers()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="metadata", daemon=True)

    def start(self) -> None:
        """Serve, in threads of our own."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            isolation.guarded(self._cloud, lambda: isolation.stage(self._cloud, "metadata", self._follow))
            self._stop.wait(_PERIOD)
        for network_id in list(self._listeners):
            self._close(network_id)

    def _follow(self) -> None:
        """A listener on the bridge of every subnet that somebody lives in, and of no other."""
        self._secret = secret = self._secret or metadata_tokens.key(self._cloud.settings.run)
        state = self._cloud.state
        plugged = state.interfaces.query("instance_id != ''")
        self._peers.know({(one.subnet_id, at): one.instance_id for one in plugged for at in (one.address, *one.secondary)})
        living = {interface.subnet_id for interface in plugged}
        subnets = {subnet.id: subnet for subnet in state.subnets.among("id", sorted(living))}
        devices = {name: index for index, name in socket.if_nameindex()}
        for network_id, listener in list(self._listeners.items()):
            if network_id not in subnets or devices.get(listener.device) != listener.index:
                self._close(network_id)

        def see_to(subnet: Subnet) -> None:
            device = bridge_name(subnet.id)
            if subnet.id not in self._listeners and device in devices:
                self._listen(subnet.id, str(IPv4Network(subnet.cidr).network_address + 1), device, secret)

        isolation.each(self._cloud, "metadata", subnets.items(), see_to, longest=_PERIOD)

    def _listen(self, network_id: str, address: str, device: str, secret: bytes) -> None:
        try:
            listener = Listener(
                self._cloud, network_id, address, device, secret, credentials=self._credentials, peers=self._peers
            )
        except OSError as error:  # the bridge has no address yet
            log.debug("metadata on %s: %s", device, error)
            return
        self._listeners[network_id] = listener
        threading.Thread(target=listener.serve_forever, name=f"metadata-{device}", daemon=True).start()

    def _close(self, network_id: str) -> None:
        listener = self._listeners.pop(network_id)
        listener.shutdown()
        listener.server_close()
