// An instance's life with the SDK's waiters and paginators.
const assert = require("node:assert/strict");
const sdk = require("@aws-sdk/client-ec2");
const { all, live, quick } = require("./life.cjs");

const client = new sdk.EC2();
const waiting = { client, ...quick };

async function network() {
  const { Vpc } = await client.createVpc({ CidrBlock: "10.2.0.0/16", AmazonProvidedIpv6CidrBlock: false });
  await sdk.waitUntilVpcExists(waiting, { VpcIds: [Vpc.VpcId] });
  await sdk.waitUntilVpcAvailable(waiting, { VpcIds: [Vpc.VpcId] });
  const { Subnet } = await client.createSubnet({ VpcId: Vpc.VpcId, CidrBlock: "10.2.1.0/24", AvailabilityZone: "us-east-1a" });
  await sdk.waitUntilSubnetAvailable(waiting, { SubnetIds: [Subnet.SubnetId] });
  const { GroupId } = await client.createSecurityGroup({ GroupName: "js", Description: "of JavaScript", VpcId: Vpc.VpcId });
  await sdk.waitUntilSecurityGroupExists(waiting, { GroupIds: [GroupId] });
  const ssh = { IpProtocol: "tcp", FromPort: 22, ToPort: 22, IpRanges: [{ CidrIp: "10.0.0.0/8", Description: "ssh" }] };
  const { Return, SecurityGroupRules } = await client.authorizeSecurityGroupIngress({ GroupId, IpPermissions: [ssh] });
  assert.equal(Return, true);
  assert.equal(SecurityGroupRules[0].CidrIpv4, "10.0.0.0/8");
  return { vpc: Vpc.VpcId, subnet: Subnet.SubnetId, group: GroupId };
}

async function run(where) {
  const answer = await client.runInstances({
    ImageId: process.env.IMAGE,
    InstanceType: "t3.nano",
    MinCount: 5,
    MaxCount: 5,
    KeyName: "js",
    SubnetId: where.subnet,
    SecurityGroupIds: [where.group],
    UserData: Buffer.from("#!/bin/sh\n").toString("base64"),
    TagSpecifications: [{ ResourceType: "instance", Tags: [{ Key: "Name", Value: "<js> & ü" }] }],
  });
  const ids = answer.Instances.map((one) => one.InstanceId);
  assert.equal(answer.Instances[0].State.Name, "pending");
  await sdk.waitUntilInstanceExists(waiting, { InstanceIds: ids });
  await sdk.waitUntilInstanceRunning(waiting, { InstanceIds: ids });
  await sdk.waitUntilInstanceStatusOk(waiting, { InstanceIds: ids });
  await sdk.waitUntilSystemStatusOk(waiting, { InstanceIds: ids });
  const asked = { Filters: [{ Name: "tag:Name", Values: ["<js>*"] }] };
  const pages = sdk.paginateDescribeInstances({ client, pageSize: 5 }, asked);
  const found = await all(pages, (page) => page.Reservations.flatMap((one) => one.Instances));
  assert.deepEqual(found.map((one) => one.InstanceId).sort(), [...ids].sort());
  assert.ok(found[0].LaunchTime instanceof Date && !Number.isNaN(found[0].LaunchTime.getTime()));
  return ids;
}

