// What the public page about integrations has its readers do: its configuration and its commands as they are printed
// there (with the port and a key put in), and the problems that its troubleshooting section describes.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { freePort, run } from '../lib/gateway.js';
import { MockProvider } from '../lib/mock_provider.js';
import { OtlpReceiver } from '../lib/otlp_receiver.js';
import { startShell } from '../lib/shell.js';
import { until, within } from '../lib/wait.js';
import { scenario } from '../lib/world.js';

const kConfiguration = `auth:
  enabled: true
  header: X-OngoingAI-Gateway-Key

storage:
  driver: sqlite
  path: ./ongoingai.db

tracing:
  capture_bodies: false
  body_max_size: 1048576

observability:
  otel:
    enabled: true
    endpoint: localhost:4318
    insecure: true
    service_name: ongoingai-gateway
    traces_enabled: true
    metrics_enabled: true
    sampling_ratio: 1.0
    export_timeout_ms: 3000
    metric_export_interval_ms: 10000
    # prometheus_enabled: false
    # prometheus_path: /metrics
`;
const kSummary = `curl "http://localhost:8080/api/analytics/summary" \\
  -H "X-OngoingAI-Gateway-Key: GATEWAY_KEY"`;
const kFirstPage = `curl "http://localhost:8080/api/traces?limit=200" \\
  -H "X-OngoingAI-Gateway-Key: GATEWAY_KEY"`;
const kNextPage = `curl "http://localhost:8080/api/traces?limit=200&cursor=NEXT_CURSOR" \\
  -H "X-OngoingAI-Gateway-Key: GATEWAY_KEY"`;
const kAuditLines = "ongoingai serve | jq -c 'select(.audit_action != null)'";
const kHealth = 'curl "http://localhost:8080/api/health"';
const kNewest = `curl "http://localhost:8080/api/traces?limit=1" \\
  -H "X-OngoingAI-Gateway-Key: GATEWAY_KEY"`;

const kMetricsOff = '    # prometheus_enabled: false\n    # prometheus_path: /metrics\n';
/** `change`: [from, to] in the configuration. */
async function setUp(world, { change, env = {} } = {}) {
  const provider = await MockProvider.start(world);
  const yaml = change ? kConfiguration.replace(...change) : kConfiguration;
  assert.ok(!change || yaml !== kConfiguration);
  const gateway = await world.gateway({ yaml, env: { ONGOINGAI_OPENAI_UPSTREAM: provider.url, ...env } });
  return gateway;
}

/** A line of shell in the gateway's folder, as printed but for its address and placeholders. */
function shell(world, dir, command, places = {}, env = {}) {
  const line = Object.entries(places).reduce((text, [place, value]) => text.replaceAll(place, value), command);
  const run = startShell(line, dir, { no_proxy: '*', ...env });
  world.later(run.end);
  return run;
}
async function json(world, gateway, command, places = {}) {
  const at = { 'localhost:8080': `127.0.0.1:${gateway.port}`, ...places };
  const command_ = shell(world, gateway.dir, command, at);
  assert.equal(await within(20000, command_.ended, command), 0, command_.stderr);
  return JSON.parse(command_.stdout);
}

/** The token of a new key, made beside the running gateway. */
async function makeKey(gateway, ...words) {
  const made = await run(['keys', 'create', '--format', 'json', ...words], { cwd: gateway.dir });
  assert.equal(made.code, 0, made.stderr);
  const token = /"token":\s*"([^"]+)"/.exec(made.stdout)[1];
  const known = async () => (await read(gateway, '/api/traces', token)).status !== 401;
  await until(known, 'the gateway knows the new key');
  return token;
}
const read = (gateway, target, token) =>
  gateway.api(target, { headers: token ? { 'X-OngoingAI-Gateway-Key': token } : {} });
const ask = (gateway, token) =>
  gateway.api('/openai/v1/chat/completions', {
    method: 'POST',
    headers: {
      Authorization: 'Bearer sk',
      'Content-Type': 'application/json',
      ...(token ? { 'X-OngoingAI-Gateway-Key': token } : {}),
    },
    body: JSON.stringify({ model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'Hi' }] }),
  });

