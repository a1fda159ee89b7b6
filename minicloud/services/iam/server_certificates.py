"""Server certificates: the older way to bring a certificate for load balancers. They are kept as those of ACM are."""

import hashlib
from typing import Any

from ...api import Answer, Call, operation
from ...errors import ApiError
from ...state.rows_lb import Certificate
from ..acm.certificates import columns, end_key
from ..acm.names import users
from . import roles, tag_rules
from .pages import page
from .tag_rules import TagInput

MOST_CERTIFICATES = 20


def _arn(call: Call, path: str, name: str) -> str:
    return f"arn:aws:iam::{call.cloud.settings.account_id}:server-certificate{path}{name}"


def _all(call: Call) -> list[Certificate]:
    return call.cloud.state.certificates.query("name != ''", order="name")


def existing(call: Call, name: str) -> Certificate:
    """The server certificate of a name. Raises ApiError (NoSuchEntity)."""
    found = call.cloud.state.certificates.find(name=name)
    if not found:
        raise ApiError("NoSuchEntity", f"The Server Certificate with name {name} cannot be found.", 404)
    return found[0]


def _view(row: Certificate) -> dict[str, Any]:
    return {
        "Path": row.path,
        "ServerCertificateName": row.name,
        "ServerCertificateId": "ASCA" + hashlib.sha256(row.key_file.encode()).hexdigest()[:17].upper(),
        "Arn": row.arn,
        "UploadDate": row.imported,
        "Expiration": row.not_after,
    }


@operation()
def upload_server_certificate(
    call: Call,
    *,
    path: str = "/",
    server_certificate_name: str,
    certificate_body: str,
    private_key: str,
    certificate_chain: str = "",
    tags: list[TagInput] | None = None,
) -> Answer:
    """UploadServerCertificate: checked as ACM checks one."""
    roles.check_path(path)
    if call.cloud.state.certificates.find(name=server_certificate_name):
        raise ApiError("EntityAlreadyExists", f"The Server Certificate with name {server_certificate_name} already exists.", 409)
    if len(_all(call)) >= MOST_CERTIFICATES:
        raise ApiError("LimitExceeded", f"Cannot exceed quota for ServerCertificatesPerAccount: {MOST_CERTIFICATES}", 409)
    try:
        found = columns(call, certificate_body.encode(), private_key.encode(), certificate_chain.encode())
    except ApiError as error:
        if error.code != "ValidationException":  # it is not the certificate
            raise
        code = "KeyPairMismatch" if "does not match" in error.message else "MalformedCertificate"
        raise ApiError(code, error.message) from error
    arn = _arn(call, path, server_certificate_name)
    row = call.cloud.state.certificates.add(
        Certificate(arn=arn, created=call.now, name=server_certificate_name, path=path, **found)
    )
    call.touch(row.arn)
    tag_rules.give(call, row.arn, "server-certificate", tags)
    return {"ServerCertificateMetadata": _view(row), **tag_rules.shown(call, row.arn)}


@operation()
def get_server_certificate(call: Call, *, server_certificate_name: str) -> Answer:
    """GetServerCertificate: the certificate and its chain."""
    row = existing(call, server_certificate_name)
    more = {**({"CertificateChain": row.chain} if row.chain else {}), **tag_rules.shown(call, row.arn)}
    return {"ServerCertificate": {"ServerCertificateMetadata": _view(row), "CertificateBody": row.certificate, **more}}


@operation()
def list_server_certificates(
    call: Call, *, path_prefix: str = "/", marker: str | None = None, max_items: int | None = None
) -> Answer:
    """ListServerCertificates."""
    found = [_view(row) for row in _all(call) if row.path.startswith(path_prefix)]
    return page("ServerCertificateMetadataList", found, lambda one: one["ServerCertificateName"], marker, max_items)


@operation()
def delete_server_certificate(call: Call, *, server_certificate_name: str) -> Answer:
    """DeleteServerCertificate: one that no balancer uses."""
    row = existing(call, server_certificate_name)
    if using := sorted(users(call.cloud.state, row.arn).values()):
        raise ApiError("DeleteConflict", f"Certificate: {row.arn} is currently in use by {', '.join(using)}.", 409)
    end_key(call, row)
    tag_rules.drop(call, row.arn)
    call.cloud.state.certificates.remove(row.arn)
    call.touch(row.arn)
    return {}
