"""Who may speak to the endpoint: signatures, times, sessions, roles; each refusal as AWS words it, through boto3 where it can."""

import datetime
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import pytest
from botocore.exceptions import ClientError

from minicloud import api
from minicloud.aws import access_keys, model, refusals, sigv4
from minicloud.aws.client import Keys
from minicloud.aws.wire import WireRequest
from minicloud.cloud import Cloud
from minicloud.errors import ApiError, UsageError
from minicloud.http import authentication, certificate
from minicloud.http.server import listen
from minicloud.services.sts import sessions
from minicloud.state import master_key
from tests.endpoint_fixtures import Served, error_of, new_keys

NOW = datetime.datetime(2026, 1, 31, 12, 0, 0, tzinfo=datetime.UTC).timestamp()
FORM = {"content-type": "application/x-www-form-urlencoded", "host": "127.0.0.1:8800"}
TRUST = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"000000000000"},"Action":"sts:AssumeRole"}}'


def signed(keys: Keys, service: str = "ec2", now: float = NOW, body: bytes = b"Action=DescribeVpcs") -> WireRequest:
    plain = WireRequest("POST", "/", "", FORM, body)
    headers = sigv4.sign(plain, (keys.access_key, keys.secret, keys.token), "us-east-1", service, now)
    return WireRequest("POST", "/", "", headers, body)


def refusal(cloud: Cloud, request: WireRequest, now: float = NOW) -> tuple[str, int]:
    claim = sigv4.claim_of(request)
    words = refusals.of(model.service(claim.service)) if claim else refusals.EC2
    with pytest.raises(ApiError) as caught:
        authentication.authenticate(cloud, request, claim, now, words)
    return caught.value.code, caught.value.status


@pytest.mark.parametrize(
    ("service", "method", "url", "body"),
    [
        ("ec2", "POST", "http://127.0.0.1:8800/", b"Action=DescribeVpcs&Filter.1.Name=a%20b"),
        ("dlm", "GET", "http://127.0.0.1:8800/tags/arn%3Aaws%3Adlm%2F1?b=2&a=x%20y&a=~", b""),
        ("monitoring", "POST", "http://127.0.0.1:8800/service/X/operation/Y", b"\xa0"),
    ],
)
def test_signatures_are_botocores(service: str, method: str, url: str, body: bytes) -> None:
    theirs = botocore.awsrequest.AWSRequest(method, url, headers={"X-Odd": "  two   spaces "}, data=body)
    credentials = botocore.credentials.Credentials("AKIAEXAMPLE", "secret", "token")
    botocore.auth.SigV4Auth(credentials, service, "us-east-1").add_auth(theirs)
    parts = urllib.parse.urlsplit(url)
    headers = {name.lower(): str(value) for name, value in theirs.headers.items()} | {"host": parts.netloc}
    request = WireRequest(method, parts.path, parts.query, headers, body)
    claim = sigv4.claim_of(request)
    assert claim is not None
    assert (claim.access_key, claim.service, claim.token) == ("AKIAEXAMPLE", service, "token")
    assert sigv4.verify(request, claim, "secret")
    assert not sigv4.verify(request, claim, "Secret")
    for changed in (
        WireRequest(method, parts.path, parts.query, headers, body + b"x"),
        WireRequest(method, parts.path + "x", parts.query, headers, body),
        WireRequest(method, parts.path, parts.query + "&c=1", headers, body),
        WireRequest(method, parts.path, parts.query, {**headers, "x-odd": "other"}, body),
        WireRequest(method, parts.path, parts.query, {**headers, "x-amz-target": "unsigned"}, body),
    ):
        assert not sigv4.verify(changed, claim, "secret")


