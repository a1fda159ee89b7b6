"""CPU credits of burstable instances: standard or unlimited. And the password of a guest, which Linux has none of."""

from typing import Any, TypedDict

from ...api import Answer, Call, operation
from ...aws import instance_types
from ...errors import ApiError
from .instance_rows import named, wanted

FILTERS = {"instance-id": "InstanceId"}


class CreditInput(TypedDict, total=False):
    """standard or unlimited, for one instance."""

    InstanceId: str
    CpuCredits: str


@operation(items="InstanceCreditSpecifications", key="InstanceId", filters=FILTERS)
def describe_instance_credit_specifications(call: Call, *, instance_ids: list[str] | None = None) -> Answer:
    """DescribeInstanceCreditSpecifications: of the instances that are named, or of those that are unlimited."""
    found = []
    for row in wanted(call.cloud.state, instance_ids):
        burstable = instance_types.get(row.instance_type).burstable
        if instance_ids and not burstable:
            raise ApiError(
                "InvalidParameterCombination", f"The instance '{row.id}' of type {row.instance_type} has no CPU credits"
            )
        if burstable and row.state != "terminated" and (instance_ids or row.credits == "unlimited"):
            found.append({"InstanceId": row.id, "CpuCredits": row.credits})
    return {"InstanceCreditSpecifications": found}


@operation()
def modify_instance_credit_specification(call: Call, *, instance_credit_specifications: list[CreditInput]) -> Answer:
    """ModifyInstanceCreditSpecification: each by itself. Credits are figures here: a guest's share is its type's."""
    done: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    for given in instance_credit_specifications:
        instance_id, chosen = given.get("InstanceId", ""), given.get("CpuCredits", "")
        try:
            row = named(call.cloud.state, [instance_id])[0]
        except ApiError as error:
            failed.append({"InstanceId": instance_id, "Error": {"Code": error.code, "Message": error.message}})
            continue
        if chosen not in ("standard", "unlimited") or not instance_types.get(row.instance_type).burstable:
            code = "InstanceCreditSpecification.NotSupported"
            text = f"CpuCredits '{chosen}' is not for an instance of type {row.instance_type}"
            failed.append({"InstanceId": instance_id, "Error": {"Code": code, "Message": text}})
            continue
        call.cloud.state.instances.change(row.id, credits=chosen)
        done.append({"InstanceId": row.id})
    return {"SuccessfulInstanceCreditSpecifications": done, "UnsuccessfulInstanceCreditSpecifications": failed}


@operation()
def get_password_data(call: Call, *, instance_id: str) -> Answer:
    """GetPasswordData: always empty, for guests with Linux have no password to get."""
    row = named(call.cloud.state, [instance_id])[0]
    return {"InstanceId": row.id, "Timestamp": call.now, "PasswordData": ""}
