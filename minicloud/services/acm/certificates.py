"""Certificates that somebody brings: imported, replaced, shown, deleted. The private key goes to a file and never comes back."""

import functools
import uuid
from typing import Any, TypedDict

from ...api import Answer, Call, operation
from ...aws import pages, times
from ...errors import ApiError, Permanent
from ...host import disk_links
from ...state import certificate_keys
from ...state.rows_clock import EndedKey
from ...state.rows_lb import Certificate
from . import tags as tagging
from .names import named, prefix, users
from .tags import TagInput

MOST_CERTIFICATES = 2500


class IncludesInput(TypedDict, total=False):
    """Which certificates are listed: by the type of their keys."""

    keyTypes: list[str]


def columns(call: Call, certificate: bytes, key: bytes, chain: bytes) -> dict[str, Any]:
    """A certificate's columns, after it was checked and its key kept. Raises ApiError: ValidationException for what was given,
    OperationNotPermitted where the keys of this home may be another home's.
    """
    from ...aws import certificates

    try:
        read = certificates.read(certificate, key, chain, times.seconds(call.now))
    except certificates.BadCertificateError as error:
        raise ApiError("ValidationException", f"{error}.") from error
    home = call.cloud.settings.home
    try:
        disk_links.refuse_linked(certificate_keys.directory(home), home)
    except Permanent as error:
        raise ApiError("OperationNotPermitted", error.message) from error
    return {
        "domain": read.names[0],
        "names": read.names,
        "certificate": read.certificate,
        "chain": read.chain,
        "key_file": certificate_keys.write(home, read.key),
        "key_algorithm": read.key_algorithm,
        "signature_algorithm": read.signature_algorithm,
        "serial": read.serial,
        "subject": read.subject,
        "issuer": read.issuer,
        "not_before": read.not_before,
        "not_after": read.not_after,
        "imported": call.now,
    }


def end_key(call: Call, row: Certificate) -> None:
    """A certificate's key is to be removed, once what happens to the certificate has happened."""
    call.cloud.state.ended_keys.add(EndedKey(row.key_file))


@operation()
def import_certificate(
    call: Call,
    *,
    certificate_arn: str | None = None,
    certificate: bytes,
    private_key: bytes,
    certificate_chain: bytes = b"",
    tags: list[TagInput] | None = None,
) -> Answer:
    """ImportCertificate: a new one, or in place of one that is there; balancers that use it take the new one up."""
    state = call.cloud.state
    if certificate_arn is not None:
        if tags:
            raise ApiError("ValidationException", "Tags cannot be given when a certificate is imported again.")
        row = named(call, certificate_arn)
        fields = columns(call, certificate, private_key, certificate_chain)
        end_key(call, row)
        state.certificates.change(row.arn, **fields)
        call.touch(*users(state, row.arn), row.arn)
        return {"CertificateArn": row.arn}
    if len(state.certificates.query()) >= MOST_CERTIFICATES:
        raise ApiError("LimitExceededException", f"There can be at most {MOST_CERTIFICATES} certificates.")
    arn = prefix(call) + str(uuid.uuid4())
    found = columns(call, certificate, private_key, certificate_chain)
    state.certificates.add(Certificate(arn=arn, created=call.now, **found))
    tagging.give(call, arn, tags or [])
    call.touch(arn)
    return {"CertificateArn": arn}


@operation()
def describe_certificate(call: Call, *, certificate_arn: str) -> Answer:
    """DescribeCertificate."""
    row = named(call, certificate_arn)
    view = {
        "CertificateArn": row.arn,
        "DomainName": row.domain,
        "SubjectAlternativeNames": row.names,
        "Serial": row.serial,
        "Subject": row.subject,
        "Issuer": row.issuer,
        "CreatedAt": row.created,
        "ImportedAt": row.imported,
        "Status": _status(call, row),
        "NotBefore": row.not_before,
        "NotAfter": row.not_after,
        "KeyAlgorithm": row.key_algorithm,
        "SignatureAlgorithm": row.signature_algorithm,
        "InUseBy": sorted(users(call.cloud.state, row.arn).values()),
        "Type": "IMPORTED",
        "RenewalEligibility": "INELIGIBLE",
        "Options": {"CertificateTransparencyLoggingPreference": "DISABLED", "Export": "DISABLED"},
    }
    return {"Certificate": view}


def _status(call: Call, row: Certificate) -> str:
    return "EXPIRED" if row.not_after < call.now else "ISSUED"


@operation()
def get_certificate(call: Call, *, certificate_arn: str) -> Answer:
    """GetCertificate: the certificate and its chain."""
    row = named(call, certificate_arn)
    return {"Certificate": row.certificate, **({"CertificateChain": row.chain} if row.chain else {})}


@operation(own_pages=True)
def list_certificates(
    call: Call,
    *,
    certificate_statuses: list[str] | None = None,
    includes: IncludesInput | None = None,
    max_items: int | None = None,
    sort_by: str | None = None,
    sort_order: str | None = None,
) -> Answer:
    """ListCertificates. AWS lists those with keys of RSA 2048 alone unless key types are named; here all are listed then."""
    if (sort_by is None) != (sort_order is None):
        raise ApiError("ValidationException", "SortBy and SortOrder must be specified together.")
    key_types = (includes or {}).get("keyTypes")
    rows = [row for row in call.cloud.state.certificates.query() if row.arn.startswith(prefix(call))]
    if certificate_statuses:
        rows = [row for row in rows if _status(call, row) in certificate_statuses]
    if key_types:
        rows = [row for row in rows if row.key_algorithm in key_types]
    used = {arn for listener in call.cloud.state.listeners.query() for arn in listener.certificates}
    views = [_summary(call, row, in_use=row.arn in used) for row in rows]
    place = functools.partial(_place, down=sort_order == "DESCENDING")
    shown, token = pages.page(sorted(views, key=place), place, max_items, call.next_token or None)
    return {"CertificateSummaryList": shown, **({"NextToken": token} if token else {})}


def _place(one: dict[str, Any], *, down: bool) -> str:
    """The key that a list is ordered by: pages go up, so to go down it is a text of the other ends of all characters."""
    key = f"{one['CreatedAt']} {one['CertificateArn']}"
    return "".join(chr(0x10FFFF - ord(letter)) for letter in key) if down else key


def _summary(call: Call, row: Certificate, *, in_use: bool) -> dict[str, Any]:
    return {
        "CertificateArn": row.arn,
        "DomainName": row.domain,
        "SubjectAlternativeNameSummaries": row.names,
        "HasAdditionalSubjectAlternativeNames": False,
        "Status": _status(call, row),
        "Type": "IMPORTED",
        "KeyAlgorithm": row.key_algorithm,
        "ExportOption": "DISABLED",
        "InUse": in_use,
        "RenewalEligibility": "INELIGIBLE",
        "NotBefore": row.not_before,
        "NotAfter": row.not_after,
        "CreatedAt": row.created,
        "ImportedAt": row.imported,
    }


@operation()
def delete_certificate(call: Call, *, certificate_arn: str) -> Answer:
    """DeleteCertificate: one that no balancer uses."""
    row = named(call, certificate_arn)
    if users(call.cloud.state, row.arn):
        raise ApiError("ResourceInUseException", f"Certificate {row.arn} is in use.")
    end_key(call, row)
    call.cloud.state.certificates.remove(row.arn)
    tagging.drop(call, row.arn)
    call.touch(row.arn)
    return {}