def test_a_presigned_url_is_good_until_it_expires(served: Served) -> None:
    url = served.boto().generate_presigned_url("describe_vpcs", ExpiresIn=3600, HttpMethod="GET")
    with urllib.request.urlopen(url) as response:
        assert b"<DescribeVpcsResponse" in response.read()
    parts = urllib.parse.urlsplit(url)
    request = WireRequest("GET", parts.path, parts.query, {"host": parts.netloc}, b"")
    claim = sigv4.claim_of(request)
    assert claim is not None
    sent = datetime.datetime.strptime(claim.stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.UTC).timestamp()
    assert sigv4.is_current(claim, sent + 3599)
    assert not sigv4.is_current(claim, sent + 3601)
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(url + "&Extra=1")
    assert caught.value.code == 401


@pytest.mark.parametrize("service", ["ec2", "sts"])
def test_refusals_in_ec2s_words_and_in_those_of_the_others(cloud: Cloud, service: str) -> None:
    keys, ec2 = new_keys(cloud), service == "ec2"
    words = refusals.of(model.service(service))
    authentication.authenticate(cloud, signed(keys, service), sigv4.claim_of(signed(keys, service)), NOW, words)
    unknown = Keys("AKIAAAAAAAAAAAAAAAAA", keys.secret)
    wrong = Keys(keys.access_key, "x" * 40)
    assert refusal(cloud, signed(unknown, service)) == (("AuthFailure", 401) if ec2 else ("InvalidClientTokenId", 403))
    assert refusal(cloud, signed(wrong, service)) == (("AuthFailure", 401) if ec2 else ("SignatureDoesNotMatch", 403))
    for now in (NOW + 901, NOW - 901):
        expected = ("RequestExpired", 400) if ec2 else ("SignatureDoesNotMatch", 403)
        assert refusal(cloud, signed(keys, service), now) == expected
    assert refusal(cloud, WireRequest("POST", "/", "", FORM, b"")) == ("MissingAuthenticationToken", 403)


@pytest.mark.parametrize(
    "header",
    [
        "AWS4-HMAC-SHA256",
        "Basic abc",
        "AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=1",
        "AWS4-HMAC-SHA256 ,,,=",
    ],
)
def test_half_a_signature_is_said_to_be_one(served: Served, header: str) -> None:
    request = urllib.request.Request(served.url, b"Action=DescribeVpcs", {"Authorization": header})
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request)
    assert caught.value.code == 400
    assert b"IncompleteSignature" in caught.value.read()


def test_keys_end_when_they_are_deleted_or_inactive(served: Served, cloud: Cloud) -> None:
    keys = new_keys(cloud)
    iam, used = served.boto("iam"), served.boto(keys=keys)
    used.describe_vpcs()
    session = Keys(*session_values(served.boto("sts", keys).get_session_token()["Credentials"]))
    assert served.boto("sts", session).get_caller_identity()["Arn"] == "arn:aws:iam::000000000000:root"
    iam.update_access_key(AccessKeyId=keys.access_key, Status="Inactive")
    for dead in (keys, session):
        with pytest.raises(ClientError) as caught:
            served.boto(keys=dead).describe_vpcs()
        assert error_of(caught) == ("AuthFailure", 401)
    iam.update_access_key(AccessKeyId=keys.access_key, Status="Active")
    used.describe_vpcs()
    iam.delete_access_key(AccessKeyId=keys.access_key)
    with pytest.raises(ClientError):
        used.describe_vpcs()
    assert {key["AccessKeyId"] for key in iam.list_access_keys()["AccessKeyMetadata"]} == {served.keys.access_key}


def session_values(credentials: dict[str, Any]) -> tuple[str, str, str]:
    return credentials["AccessKeyId"], credentials["SecretAccessKey"], credentials["SessionToken"]


