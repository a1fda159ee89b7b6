// A lifecycle policy, whose dates are dates.
const assert = require("node:assert/strict");
const sdk = require("@aws-sdk/client-dlm");
const { live } = require("./life.cjs");

const client = new sdk.DLM();

function details(hours) {
  const rule = { Interval: hours, IntervalUnit: "HOURS", Times: ["03:00"] };
  const schedule = { Name: "nightly", CreateRule: rule, RetainRule: { Count: 3 }, CopyTags: true, TagsToAdd: [{ Key: "by", Value: "js" }] };
  return {
    PolicyType: "EBS_SNAPSHOT_MANAGEMENT",
    ResourceTypes: ["VOLUME"],
    TargetTags: [{ Key: "backup", Value: "yes" }],
    Schedules: [schedule],
  };
}

live(async () => {
  const { PolicyId } = await client.createLifecyclePolicy({
    ExecutionRoleArn: "arn:aws:iam::000000000000:role/dlm",
    Description: "nightly",
    State: "ENABLED",
    PolicyDetails: details(24),
    Tags: { team: "a" },
  });
  const { Policy } = await client.getLifecyclePolicy({ PolicyId });
  for (const date of [Policy.DateCreated, Policy.DateModified]) {
    assert.ok(date instanceof Date);
    assert.ok(Math.abs(date.getTime() - Date.now()) < 3600_000, `${date}`);
  }
  assert.equal(Policy.PolicyDetails.Schedules[0].CreateRule.Interval, 24);
  assert.deepEqual(Policy.Tags, { team: "a" });
  const { Policies } = await client.getLifecyclePolicies({ TargetTags: ["backup=yes"], ResourceTypes: ["VOLUME"], State: "ENABLED" });
  assert.deepEqual(Policies.map((one) => [one.PolicyId, one.State]), [[PolicyId, "ENABLED"]]);

  await client.updateLifecyclePolicy({ PolicyId, State: "DISABLED", PolicyDetails: details(12) });
  const changed = (await client.getLifecyclePolicy({ PolicyId })).Policy;
  assert.equal(changed.State, "DISABLED");
  assert.equal(changed.PolicyDetails.Schedules[0].CreateRule.Interval, 12);
  assert.ok(changed.DateModified >= Policy.DateModified);
  assert.equal(changed.DateCreated.getTime(), Policy.DateCreated.getTime());

  const ResourceArn = changed.PolicyArn;
  await client.tagResource({ ResourceArn, Tags: { more: "1" } });
  await client.untagResource({ ResourceArn, TagKeys: ["team"] });
  assert.deepEqual((await client.listTagsForResource({ ResourceArn })).Tags, { more: "1" });
  await client.deleteLifecyclePolicy({ PolicyId });
  await assert.rejects(client.getLifecyclePolicy({ PolicyId }), (error) => {
    assert.ok(error instanceof sdk.ResourceNotFoundException);
    assert.equal(error.$metadata.httpStatusCode, 404);
    return true;
  });
  return { policy: PolicyId };
});
