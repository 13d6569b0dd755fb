// Gateway keys over HTTP and from the command line: who gets in, when a change holds, and what is left behind.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import path from 'node:path';
import { merge, run } from '../lib/gateway.js';
import { chatAnswer, chatRequest, get, kCompletions, reply } from '../lib/http.js';
import { Postgres } from '../lib/postgres.js';
import { scenario } from '../lib/world.js';
import { until } from '../lib/wait.js';

const kHeader = 'X-OngoingAI-Gateway-Key';
const owner = { id: 'owner', token: 'token-of-the-owner-0', org_id: 'acme', workspace_id: 'core', role: 'owner' };

async function setUp(world, keys = [owner], config = {}, env = {}) {
  const { upstream, routes } = await world.routed();
  routes.on('/v1/chat/completions', (request, peer) =>
    peer.write(reply(chatAnswer(), [['Content-Type', 'application/json']])),
  );
  const gateway = await world.gateway({
    openai: upstream.url,
    anthropic: upstream.url,
    config: merge({ auth: { enabled: true, keys } }, config),
    env,
  });
  return { gateway, upstream };
}
function as(gateway, token, target, { method = 'GET', body, headers = {} } = {}) {
  return gateway.api(target, {
    method,
    headers: { ...(token && { [kHeader]: token }), ...headers },
    body: body && JSON.stringify(body),
  });
}
const chat = (gateway, token) =>
  gateway.api(kCompletions, {
    method: 'POST',
    headers: { ...(token && { [kHeader]: token }), Authorization: 'Bearer sk-provider' },
    body: chatRequest(),
  });
const create = (gateway, body, token = owner.token) =>
  as(gateway, token, '/api/gateway-keys', { method: 'POST', body });
const revoke = (gateway, id, token = owner.token) =>
  as(gateway, token, `/api/gateway-keys/${id}`, { method: 'DELETE' });
const rotate = (gateway, id, body, token = owner.token) =>
  as(gateway, token, `/api/gateway-keys/${id}/rotate`, { method: 'POST', body });

async function made(gateway, body) {
  const answer = await create(gateway, body);
  assert.equal(answer.status, 201, answer.text);
  return answer.json;
}
/** The command line on the gateway's own configuration. */
async function command(gateway, ...args) {
  const config = path.join(gateway.dir, 'ongoingai.yaml');
  const done = await run(['keys', ...args, '--config', config, '--format', 'json'], { cwd: gateway.dir });
  assert.equal(done.code, 0, done.stderr);
  return JSON.parse(done.stdout);
}

const kRoles = {
  owner: 'srm',
  admin: 'srm',
  developer: 'sr',
  member: 'sr',
  viewer: 'r',
};
/** Rows of the policy table: what each needs, and the status of who may. */
const kRows = [
  ['POST', kCompletions, 's', 200],
  ['GET', '/api/traces', 'r', 200],
  ['HEAD', '/api/traces', 'r', 200],
  ['GET', '/api/traces/some', 'r', 404],
  ['GET', '/api/traces/some/replay', 'r', 404],
  ['POST', '/api/traces/some/fork', 'r', 404],
  ...['usage', 'cost', 'models', 'keys', 'latency', 'errors', 'summary'].map((name) => [
    'GET',
    `/api/analytics/${name}`,
    'r',
    200,
  ]),
  ['GET', '/api/export/traces', 'r', 200],
  ['GET', '/api/diagnostics/trace-pipeline', 'r', 200],
  ['GET', '/api/gateway-keys', 'm', 200],
  ['HEAD', '/api/gateway-keys', 'm', 200],
  ['POST', '/api/gateway-keys', 'm', 400],
  ['DELETE', '/api/gateway-keys/nobody', 'm', 404],
  ['POST', '/api/gateway-keys/nobody/rotate', 'm', 404],
  ['PUT', '/api/gateway-keys/nobody/limits', 'm', 404],
];

const stores = {
  sqlite: async () => [{}, {}],
  postgres: async (world) => {
    const server = await Postgres.start(world);
    return [{ storage: { driver: 'postgres' } }, { ONGOINGAI_STORAGE_DSN: server.dsn(server.database()) }];
  },
};
for (const [driver, store] of Object.entries(stores))
  scenario(
    `every row of the policy table for every role, for keys that are no good, and for keys of another tenant, on ${driver}`,
    { timeout: 180000 },
    async (world) => policyTable(world, await store(world)),
  );

