// Log records from outside: which lines of the log a receiver gets, how they hang together with the spans that it has,
// and that one that is away costs nobody anything.
import assert from 'node:assert/strict';
import { freePort } from '../lib/gateway.js';
import { chatAnswer, get, json, kCompletions, post, reply } from '../lib/http.js';
import { OtlpReceiver, othersReceiver } from '../lib/otlp_receiver.js';
import { until } from '../lib/wait.js';
import { scenario } from '../lib/world.js';

const kTrace = '4bf92f3577b34da6a3ce929d0e0e4736';
const kParent = ['traceparent', `00-${kTrace}-00f067aa0ba902b7-01`];
const kSoon = { OTEL_BSP_SCHEDULE_DELAY: '20', OTEL_BLRP_SCHEDULE_DELAY: '20' };
const kOwner = 'owner-token-of-twenty-chars';
const kReader = 'reader-token-of-twenty-chars';

async function setUp(world, { receiver, otel = {}, config = {}, env = {} } = {}) {
  receiver ??= await OtlpReceiver.start(world);
  const { upstream, routes } = await world.routed();
  routes.on('/v1/chat/completions', (request, peer) => peer.write(reply(chatAnswer())));
  const gateway = await world.gateway({
    openai: upstream.url,
    env: { ...kSoon, ...env },
    config: {
      server: { workers: 1 },
      observability: {
        otel: { enabled: true, endpoint: receiver.endpoint, metrics_enabled: false, logs_enabled: true, ...otel },
      },
      ...config,
    },
  });
  const client = await world.client(gateway);
  const ask = async (request) => {
    client.write(request);
    return client.readResponse();
  };
  return { receiver, gateway, ask };
}
const chat = (fields = []) => post(kCompletions, json({ model: 'gpt-4o-mini' }), fields);
const isAccess = (path) => (r) => r.message === 'request complete' && r.attributes.path === path;
const kSecured = {
  auth: {
    enabled: true,
    keys: [
      { id: 'owner', token: kOwner, org_id: 'acme', workspace_id: 'w', role: 'owner' },
      { id: 'reader', token: kReader, org_id: 'acme', workspace_id: 'w', role: 'viewer' },
    ],
  },
};
const key = (token) => ['X-OngoingAI-Gateway-Key', token];

scenario('an access record carries the trace and the span that the receiver has', async (world) => {
  const { receiver, gateway, ask } = await setUp(world);
  const response = await ask(chat([kParent]));
  assert.equal(response.status, 200);
  const record = await receiver.log(isAccess(kCompletions), 'the access record');
  const spans = await receiver.trace(kTrace);
  assert.equal(record.traceId, kTrace);
  assert.equal(record.spanId, spans['POST /openai/*'].spanId);
  assert.equal(record.flags, 1);
  assert.deepEqual([record.severityNumber, record.severityText], [9, 'INFO']);
  assert.deepEqual(record.resource, spans['POST /openai/*'].resource);
  assert.equal(record.scope, 'ongoingai.gateway');
  // The record is the line.
  const line = await gateway.waitLog((l) => l.trace_id === kTrace && l.msg === 'request complete', 'the access line');
  const { time, level, msg, trace_id, span_id, ...fields } = line;
  assert.deepEqual(record.attributes, fields);
  assert.equal(record.attributes.status, 200);
  assert.equal(record.attributes.correlation_id, response.get('x-ongoingai-correlation-id'));
  assert.equal(BigInt(record.timeUnixNano) / 1_000_000n, BigInt(Date.parse(time)));
  assert.deepEqual([level, msg, trace_id, span_id], ['INFO', record.message, record.traceId, record.spanId]);
  assert.deepEqual(receiver.faults, []);
});

scenario('without a sampled span a record has no ids', async (world) => {
  const { receiver, ask } = await setUp(world, { otel: { sampling_ratio: 0 } });
  await ask(chat());
  const record = await receiver.log(isAccess(kCompletions), 'the access record');
  assert.deepEqual([record.traceId, record.spanId, record.flags], ['', '', undefined]);
});

