"""The security policies of load balancers: which TLS versions and ciphers, in OpenSSL's names, in the order of preference.

AWS's page "Security policies for your Application Load Balancer". A policy is a range of versions and a choice of ciphers,
so the table here says just that.
"""

from dataclasses import dataclass

DEFAULT = "ELBSecurityPolicy-2016-08"
_TLS13 = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")
_ALL = (
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES128-SHA256",
    "ECDHE-RSA-AES128-SHA256",
    "ECDHE-ECDSA-AES128-SHA",
    "ECDHE-RSA-AES128-SHA",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES256-SHA384",
    "ECDHE-RSA-AES256-SHA384",
    "ECDHE-RSA-AES256-SHA",
    "ECDHE-ECDSA-AES256-SHA",
    "AES128-GCM-SHA256",
    "AES128-SHA256",
    "AES128-SHA",
    "AES256-GCM-SHA384",
    "AES256-SHA256",
    "AES256-SHA",
)
_FORWARD = tuple(name for name in _ALL if name.startswith("ECDHE-"))
_NO_SHA1 = tuple(name for name in _ALL if not name.endswith("-SHA"))
_FORWARD_NO_SHA1 = tuple(name for name in _FORWARD if name in _NO_SHA1)
_GCM = tuple(name for name in _FORWARD if "-GCM-" in name)
_VERSIONS = ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")


@dataclass(frozen=True)
class SslPolicy:
    """A policy. `protocols` are among TLSv1, TLSv1.1, TLSv1.2 and TLSv1.3, oldest first; `ciphers` as OpenSSL names them."""

    name: str
    protocols: tuple[str, ...]
    ciphers: tuple[str, ...]


def _policy(name: str, oldest: str, newest: str, ciphers: tuple[str, ...]) -> tuple[str, SslPolicy]:
    whole = f"ELBSecurityPolicy-{name}"
    versions = _VERSIONS[_VERSIONS.index(oldest) : _VERSIONS.index(newest) + 1]
    return whole, SslPolicy(whole, versions, (*_TLS13, *ciphers) if newest == "TLSv1.3" else ciphers)


POLICIES = dict(
    [
        _policy("2016-08", "TLSv1", "TLSv1.2", _ALL),
        _policy("TLS13-1-2-2021-06", "TLSv1.2", "TLSv1.3", _FORWARD_NO_SHA1),
        _policy("TLS13-1-2-Res-2021-06", "TLSv1.2", "TLSv1.3", _GCM),
        _policy("TLS13-1-2-Ext1-2021-06", "TLSv1.2", "TLSv1.3", _NO_SHA1),
        _policy("TLS13-1-2-Ext2-2021-06", "TLSv1.2", "TLSv1.3", _ALL),
        _policy("TLS13-1-1-2021-06", "TLSv1.1", "TLSv1.3", _ALL),
        _policy("TLS13-1-0-2021-06", "TLSv1", "TLSv1.3", _ALL),
        _policy("TLS13-1-3-2021-06", "TLSv1.3", "TLSv1.3", ()),
        _policy("TLS-1-2-2017-01", "TLSv1.2", "TLSv1.2", _NO_SHA1),
        _policy("TLS-1-2-Ext-2018-06", "TLSv1.2", "TLSv1.2", _ALL),
        _policy("TLS-1-1-2017-01", "TLSv1.1", "TLSv1.2", _ALL),
        _policy("FS-2018-06", "TLSv1", "TLSv1.2", _FORWARD),
        _policy("FS-1-1-2019-08", "TLSv1.1", "TLSv1.2", _FORWARD),
        _policy("FS-1-2-2019-08", "TLSv1.2", "TLSv1.2", _FORWARD),
        _policy("FS-1-2-Res-2019-08", "TLSv1.2", "TLSv1.2", _FORWARD_NO_SHA1),
        _policy("FS-1-2-Res-2020-10", "TLSv1.2", "TLSv1.2", _GCM),
        _policy("2015-05", "TLSv1", "TLSv1.2", _ALL),
    ]
)