scenario('the starter configuration is valid, starts as it stands, and denies until it has a key', async (world) => {
  const gateway = await setUp(world);
  const validated = await run(['config', 'validate'], { cwd: gateway.dir });
  assert.equal(validated.code, 0, validated.stderr);
  assert.ok(fs.existsSync(path.join(gateway.dir, 'ongoingai.db')), 'the database is where storage.path says');
  assert.equal((await read(gateway, '/api/health')).status, 200);
  for (const target of ['/api/traces', '/api/analytics/summary'])
    assert.equal((await read(gateway, target)).status, 401);
  assert.equal((await ask(gateway)).status, 401);
  assert.equal((await read(gateway, '/api/traces', 'a-key-that-nobody-has-made-so-far')).status, 401);
  const key = await makeKey(gateway, '--role', 'owner');
  assert.equal((await ask(gateway, key)).status, 200, 'also with no collector at its endpoint');
});

scenario('its commands work as printed', async (world) => {
  const gateway = await setUp(world);
  const key = await makeKey(gateway, '--role', 'owner');
  const places = { GATEWAY_KEY: key };
  const kSent = 203;
  let left = kSent;
  const sender = async () => {
    while (left-- > 0) assert.equal((await ask(gateway, key)).status, 200);
  };
  await Promise.all([sender(), sender(), sender(), sender()]);
  const stored = async () => (await json(world, gateway, kHealth)).trace_count === kSent;
  await until(stored, 'all traces are stored');

  const summary = await json(world, gateway, kSummary, places);
  assert.equal(summary.total_requests, kSent, JSON.stringify(summary));
  assert.ok(summary.total_tokens > 0 && summary.total_cost_usd > 0, JSON.stringify(summary));
  const first = await json(world, gateway, kFirstPage, places);
  assert.equal(first.items.length, 200);
  const next = await json(world, gateway, kNextPage, { ...places, NEXT_CURSOR: first.next_cursor });
  assert.equal(new Set([...first.items, ...next.items].map(({ id }) => id)).size, kSent, 'all traces, each once');
  assert.equal(next.next_cursor, undefined);
  assert.equal((await json(world, gateway, kNewest, places)).items[0].id, first.items[0].id);

  for (const what of ['usage', 'cost', 'models', 'keys', 'latency', 'errors', 'summary']) {
    const answer = await read(gateway, `/api/analytics/${what}`, key);
    assert.equal(answer.status, 200, what);
    assert.equal(answer.headers['access-control-allow-origin'], '*', what);
  }
  const trace = (await read(gateway, `/api/traces/${first.items[0].id}`, key)).json;
  assert.ok(trace.input_tokens > 0 && trace.latency_ms >= 0, JSON.stringify(trace));
  assert.ok(!trace.request_body && !trace.response_body, 'bodies are not stored');
});

scenario('its filter of the log shows who was denied and what became of keys', async (world) => {
  const dir = world.folder('filtered');
  fs.writeFileSync(path.join(dir, 'ongoingai.yaml'), kConfiguration);
  const port = await freePort();
  const address = { ONGOINGAI_HOST: '127.0.0.1', ONGOINGAI_PORT: String(port) };
  const pipeline = shell(world, dir, kAuditLines, {}, address);
  const gateway = { dir, port, api: (target, options) => fetch(`http://127.0.0.1:${port}${target}`, options) };
  const answers = () => gateway.api('/api/health').then(({ status }) => status === 200);
  await until(answers, () => `the gateway serves: ${pipeline.stderr}`);
  assert.equal((await ask(gateway)).status, 401);
  const key = await makeKey(gateway, '--role', 'owner');
  const made = await gateway.api('/api/gateway-keys', {
    method: 'POST',
    headers: { 'X-OngoingAI-Gateway-Key': key, 'Content-Type': 'application/json' },
    body: JSON.stringify({ role: 'viewer' }),
  });
  assert.equal(made.status, 201);
  // jq says what it has when its input ends.
  const children = fs
    .readFileSync(`/proc/${pipeline.child.pid}/task/${pipeline.child.pid}/children`, 'utf8')
    .trim()
    .split(' ');
  const served = children.find((pid) => fs.readFileSync(`/proc/${pid}/comm`, 'utf8').trim() === 'ongoingai');
  process.kill(Number(served), 'SIGTERM');
  assert.equal(await within(30000, pipeline.ended, 'the pipeline ends'), 0, pipeline.stderr);
  const lines = pipeline.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  const denied = lines.find(({ path: target }) => target === '/openai/v1/chat/completions');
  assert.deepEqual([denied.audit_action, denied.audit_outcome, denied.status_code], ['gateway_auth', 'deny', 401]);
  const created = lines.find(({ msg }) => msg === 'audit gateway key lifecycle');
  assert.ok(created?.audit_action && created.audit_outcome, pipeline.stdout);
  assert.ok(lines.every(({ audit_action }) => audit_action));
});

