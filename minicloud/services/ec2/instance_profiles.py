"""Instance profiles on instances: the role that a guest's credentials (metadata service) have."""

from typing import Any, TypedDict

from ...api import Answer, Call, operation, require
from ...aws import arns, ids
from ...callers import check_pass
from ...errors import ApiError
from ...state.rows import Instance
from ...state.rows_access import InstanceProfile, ProfileAssociation
from .instance_rows import named

PASSED_TO = "ec2.amazonaws.com"
FILTERS = {"instance-id": "InstanceId", "state": "State"}


class IamInstanceProfileInput(TypedDict, total=False):
    """An instance profile by its ARN or its name."""

    Arn: str
    Name: str


def _arn(account_id: str, profile: InstanceProfile) -> str:
    return arns.instance_profile(account_id, profile.path, profile.name)


def wanted(call: Call, given: IamInstanceProfileInput) -> InstanceProfile:
    """The profile that a request names, whose role the caller may pass. Raises ApiError (InvalidParameterValue, ...)."""
    name = given.get("Name") or given.get("Arn", "").rpartition("/")[2]
    row = call.cloud.state.instance_profiles.get(name)
    account = call.cloud.settings.account_id
    if row is None or given.get("Arn", _arn(account, row)) != _arn(account, row):
        shown = given.get("Arn") or given.get("Name", "")
        kind = "Arn" if given.get("Arn") else "Name"
        raise ApiError(
            "InvalidParameterValue",
            f"Value ({shown}) for parameter iamInstanceProfile.{kind.lower()} is invalid. "
            f"Invalid IAM Instance Profile {'ARN' if kind == 'Arn' else 'name'}",
        )
    if role := call.cloud.state.roles.get(row.role) if row.role else None:
        check_pass(call.caller, "ec2", arns.role(account, role.path, role.name), PASSED_TO)
    return row


def attach(call: Call, instance_id: str, profile: InstanceProfile) -> ProfileAssociation:
    """Put a profile on an instance that has none."""
    identifier = ids.new_id("iam-instance-profile-association")
    return call.cloud.state.profile_associations.add(ProfileAssociation(identifier, instance_id, profile.name, call.now))


def attached(call: Call, answer: Answer, profile: InstanceProfile | None) -> Answer:
    """The answer of RunInstances, once its instances have their profile."""
    if profile is None:
        return answer
    for instance in answer["Instances"]:
        instance["IamInstanceProfile"] = view(call, attach(call, instance["InstanceId"], profile))
    return answer


def of_instances(call: Call, instance_ids: list[str]) -> dict[str, dict[str, str]]:
    """The profiles of instances that have one, as instances show them."""
    account = call.cloud.settings.account_id
    profiles = {row.name: row for row in call.cloud.state.instance_profiles.query()}
    if not profiles:
        return {}
    return {
        row.instance_id: {"Arn": _arn(account, profiles[row.profile]), "Id": profiles[row.profile].id}
        for row in call.cloud.state.profile_associations.among("instance_id", instance_ids)
        if row.profile in profiles
    }


def view(call: Call, association: ProfileAssociation) -> dict[str, str]:
    """The profile of an association, as instances show it."""
    profile = call.cloud.state.instance_profiles.get(association.profile)
    return {"Arn": _arn(call.cloud.settings.account_id, profile), "Id": profile.id} if profile else {}


def _view(call: Call, association: ProfileAssociation, state: str = "associated") -> dict[str, Any]:
    return {
        "AssociationId": association.id,
        "InstanceId": association.instance_id,
        "IamInstanceProfile": view(call, association),
        "State": state,
    }


def _living(call: Call, instance_id: str) -> Instance:
    row = named(call.cloud.state, [instance_id])[0]
    if row.state in ("shutting-down", "terminated"):
        raise ApiError("IncorrectInstanceState", f"The instance '{instance_id}' is not in a valid state for this operation.")
    return row


def _existing(call: Call, association_id: str) -> ProfileAssociation:
    row = call.cloud.state.profile_associations.get(association_id)
    if row is None:
        raise ids.not_found("iam-instance-profile-association", [association_id])
    return row


@operation()
def associate_iam_instance_profile(call: Call, *, iam_instance_profile: IamInstanceProfileInput, instance_id: str) -> Answer:
    """AssociateIamInstanceProfile."""
    profile, instance = wanted(call, iam_instance_profile), _living(call, instance_id)
    if there := call.cloud.state.profile_associations.find(instance_id=instance.id):
        raise ApiError("IncorrectState", f"There is an existing association for instance {instance.id}: {there[0].id}")
    return {"IamInstanceProfileAssociation": _view(call, attach(call, instance.id, profile), "associating")}


@operation()
def replace_iam_instance_profile_association(
    call: Call, *, iam_instance_profile: IamInstanceProfileInput, association_id: str
) -> Answer:
    """ReplaceIamInstanceProfileAssociation: another profile in place of that of an association."""
    before, profile = _existing(call, association_id), wanted(call, iam_instance_profile)
    _living(call, before.instance_id)
    call.cloud.state.profile_associations.remove(before.id)
    return {"IamInstanceProfileAssociation": _view(call, attach(call, before.instance_id, profile), "associating")}


@operation()
def disassociate_iam_instance_profile(call: Call, *, association_id: str) -> Answer:
    """DisassociateIamInstanceProfile."""
    row = _existing(call, association_id)
    call.cloud.state.profile_associations.remove(row.id)
    return {"IamInstanceProfileAssociation": _view(call, row, "disassociating")}


@operation(items="IamInstanceProfileAssociations", key="AssociationId", filters=FILTERS)
def describe_iam_instance_profile_associations(call: Call, *, association_ids: list[str] | None = None) -> Answer:
    """DescribeIamInstanceProfileAssociations, of instances that are not terminated."""
    state = call.cloud.state
    ids.check("iam-instance-profile-association", association_ids or ())
    rows = {row.id: row for row in state.profile_associations.query()}
    require("iam-instance-profile-association", association_ids or (), rows)
    instances = {row.id: row for row in state.instances.among("id", {row.instance_id for row in rows.values()})}
    found = []
    for identifier in association_ids or rows:
        instance = instances.get(rows[identifier].instance_id)
        if instance is not None and instance.state != "terminated":
            found.append(_view(call, rows[identifier]))
    return {"IamInstanceProfileAssociations": found}
