"""The metadata service over loopback: what EC2 answers, and what the clients make of it."""

import json
from typing import Any

import pytest

from minicloud.http import metadata, metadata_tokens
from minicloud.metadata import tree as metadata_tree

from .metadata_guest import USER_DATA, Guest, walk

PUT = {"X-aws-ec2-metadata-token-ttl-seconds": "60"}


class TestTokens:
    def test_version_1_is_served_where_tokens_are_optional(self, guest: Guest) -> None:
        assert guest.ask("GET", "/latest/meta-data/instance-id") == (200, guest.instance_id.encode())

    def test_version_1_is_refused_where_tokens_are_required(self, guest: Guest) -> None:
        guest.options(HttpTokens="required")
        assert guest.ask("GET", "/latest/meta-data/instance-id")[0] == 401
        assert guest.get("/latest/meta-data/instance-id") == (200, guest.instance_id)

    def test_an_invalid_token_is_refused_even_where_none_is_needed(self, guest: Guest) -> None:
        for token in ("nonsense", metadata_tokens.make(b"other", guest.instance_id, 60), ""):
            assert guest.ask("GET", "/latest/meta-data/instance-id", **{metadata.TOKEN_HEADER: token})[0] == 401

    def test_a_token_of_another_instance_is_refused(self, guest: Guest) -> None:
        token = metadata_tokens.make(b"secret", "i-0fedcba9876543210", 60)
        assert guest.ask("GET", "/latest/meta-data/instance-id", **{metadata.TOKEN_HEADER: token})[0] == 401

    def test_a_token_ends(self) -> None:
        assert metadata_tokens.valid(b"s", "i-1", metadata_tokens.make(b"s", "i-1", 60))
        assert not metadata_tokens.valid(b"s", "i-1", metadata_tokens.make(b"s", "i-1", -1))

    @pytest.mark.parametrize("seconds", ["0", "21601", "-1", "x", "", "1.5", "\uff19"])
    def test_a_bad_time_to_live(self, guest: Guest, seconds: str) -> None:
        if seconds.isascii():
            assert guest.ask("PUT", "/latest/api/token", **{metadata.TTL_HEADER: seconds})[0] == 400
        assert metadata_tokens.seconds_asked(seconds) is None

    def test_no_time_to_live(self, guest: Guest) -> None:
        assert guest.ask("PUT", "/latest/api/token")[0] == 400

    def test_a_proxy_gets_no_token(self, guest: Guest) -> None:
        assert guest.ask("PUT", "/latest/api/token", X_Forwarded_For="1.2.3.4", **PUT)[0] == 403

    def test_a_disabled_endpoint(self, guest: Guest) -> None:
        guest.options(HttpEndpoint="disabled")
        assert guest.ask("GET", "/latest/meta-data/instance-id")[0] == 403
        assert guest.ask("PUT", "/latest/api/token", **PUT)[0] == 403

    def test_other_methods(self, guest: Guest) -> None:
        assert guest.ask("POST", "/latest/meta-data/")[0] == 405
        assert guest.ask("DELETE", "/latest/api/token")[0] == 405

    def test_the_key_is_made_once(self, tmp_path: Any) -> None:
        made = metadata_tokens.key(tmp_path)
        assert metadata_tokens.key(tmp_path) == made
        assert len(made) == 32
        assert (tmp_path / "metadata.key").stat().st_mode & 0o777 == 0o600


