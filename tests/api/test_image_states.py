"""Images that are disabled or protected, where images come from, and what refers to them."""

from minicloud.aws import times

from ..cloud_fixtures import IMAGE, RUN, Ec2

EVERY = {"IncludeAllResourceTypes": True}


def images(ec2: Ec2, **params: object) -> list[str]:
    return [image["ImageId"] for image in ec2("DescribeImages", **params)["Images"]]


def test_a_disabled_image_launches_nothing_until_it_is_enabled(ec2: Ec2) -> None:
    running = ec2.run()
    ec2("ModifyImageAttribute", ImageId=IMAGE.image_id, LaunchPermission={"Add": [{"UserId": "123456789012"}]})
    assert ec2("DisableImage", ImageId=IMAGE.image_id) == {"Return": True}
    assert ec2.refused("RunInstances", **RUN).code == "InvalidAMIID.Unavailable"
    assert images(ec2) == []
    assert images(ec2, IncludeDisabled=True, Filters=[{"Name": "state", "Values": ["disabled"]}]) == [IMAGE.image_id]
    assert ec2.state(running) == "running"
    ec2.look()
    assert images(ec2, IncludeDisabled=True) == [IMAGE.image_id]
    assert ec2("EnableImage", ImageId=IMAGE.image_id) == {"Return": True}
    assert images(ec2) == [IMAGE.image_id]
    assert ec2("DescribeImageAttribute", ImageId=IMAGE.image_id, Attribute="launchPermission")["LaunchPermissions"] == []
    ec2.run()
    assert ec2.refused("DisableImage", ImageId="ami-0fedcba9876543210").code == "InvalidAMIID.NotFound"
    assert ec2.refused("EnableImage", ImageId="x").code == "InvalidAMIID.Malformed"


def test_a_protected_image_stays_and_a_cooldown_runs(ec2: Ec2) -> None:
    made = ec2("CreateImage", InstanceId=ec2.run(), Name="mine")["ImageId"]
    on = ec2("EnableImageDeregistrationProtection", ImageId=made, WithCooldown=True)
    assert on["Return"] == "enabled-with-cooldown"
    shown = ec2("DescribeImageAttribute", ImageId=made, Attribute="deregistrationProtection")
    assert shown == {"ImageId": made, "DeregistrationProtection": {"Value": "enabled-with-cooldown"}}
    for attribute, member in (("tpmSupport", "TpmSupport"), ("uefiData", "UefiData"), ("imdsSupport", "ImdsSupport")):
        assert ec2("DescribeImageAttribute", ImageId=made, Attribute=attribute) == {"ImageId": made, member: {}}
    assert ec2.refused("DeregisterImage", ImageId=made).code == "OperationNotPermitted"
    assert ec2("DisableImageDeregistrationProtection", ImageId=made)["Return"].startswith("cooldown until ")
    assert ec2.refused("DeregisterImage", ImageId=made).code == "OperationNotPermitted"
    ec2.cloud.state.images.change(made, protection=times.text(times.seconds(times.now()) - 1))
    assert ec2("DescribeImages", ImageIds=[made])["Images"][0]["DeregistrationProtection"] == "disabled"
    assert ec2("EnableImageDeregistrationProtection", ImageId=made)["Return"] == "enabled-without-cooldown"
    assert ec2("DisableImageDeregistrationProtection", ImageId=made)["Return"] == "disabled"
    ec2("DeregisterImage", ImageId=made)


def test_where_an_image_comes_from(ec2: Ec2) -> None:
    first = ec2("CreateImage", InstanceId=ec2.run(), Name="first")["ImageId"]
    second = ec2("CopyImage", Name="second", SourceImageId=first, SourceRegion="us-east-1")["ImageId"]
    ec2("DeregisterImage", ImageId=first)
    entries = ec2("GetImageAncestry", ImageId=second)["ImageAncestryEntries"]
    assert [entry["ImageId"] for entry in entries] == [second, first, IMAGE.image_id]
    assert [entry.get("SourceImageId") for entry in entries] == [first, IMAGE.image_id, None]
    assert images(ec2, Filters=[{"Name": "source-image-id", "Values": [first]}]) == [second]


def test_what_refers_to_an_image(ec2: Ec2) -> None:
    one = ec2.run()
    template = ec2("CreateLaunchTemplate", LaunchTemplateName="template", LaunchTemplateData={"ImageId": IMAGE.image_id})
    template_id = template["LaunchTemplate"]["LaunchTemplateId"]
    found = ec2("DescribeImageReferences", ImageIds=[IMAGE.image_id], **EVERY)["ImageReferences"]
    assert [(each["ResourceType"], each["Arn"].rpartition("/")[2]) for each in found] == [
        ("ec2:Instance", one), ("ec2:LaunchTemplate", template_id),
    ]  # fmt: skip
    stopped = [
        {"ResourceType": "ec2:Instance", "ResourceTypeOptions": [{"OptionName": "state-name", "OptionValues": ["stopped"]}]}
    ]
    assert ec2("DescribeImageReferences", ImageIds=[IMAGE.image_id], ResourceTypes=stopped)["ImageReferences"] == []
    ec2("CreateLaunchTemplateVersion", LaunchTemplateId=template_id, LaunchTemplateData={"InstanceType": "t3.nano"})
    newest = [
        {"ResourceType": "ec2:LaunchTemplate", "ResourceTypeOptions": [{"OptionName": "version-depth", "OptionValues": ["1"]}]}
    ]
    assert ec2("DescribeImageReferences", ImageIds=[IMAGE.image_id], ResourceTypes=newest)["ImageReferences"] == []
    assert ec2.refused("DescribeImageReferences", ImageIds=[IMAGE.image_id]).code == "InvalidParameterCombination"


def test_instances_with_what_is_known_of_their_images(ec2: Ec2) -> None:
    one = ec2.run()
    ec2("DeregisterImage", ImageId=IMAGE.image_id)
    (found,) = ec2("DescribeInstanceImageMetadata", Filters=[{"Name": "instance-type", "Values": ["t3.*"]}])[
        "InstanceImageMetadata"
    ]
    assert (found["InstanceId"], found["ImageMetadata"]["State"]) == (one, "deregistered")
    assert ec2("DescribeInstanceImageMetadata", InstanceIds=[one])["InstanceImageMetadata"] == [found]
