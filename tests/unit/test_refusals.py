"""Each service refuses in its own family's codes: EC2's, those of the query protocol, those of JSON."""

from typing import Any

import pytest

from minicloud import api
from minicloud.aws import filters, model, page_rules, pages, refusals, routing, validate
from minicloud.aws.wire import WireRequest
from minicloud.cloud import Cloud
from minicloud.errors import ApiError
from tests.cloud_fixtures import Ec2

FAMILIES = {
    "ec2": ("InvalidParameterValue", "MissingParameter", "UnknownParameter", "InvalidNextToken", "InvalidAction"),
    "iam": ("ValidationError", "ValidationError", "ValidationError", "ValidationError", "InvalidAction"),
    "sts": ("ValidationError", "ValidationError", "ValidationError", "ValidationError", "InvalidAction"),
    "elb": ("ValidationError", "ValidationError", "ValidationError", "ValidationError", "InvalidAction"),
    "elbv2": ("ValidationError", "ValidationError", "ValidationError", "ValidationError", "InvalidAction"),
    "autoscaling": ("ValidationError", "ValidationError", "ValidationError", "InvalidNextToken", "InvalidAction"),
    "cloudwatch": ("ValidationError", "ValidationError", "ValidationError", "InvalidNextToken", "InvalidAction"),
    "acm": ("ValidationException", *["ValidationException"] * 3, "UnknownOperationException"),
    "dlm": ("InvalidRequestException", *["InvalidRequestException"] * 3, "UnknownOperationException"),
}


@pytest.mark.parametrize("service", FAMILIES)
def test_codes_are_the_familys(service: str) -> None:
    words = refusals.of(model.service(service))
    choice = words.choice("Filters.1.Name", "x", ["a", "b"])
    said = (choice, words.missing("Name"), words.unknown("Nome"), words.token("t"), words.action("A"))
    assert tuple(error.code for error in said) == FAMILIES[service]
    assert words.filter("f").code == words.bounds("Size", 0, 1, 2, "").code == FAMILIES[service][0]
    common = "1 validation error detected: Value 'x' at 'filters.1.member.name' failed to satisfy constraint: "
    own = "Value (x) for parameter Filters.1.Name is invalid. Allowed: a, b."
    assert choice.message == (own if service == "ec2" else f"{common}Member must satisfy enum value set: [a, b]")


def refused(service: str, name: str, params: dict[str, Any]) -> ApiError:
    with pytest.raises(ApiError) as caught:
        validate.validate(model.service(service).operation(name), params)
    return caught.value


@pytest.mark.parametrize(
    ("service", "name", "params", "code", "text"),
    [
        ("cloudwatch", "PutMetricData", {"Namespace": "n", "MetricData": [{"MetricName": "m", "Unit": "x"}]}, "ValidationError",
         "Value 'x' at 'metricData.1.member.unit' failed to satisfy constraint: Member must satisfy enum value set: [Seconds, "),
        ("cloudwatch", "PutMetricData", {"Namespace": "n", "MetricData": [{"Value": 1.0}]}, "ValidationError",
         "Value null at 'metricData.1.member.metricName' failed to satisfy constraint: Member must not be null"),
        ("autoscaling", "CreateAutoScalingGroup", {"AutoScalingGroupName": "g", "MinSize": "1", "MaxSize": 1}, "ValidationError",
         "'minSize'"),
        ("elbv2", "DescribeLoadBalancers", {"PageSize": 500}, "ValidationError",
         "at 'pageSize' failed to satisfy constraint: Member must have value less than or equal to 400"),
        ("acm", "DescribeCertificate", {"CertificateArn": "short"}, "ValidationException",
         "Member must have length greater than or equal to 20"),
        ("acm", "DescribeCertificate", {"CertificateArn": 7}, "SerializationException", "must be text"),
        ("dlm", "GetLifecyclePolicy", {}, "InvalidRequestException", "'policyId'"),
        ("iam", "CreateRole", {"RoleName": "r", "AssumeRolePolicyDocument": "{}", "MaxSessionDuration": 1}, "ValidationError",
         "greater than or equal to 3600"),
        ("ec2", "DescribeInstances", {"MaxResults": "x"}, "InvalidParameterValue", "parameter MaxResults"),
    ],
)  # fmt: skip
def test_what_a_model_does_not_allow(service: str, name: str, params: dict[str, Any], code: str, text: str) -> None:
    error = refused(service, name, params)
    assert (error.code, error.status) == (code, 400)
    assert text in error.message