async function policyTable(world, [config, env]) {
  const stranger = { ...owner, id: 'stranger', token: 'token-of-the-stranger', org_id: 'umbrella' };
  const { gateway, upstream } = await setUp(world, [owner, stranger], merge({ auth: { failure_delay_ms: 0 } }, config), env);
  let soon;
  const bad = { '': undefined, wrong: 'a-token-that-nobody-has' };
  const good = {};
  const foreign = {};
  for (const role of Object.keys(kRoles)) {
    good[role] = (await made(gateway, { role })).token;
    foreign[role] = (await create(gateway, { role }, stranger.token)).json.token;
    const gone = await made(gateway, { role });
    assert.equal((await revoke(gateway, gone.id)).status, 204);
    bad[`revoked ${role}`] = gone.token;
    soon = new Date(Date.now() + 1000).toISOString();
    bad[`expired ${role}`] = (await made(gateway, { role, expires_at: soon })).token;
    const turned = await made(gateway, { role });
    assert.equal((await rotate(gateway, turned.id)).status, 200);
    bad[`replaced ${role}`] = turned.token;
  }
  const trace = (await chat(gateway, owner.token)).headers['x-ongoingai-trace-id'];
  await until(async () => (await as(gateway, owner.token, `/api/traces/${trace}`)).status === 200, 'a trace is stored');
  await until(() => Date.now() > Date.parse(soon), 'the keys have expired');
  const ask = (method, target, token) =>
    as(gateway, token, target, {
      method,
      headers: target === kCompletions ? { Authorization: 'Bearer sk-provider' } : {},
      body: method === 'POST' ? (target === '/api/gateway-keys' ? { role: 'nobody' } : {}) : undefined,
    });
  let forwarded = 1;
  for (const [method, target, needs, status] of kRows) {
    for (const [role, may] of Object.entries(kRoles)) {
      const answer = await ask(method, target, good[role]);
      assert.equal(answer.status, may.includes(needs) ? status : 403, `${method} ${target} as ${role}: ${answer.text}`);
      if (needs === 's' && may.includes(needs)) forwarded += 1;
    }
    // What is another tenant's is not there.
    const theirs = target.replace('some', trace).replace('nobody', 'owner');
    for (const [role, may] of Object.entries(kRoles)) {
      const answer = await ask(method, theirs, foreign[role]);
      assert.equal(answer.status, may.includes(needs) ? status : 403, `${method} ${theirs} as a foreign ${role}: ${answer.text}`);
      assert.ok(!answer.text.includes('acme') && (target !== theirs || !answer.text.includes(trace)), `${method} ${theirs}: ${answer.text}`);
      if (needs === 's' && may.includes(needs)) forwarded += 1;
    }
    for (const [name, token] of Object.entries(bad)) {
      const answer = await ask(method, target, token);
      assert.equal(answer.status, 401, `${method} ${target} with a key that is ${name || 'missing'}: ${answer.text}`);
      if (method !== 'HEAD') assert.equal(answer.text, '{"error":"missing or invalid gateway key"}\n');
    }
  }
  assert.equal(upstream.requests.length, forwarded, 'nothing that was refused went on');
  for (const target of ['/', '/api/health', '/api/ready', '/api/openapi.json'])
    assert.equal((await ask('GET', target)).status, 200, target);
  assert.equal((await ask('GET', '/api/nowhere', good.owner)).status, 403);
  await gateway.waitLog((line) => line.audit_reason === 'action_unmapped', 'the last refusal is logged');
  const reasons = new Set(gateway.log('audit gateway auth deny').map((line) => line.audit_reason));
  assert.deepEqual(
    [...reasons].sort(),
    ['action_unmapped', 'expired_gateway_key', 'invalid_gateway_key', 'missing_gateway_key', 'permission_denied'],
  );
}