scenario('refusals and what is done to keys are audit records', async (world) => {
  const { receiver, ask } = await setUp(world, { config: kSecured });
  for (const [status, fields] of [
    [401, []],
    [403, [key(kReader)]],
  ]) {
    const trace = String(status).padEnd(32, '0');
    const parent = ['traceparent', `00-${trace}-00f067aa0ba902b7-01`];
    assert.equal((await ask(chat([parent, ...fields]))).status, status);
    const record = await receiver.log((r) => r.traceId === trace && r.attributes.audit_action, 'the denial');
    assert.equal(record.message, 'audit gateway auth deny');
    assert.deepEqual([record.severityNumber, record.severityText], [13, 'WARN']);
    assert.equal(record.attributes.audit_outcome, 'deny');
    assert.equal(record.attributes.status_code, status);
    assert.equal(record.attributes.path, kCompletions);
    assert.equal(record.spanId, (await receiver.trace(trace))['gateway.auth'].spanId);
  }
  const body = json({ id: 'made', org_id: 'acme', workspace_id: 'w', role: 'viewer' });
  const made = await ask(post('/api/gateway-keys', body, [key(kOwner)]));
  assert.equal(made.status, 201, made.body.toString());
  const record = await receiver.log((r) => r.message === 'audit gateway key lifecycle', 'the key event');
  assert.equal(record.attributes.target_key_id, 'made');
  assert.equal(record.attributes.audit_outcome, 'success');
  assert.equal(record.attributes.path, '/api/gateway-keys');
});

scenario('warnings and errors are records, other lines are not', async (world) => {
  const { receiver, gateway, ask } = await setUp(world, {
    config: { providers: { openai: { upstream: `http://127.0.0.1:${await freePort()}` } } },
  });
  assert.equal((await ask(chat([kParent]))).status, 502);
  const record = await receiver.log((r) => r.message === 'proxy request failed', 'the error');
  assert.deepEqual([record.severityNumber, record.severityText, record.traceId], [17, 'ERROR', kTrace]);
  await receiver.log(isAccess(kCompletions), 'the access record');
  assert.ok(gateway.log('startup banner').length > 0);
  assert.ok(receiver.logs.every((r) => r.message !== 'startup banner'));
});

scenario('what the log leaves out is not exported, and its form changes nothing', async (world) => {
  const { receiver, ask } = await setUp(world, { config: { log: { access_sample_ratio: 0, format: 'text' } } });
  await ask(chat());
  assert.equal((await ask(get('/nothing/there'))).status, 404);
  const record = await receiver.log(isAccess('/nothing/there'), 'the record of the failure');
  assert.equal(record.attributes.status, 404);
  assert.ok(receiver.logs.every((r) => r.attributes.path !== kCompletions));
});

scenario('credentials are taken out of records, also where escapes hide them', async (world) => {
  const { receiver, ask } = await setUp(world);
  const secret = 'sk-proj-0123456789abcdefghijklmnop';
  await ask(get(`/nothing/${secret}`));
  await ask(get(`/nothing/${secret.replace('-', '%2D')}`));
  await until(() => receiver.logs.filter((r) => r.message === 'request complete').length >= 2, 'both records');
  const text = JSON.stringify(receiver.requests.map((r) => r.json));
  assert.ok(!text.includes('0123456789abcdef'), text);
  assert.ok(text.includes('[CREDENTIAL_REDACTED]'));
});

scenario('JSON, gzip, headers and an address of its own follow the standard variables', async (world) => {
  const logs = await OtlpReceiver.start(world);
  const { receiver, ask } = await setUp(world, {
    env: {
      OTEL_EXPORTER_OTLP_LOGS_ENDPOINT: `http://${logs.endpoint}/v1/logs`,
      OTEL_EXPORTER_OTLP_LOGS_PROTOCOL: 'http/json',
      OTEL_EXPORTER_OTLP_LOGS_COMPRESSION: 'gzip',
      OTEL_EXPORTER_OTLP_LOGS_HEADERS: 'x-team=red',
    },
  });
  await ask(chat([kParent]));
  const record = await logs.log(isAccess(kCompletions), 'the access record');
  assert.equal(record.traceId, kTrace);
  assert.equal(record.attributes.status, 200);
  assert.equal(typeof record.timeUnixNano, 'string');
  const [{ headers }] = logs.requests;
  assert.deepEqual(
    [headers['content-type'], headers['content-encoding'], headers['x-team']],
    ['application/json', 'gzip', 'red'],
  );
  await receiver.trace(kTrace);
  assert.deepEqual(receiver.logs, []);
  assert.deepEqual([...logs.faults, ...receiver.faults], []);
});