def test_pages_and_filters_speak_for_the_service() -> None:
    words, groups = refusals.of(model.service("elbv2")), model.service("autoscaling").operation("DescribeAutoScalingGroups")
    for use in (
        lambda: page_rules.check(groups, {"MaxRecords": 0}),
        lambda: pages.decode("never given out", words),
        lambda: filters.compile_filters([{"Name": "no", "Values": ["x"]}], {}, words),
        lambda: filters.compile_filters([{"Name": "no", "Values": []}], {"no": "No"}, words),
    ):
        with pytest.raises(ApiError) as caught:
            use()
        assert caught.value.code == "ValidationError"


@pytest.mark.parametrize(
    ("service", "code"), [("ec2", "InvalidAction"), ("iam", "InvalidAction"), ("dlm", "UnknownOperationException")]
)
def test_an_operation_that_nobody_has(cloud: Cloud, service: str, code: str) -> None:
    with pytest.raises(ApiError) as caught:
        api.call(cloud, service, "Nonsense", {})
    assert caught.value.code == code


def test_parameters_of_operations_that_are_there(ec2: Ec2) -> None:
    for service, name, params, code in (
        ("iam", "GetRole", {}, "ValidationError"),
        ("iam", "GetRole", {"RoleName": "r", "Nome": "x"}, "ValidationError"),
        ("sts", "AssumeRole", {"RoleArn": "x", "RoleSessionName": "session"}, "ValidationError"),
        ("dlm", "GetLifecyclePolicies", {"State": "SLEEPING"}, "InvalidRequestException"),
    ):
        with pytest.raises(ApiError) as caught:
            api.call(ec2.cloud, service, name, params)
        assert caught.value.code == code, name


def test_forms_and_documents_are_refused_in_the_same_words() -> None:
    group = model.service("autoscaling").operation("CreateAutoScalingGroup")
    metric = model.service("cloudwatch").operation("PutMetricData")
    certificate = model.service("acm").operation("DescribeCertificate")
    vpcs = model.service("ec2").operation("DescribeVpcs")
    for protocol, operation, body, code in (
        (routing.QUERY, group, b"MinSize=many", "ValidationError"),
        (routing.QUERY, group, b"Tags.x.Key=1", "ValidationError"),
        (routing.JSON["1.0"], metric, b"<xml/>", "SerializationException"),
        (routing.JSON["1.1"], certificate, b"<xml/>", "SerializationException"),
        (routing.EC2, vpcs, b"Bogus=1", "UnknownParameter"),
    ):
        request = WireRequest("POST", "/", "", {"content-type": "application/x-www-form-urlencoded"}, body)
        with pytest.raises(ApiError) as caught:
            protocol.parse(operation, request)
        assert caught.value.code == code, body


@pytest.mark.parametrize(
    ("service", "codes"),
    [
        ("ec2", ["MissingAuthenticationToken 403", "AuthFailure 401", "AuthFailure 401", "RequestExpired 400",
                 "RequestExpired 400", "UnauthorizedOperation 403", "RequestLimitExceeded 503", "InternalError 500"]),
        ("elb", ["MissingAuthenticationToken 403", "InvalidClientTokenId 403", "SignatureDoesNotMatch 403",
                 "SignatureDoesNotMatch 403", "ExpiredToken 403", "AccessDenied 403", "Throttling 400", "InternalFailure 500"]),
        ("dlm", ["MissingAuthenticationTokenException 400", "UnrecognizedClientException 400", "InvalidSignatureException 400",
                 "InvalidSignatureException 400", "ExpiredTokenException 400", "AccessDeniedException 400",
                 "ThrottlingException 400", "InternalServerException 500"]),
    ],
)  # fmt: skip
def test_refusals_of_whom_and_how_often(service: str, codes: list[str]) -> None:
    words = refusals.of(model.service(service))
    said = (words.anonymous(), words.stranger(), words.forged(), words.late(), words.expired(), words.denied("me", "a:B"),
            words.rate(), words.fault())  # fmt: skip
    assert [f"{error.code} {error.status}" for error in said] == codes


@pytest.mark.parametrize(
    ("protocol", "code"), [("ec2", "InvalidAction"), ("query", "InvalidAction"), ("json-1.1", "UnknownOperationException")]
)
def test_without_a_service_the_protocol_decides(protocol: str, code: str) -> None:
    assert refusals.without_service(protocol).action("X").code == code