scenario('a change holds when its answer comes, also on connections that are open', async (world) => {
  const { gateway } = await setUp(world, [owner], { server: { workers: 2 }, auth: { failure_delay_ms: 0 } });
  for (let round = 0; round < 20; round++) {
    const key = await made(gateway, { role: 'member' });
    const clients = await Promise.all(Array.from({ length: 4 }, () => world.client(gateway)));
    const statuses = (token) =>
      Promise.all(
        clients.map(async (client) => {
          await client.write(get('/api/traces', [[kHeader, token]]));
          return (await client.readResponse()).status;
        }),
      );
    assert.deepEqual(await statuses(key.token), [200, 200, 200, 200], 'made');
    const turned = (await rotate(gateway, key.id, { grace_seconds: 60 })).json;
    assert.deepEqual(await statuses(key.token), [200, 200, 200, 200], 'in its grace period');
    assert.deepEqual(await statuses(turned.token), [200, 200, 200, 200], 'rotated');
    const last = (await rotate(gateway, key.id)).json;
    assert.deepEqual(await statuses(turned.token), [401, 401, 401, 401], 'replaced');
    assert.deepEqual(await statuses(last.token), [200, 200, 200, 200], 'rotated again');
    assert.equal((await revoke(gateway, key.id)).status, 204);
    assert.deepEqual(await statuses(last.token), [401, 401, 401, 401], 'revoked');
    for (const client of clients) client.destroy();
  }
});

scenario('a key of another workspace sees and changes nothing of this one', async (world) => {
  const other = { ...owner, id: 'other', token: 'token-of-the-other-00', workspace_id: 'edge' };
  const { gateway } = await setUp(world, [owner, other]);
  const key = await made(gateway, { id: 'mine', workspace_id: 'edge', org_id: 'evil' });
  assert.deepEqual([key.org_id, key.workspace_id], ['acme', 'core'], 'the caller decides the tenant');
  const trace = (await chat(gateway, key.token)).headers['x-ongoingai-trace-id'];
  await until(async () => (await as(gateway, owner.token, `/api/traces/${trace}`)).status === 200, 'it is stored');
  assert.equal((await as(gateway, other.token, `/api/traces/${trace}`)).status, 404);
  const { items } = (await as(gateway, other.token, '/api/gateway-keys')).json;
  assert.deepEqual(items.map(({ id }) => id), ['other']);
  assert.equal((await revoke(gateway, 'mine', other.token)).status, 404);
  assert.equal((await rotate(gateway, 'mine', {}, other.token)).status, 404);
  assert.equal((await create(gateway, { id: 'mine' }, other.token)).status, 409);
  assert.equal((await chat(gateway, key.token)).status, 200);
});

scenario('the first key made from the shell lets in whoever has it, and the configured keys stay until revoked', async (world) => {
  const { gateway } = await setUp(world);
  assert.equal((await chat(gateway, owner.token)).status, 200);
  const key = await command(gateway, 'create', '--org', 'acme', '--workspace', 'core', '--role', 'admin');
  assert.equal(key.created_by, 'cli');
  const start = performance.now();
  await until(async () => (await chat(gateway, key.token)).status === 200, 'the running gateway takes the key up');
  const took = performance.now() - start;
  console.log(`a key from the command line held after ${took.toFixed(0)} ms`);
  assert.equal((await chat(gateway, owner.token)).status, 200, 'the configured key was imported');
  const ids = (await command(gateway, 'list')).items.map(({ id }) => id);
  assert.deepEqual(ids.sort(), [key.id, 'owner'].sort());
  const turned = await command(gateway, 'rotate', key.id);
  await until(async () => (await chat(gateway, key.token)).status === 401, 'the token before is refused');
  assert.equal((await chat(gateway, turned.token)).status, 200);
  await command(gateway, 'revoke', 'owner');
  await until(async () => (await chat(gateway, owner.token)).status === 401, 'the configured key is refused');
  await gateway.stop();
  const again = await world.restart(gateway);
  assert.equal((await chat(again, owner.token)).status, 401, 'also after a start with the same file');
  assert.equal((await chat(again, turned.token)).status, 200);
});

