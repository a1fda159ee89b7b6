"""Files of private keys that no certificate names any more are removed: of certificates deleted or replaced, of imports that
were cut short.
"""

from ..cloud import Cloud
from ..state import certificate_keys


def reconcile(cloud: Cloud) -> bool:
    """Remove them; whether there were any."""
    home, rows = cloud.settings.home, cloud.state.certificates
    if not certificate_keys.strangers(home, {row.key_file for row in rows.query()}):
        return False
    with cloud.state.transaction():
        certificate_keys.sweep(home, {row.key_file for row in rows.query()})
    return True
