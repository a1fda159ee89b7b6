"""Certificates: really read and checked against their keys and chains; the private key in a file of its own and nowhere else."""

import os
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from minicloud.aws import times
from minicloud.cli import doctor_upkeep
from minicloud.cloud import Cloud
from minicloud.reconcile import loop
from minicloud.state import certificate_keys

from ..lb_scene import ANSWER, Client, Issued, Scene, issue


@pytest.fixture
def scene(cloud: Cloud) -> Scene:
    return Scene(cloud)


def put(scene: Scene, made: Issued, chain: bytes = b"", **more: object) -> str:
    parts = {"Certificate": made.pem, "PrivateKey": made.key, **({"CertificateChain": chain} if chain else {})}
    return str(scene.acm("ImportCertificate", **parts, **more)["CertificateArn"])


def files(scene: Scene) -> list[Path]:
    return sorted(certificate_keys.directory(scene.cloud.settings.home).iterdir())


def test_a_certificate_is_shown_as_what_it_is(scene: Scene) -> None:
    root, made = issue(["root"]), None
    middle = issue(["middle"], issuer=root)
    made = issue(["www.example.com", "*.example.org"], issuer=middle, key=rsa.generate_private_key(65537, 2048))
    arn = put(scene, made, middle.pem + root.pem, Tags=[{"Key": "a", "Value": "b"}])
    shown = scene.acm("DescribeCertificate", CertificateArn=arn)["Certificate"]
    assert arn.startswith("arn:aws:acm:us-east-1:000000000000:certificate/")
    assert (shown["DomainName"], shown["SubjectAlternativeNames"]) == ("www.example.com", ["www.example.com", "*.example.org"])
    assert (shown["Status"], shown["Type"], shown["KeyAlgorithm"]) == ("ISSUED", "IMPORTED", "RSA_2048")
    assert (shown["Subject"], shown["Issuer"]) == ("CN=www.example.com", "CN=middle")
    assert shown["SignatureAlgorithm"] == "SHA256WITHECDSA"
    assert int(shown["Serial"].replace(":", ""), 16) == made.made.serial_number
    got = scene.acm("GetCertificate", CertificateArn=arn)
    assert got["Certificate"] == made.pem.decode()
    assert got["CertificateChain"] == (middle.pem + root.pem).decode()
    listed = scene.acm("ListCertificates")["CertificateSummaryList"]
    assert [one["CertificateArn"] for one in listed] == [arn]
    assert scene.acm("ListTagsForCertificate", CertificateArn=arn)["Tags"] == [{"Key": "a", "Value": "b"}]


def test_the_key_is_in_a_file_of_its_own_and_in_nothing_else(scene: Scene) -> None:
    made = issue(["a.example.com"])
    arn = put(scene, made)
    [file] = files(scene)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert file.read_bytes() == made.key
    inside = made.key.splitlines()[1]
    for path in scene.cloud.settings.home.glob("state.sqlite*"):
        assert inside not in path.read_bytes()
    newer = issue(["a.example.com"])
    assert put(scene, newer, CertificateArn=arn) == arn
    assert [path.read_bytes() for path in files(scene)] == [newer.key]
    assert scene.acm("GetCertificate", CertificateArn=arn)["Certificate"] == newer.pem.decode()
    scene.acm("DeleteCertificate", CertificateArn=arn)
    assert files(scene) == []
    assert scene.acm.refused("DescribeCertificate", CertificateArn=arn)[0] == "ResourceNotFoundException"


def test_a_key_that_a_crash_left_is_removed(scene: Scene) -> None:
    arn = put(scene, issue(["a.example.com"]))
    certificate_keys.write(scene.cloud.settings.home, "left over")
    assert len(files(scene)) == 2
    loop.run_pass(scene.cloud)
    row = scene.cloud.state.certificates.get(arn)
    assert row is not None
    assert [path.name for path in files(scene)] == [row.key_file]