scenario('the command makes the database when there is none, and a gateway without any key denies everything', async (world) => {
  const { gateway } = await setUp(world, []);
  assert.equal((await chat(gateway, 'anything')).status, 401);
  await gateway.waitLog((line) => /no gateway keys are configured/.test(line.msg), 'it says that there is no key');
  await gateway.stop();
  fs.rmSync(path.join(gateway.dir, 'data'), { recursive: true });
  const key = await command(gateway, 'create', '--role', 'owner');
  const again = await world.restart(gateway);
  assert.equal((await chat(again, key.token)).status, 200);
  assert.ok(!again.lines.some((line) => /no gateway keys are configured/.test(line.msg)));
  assert.equal((await revoke(again, key.id, key.token)).status, 204, 'the last key');
  assert.equal((await chat(again, key.token)).status, 401);
});

scenario('a live stream of traces ends when its key is revoked, before the next trace', async (world) => {
  const { gateway } = await setUp(world);
  const key = await made(gateway, { role: 'viewer' });
  const watching = await world.client(gateway);
  await watching.write(get('/api/traces/stream', [[kHeader, key.token]]));
  await watching.readHead();
  await chat(gateway, owner.token);
  await watching.readUntil('data: ', 'a trace');
  await watching.readUntil('\n\n', 'its end');
  assert.equal((await revoke(gateway, key.id)).status, 204);
  await chat(gateway, owner.token);
  const rest = await watching.readUntil('0\r\n\r\n', 'the end of the stream');
  assert.ok(!rest.includes('data: '), String(rest));
});

scenario('no token and no digest is in a log line, and no token in the database', async (world) => {
  const { gateway } = await setUp(world);
  const key = await made(gateway, { id: 'k' });
  const turned = (await rotate(gateway, 'k')).json;
  await chat(gateway, turned.token);
  await chat(gateway, key.token);
  await create(gateway, { id: 'k' });
  await revoke(gateway, 'k');
  await gateway.stop();
  const rows = gateway.rows('SELECT * FROM gateway_keys');
  const digests = rows.map((row) => row.token_hash);
  for (const secret of [key.token, turned.token, owner.token, ...digests])
    assert.ok(!JSON.stringify(gateway.lines).includes(secret), 'in a log line');
  const data = path.dirname(gateway.databasePath);
  for (const name of fs.readdirSync(data, { recursive: true })) {
    const file = path.join(data, String(name));
    if (!fs.statSync(file).isFile()) continue;
    for (const secret of [key.token, turned.token, owner.token])
      assert.ok(!fs.readFileSync(file).includes(secret), `a token in ${name}`);
  }
  assert.equal(rows.find(({ id }) => id === 'k').token, 'redacted:k');
  const lines = gateway.log('audit gateway key lifecycle').map((line) => [
    line.audit_action,
    line.audit_outcome,
    line.audit_reason,
    line.status_code,
    line.actor_key_id,
    line.org_id,
    line.workspace_id,
    line.target_key_id,
  ]);
  const by = ['owner', 'acme', 'core', 'k'];
  assert.deepEqual(lines, [
    ['create', 'success', '', 201, ...by],
    ['rotate', 'success', '', 200, ...by],
    ['create', 'error', 'conflict', 409, ...by],
    ['revoke', 'success', '', 204, ...by],
  ]);
});

scenario('the time of the last use is written by and by, and at the end', async (world) => {
  const { gateway } = await setUp(world);
  const key = await made(gateway, { id: 'k' });
  const before = Date.now();
  await chat(gateway, key.token);
  const shown = await until(async () => {
    const { items } = (await as(gateway, owner.token, '/api/gateway-keys')).json;
    return items.find(({ id }) => id === 'k').last_used_at;
  }, 'the time of the last use is shown');
  assert.ok(Date.parse(shown) >= before - 1 && Date.parse(shown) <= Date.now());
  await until(() => Date.now() > Date.parse(shown) + 1100, 'a later time');
  await chat(gateway, key.token);
  await gateway.stop();
  const [{ last_used_at: last }] = gateway.rows("SELECT last_used_at FROM gateway_keys WHERE id = 'k'");
  assert.ok(last > shown.replace('T', ' ').slice(0, 19), last);
});

