"""To whom a request goes: by target, path, credential scope, host, API version; and what is said where nobody is there."""

import pytest

from minicloud.aws import routing
from minicloud.aws.wire import WireRequest

SERVICES = ["acm", "autoscaling", "cloudwatch", "dlm", "ec2", "elb", "elbv2", "iam", "sts"]
FORM = {"content-type": "application/x-www-form-urlencoded"}


def route(
    body: bytes = b"", scope: str = "", path: str = "/", method: str = "POST", query: str = "", **headers: str
) -> routing.Target:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return routing.route(WireRequest(method, path, query, {**FORM, **named}, body), scope, SERVICES)


def name_of(target: routing.Target) -> tuple[str, str, str]:
    assert target.service is not None
    return target.service.name, target.operation, target.protocol.name


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (route(b"Action=DescribeVpcs", "ec2"), ("ec2", "DescribeVpcs", "ec2")),
        (route(b"Action=DescribeVpcs&Version=2014-10-01", "ec2"), ("ec2", "DescribeVpcs", "ec2")),
        (route(query="Action=DescribeVpcs", method="GET", scope="ec2"), ("ec2", "DescribeVpcs", "ec2")),
        (route(b"Action=A&Version=2012-06-01", "elasticloadbalancing"), ("elb", "A", "query")),
        (route(b"Action=A&Version=2015-12-01", "elasticloadbalancing"), ("elbv2", "A", "query")),
        (route(b"Action=A&Version=2012-06-01", host="127.0.0.1:8800"), ("elb", "A", "query")),
        (route(b"Action=A&Version=2015-12-01", host="elasticloadbalancing.us-east-1.amazonaws.com"), ("elbv2", "A", "query")),
        (route(query="Action=A&Version=2012-06-01", method="GET", scope="elasticloadbalancing"), ("elb", "A", "query")),
        (route(b"Action=A&Version=2011-01-01", "autoscaling"), ("autoscaling", "A", "query")),
        (route(b"Action=A", "autoscaling"), ("autoscaling", "A", "query")),
        (
            route(scope="acm", x_amz_target="CertificateManager.ListCertificates", content_type="application/x-amz-json-1.1"),
            ("acm", "ListCertificates", "json-1.1"),
        ),
        (route(b"Action=A", host="ec2.us-east-1.amazonaws.com"), ("ec2", "A", "ec2")),
        (route(b"Action=A", host="sts.localhost:8800"), ("sts", "A", "query")),
        (route(b"Action=A&Version=2010-05-08", host="127.0.0.1:8800"), ("iam", "A", "query")),
        (route(b"Action=A&Version=2010-08-01", "monitoring"), ("cloudwatch", "A", "query")),
        (route(x_amz_target="GraniteServiceVersion20100801.ListMetrics"), ("cloudwatch", "ListMetrics", "json-1.0")),
        (
            route(x_amz_target="GraniteServiceVersion20100801.A", content_type="application/x-amz-json-1.1"),
            ("cloudwatch", "A", "json-1.1"),
        ),
        (route(b"Action=DescribeVpcs&Version=2016-11-15", "compute"), ("ec2", "DescribeVpcs", "ec2")),
        (route(b"Action=ListRoles&Version=2010-05-08", "us-east-1"), ("iam", "ListRoles", "query")),
        (route(b"Action=DescribeTags&Version=2012-06-01", "elb"), ("elb", "DescribeTags", "query")),
        (route(b"Action=RunInstances&Version=2014-10-01", "127"), ("ec2", "RunInstances", "ec2")),
        (route(b"Action=RunInstances&Version=2012-06-01", "localhost"), ("ec2", "RunInstances", "ec2")),
        (route(b"Action=RunInstances&Version=2011-01-01", host="127.0.0.1:8800"), ("ec2", "RunInstances", "ec2")),
        (route(b"Action=DescribeTags&Version=2014-10-01", "127"), ("ec2", "DescribeTags", "ec2")),
        (route(b"Action=DescribeTags&Version=2011-01-01", "127"), ("autoscaling", "DescribeTags", "query")),
        (route(path="/service/GraniteServiceVersion20100801/operation/A"), ("cloudwatch", "A", "rpc-v2-cbor")),
        (route(path="/policies/p-1", method="GET", scope="dlm"), ("dlm", "GetLifecyclePolicy", "rest-json")),
        (route(path="/policies", method="POST", scope="dlm"), ("dlm", "CreateLifecyclePolicy", "rest-json")),
    ],
)
def test_it_goes_to(target: routing.Target, expected: tuple[str, str, str]) -> None:
    assert target.refused is None
    assert name_of(target) == expected


@pytest.mark.parametrize(
    ("target", "code", "protocol"),
    [
        (route(b"", "ec2"), "MissingAction", "ec2"),
        (route(b"", "sts"), "MissingAction", "query"),
        (route(b"Action=A", "kms"), "UnsupportedOperation", "query"),
        (route(b"Action=A&Version=2016-11-15", "kms"), "UnsupportedOperation", "query"),
        (route(b"Action=DescribeVpcs", "kms"), "UnsupportedOperation", "query"),
        (route(b"Action=A&Version=1999-01-01"), "UnsupportedOperation", "query"),
        (route(b"Action=RunInstances&Version=1999-01-01", "127"), "UnsupportedOperation", "query"),
        (route(b"Action=RunInstances&Version=2026-11-15", "127"), "UnsupportedOperation", "query"),
        (route(b"Action=RunInstances&Version=2014", "127"), "UnsupportedOperation", "query"),
        (route(b"Action=ListRoles&Version=2009-05-08", "127"), "UnsupportedOperation", "query"),
        (route(b"Action=A&Version=1999-01-01", "elasticloadbalancing"), "UnsupportedOperation", "query"),
        (route(x_amz_target="Nobody.A"), "UnsupportedOperation", "json-1.0"),
        (route(path="/service/Nobody/operation/A"), "UnsupportedOperation", "rpc-v2-cbor"),
        (route(path="/no/such", method="PATCH", scope="dlm"), "UnknownOperationException", "rest-json"),
        (route(path="/bucket/key", method="PUT", scope="s3"), "UnsupportedOperation", "rest-json"),
        (route(b"Action=%ff", "ec2"), "MalformedQueryString", "ec2"),
    ],
)
def test_nobody_is_there_for(target: routing.Target, code: str, protocol: str) -> None:
    assert target.refused is not None
    assert (target.refused.code, target.protocol.name) == (code, protocol)
