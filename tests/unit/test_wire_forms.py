"""Forms on the wire that the models decide or AWS's clients rely on: times, spaces, old signatures, compression."""

import gzip
import json
import urllib.parse

import pytest

from minicloud.aws import documents, model, query_client, routing, sigv4
from minicloud.aws.rest_client import request as rest_request
from minicloud.aws.wire import WireAnswer, WireRequest
from minicloud.errors import ApiError
from minicloud.http import compression

NOW = 1_767_323_045.0
WHOLE, PART = "2026-01-02T03:04:05.000Z", "2026-01-02T03:04:05.678Z"


def dlm_answer(value: str) -> bytes:
    answer = {"Policy": {"PolicyId": "policy-1", "DateCreated": value}}
    return routing.REST.answer(model.service("dlm").operation("GetLifecyclePolicy"), answer, "r").body


def test_json_times_in_the_form_of_their_shape() -> None:
    assert json.loads(dlm_answer(PART))["Policy"]["DateCreated"] == PART
    acm = model.service("acm").operation("DescribeCertificate")
    sent = routing.JSON["1.1"].answer(acm, {"Certificate": {"CreatedAt": PART, "NotAfter": WHOLE}}, "r")
    assert json.loads(sent.body)["Certificate"] == {"CreatedAt": 1767323045.678, "NotAfter": 1767323045}


@pytest.mark.parametrize("text", ["2026-01-02T03:04:05.678Z", 1767323045.678])
def test_times_are_read_in_any_form(text: object) -> None:
    shape = model.service("dlm").shape("Timestamp")
    assert documents.read(shape, text, documents.JSON) == PART
    assert documents.read(shape, "Fri, 02 Jan 2026 03:04:05 GMT", documents.JSON) == WHOLE


def test_times_outside_the_body() -> None:
    operation = model.service("dlm").operation("GetLifecyclePolicies")
    assert "resourceTypes=VOLUME" in rest_request(operation, {"ResourceTypes": ["VOLUME"]}).query


def test_cloudwatch_has_no_fraction_of_a_second_that_is_none() -> None:
    data = model.service("cloudwatch").operation("GetMetricData")
    answer = {"MetricDataResults": [{"Id": "a", "Timestamps": [WHOLE], "Values": [1.0]}]}
    body = routing.QUERY.answer(data, answer, "r").body
    assert b"<member>2026-01-02T03:04:05Z</member>" in body
    assert query_client.answer(data, body, ec2=False) == answer
    alarms = model.service("cloudwatch").operation("DescribeAlarms")
    shown = {"MetricAlarms": [{"AlarmName": "a", "StateUpdatedTimestamp": PART, "AlarmConfigurationUpdatedTimestamp": WHOLE}]}
    body = routing.QUERY.answer(alarms, shown, "r").body
    assert f"<StateUpdatedTimestamp>{PART}<".encode() in body
    assert b"<AlarmConfigurationUpdatedTimestamp>2026-01-02T03:04:05Z<" in body
    assert query_client.answer(alarms, body, ec2=False) == shown
    images = routing.EC2.answer(model.service("ec2").operation("DescribeVolumes"), {"Volumes": [{"CreateTime": WHOLE}]}, "r")
    assert WHOLE.encode() in images.body


def signed(query: str) -> WireRequest:
    """A GET with this query string, signed."""
    plain = WireRequest("GET", "/", query, {"host": "127.0.0.1"}, b"")
    return WireRequest("GET", "/", query, sigv4.sign(plain, ("AKIAEXAMPLE", "s", ""), "us-east-1", "ec2", NOW), b"")


def test_a_plus_in_a_query_string_is_a_space_and_is_signed_as_one() -> None:
    spaced = signed("Action=CreateTags&Tag.1.Value=a%20b")
    claim = sigv4.claim_of(spaced)
    assert claim is not None
    sent = WireRequest("GET", "/", "Action=CreateTags&Tag.1.Value=a+b", spaced.headers, b"")
    assert sigv4.verify(sent, claim, "s")
    plus = signed("Action=CreateTags&Tag.1.Value=a%2Bb")
    claim = sigv4.claim_of(plus)
    assert claim is not None
    assert sigv4.verify(plus, claim, "s")
    changed = WireRequest("GET", "/", "Action=CreateTags&Tag.1.Value=a+b", plus.headers, b"")
    assert not sigv4.verify(changed, claim, "s")  # it would be read as another value than was signed


OLD = "AWSAccessKeyId=A&Action=DescribeVpcs&SignatureMethod=HmacSHA256&SignatureVersion=2&Signature=x"


@pytest.mark.parametrize(
    "request_",
    [
        WireRequest("GET", "/", OLD, {}, b""),
        WireRequest("POST", "/", "", {"content-type": "application/x-www-form-urlencoded"}, OLD.encode()),
        WireRequest("GET", "/", "", {"authorization": "AWS AKIAEXAMPLE:c2lnbmF0dXJl"}, b""),
    ],
)
def test_signature_version_2_is_refused_by_its_name(request_: WireRequest) -> None:
    with pytest.raises(ApiError, match="Signature Version 2 is not supported") as caught:
        sigv4.claim_of(request_)
    assert (caught.value.code, caught.value.status) == ("IncompleteSignature", 400)


def test_an_unsigned_request_is_not_an_old_one() -> None:
    assert sigv4.claim_of(WireRequest("GET", "/", "Action=DescribeVpcs&SignatureVersion=4", {}, b"")) is None


@pytest.mark.parametrize(
    ("accepted", "wanted"),
    [
        ("gzip", True), ("gzip, deflate, br", True), ("deflate, GZIP;q=0.5", True), ("*", True), ("identity", False), ("", False),
        ("gzip;q=0", False), ("*;q=1, gzip; q=0.0", False), ("identity;q=1, *;q=0", False), ("x-gzip", True), ("gzip;q=x", False),
    ],
)  # fmt: skip
def test_who_takes_gzip(accepted: str, wanted: bool) -> None:
    assert compression.wants_gzip(accepted) is wanted


def test_answers_are_compressed_on_request() -> None:
    answer = WireAnswer(200, {"Content-Type": "text/xml"}, b"<a>some text</a>" * 1000)
    packed = compression.compressed(answer, "gzip")
    assert gzip.decompress(packed.body) == answer.body
    assert packed.headers == {**answer.headers, "Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
    assert compression.compressed(answer, "identity") is answer
    short = WireAnswer(200, {}, b"<a/>")
    assert compression.compressed(short, "gzip") is short


def test_fields_with_spaces_are_read() -> None:
    fields = routing.query.form(WireRequest("GET", "/", "A=a+b&" + urllib.parse.urlencode({"B": "c+d"}), {}, b""))
    assert fields == {"A": "a b", "B": "c+d"}


def test_json_and_cbor_pass_over_what_a_service_does_not_know() -> None:
    shape = model.service("cloudwatch").operation("ListMetrics").input_shape
    assert shape is not None
    for forms in (documents.JSON, documents.CBOR):
        assert documents.read(shape, {"Namespace": "a", "Strange": {"b": 1}}, forms) == {"Namespace": "a"}
