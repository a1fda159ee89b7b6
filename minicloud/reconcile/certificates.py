"""Files of private keys: those of certificates that were deleted or replaced go, and what an import left that was cut short.

Only what this state says is at its end. A key that no row names may be of a certificate that a newer state knew: it stays, and
the doctor tells of it.
"""

from ..cloud import Cloud
from ..host import disk_links, failures
from ..state import certificate_keys


def reconcile(cloud: Cloud) -> bool:
    """Remove them; whether there were any."""
    home, state = cloud.settings.home, cloud.state
    ended = [row.name for row in state.ended_keys.query()]
    if not ended and not certificate_keys.drafts(home):
        return False
    with failures.of_system():  # in a copied home, a link leads to keys that are another's
        disk_links.refuse_linked(certificate_keys.directory(home), home)
    with state.transaction():
        known = {row.key_file for row in state.certificates.query()}
        certificate_keys.settle(home, known)
        for name in ended:
            if name not in known:
                certificate_keys.remove(home, name)
            state.ended_keys.remove(name)
    return True