def test_a_role_may_what_its_policies_say_at_this_moment(served: Served) -> None:
    iam, sts = served.boto("iam"), served.boto("sts")
    arn = iam.create_role(RoleName="reader", AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
    assert iam.get_role(RoleName="reader")["Role"]["AssumeRolePolicyDocument"]["Statement"]["Effect"] == "Allow"
    assumed = sts.assume_role(RoleArn=arn, RoleSessionName="me")
    keys = Keys(*session_values(assumed["Credentials"]))
    mine = served.boto(keys=keys)
    assert served.boto("sts", keys).get_caller_identity()["Arn"] == "arn:aws:sts::000000000000:assumed-role/reader/me"
    with pytest.raises(ClientError) as caught:
        mine.describe_vpcs()
    assert error_of(caught) == ("UnauthorizedOperation", 403)
    policy = "arn:aws:iam::aws:policy/AmazonEC2ReadOnlyAccess"
    iam.attach_role_policy(RoleName="reader", PolicyArn=policy)
    mine.describe_vpcs()
    with pytest.raises(ClientError) as caught:
        mine.create_key_pair(KeyName="k", DryRun=True)
    assert error_of(caught) == ("UnauthorizedOperation", 403)
    with pytest.raises(ClientError) as caught:
        served.boto("iam", keys).create_access_key()
    assert error_of(caught) == ("AccessDenied", 403)
    with pytest.raises(iam.exceptions.DeleteConflictException):
        iam.delete_role(RoleName="reader")
    iam.detach_role_policy(RoleName="reader", PolicyArn=policy)
    iam.delete_role(RoleName="reader")
    with pytest.raises(ClientError) as caught:
        mine.describe_vpcs()
    assert error_of(caught) == ("AuthFailure", 401)


def test_sessions_cannot_be_forged_and_end(cloud: Cloud) -> None:
    keys = new_keys(cloud)
    caller = sessions.root(cloud, keys.access_key)
    made = api.call(cloud, "sts", "GetSessionToken", {"DurationSeconds": 900}, caller=caller)["Credentials"]
    now = datetime.datetime.fromisoformat(made["Expiration"]).timestamp() - 900
    session = Keys(*session_values(made))
    found = sessions.recognize(cloud, session.access_key, session.token, now)
    assert found is not None
    assert found[0] == session.secret
    head, _, tail = session.token.partition(".")
    for token in (head + "x." + tail, head + "." + tail[::-1], "x", head, "." * 5000):
        assert sessions.recognize(cloud, session.access_key, token, now) is None
    assert sessions.recognize(cloud, keys.access_key, session.token, now) is None
    assert refusal(cloud, signed(session, now=now + 901), now + 901) == ("RequestExpired", 400)
    assert refusal(cloud, signed(session, "sts", now + 901), now + 901) == ("ExpiredToken", 403)
    with pytest.raises(ApiError, match="session credentials"):
        api.call(cloud, "sts", "GetSessionToken", {}, caller=sessions.root(cloud, session.access_key))


def test_the_state_has_no_secret_and_the_master_key_is_private(cloud: Cloud) -> None:
    keys, home = new_keys(cloud), cloud.settings.home
    assert all(keys.secret.encode() not in path.read_bytes() for path in home.iterdir())
    path = home / master_key.NAME
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(keys.secret) == 40
    assert access_keys.secret_of(path.read_bytes(), keys.access_key) == keys.secret
    path.chmod(0o644)
    with pytest.raises(UsageError, match="read by others"):
        master_key.load(home)


@pytest.mark.parametrize(
    ("address", "good"), [("127.0.0.1:1", True), ("[::1]:1", True), ("0.0.0.0:1", False), ("10.0.0.1:1", False)]
)
def test_others_are_listened_to_only_with_tls_or_on_demand(address: str, good: bool, tmp_path: Path) -> None:
    if good:
        assert listen(address, None, None, insecure=False).port == 1
    else:
        with pytest.raises(UsageError, match="--tls"):
            listen(address, None, None, insecure=False)
        assert listen(address, None, None, insecure=True).url.startswith("http://")
        assert listen(address, tmp_path, tmp_path, insecure=False).url.startswith("https://")


def test_a_certificate_of_its_own_is_made_once(tmp_path: Path) -> None:
    made, key = certificate.own(tmp_path, "192.0.2.7")
    assert key.stat().st_mode & 0o777 == 0o600
    before = made.read_bytes()
    assert certificate.own(tmp_path, "192.0.2.7") == (made, key)
    assert made.read_bytes() == before
