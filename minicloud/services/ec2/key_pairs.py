"""Key pairs. Only the public half is ever kept; the private one is in the answer of CreateKeyPair and nowhere else."""

from typing import Any

from ...api import Answer, Call, operation
from ...aws import ids
from ...errors import ApiError
from ...state.rows import KeyPair
from ...state.store import State

FILTERS = {"key-pair-id": "KeyPairId", "fingerprint": "KeyFingerprint", "key-name": "KeyName"}


def _refuse_duplicate(state: State, name: str) -> None:
    if state.key_pairs.find(name=name):
        raise ApiError("InvalidKeyPair.Duplicate", "The keypair already exists")


def _add(call: Call, name: str, kind: str, fingerprint: str, public_key: str) -> Answer:
    row = call.cloud.state.key_pairs.add(KeyPair(ids.new_id("key-pair"), name, kind, fingerprint, public_key, call.now))
    tags = call.tag("key-pair", row.id)
    return {"KeyFingerprint": fingerprint, "KeyName": name, "KeyPairId": row.id, "Tags": tags}


def _generate(given: dict[str, Any]) -> Any:
    """The new key: an RSA key takes a second to find."""
    from ...aws import keys

    keys.validate_name(given["KeyName"])
    return keys.generate(given.get("KeyType", "rsa"), given.get("KeyFormat", "pem"))


@operation(tags=("key-pair",), prepare=_generate)
def create_key_pair(call: Call, *, key_name: str, key_type: str = "rsa", key_format: str = "pem") -> Answer:
    """CreateKeyPair: `key_type` rsa or ed25519, `key_format` pem or ppk. KeyMaterial is the private key."""
    del key_format
    _refuse_duplicate(call.cloud.state, key_name)
    made = call.prepared
    answer = _add(call, key_name, key_type, made.fingerprint, made.public_openssh)
    return {**answer, "KeyMaterial": made.private}


@operation(tags=("key-pair",))
def import_key_pair(call: Call, *, key_name: str, public_key_material: bytes) -> Answer:
    """ImportKeyPair: an OpenSSH, SSH2 (RFC 4716) or base64 DER public key, RSA or ED25519."""
    from ...aws import keys

    keys.validate_name(key_name)
    given = keys.import_public(public_key_material)
    _refuse_duplicate(call.cloud.state, key_name)
    return _add(call, key_name, given.kind, given.fingerprint, given.public_openssh)


@operation()
def delete_key_pair(call: Call, *, key_name: str | None = None, key_pair_id: str | None = None) -> Answer:
    """DeleteKeyPair, by name or id. Instances that have the key keep it."""
    state = call.cloud.state
    if not key_name and not key_pair_id:
        raise ApiError("MissingParameter", "The request must contain the parameter KeyName or KeyPairId")
    found = state.key_pairs.find(name=key_name) if key_name else state.key_pairs.find(id=key_pair_id)
    answer: Answer = {"Return": True}
    for row in found:
        state.key_pairs.remove(row.id)
        for tag in state.tags.find(resource_id=row.id):
            state.tags.remove(row.id, tag.key)
        answer["KeyPairId"] = row.id
    return answer


@operation(items="KeyPairs", filters=FILTERS)
def describe_key_pairs(
    call: Call,
    *,
    key_names: list[str] | None = None,
    key_pair_ids: list[str] | None = None,
    include_public_key: bool = False,
) -> Answer:
    """DescribeKeyPairs."""
    state = call.cloud.state
    rows = state.key_pairs.query()
    for wanted, column in ((key_names, "name"), (key_pair_ids, "id")):
        there = {getattr(row, column) for row in rows}
        if missing := [name for name in wanted or () if name not in there]:
            raise ApiError("InvalidKeyPair.NotFound", f"The key pair '{missing[0]}' does not exist")
        rows = [row for row in rows if not wanted or getattr(row, column) in wanted]
    tags = state.tags_of(row.id for row in rows)
    return {"KeyPairs": [_view(row, tags[row.id], include_public_key) for row in rows]}


def _view(row: KeyPair, tags: list[dict[str, str]], public: bool) -> dict[str, Any]:
    view = {
        "KeyPairId": row.id,
        "KeyType": row.kind,
        "Tags": tags,
        "CreateTime": row.created,
        "KeyName": row.name,
        "KeyFingerprint": row.fingerprint,
    }
    return {**view, "PublicKey": row.public_key} if public else view
