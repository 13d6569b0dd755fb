// What the log says, as operators and their tools read it.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { run } from '../lib/gateway.js';
import { chatAnswer, kCompletions, reply } from '../lib/http.js';
import { until } from '../lib/wait.js';
import { scenario } from '../lib/world.js';

const kKeyHeader = 'X-OngoingAI-Gateway-Key';
const kToken = 'token-of-the-owner-0123';

async function setUp(world, options = {}) {
  const { upstream, routes } = await world.routed();
  routes.on('*', (request, peer) => peer.write(reply(chatAnswer(), [['Content-Type', 'application/json']])));
  const gateway = await world.gateway({ openai: upstream.url, ...options });
  const ask = (target, { headers = {}, method = 'POST', body = '{}' } = {}) =>
    gateway.api(target, { method, headers, body });
  return { upstream, routes, gateway, ask };
}
/** Everything that went to stdout, by way of a file as a log shipper has it. */
async function withLogFile(world, options = {}) {
  const file = path.join(world.folder('log'), 'stdout');
  const parts = await setUp(world, { ...options, stdout: fs.openSync(file, 'w') });
  return { ...parts, file, text: () => fs.readFileSync(file, 'utf8') };
}

scenario('jq finds every auth denial and key event, with its outcome and path', async (world) => {
  const owner = { id: 'owner', token: kToken, role: 'owner' };
  const viewer = { id: 'viewer', token: 'token-of-the-viewer-012', role: 'viewer' };
  const { gateway, ask, file } = await withLogFile(world, {
    config: {
      auth: { enabled: true, failure_delay_ms: 0, keys: [owner, viewer] },
      limits: { per_key: { requests_per_minute: 20 } },
    },
  });
  const as = (token, more = {}) => ({ headers: { [kKeyHeader]: token, Authorization: 'Bearer x' }, ...more });
  const key = JSON.stringify({ id: 'made', token: 'a-token-of-twenty-chars', role: 'developer' });
  const expected = [];
  const expect = async (status, outcome, target, options) => {
    const answer = await ask(target, options);
    assert.equal(answer.status, status, `${target}: ${answer.text}`);
    expected.push(`${outcome} ${target} ${status}`);
  };
  await expect(401, 'deny', kCompletions);
  await expect(401, 'deny', '/openai/v1/models', as('wrong'));
  await expect(403, 'deny', '/api/gateway-keys', as(viewer.token, { body: key }));
  await expect(401, 'deny', '/api/traces', { method: 'GET' });
  await expect(201, 'success', '/api/gateway-keys', as(kToken, { body: key }));
  await expect(409, 'error', '/api/gateway-keys', as(kToken, { body: key }));
  await expect(200, 'success', '/api/gateway-keys/made/rotate', as(kToken, { body: '{}' }));
  await expect(204, 'success', '/api/gateway-keys/made', as(kToken, { method: 'DELETE' }));
  await expect(404, 'error', '/api/gateway-keys/made', as(kToken, { method: 'DELETE' }));
  for (let i = 0; i < 20; i++) assert.equal((await ask(kCompletions, as(kToken))).status, 200);
  await expect(429, 'deny', kCompletions, as(kToken));
  assert.equal((await ask(kCompletions, as('wrong', { method: 'OPTIONS' }))).status, 204);
  await gateway.stop();

  const filter = 'select(.audit_action != null) | "\\(.audit_outcome) \\(.path) \\(.status_code)"';
  const found = execFileSync('jq', ['-r', filter, file], { encoding: 'utf8' }).trim().split('\n');
  // Lines of different threads have no order among them.
  assert.deepEqual(found.sort(), expected.sort());
});

scenario('no credential that comes in goes into the log, wherever it stands', async (world) => {
  const { gateway, ask, routes, text } = await withLogFile(world, { config: { auth: { enabled: false } } });
  const secrets = ['sk-ant-api03-0123456789abcdef', 'ghp_0123456789abcdef', 'AKIAIOSFODNN7EXAMPLE'];
  routes.on('/v1/broken', async (request, peer) => {
    await peer.write(`HTTP/1.1 200 OK\r\nContent-Length: 10\r\nX-${secrets[0]}: a\r\n b\r\n\r\n`);
    peer.destroy();
  }, { mayAbort: true });
  for (const secret of secrets) {
    await ask(`/openai/v1/${secret}`);
    await ask(`/${secret}/x`);
    await ask(`/openai/v1/models?key=${secret}`);
    await ask(kCompletions, { headers: { 'X-Request-ID': secret } });
    await ask(kCompletions, { headers: { 'X-Request-ID': `mine-${secret}`, Authorization: `Bearer ${secret}` } });
    await ask('/openai/v1/broken', { headers: { 'X-Request-ID': secret } });
  }
  await ask('/openai/v1/token=hunter2hunter2');
  await gateway.stop();
  const log = text();
  for (const secret of [...secrets, 'hunter2']) assert.ok(!log.includes(secret), `${secret} is in the log`);
  assert.ok(log.includes('"path":"/openai/v1/[CREDENTIAL_REDACTED]"'), log.slice(-2000));
  assert.ok(log.includes('"correlation_id":"[CREDENTIAL_REDACTED]"'));
  assert.ok(log.split('\n').length > 20);
});

scenario('of successes a share is logged, of failures all; the level can be changed by a reload', async (world) => {
  const { gateway, ask } = await setUp(world, { config: { log: { access_sample_ratio: 0 } } });
  await ask(kCompletions);
  await ask('/nowhere');
  await gateway.waitLog((line) => line.path === '/nowhere', 'the failure');
  assert.deepEqual(
    gateway.log('request complete').filter((line) => line.status < 400),
    [],
  );
  const config = gateway.config();
  const file = path.join(gateway.dir, 'ongoingai.yaml');
  const reload = async (log) => {
    fs.writeFileSync(file, JSON.stringify({ ...config, log }));
    const { code, stdout, stderr } = await run(['reload', '--config', file], { cwd: gateway.dir });
    assert.equal(code, 0, stderr);
    assert.match(stdout, /log\./);
  };
  await reload({ level: 'debug' });
  await ask(kCompletions);
  const recorded = await gateway.waitLog((line) => line.msg === 'exchange recorded', 'a debug line');
  assert.deepEqual(
    [recorded.level, recorded.provider, recorded.status, recorded.outcome, recorded.output_tokens],
    ['DEBUG', 'openai', 200, 'complete', 2],
  );
  await gateway.waitLog((line) => line.path === kCompletions && line.status === 200, 'the access line');
  await reload({ level: 'error' });
  const before = gateway.lines.length;
  await ask('/nowhere');
  await ask(kCompletions);
  await gateway.stop();
  assert.deepEqual(gateway.lines.slice(before), []);
});

scenario('text is a line for each, for people', async (world) => {
  const { gateway, ask, text } = await withLogFile(world, { env: { ONGOINGAI_LOG_FORMAT: 'text' } });
  await ask(kCompletions, { headers: { 'X-Request-ID': 'abc' } });
  await until(() => text().includes(kCompletions), 'the access line');
  await gateway.stop();
  const lines = text().trim().split('\n');
  for (const line of lines) assert.match(line, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} {2}(INFO |WARN |ERROR) {2}\S/);
  const access = lines.find((line) => line.includes('correlation_id=abc'));
  assert.match(access, /INFO {3}request complete {10}correlation_id=abc method=POST path=\/openai\/v1\/chat\/completions status=200 latency_ms=\d+$/);
});
