// One request, followed from its client to everything that tells of it.
import assert from 'node:assert/strict';
import { chatAnswer, json, kCompletions, post, reply } from '../lib/http.js';
import { OtlpReceiver } from '../lib/otlp_receiver.js';
import { Prometheus } from '../lib/prometheus.js';
import { until } from '../lib/wait.js';
import { scenario } from '../lib/world.js';

const kTrace = '0af7651916cd43dd8448eb211c80319c';
const kParent = 'b7ad6b7169203331';

scenario(
  "a client's ids lead to the log line, the spans, the metric's exemplar and the stored trace",
  { timeout: 120000 },
  async (world) => {
    const receiver = await OtlpReceiver.start(world);
    const { upstream, routes } = await world.routed();
    routes.on('/v1/chat/completions', (request, peer) => peer.write(reply(chatAnswer())));
    const gateway = await world.gateway({
      openai: upstream.url,
      env: { OTEL_BSP_SCHEDULE_DELAY: '20' },
      config: {
        observability: {
          otel: {
            enabled: true,
            endpoint: receiver.endpoint,
            prometheus_enabled: true,
            metric_export_interval_ms: 200,
          },
        },
      },
    });
    const client = await world.client(gateway);
    const fields = [
      ['X-Request-ID', 'order-4711'],
      ['traceparent', `00-${kTrace}-${kParent}-01`],
    ];
    await client.write(post(kCompletions, json({ model: 'gpt-4o-mini' }), fields));
    const answer = await client.readResponse();
    assert.equal(answer.status, 200);
    assert.equal(answer.get('x-ongoingai-correlation-id'), 'order-4711');

    const spans = await receiver.trace(kTrace);
    const server = spans['POST /openai/*'];
    assert.equal(server.parentSpanId, kParent);
    assert.equal(server.attributes['gateway.correlation_id'], 'order-4711');

    const line = await until(
      () => gateway.log('request complete').find((l) => l.correlation_id === 'order-4711'),
      'the access line is there',
    );
    assert.deepEqual([line.trace_id, line.span_id], [kTrace, server.spanId]);

    const id = answer.get('x-ongoingai-trace-id');
    await until(async () => (await gateway.traceCount()) === 1, 'the trace is stored');
    const { json: row } = await gateway.api(`/api/traces/${id}`);
    assert.equal(row.metadata.correlation_id, 'order-4711');

    // The provider sees the trace too, below the call's span.
    const sent = upstream.requests.at(-1).get('traceparent');
    assert.equal(sent, `00-${kTrace}-${spans['proxy POST /other'].spanId}-01`);

    // The same measurement by OTLP, with its exemplar.
    const name = 'ongoingai.proxy.request_duration_seconds';
    const exported = await until(() => findMetric(receiver, name), 'the metric is exported', 20000);
    const [point] = exported.histogram.dataPoints;
    assert.equal(Number(point.count), 1);
    const exemplar = point.exemplars[0];
    assert.equal(Buffer.from(exemplar.traceId, 'base64').toString('hex'), kTrace);
    assert.equal(Buffer.from(exemplar.spanId, 'base64').toString('hex'), server.spanId);

    const prometheus = await Prometheus.start(world, [`127.0.0.1:${gateway.port}`]);
    const found = await until(
      async () => (await prometheus.exemplars('ongoingai_proxy_request_duration_seconds_bucket'))[0],
      'Prometheus answers with an exemplar',
      30000,
    );
    assert.deepEqual([found.labels.trace_id, found.labels.span_id], [kTrace, server.spanId]);
    assert.deepEqual(receiver.faults, []);
  },
);

scenario('what is not sampled has no exemplar and no trace id in its log line', async (world) => {
  const receiver = await OtlpReceiver.start(world);
  const { upstream, routes } = await world.routed();
  routes.on('/v1/chat/completions', (request, peer) => peer.write(reply(chatAnswer())));
  const gateway = await world.gateway({
    openai: upstream.url,
    config: { observability: { otel: { enabled: true, endpoint: receiver.endpoint, prometheus_enabled: true } } },
  });
  const client = await world.client(gateway);
  await client.write(post(kCompletions, json({ model: 'm' }), [['traceparent', `00-${kTrace}-${kParent}-00`]]));
  assert.equal((await client.readResponse()).status, 200);
  await until(async () => (await gateway.traceCount()) === 1, 'the trace is stored');
  const headers = { Accept: 'application/openmetrics-text; version=1.0.0' };
  const page = (await gateway.api('/metrics', { headers })).text;
  assert.match(page, /ongoingai_proxy_request_duration_seconds_bucket/);
  assert.doesNotMatch(page, / # \{trace_id=/);
  const line = await until(
    () => gateway.log('request complete').find(({ path }) => path.startsWith('/openai')),
    'the access line is there',
  );
  assert.equal(line.trace_id, undefined);
});

/** The newest export of a metric that has data. */
function findMetric(receiver, name) {
  for (const { url, json: body } of receiver.requests.toReversed()) {
    if (url !== '/v1/metrics') continue;
    for (const { scopeMetrics } of body.resourceMetrics ?? [])
      for (const { metrics } of scopeMetrics ?? []) {
        const metric = metrics.find((m) => m.name === name);
        if (metric?.histogram?.dataPoints?.length) return metric;
      }
  }
  return undefined;
}