scenario('repeated bad keys from one address are held back and counted, good ones are not', async (world) => {
  const { gateway } = await setUp(world, [owner], { server: { workers: 1 }, auth: { failure_delay_ms: 400 } });
  const bad = async () => {
    const start = performance.now();
    assert.equal((await as(gateway, 'a-token-that-nobody-has', '/api/traces')).status, 401);
    return performance.now() - start;
  };
  for (let i = 0; i < 10; i++) await bad();
  assert.ok((await bad()) >= 390, 'the most that is configured');
  const waiting = Array.from({ length: 8 }, () => world.client(gateway));
  for (const client of await Promise.all(waiting))
    await client.write(get('/api/traces', [[kHeader, 'a-token-that-nobody-has']]));
  assert.equal((await as(gateway, owner.token, '/api/traces')).status, 200, 'while they wait');
  await Promise.all((await Promise.all(waiting)).map((client) => client.readResponse()));
  const { auth } = (await as(gateway, owner.token, '/api/diagnostics/trace-pipeline')).json.diagnostics;
  assert.deepEqual(auth, { refused_total: 19, delayed_total: 14 });
});

scenario('searches and writers do not hold each other up', async (world) => {
  const { gateway } = await setUp(world);
  await made(gateway, { id: 'first' });
  const database = new DatabaseSync(gateway.databasePath, { timeout: 10000 });
  try {
    database.exec('BEGIN IMMEDIATE');
    let answered = false;
    const waiting = create(gateway, { id: 'second' }).then((answer) => ((answered = true), answer));
    for (const target of ['/api/traces', '/api/health', '/api/analytics/summary', '/api/diagnostics/trace-pipeline'])
      assert.equal((await as(gateway, owner.token, target)).status, 200, target);
    assert.equal((await chat(gateway, owner.token)).status, 200);
    assert.equal(answered, false, 'the change waits for the other writer');
    database.exec('ROLLBACK');
    assert.equal((await waiting).status, 201);
  } finally {
    database.close();
  }
});

scenario('with auth off keys are changed from this machine and not from a web page', async (world) => {
  const { gateway } = await setUp(world, [], { auth: { enabled: false } });
  const made = await create(gateway, { id: 'k', org_id: 'acme' }, '');
  assert.equal(made.status, 201, made.text);
  assert.equal(made.json.created_by, 'system');
  for (const [method, target] of [
    ['POST', '/api/gateway-keys'],
    ['DELETE', '/api/gateway-keys/k'],
    ['POST', '/api/gateway-keys/k/rotate'],
    ['PUT', '/api/gateway-keys/k/limits'],
  ]) {
    const answer = await gateway.api(target, { method, headers: { Origin: 'http://evil.example' } });
    assert.equal(answer.status, 403, `${method} ${target}`);
    assert.equal(answer.headers['access-control-allow-origin'], '*');
  }
  assert.equal((await gateway.api('/api/gateway-keys')).json.items.length, 1);
  assert.equal((await revoke(gateway, 'k', '')).status, 204);
});

scenario('a key whose limits cannot be read sends nothing until it is given others', async (world) => {
  const { gateway } = await setUp(world);
  const { token } = await made(gateway, { id: 'k', limits: { max_tokens_per_day: 100 } });
  assert.equal((await chat(gateway, token)).status, 200);
  const database = new DatabaseSync(gateway.config().storage.path);
  database.prepare('UPDATE gateway_keys SET limits=? WHERE id=?').run('{"max_tokens_per_hour":5}', 'k');
  database.close();
  await made(gateway, { id: 'other' }); // the keys are read again
  const refused = await chat(gateway, token);
  assert.deepEqual([refused.status, refused.json], [503, { error: 'gateway usage limit check unavailable' }]);
  const line = 'limits of a gateway key cannot be read: its requests are refused (ongoingai keys limit)';
  await until(() => gateway.log(line).length > 0, 'the log says so');
  assert.equal(gateway.log(line)[0].key_id, 'k');
  assert.equal((await chat(gateway, owner.token)).status, 200, 'others go on');
  const listed = (await as(gateway, owner.token, '/api/gateway-keys')).json.items.find((k) => k.id === 'k');
  assert.deepEqual([listed.limits, listed.limits_unreadable], [undefined, true]);
  const limits = { method: 'PUT', body: { max_tokens_per_day: 100 } };
  assert.deepEqual((await as(gateway, owner.token, '/api/gateway-keys/k/limits', limits)).json.limits, limits.body);
  assert.equal((await chat(gateway, token)).status, 200);
});