class TestTree:
    def test_versions(self, guest: Guest) -> None:
        listed = guest.get("/")[1].split("\n")
        assert {"2009-04-04", "2016-09-02", "2018-09-24", "2021-03-23", "latest"} <= set(listed)
        assert guest.get("/2009-04-04/meta-data/instance-id") == (200, guest.instance_id)
        assert guest.get("/1999-01-01/meta-data/")[0] == 404

    def test_every_leaf_of_every_directory_can_be_had(self, guest: Guest) -> None:
        found = dict(walk(guest, "/latest/meta-data/"))
        shown = guest.ec2.instance(guest.instance_id)
        nic = shown["NetworkInterfaces"][0]
        mac = f"network/interfaces/macs/{nic['MacAddress']}"
        assert found["instance-id"] == guest.instance_id
        assert found["local-ipv4"] == shown["PrivateIpAddress"]
        assert found["public-ipv4"] == shown["PublicIpAddress"]
        assert found["placement/availability-zone"] == shown["Placement"]["AvailabilityZone"]
        assert found["placement/region"] == "us-east-1"
        assert found["block-device-mapping/root"] == shown["RootDeviceName"]
        assert found["security-groups"] == "default"
        assert found[f"{mac}/interface-id"] == nic["NetworkInterfaceId"]
        assert found[f"{mac}/ipv4-associations/{shown['PublicIpAddress']}"] == shown["PrivateIpAddress"]
        assert found[f"{mac}/subnet-id"] == shown["SubnetId"]
        assert found["public-keys/0/openssh-key"].startswith("ssh-ed25519 ")
        assert "tags/instance/Name" not in found

    def test_public_keys_are_listed_with_their_names(self, guest: Guest) -> None:
        assert guest.get("/latest/meta-data/public-keys/") == (200, "0=me")
        assert guest.get("/latest/meta-data/public-keys/0/") == (200, "openssh-key")

    def test_tags_where_they_are_enabled(self, guest: Guest) -> None:
        assert guest.get("/latest/meta-data/tags/instance/Name")[0] == 404
        guest.options(InstanceMetadataTags="enabled")
        assert guest.get("/latest/meta-data/tags/instance/Name") == (200, "web")
        assert guest.get("/latest/meta-data/tags/instance/") == (200, "Name")

    def test_user_data_to_the_byte(self, guest: Guest) -> None:
        assert guest.ask("GET", "/latest/user-data", **{metadata.TOKEN_HEADER: guest.token()}) == (200, USER_DATA)
        assert guest.get("/latest/") == (200, "dynamic\nmeta-data\nuser-data")

    @pytest.mark.parametrize(
        "path", ["/latest/meta-data/nope", "/latest/meta-data/instance-id/x", "/latest/x", "/%00", "/latest/meta-data/../../etc"]
    )
    def test_what_there_is_not(self, guest: Guest, path: str) -> None:
        assert guest.get(path)[0] == 404

    def test_a_stranger_is_told_nothing(self, guest: Guest, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(metadata, "about_address", lambda *_: None)
        assert guest.ask("GET", "/latest/meta-data/")[0] == 404
        assert guest.ask("PUT", "/latest/api/token", **PUT)[0] == 404


class TestIdentity:
    def test_the_document_and_its_signature(self, guest: Guest) -> None:
        import base64

        from cryptography import x509
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import padding, rsa

        document = guest.get("/latest/dynamic/instance-identity/document")[1]
        assert json.loads(document)["instanceId"] == guest.instance_id
        signed = base64.b64decode(guest.get("/latest/dynamic/instance-identity/signature")[1])
        certificate = x509.load_pem_x509_certificate((guest.ec2.cloud.settings.home / "identity.pem").read_bytes())
        public = certificate.public_key()
        assert isinstance(public, rsa.RSAPublicKey)
        public.verify(signed, document.encode(), padding.PKCS1v15(), hashes.SHA256())
        assert (guest.ec2.cloud.settings.home / "identity.key").stat().st_mode & 0o777 == 0o600

    def test_pkcs7_holds_the_document(self, guest: Guest) -> None:
        import base64

        for name in ("pkcs7", "rsa2048"):
            whole = base64.b64decode(guest.get(f"/latest/dynamic/instance-identity/{name}")[1])
            assert guest.instance_id.encode() in whole


class TestClients:
    def test_botocore_finds_its_region(self, guest: Guest) -> None:
        from botocore.utils import IMDSFetcher, InstanceMetadataRegionFetcher

        guest.options(HttpTokens="required")
        fetcher = InstanceMetadataRegionFetcher(base_url=f"http://127.0.0.1:{guest.port}/")
        assert isinstance(fetcher, IMDSFetcher)
        assert fetcher.retrieve_region() == "us-east-1"

    def test_botocore_finds_no_role(self, guest: Guest) -> None:
        from botocore.utils import InstanceMetadataFetcher

        fetcher = InstanceMetadataFetcher(base_url=f"http://127.0.0.1:{guest.port}/", num_attempts=1)
        assert fetcher.retrieve_iam_role_credentials() == {}


def test_a_directory_and_a_leaf_are_told_apart() -> None:
    tree = {"a": {"b": "1"}, "c": "2"}
    assert metadata_tree.find(tree, "") == "a/\nc"
    assert metadata_tree.find(tree, "a/") == metadata_tree.find(tree, "a") == "b"
    assert metadata_tree.find(tree, "c/") == "2"
    assert metadata_tree.find(tree, "c/d") is None
