"""Which package sources a build uses: those of the host's that are Debian's own archive, as apt itself reads them.

apt is asked, so one-line and deb822 files, options and disabled entries need no parser here. Third-party sources never
get into an image: only archives whose Release file says `Origin: Debian` count. A host of another Debian release lends
its archives (they carry all releases); a host of another distribution has none to lend and must name a mirror.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from ..errors import UsageError
from .run import run

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")

_FORMAT = "$(CREATED_BY)\t$(ORIGIN)\t$(LABEL)\t$(REPO_URI)"
_SCHEMES = ("http", "https", "file", "copy", "mirror", "mirror+http", "mirror+https", "tor+http", "tor+https")


@dataclass(frozen=True)
class Sources:
    """An apt sources file in deb822 form, and where it points, for people."""

    text: str
    summary: str


def sources(suite: str, components: Sequence[str], mirrors: Sequence[str] = ()) -> Sources:
    """The sources of `suite`, its updates and its security archive. Raises UsageError when there is nowhere to get it."""
    if not KEYRING.exists():
        raise UsageError(f"the keys of Debian's archive are missing ({KEYRING}); install the package debian-archive-keyring")
    if mirrors:
        main, security = split_mirrors(mirrors)
    else:
        listing = run(["apt-get", "indextargets", "--format", _FORMAT]).text
        main, security = archives(listing)
    if not main:
        raise UsageError(
            f"this host's package sources include no Debian archive to build {suite} from: on Debian run `apt-get update` first; "
            "on another distribution install debian-archive-keyring and give a Debian mirror with --mirror URI"
        )
    return Sources(render(suite, components, main, security), ", ".join(sorted({*main, *security})))


def split_mirrors(mirrors: Iterable[str]) -> tuple[list[str], list[str]]:
    """Mirror URIs as (main archives, security archives). Raises UsageError for what is no URI."""
    main: list[str] = []
    security: list[str] = []
    for mirror in mirrors:
        if urlsplit(mirror).scheme not in _SCHEMES or any(sign.isspace() for sign in mirror):
            raise UsageError(f"--mirror {mirror!r} is not the URI of a package archive (http://HOST/debian)")
        kind = security if mirror.rstrip("/").endswith("-security") else main
        kind.append(mirror)
    return main, security


def archives(listing: str) -> tuple[list[str], list[str]]:
    """Debian's own (main archives, security archives) in what apt listed, each once, in the host's order."""
    main: dict[str, None] = {}
    security: dict[str, None] = {}
    for line in listing.splitlines():
        created_by, origin, label, uri = line.split("\t")
        if created_by != "Packages" or origin != "Debian" or urlsplit(uri).scheme not in _SCHEMES:
            continue
        if label == "Debian-Security":
            security[uri] = None
        elif label == "Debian":
            main[uri] = None
    return list(main), list(security)


def render(suite: str, components: Sequence[str], main: Sequence[str], security: Sequence[str]) -> str:
    """The deb822 text. The values are checked: no line of theirs can become a field of its own."""
    wanted = [(main, f"{suite} {suite}-updates"), (security, f"{suite}-security")]
    stanzas = [
        f"Types: deb\nURIs: {' '.join(uris)}\nSuites: {suites}\nComponents: {' '.join(components)}\nSigned-By: {KEYRING}\n"
        for uris, suites in wanted
        if uris
    ]
    return "\n".join(stanzas)


def acquire_options() -> list[str]:
    """How this host's apt fetches (proxies, retries, checks of dates): the build fetches the same way, the image does not."""
    lines = run(["apt-config", "dump"]).text.splitlines()
    kept = ("Acquire::http::", "Acquire::https::", "Acquire::Retries ", "Acquire::Check-")
    return [line for line in lines if line.startswith(kept) and not line.endswith(' "";')]