scenario('OTEL_LOGS_EXPORTER turns records on, and without it there are none', async (world) => {
  const { receiver, ask } = await setUp(world, { otel: { logs_enabled: false }, env: { OTEL_LOGS_EXPORTER: 'otlp' } });
  await ask(chat());
  await receiver.log(isAccess(kCompletions), 'the access record');
  const off = await setUp(world, { otel: { logs_enabled: false } });
  await off.ask(chat([kParent]));
  await off.receiver.trace(kTrace);
  assert.equal((await off.gateway.stop()).code, 0);
  assert.deepEqual(off.receiver.logs, []);
});

scenario('a receiver of others takes log records', async (world) => {
  const others = await othersReceiver(world);
  const { ask } = await setUp(world, { receiver: others });
  await ask(chat());
  await until(() => others.messages.includes('request complete'), 'the access record');
});

scenario('records that wait are sent at the end, the last lines too', async (world) => {
  const { receiver, gateway, ask } = await setUp(world, { env: { OTEL_BLRP_SCHEDULE_DELAY: '3600000' } });
  for (let i = 0; i < 20; i++) await ask(chat());
  const { code } = await gateway.stop();
  assert.equal(code, 0);
  assert.equal(receiver.logs.filter(isAccess(kCompletions)).length, 20);
});

scenario('a part that a receiver rejects is told in its words', async (world) => {
  const receiver = await OtlpReceiver.start(world, {
    answer: (request, response) => {
      if (request.url !== '/v1/logs') return false;
      response.writeHead(200, { 'Content-Type': 'application/json' });
      response.end('{"partialSuccess":{"rejectedLogRecords":"1","errorMessage":"too old"}}');
      return true;
    },
  });
  const { gateway, ask } = await setUp(world, { receiver, env: { OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json' } });
  await ask(chat());
  const line = await gateway.waitLog((l) => l.msg === 'opentelemetry export fails', 'the warning');
  assert.deepEqual([line.signal, line.error], ['logs', 'the receiver rejected a part: too old']);
  assert.equal(line.dropped, 1);
});

scenario('requests go on, in bounded memory, while nobody takes records; what found no room is told', async (world) => {
  let bad = true;
  const receiver = await OtlpReceiver.start(world, { answer: () => bad });
  const { gateway, ask } = await setUp(world, {
    receiver,
    otel: { export_timeout_ms: 300, traces_enabled: false, prometheus_enabled: true },
    env: { OTEL_BLRP_MAX_QUEUE_SIZE: '1' },
  });
  await ask(chat());
  const before = gateway.rssAnonKiB();
  for (let i = 0; i < 1000; i++) assert.equal((await ask(chat())).status, 200);
  gateway.expectGrownAtMost(8 * 1024, before);
  await gateway.waitLog((l) => l.msg === 'opentelemetry log records dropped; the queue is full', 'the warning');
  const page = (await gateway.api('/metrics')).text;
  assert.match(page, /^ongoingai_otlp_log_queue_dropped_total\{.*\} [1-9]/m);
  bad = false;
  assert.equal((await gateway.stop()).code, 0);
});

scenario('a stop within the first second says why nothing was taken', async (world) => {
  const { gateway, ask } = await setUp(world, {
    otel: { endpoint: `127.0.0.1:${await freePort()}` },
    env: { OTEL_BSP_SCHEDULE_DELAY: '3600000', OTEL_BLRP_SCHEDULE_DELAY: '3600000' },
  });
  await ask(chat());
  assert.equal((await gateway.stop()).code, 0);
  const lines = gateway.log('opentelemetry export fails');
  assert.deepEqual(
    lines.map((l) => l.signal),
    ['traces', 'logs'],
  );
  for (const { error } of lines) assert.match(error, /connect/i);
});
