// A load balancer and an Auto Scaling group behind it.
const assert = require("node:assert/strict");
const ec2 = require("@aws-sdk/client-ec2");
const elb = require("@aws-sdk/client-elastic-load-balancing-v2");
const scaling = require("@aws-sdk/client-auto-scaling");
const { all, live, quick } = require("./life.cjs");

const network = new ec2.EC2();
const balancers = new elb.ElasticLoadBalancingV2();
const groups = new scaling.AutoScaling();
const AutoScalingGroupName = "web";

async function balancer(subnets, VpcId) {
  const made = await balancers.createLoadBalancer({ Name: "web", Subnets: subnets, Tags: [{ Key: "of", Value: "js" }] });
  const { LoadBalancerArn, CreatedTime } = made.LoadBalancers[0];
  assert.ok(CreatedTime instanceof Date);
  const waiting = { client: balancers, ...quick };
  await elb.waitUntilLoadBalancerExists(waiting, { LoadBalancerArns: [LoadBalancerArn] });
  await elb.waitUntilLoadBalancerAvailable(waiting, { LoadBalancerArns: [LoadBalancerArn] });
  const target = await balancers.createTargetGroup({ Name: "web", Protocol: "HTTP", Port: 80, VpcId, HealthCheckPath: "/health" });
  const { TargetGroupArn } = target.TargetGroups[0];
  const forward = [{ Type: "forward", TargetGroupArn }];
  const listener = await balancers.createListener({ LoadBalancerArn, Protocol: "HTTP", Port: 80, DefaultActions: forward });
  const { ListenerArn } = listener.Listeners[0];
  for (let number = 1; number <= 3; number += 1) {
    const Conditions = [{ Field: "path-pattern", PathPatternConfig: { Values: [`/${number}/*`] } }];
    await balancers.createRule({ ListenerArn, Priority: number, Conditions, Actions: forward });
  }
  const rules = await all(elb.paginateDescribeRules({ client: balancers, pageSize: 2 }, { ListenerArn }), (page) => page.Rules);
  assert.deepEqual(rules.map((one) => one.Priority), ["1", "2", "3", "default"]);
  return { LoadBalancerArn, TargetGroupArn };
}

async function group(subnets, TargetGroupARNs) {
  const { LaunchTemplate } = await network.createLaunchTemplate({
    LaunchTemplateName: "web",
    LaunchTemplateData: { ImageId: process.env.IMAGE, InstanceType: "t3.nano" },
  });
  assert.ok(LaunchTemplate.CreateTime instanceof Date);
  await groups.createAutoScalingGroup({
    AutoScalingGroupName,
    MinSize: 1,
    MaxSize: 4,
    DesiredCapacity: 2,
    LaunchTemplate: { LaunchTemplateName: "web", Version: "$Latest" },
    VPCZoneIdentifier: subnets.join(","),
    TargetGroupARNs,
    Tags: [{ Key: "Name", Value: "web", PropagateAtLaunch: true }],
  });
  const waiting = { client: groups, ...quick };
  const asked = { AutoScalingGroupNames: [AutoScalingGroupName] };
  await scaling.waitUntilGroupExists(waiting, asked);
  await scaling.waitUntilGroupInService(waiting, asked);
  await groups.setDesiredCapacity({ AutoScalingGroupName, DesiredCapacity: 3 });
  const found = await all(scaling.paginateDescribeAutoScalingGroups({ client: groups }, asked), (page) => page.AutoScalingGroups);
  assert.equal(found[0].Instances.length, 3);
  assert.ok(found[0].CreatedTime instanceof Date);
  const activities = await all(
    scaling.paginateDescribeScalingActivities({ client: groups, pageSize: 2 }, { AutoScalingGroupName }),
    (page) => page.Activities,
  );
  assert.deepEqual(activities.map((one) => one.StatusCode), ["Successful", "Successful", "Successful"]);
  assert.ok(activities.every((one) => one.StartTime instanceof Date && one.EndTime >= one.StartTime));
  return found[0].Instances.map((one) => one.InstanceId);
}

async function away({ LoadBalancerArn, TargetGroupArn }, instances) {
  await groups.deleteAutoScalingGroup({ AutoScalingGroupName, ForceDelete: true });
  const asked = { AutoScalingGroupNames: [AutoScalingGroupName] };
  await scaling.waitUntilGroupNotExists({ client: groups, ...quick }, asked);
  await ec2.waitUntilInstanceTerminated({ client: network, ...quick }, { InstanceIds: instances });
  const waiting = { client: balancers, ...quick };
  await elb.waitUntilTargetDeregistered(waiting, { TargetGroupArn, Targets: instances.map((Id) => ({ Id })) });
  await balancers.deleteLoadBalancer({ LoadBalancerArn });
  await elb.waitUntilLoadBalancersDeleted(waiting, { LoadBalancerArns: [LoadBalancerArn] });
  await balancers.deleteTargetGroup({ TargetGroupArn });
  await assert.rejects(balancers.describeTargetGroups({ TargetGroupArns: [TargetGroupArn] }), elb.TargetGroupNotFoundException);
  await network.deleteLaunchTemplate({ LaunchTemplateName: "web" });
}

live(async () => {
  const Filters = [{ Name: "default-for-az", Values: ["true"] }];
  const subnets = await all(ec2.paginateDescribeSubnets({ client: network }, { Filters }), (page) => page.Subnets);
  const two = subnets.slice(0, 2).map((one) => one.SubnetId);
  const made = await balancer(two, subnets[0].VpcId);
  const instances = await group(two, [made.TargetGroupArn]);
  const { TargetHealthDescriptions } = await balancers.describeTargetHealth({ TargetGroupArn: made.TargetGroupArn });
  assert.deepEqual(TargetHealthDescriptions.map((one) => one.Target.Id).sort(), [...instances].sort());
  await away(made, instances);
  return { instances };
});
