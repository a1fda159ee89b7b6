// Metrics and alarms, with dates and numbers as JavaScript has them.
const assert = require("node:assert/strict");
const sdk = require("@aws-sdk/client-cloudwatch");
const { all, live, quick } = require("./life.cjs");

const client = new sdk.CloudWatch();
const Namespace = "Shop";
const PERIOD = 60_000;

function minute(ago) {
  return new Date(Math.floor(Date.now() / PERIOD - ago) * PERIOD);
}

async function data() {
  const when = minute(5);
  const dimensions = (number) => [{ Name: "Till", Value: `${number}` }];
  const sales = [...Array(20).keys()].map((number) => (
    { MetricName: "Sales", Dimensions: dimensions(number), Timestamp: when, Value: number + 0.5, Unit: "Count" }));
  await client.putMetricData({ Namespace, MetricData: sales });
  const several = { Values: [1, 2, 3], Counts: [2, 1, 1], Timestamp: when };
  await client.putMetricData({ Namespace, MetricData: [{ MetricName: "Wait", Unit: "Seconds", ...several }] });
  const statistics = { SampleCount: 4, Sum: 10, Minimum: 1, Maximum: 4 };
  await client.putMetricData({ Namespace, MetricData: [{ MetricName: "Queue", Timestamp: when, StatisticValues: statistics }] });

  const listed = await all(sdk.paginateListMetrics({ client }, { Namespace }), (page) => page.Metrics);
  assert.equal(listed.length, 22);
  const range = { StartTime: minute(10), EndTime: minute(0) };
  const asked = { Namespace, MetricName: "Sales", Dimensions: dimensions(7), Period: 60, ...range };
  const { Datapoints } = await client.getMetricStatistics({ ...asked, Statistics: ["Sum", "Average"], ExtendedStatistics: ["p90"] });
  assert.deepEqual(Datapoints.map((one) => [one.Timestamp.getTime(), one.Sum, one.Unit]), [[when.getTime(), 7.5, "Count"]]);
  assert.equal(Datapoints[0].ExtendedStatistics.p90 > 7, true);
  const query = (id, name, stat) => ({ Id: id, MetricStat: { Metric: { Namespace, MetricName: name }, Period: 60, Stat: stat } });
  const MetricDataQueries = [query("wait", "Wait", "Sum"), query("queue", "Queue", "Maximum"), { Id: "both", Expression: "wait + queue" }];
  const results = await all(sdk.paginateGetMetricData({ client }, { MetricDataQueries, ...range }), (page) => page.MetricDataResults);
  const values = Object.fromEntries(results.map((one) => [one.Id, one.Values]));
  assert.deepEqual(values, { wait: [7], queue: [4], both: [11] });
  assert.ok(results.every((one) => one.Timestamps[0].getTime() === when.getTime()));
}

async function alarms() {
  for (let number = 0; number < 5; number += 1) {
    await client.putMetricAlarm({
      AlarmName: `till-${number}`,
      Namespace,
      MetricName: "Sales",
      Dimensions: [{ Name: "Till", Value: `${number}` }],
      Statistic: "Sum",
      Period: 60,
      EvaluationPeriods: 2,
      Threshold: 0.25,
      ComparisonOperator: "LessThanThreshold",
      TreatMissingData: "notBreaching",
      ActionsEnabled: false,
      Tags: [{ Key: "of", Value: "js" }],
    });
  }
  const AlarmNames = ["till-0"];
  await sdk.waitUntilAlarmExists({ client, ...quick }, { AlarmNames });
  const pages = sdk.paginateDescribeAlarms({ client, pageSize: 2 }, { AlarmNamePrefix: "till-" });
  const found = await all(pages, (page) => page.MetricAlarms);
  assert.deepEqual(found.map((one) => one.AlarmName), [0, 1, 2, 3, 4].map((number) => `till-${number}`));
  assert.ok(found.every((one) => one.StateUpdatedTimestamp instanceof Date && one.AlarmConfigurationUpdatedTimestamp instanceof Date));
  await client.setAlarmState({ AlarmName: "till-0", StateValue: "ALARM", StateReason: "a test" });
  const history = await all(
    sdk.paginateDescribeAlarmHistory({ client }, { AlarmName: "till-0", HistoryItemType: "StateUpdate" }),
    (page) => page.AlarmHistoryItems,
  );
  assert.ok(history[0].Timestamp instanceof Date);
  assert.equal(JSON.parse(history[0].HistoryData).newState.stateValue, "ALARM");
  await client.putCompositeAlarm({ AlarmName: "any", AlarmRule: 'ALARM("till-0") OR ALARM("till-1")', ActionsEnabled: false });
  await sdk.waitUntilCompositeAlarmExists({ client, ...quick }, { AlarmNames: ["any"], AlarmTypes: ["CompositeAlarm"] });
  await client.deleteAlarms({ AlarmNames: ["any"] });
  await client.deleteAlarms({ AlarmNames: found.map((one) => one.AlarmName) });
  assert.deepEqual((await client.describeAlarms({})).MetricAlarms, []);
  await assert.rejects(client.setAlarmState({ AlarmName: "none", StateValue: "OK", StateReason: "x" }), sdk.ResourceNotFound);
}

live(async () => {
  await data();
  await alarms();
  return {};
});