scenario('troubleshooting: 401 without a key, 403 with one that may not, 200 with one that may', async (world) => {
  // A role of one's own permits what is listed beside it, and nothing else.
  const token = 'a-key-that-may-send-and-not-read';
  const keys = `  keys:\n    - { id: sender, token: ${token}, role: sender, permissions: ["proxy:write"] }\n\nstorage:`;
  const gateway = await setUp(world, { change: ['\nstorage:', keys] });
  assert.equal((await ask(gateway, token)).status, 200);
  for (const target of ['/api/traces', '/api/analytics/summary', '/api/analytics/errors']) {
    assert.equal((await read(gateway, target)).status, 401, target);
    assert.equal((await read(gateway, target, token)).status, 403, target);
  }
  const reader = await makeKey(gateway, '--role', 'viewer');
  assert.equal((await read(gateway, '/api/traces', reader)).status, 200);
  assert.equal((await ask(gateway, reader)).status, 403, 'a viewer reads and does not send');
});

scenario('troubleshooting: traces are empty until a provider request passed and was stored', async (world) => {
  const gateway = await setUp(world);
  const key = await makeKey(gateway, '--role', 'owner');
  assert.deepEqual((await read(gateway, '/api/traces', key)).json.items, []);
  assert.equal((await ask(gateway, key)).status, 200);
  await until(async () => (await read(gateway, '/api/traces', key)).json.items.length === 1, 'the trace is stored');
});

scenario('troubleshooting: stdout is one JSON object a line', async (world) => {
  const gateway = await setUp(world);
  await ask(gateway);
  await gateway.waitLog(({ msg, status }) => msg === 'request complete' && status === 401, 'the refused request');
  await gateway.stop();
  assert.ok(gateway.lines.length >= 4);
  for (const line of gateway.lines) {
    assert.ok(!line.unparsable, line.unparsable);
    assert.ok(line.time && line.level && line.msg, JSON.stringify(line));
  }
});

scenario(
  'troubleshooting: /metrics is 404 until prometheus_enabled, and where prometheus_path is not',
  async (world) => {
    const asPrinted = await setUp(world);
    assert.equal((await read(asPrinted, '/metrics')).status, 404);
    const on = '    prometheus_enabled: true\n';
    const byFile = await setUp(world, { change: [kMetricsOff, on] });
    const byVariable = await setUp(world, { env: { ONGOINGAI_PROMETHEUS_ENABLED: 'true' } });
    for (const gateway of [byFile, byVariable]) assert.equal((await read(gateway, '/metrics')).status, 200);
    const elsewhere = await setUp(world, { change: [kMetricsOff, `${on}    prometheus_path: /figures\n`] });
    assert.equal((await read(elsewhere, '/metrics')).status, 404);
    assert.equal((await read(elsewhere, '/figures')).status, 200);
  },
);

scenario(
  'troubleshooting: exports to a collector that is not there are told in the log, and hold nobody up',
  async (world) => {
    const collector = await OtlpReceiver.start(world);
    const soon = { OTEL_BSP_SCHEDULE_DELAY: '100', OTEL_METRIC_EXPORT_INTERVAL: '200' };
    const exporting = async (port) => {
      const gateway = await setUp(world, { change: ['localhost:4318', `127.0.0.1:${port}`], env: soon });
      const key = await makeKey(gateway, '--role', 'owner');
      assert.equal((await ask(gateway, key)).status, 200);
      return gateway;
    };
    const failing = await exporting(await freePort());
    await failing.waitLog(({ msg }) => msg === 'opentelemetry export fails', 'exports fail');
    const reaching = await exporting(collector.port);
    const seen = () => new Set(collector.requests.map(({ url }) => url));
    await until(
      () => seen().has('/v1/traces') && seen().has('/v1/metrics'),
      () => `exports arrive: ${[...seen()]}`,
    );
    assert.deepEqual(collector.faults, []);
    assert.deepEqual(reaching.log('opentelemetry export fails'), []);
  },
);