def test_keys_that_only_another_state_knows_stay_and_are_told(scene: Scene) -> None:
    """A state restored from a backup beside newer keys, and files of the administrator's."""
    home = scene.cloud.settings.home
    older = scene.cloud.state.certificates.get(put(scene, issue(["a.example.com"])))
    newer = scene.cloud.state.certificates.get(put(scene, issue(["b.example.com"])))
    assert older is not None
    assert newer is not None
    scene.cloud.state.certificates.remove(newer.arn)  # as in a copy of the state from before
    others = {"ca.key", "0123.new", "notes.txt", f"{'g' * 32}.key"}
    for name in others:
        (certificate_keys.directory(home) / name).write_text("somebody's")
    loop.run_pass(scene.cloud)
    scene.acm("DeleteCertificate", CertificateArn=older.arn)
    assert {path.name for path in files(scene)} == others | {newer.key_file}
    found = "\n".join(check.found for check in doctor_upkeep.checks(scene.cloud))
    assert all(name in found for name in {*others, newer.key_file})
    assert "rm " not in "".join(check.remedy for check in doctor_upkeep.checks(scene.cloud))


def test_a_key_is_found_whenever_an_import_is_killed(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certificate_keys, "settle", lambda *_: None)
    made = issue(["a.example.com"])
    row = scene.cloud.state.certificates.get(put(scene, made))
    assert row is not None
    assert certificate_keys.read(scene.cloud.settings.home, row.key_file) == made.key.decode()
    monkeypatch.undo()
    loop.run_pass(scene.cloud)
    assert [path.name for path in files(scene)] == [row.key_file]
    assert certificate_keys.read(scene.cloud.settings.home, row.key_file) == made.key.decode()


def test_what_is_no_certificate_is_refused_and_leaves_nothing(scene: Scene) -> None:
    good, other, old, young = (
        issue(["a.example.com"]), issue(["b.example.com"]), issue(["c.example.com"], days=(-9, -1)),
        issue(["d.example.com"], days=(1, 9)),
    )  # fmt: skip
    locked = good.own.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    strange = ed25519.Ed25519PrivateKey.generate()
    plain = strange.private_bytes_raw()

    def refused(certificate: bytes, key: bytes, chain: bytes = b"") -> str:
        parts = {"Certificate": certificate, "PrivateKey": key, **({"CertificateChain": chain} if chain else {})}
        code, message = scene.acm.refused("ImportCertificate", **parts)
        assert code == "ValidationException"
        return message

    assert "does not match" in refused(good.pem, other.key)
    assert "has expired" in refused(old.pem, old.key)
    assert "not valid yet" in refused(young.pem, young.key)
    assert "encrypted" in refused(good.pem, locked)
    assert "more than one certificate" in refused(good.pem + other.pem, good.key)
    assert "could not be parsed" in refused(b"nonsense", good.key)
    assert "could not be parsed" in refused(good.pem.replace(b"M", b"N"), good.key)
    assert "could not be parsed" in refused(good.key, good.key)
    assert "could not be parsed" in refused(good.pem, plain)
    assert "with the certificate chain" in refused(good.pem, good.key, other.pem)
    assert "chain could not be parsed" in refused(good.pem, good.key, b"nonsense")
    assert not certificate_keys.directory(scene.cloud.settings.home).exists()
    assert scene.acm("ListCertificates")["CertificateSummaryList"] == []


def test_an_expired_one_says_so(scene: Scene) -> None:
    arn = put(scene, issue(["a.example.com"]))
    scene.cloud.state.certificates.change(arn, not_after=times.text(0.0))
    assert scene.acm("DescribeCertificate", CertificateArn=arn)["Certificate"]["Status"] == "EXPIRED"
    assert scene.acm("ListCertificates", CertificateStatuses=["ISSUED"])["CertificateSummaryList"] == []