async function disks(instance) {
  const made = [];
  for (let number = 0; number < 7; number += 1) {
    made.push((await client.createVolume({ AvailabilityZone: "us-east-1a", Size: 1, VolumeType: "gp3" })).VolumeId);
  }
  await sdk.waitUntilVolumeAvailable(waiting, { VolumeIds: made });
  const pages = sdk.paginateDescribeVolumes({ client, pageSize: 5 }, { Filters: [{ Name: "status", Values: ["available"] }] });
  let count = 0;
  const found = await all(pages, (page) => {
    count += 1;
    return page.Volumes;
  });
  assert.equal(count, 2);
  assert.deepEqual(found.map((one) => one.VolumeId).sort(), [...made].sort());

  const attached = await client.attachVolume({ VolumeId: made[0], InstanceId: instance, Device: "/dev/sdf" });
  assert.ok(attached.AttachTime instanceof Date);
  await sdk.waitUntilVolumeInUse(waiting, { VolumeIds: [made[0]] });
  const snapshot = await client.createSnapshot({ VolumeId: made[0], Description: "friday" });
  assert.ok(snapshot.StartTime instanceof Date);
  await sdk.waitUntilSnapshotCompleted(waiting, { SnapshotIds: [snapshot.SnapshotId] });
  const copy = await client.copySnapshot({ SourceRegion: "us-east-1", SourceSnapshotId: snapshot.SnapshotId, Encrypted: false });
  await sdk.waitUntilSnapshotCompleted(waiting, { SnapshotIds: [copy.SnapshotId] });
  await client.detachVolume({ VolumeId: made[0] });
  await sdk.waitUntilVolumeAvailable(waiting, { VolumeIds: [made[0]] });
  for (const volume of made) await client.deleteVolume({ VolumeId: volume });
  await sdk.waitUntilVolumeDeleted(waiting, { VolumeIds: made });
  const ours = { OwnerIds: ["self"], Filters: [{ Name: "volume-size", Values: ["1"] }] };
  const mine = await all(sdk.paginateDescribeSnapshots({ client, pageSize: 5 }, ours), (page) => page.Snapshots);
  assert.deepEqual(mine.map((one) => one.SnapshotId).sort(), [snapshot.SnapshotId, copy.SnapshotId].sort());
  for (const one of [copy, snapshot]) await client.deleteSnapshot({ SnapshotId: one.SnapshotId });
}

async function image(instance) {
  const { ImageId } = await client.createImage({ InstanceId: instance, Name: "golden", NoReboot: true });
  await sdk.waitUntilImageExists(waiting, { ImageIds: [ImageId] });
  await sdk.waitUntilImageAvailable(waiting, { ImageIds: [ImageId] });
  const copied = await client.copyImage({ Name: "copied", SourceImageId: ImageId, SourceRegion: "us-east-1", Encrypted: false });
  await sdk.waitUntilImageAvailable(waiting, { ImageIds: [copied.ImageId] });
  await client.enableImageDeprecation({ ImageId, DeprecateAt: new Date("2046-01-01T00:00:00Z") });
  const { Images } = await client.describeImages({ ImageIds: [ImageId, copied.ImageId] });
  assert.equal(Images.find((one) => one.ImageId === ImageId).DeprecationTime, "2046-01-01T00:00:00.000Z");
  for (const one of Images) {
    await client.deregisterImage(one);
    for (const device of one.BlockDeviceMappings) await client.deleteSnapshot(device.Ebs);
  }
}

async function refusals(where) {
  const absent = client.describeInstances({ InstanceIds: ["i-0123456789abcdef0"] });
  await assert.rejects(absent, (error) => {
    assert.ok(error instanceof sdk.EC2ServiceException);
    assert.equal(error.name, "InvalidInstanceID.NotFound");
    assert.equal(error.$metadata.httpStatusCode, 400);
    assert.equal(error.message, "The instance ID 'i-0123456789abcdef0' does not exist");
    return true;
  });
  await assert.rejects(client.deleteSecurityGroup({ GroupId: where.group }), { name: "DependencyViolation" });
  await assert.rejects(client.describeVpcs({ DryRun: true }), { name: "DryRunOperation" });
}

live(async () => {
  const where = await network();
  const key = await client.createKeyPair({ KeyName: "js", KeyType: "ed25519" });
  assert.match(key.KeyMaterial, /PRIVATE KEY/);
  await sdk.waitUntilKeyPairExists(waiting, { KeyNames: ["js"] });
  const ids = await run(where);
  await disks(ids[0]);
  await image(ids[0]);
  await refusals(where);
  const output = await client.getConsoleOutput({ InstanceId: ids[0] });
  assert.ok(output.Timestamp instanceof Date);
  await client.rebootInstances({ InstanceIds: ids });
  await client.stopInstances({ InstanceIds: ids });
  await sdk.waitUntilInstanceStopped(waiting, { InstanceIds: ids });
  await client.modifyInstanceAttribute({ InstanceId: ids[0], InstanceType: { Value: "t3.micro" } });
  await client.startInstances({ InstanceIds: ids });
  await sdk.waitUntilInstanceRunning(waiting, { InstanceIds: ids });
  await client.terminateInstances({ InstanceIds: ids });
  await sdk.waitUntilInstanceTerminated(waiting, { InstanceIds: ids });
  await client.deleteSecurityGroup({ GroupId: where.group });
  await client.deleteKeyPair({ KeyName: "js" });
  await client.deleteSubnet({ SubnetId: where.subnet });
  await client.deleteVpc({ VpcId: where.vpc });
  return { instances: ids };
});