def test_pages_and_tags(scene: Scene) -> None:
    arns = {put(scene, issue([f"{name}.example.com"])) for name in "abc"}
    first = scene.acm("ListCertificates", MaxItems=2)
    second = scene.acm("ListCertificates", MaxItems=2, NextToken=first["NextToken"])
    both = [*first["CertificateSummaryList"], *second["CertificateSummaryList"]]
    assert {one["CertificateArn"] for one in both} == arns
    order = {"SortBy": "CREATED_AT", "SortOrder": "DESCENDING", "MaxItems": 2}
    last = scene.acm("ListCertificates", **order)
    rest = scene.acm("ListCertificates", **order, NextToken=last["NextToken"])
    down = [*last["CertificateSummaryList"], *rest["CertificateSummaryList"]]
    assert down == list(reversed(both))
    assert scene.acm.refused("ListCertificates", NextToken="nonsense")[0] == "ValidationException"
    arn = arns.pop()
    scene.acm("AddTagsToCertificate", CertificateArn=arn, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
    scene.acm("RemoveTagsFromCertificate", CertificateArn=arn, Tags=[{"Key": "a", "Value": "other"}, {"Key": "b"}])
    scene.acm("TagResource", ResourceArn=arn, Tags=[{"Key": "c"}])
    scene.acm("UntagResource", ResourceArn=arn, TagKeys=["c"])
    assert scene.acm("ListTagsForResource", ResourceArn=arn)["Tags"] == [{"Key": "a", "Value": "1"}]
    assert scene.acm.refused("TagResource", ResourceArn=arn, Tags=[{"Key": "aws:x"}])[0] == "ValidationException"
    assert scene.acm.refused("DescribeCertificate", CertificateArn="arn:aws:iam::1:user/somebody")[0] == "ValidationException"


def test_a_directory_that_others_may_read_is_not_made(scene: Scene) -> None:
    before = os.umask(0)
    try:
        put(scene, issue(["a.example.com"]))
    finally:
        os.umask(before)
    assert stat.S_IMODE(files(scene)[0].stat().st_mode) == 0o600
    assert stat.S_IMODE(files(scene)[0].parent.stat().st_mode) == 0o700


def test_server_certificates_of_iam_serve_as_well(scene: Scene) -> None:
    iam, made, other = Client(scene.cloud, "iam"), issue(["a.example.com"]), issue(["b.example.com"])
    whole = {"CertificateBody": made.pem.decode(), "PrivateKey": made.key.decode()}
    mismatched = iam.refused(
        "UploadServerCertificate", ServerCertificateName="web", **{**whole, "PrivateKey": other.key.decode()}
    )
    assert mismatched[0] == "KeyPairMismatch"
    malformed = iam.refused("UploadServerCertificate", ServerCertificateName="web", **{**whole, "CertificateBody": "x"})
    assert malformed[0] == "MalformedCertificate"
    uploaded = iam("UploadServerCertificate", ServerCertificateName="web", **whole)["ServerCertificateMetadata"]
    assert uploaded["Arn"] == "arn:aws:iam::000000000000:server-certificate/web"
    assert iam.refused("UploadServerCertificate", ServerCertificateName="web", **whole)[0] == "EntityAlreadyExists"
    assert iam("ListServerCertificates")["ServerCertificateMetadataList"] == [uploaded]
    got = iam("GetServerCertificate", ServerCertificateName="web")["ServerCertificate"]
    assert got["CertificateBody"] == made.pem.decode()
    iam("TagServerCertificate", ServerCertificateName="web", Tags=[{"Key": "Of", "Value": "us"}])
    assert iam("GetServerCertificate", ServerCertificateName="web")["ServerCertificate"]["Tags"] == [{"Key": "Of", "Value": "us"}]
    iam("UntagServerCertificate", ServerCertificateName="web", TagKeys=["Of"])
    assert iam("ListServerCertificateTags", ServerCertificateName="web")["Tags"] == []
    assert scene.acm("ListCertificates")["CertificateSummaryList"] == []
    certificates = [{"CertificateArn": uploaded["Arn"]}]
    listener = scene.listener(scene.balancer(), ANSWER, port=443, protocol="HTTPS", Certificates=certificates)
    assert iam.refused("DeleteServerCertificate", ServerCertificateName="web")[0] == "DeleteConflict"
    scene.v2("DeleteListener", ListenerArn=listener)
    iam("DeleteServerCertificate", ServerCertificateName="web")
    assert files(scene) == []
    assert iam.refused("GetServerCertificate", ServerCertificateName="web")[0] == "NoSuchEntity"
