// The gateway on a real PostgreSQL server: traces, keys, several gateways, pgbouncer, outages, and what is said when something is wrong.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { merge, run } from '../lib/gateway.js';
import { chatAnswer, chatRequest, kCompletions, reply, unique } from '../lib/http.js';
import { Load, account, loadUpstream } from '../lib/load.js';
import { Postgres, kPassword } from '../lib/postgres.js';
import { until } from '../lib/wait.js';
import { scenario } from '../lib/world.js';

const kHeader = 'X-OngoingAI-Gateway-Key';
const owner = { id: 'owner', token: 'token-of-the-owner-0', org_id: 'acme', workspace_id: 'core', role: 'owner' };
const kLong = { timeout: 180000 };

async function setUp(world) {
  const server = await Postgres.start(world);
  const { upstream, routes } = await world.routed();
  routes.on('/v1/chat/completions', (request, peer) =>
    peer.write(reply(chatAnswer(), [['Content-Type', 'application/json']])),
  );
  const database = server.database();
  const gateway = (config = {}, dsn = server.dsn(database)) =>
    world.gateway({
      openai: upstream.url,
      config: merge({ storage: { driver: 'postgres' } }, config),
      env: { ONGOINGAI_STORAGE_DSN: dsn },
    });
  return { server, database, upstream, gateway };
}
const withKeys = (keys = [owner]) => ({ auth: { enabled: true, keys, failure_delay_ms: 0 } });

function as(gateway, token, target, { method = 'GET', body } = {}) {
  return gateway.api(target, {
    method,
    headers: token ? { [kHeader]: token } : {},
    body: body && JSON.stringify(body),
  });
}
const chat = (gateway, token, id = unique('pg')) =>
  gateway.api(kCompletions, {
    method: 'POST',
    headers: {
      ...(token && { [kHeader]: token }),
      Authorization: 'Bearer sk-provider',
      'X-OngoingAI-Correlation-ID': id,
    },
    body: chatRequest(),
  });
const status = async (gateway, token) => (await chat(gateway, token)).status;

scenario('exchanges are traced in Postgres, and the API answers from there', async (world) => {
  const { server, database, gateway: start } = await setUp(world);
  const gateway = await start();
  const ids = [];
  for (let i = 0; i < 3; i++) ids.push((await chat(gateway)).headers['x-ongoingai-trace-id']);
  for (const id of ids) assert.equal((await gateway.trace(id)).model, 'gpt-4o-mini');
  assert.deepEqual((await gateway.list()).map((t) => t.id).sort(), [...ids].sort());
  const health = (await gateway.api('/api/health')).json;
  assert.equal(health.storage_driver, 'postgres');
  assert.equal(health.trace_count, 3);
  const usage = (await gateway.api('/api/analytics/usage')).json;
  assert.equal(usage.total_tokens, 15, JSON.stringify(usage));
  assert.equal(server.ask(database, 'SELECT count(*), sum(total_tokens) FROM traces'), '3|15');
  assert.equal(await gateway.stop().then(({ code }) => code), 0);
  const again = await world.restart(gateway);
  assert.equal((await again.list()).length, 3, 'after a restart');
});

scenario('traces move from SQLite to Postgres and back, each once', async (world) => {
  const { server, database, upstream, gateway: start } = await setUp(world);
  const old = await world.gateway({ openai: upstream.url });
  const ids = [];
  for (let i = 0; i < 5; i++) ids.push((await chat(old)).headers['x-ongoingai-trace-id']);
  for (const id of ids) await old.trace(id);
  const before = await Promise.all([...ids].sort().map((id) => old.trace(id)));
  await old.stop();
  const newer = await start();
  const dsn = server.dsn(database);
  const moved = async (config, source, cwd) => {
    const answer = await run(['import', '--config', config, '--format', 'json', source], {
      cwd,
      env: { ONGOINGAI_STORAGE_DSN: dsn },
      ms: 60000,
    });
    assert.equal(answer.code, 0, answer.stderr);
    return JSON.parse(answer.stdout);
  };
  const into = path.join(newer.dir, 'ongoingai.yaml');
  assert.equal((await moved(into, path.join(old.dir, 'data', 'ongoingai.db'), newer.dir)).imported, 5);
  assert.equal((await moved(into, path.join(old.dir, 'data', 'ongoingai.db'), newer.dir)).already_there, 5);
  const rounded = (_, fraction) => `${fraction.replace(/\.?0*$/, '')}Z`;
  const micro = (trace) => JSON.parse(JSON.stringify(trace).replaceAll(/(\.\d{1,6})\d*Z/g, rounded));
  const during = await Promise.all([...ids].sort().map((id) => newer.trace(id)));
  assert.deepEqual(during.map(micro), before.map(micro), 'Postgres keeps microseconds');
  const back = path.join(newer.dir, 'back.yaml');
  fs.writeFileSync(back, `storage:\n  path: ${path.join(newer.dir, 'back.db')}\n`);
  assert.equal((await moved(back, dsn, newer.dir)).imported, 5);
  const wrong = await run(['import', '--config', back, dsn.replace(kPassword, 'falsch')], { cwd: newer.dir, ms: 60000 });
  assert.equal(wrong.code, 1);
  assert.match(wrong.stderr, /failed to import: failed to open the source: .*password/);
  assert.doesNotMatch(wrong.stderr, /falsch/);
});

scenario('doctor warns of a database without tables; erase and reprice change what is stored beside a running gateway', async (world) => {
  const { server, database, gateway: start } = await setUp(world);
  const cwd = world.folder('commands');
  const env = { ONGOINGAI_STORAGE_DRIVER: 'postgres', ONGOINGAI_STORAGE_DSN: server.dsn(database) };
  const command = async (...args) => {
    const done = await run([...args, '--config', '', '--format', 'json'], { cwd, env, ms: 60000 });
    assert.equal(done.code, 0, `${args}: ${done.stderr}${done.stdout}`);
    return { ...JSON.parse(done.stdout), stderr: done.stderr };
  };
  const storage = async () => (await command('doctor')).checks.find(({ name }) => name === 'storage');
  assert.deepEqual(await storage(), {
    name: 'storage',
    status: 'warn',
    summary: 'trace storage has no tables yet; serve creates them',
  });
  const gateway = await start();
  for (let i = 0; i < 3; i++) await chat(gateway);
  await gateway.settled();
  assert.equal((await storage()).status, 'pass');
  const cost = 'SELECT count(*), sum(cost_nano_usd) FROM traces';
  const before = server.ask(database, cost);
  server.ask(database, 'UPDATE traces SET cost_nano_usd = 1');
  const changes = ['reprice', '--from', '2000-01-01'];
  assert.equal((await command(...changes, '--dry-run')).changed, 3);
  assert.equal(server.ask(database, cost), '3|3', 'a dry run only says so');
  assert.equal((await command(...changes)).changed, 3);
  assert.equal(server.ask(database, cost), before);
  assert.equal((await command('erase', '--before', '2000-01-01')).traces, 0);
  const erased = await command('erase', '--before', '2100-01-01');
  assert.equal(erased.traces, 3);
  assert.match(erased.stderr, /"msg":"audit erase","traces":3/);
  assert.deepEqual(await gateway.list(), []);
  assert.equal((await gateway.api('/api/health')).json.trace_count, 0);
  await chat(gateway);
  await until(async () => (await gateway.list()).length === 1, 'the gateway writes on');
});

scenario('a raw SELECT without WHERE sees the rows of its tenant only', async (world) => {
  const { server, database, gateway: start } = await setUp(world);
  const other = { ...owner, id: 'other', token: 'token-of-another-owner', org_id: 'umbrella' };
  const gateway = await start(withKeys([owner, other]));
  for (const key of [owner, owner, other]) await chat(gateway, key.token);
  await until(() => server.ask(database, 'SELECT count(*) FROM traces') === '3', 'three traces are stored');
  assert.equal((await as(gateway, other.token, '/api/traces')).json.items.length, 1);
  server.ask(database, 'GRANT SELECT ON traces, organizations, workspaces, gateway_keys TO reporter');
  for (const role of ['gateway', 'reporter']) {
    const count = (settings) => server.ask(database, `BEGIN; ${settings}; SELECT count(*) FROM traces`, role);
    assert.equal(count('SELECT'), '0', role);
    const acme = "SET LOCAL ongoingai.org_id = 'acme'";
    assert.equal(count(acme), '2', role);
    assert.equal(count(`${acme}; SET LOCAL ongoingai.workspace_id = 'core'`), '2', role);
    assert.equal(count(`${acme}; SET LOCAL ongoingai.workspace_id = 'elsewhere'`), '0', role);
  }
});

scenario('two gateways on one database: a key that one makes, rotates or revokes is so on the other', async (world) => {
  const { gateway: start } = await setUp(world);
  const [a, b] = [await start(withKeys()), await start(withKeys())];
  const reaches = async (token, wanted, what) => {
    const began = performance.now();
    await until(async () => (await status(b, token)) === wanted, `${what} reaches the other gateway`, 5000);
    world.t.diagnostic(`${what} reached the other gateway after ${Math.round(performance.now() - began)} ms`);
  };
  const made = await as(a, owner.token, '/api/gateway-keys', { method: 'POST', body: { id: 'ci' } });
  assert.equal(made.status, 201, made.text);
  assert.equal(await status(a, made.json.token), 200, 'at once where it was made');
  await reaches(made.json.token, 200, 'a new key');
  const rotated = await as(a, owner.token, '/api/gateway-keys/ci/rotate', { method: 'POST', body: {} });
  assert.equal(rotated.status, 200, rotated.text);
  assert.equal(await status(a, made.json.token), 401);
  await reaches(made.json.token, 401, 'the end of a token');
  assert.equal(await status(b, rotated.json.token), 200);
  assert.equal((await as(b, owner.token, '/api/gateway-keys/ci', { method: 'DELETE' })).status, 204);
  assert.equal(await status(b, rotated.json.token), 401);
  await until(async () => (await status(a, rotated.json.token)) === 401, 'the first gateway hears of it', 5000);
  const listed = await as(a, owner.token, '/api/gateway-keys');
  assert.deepEqual(listed.json.items.map((key) => key.id), ['owner']);
});

scenario('the first key comes from the shell, before the first start', async (world) => {
  const { server, database, gateway: start } = await setUp(world);
  const env = { ONGOINGAI_STORAGE_DRIVER: 'postgres', ONGOINGAI_STORAGE_DSN: server.dsn(database) };
  const cwd = world.folder('shell');
  const keys = (...args) => run(['keys', ...args, '--config', '', '--format', 'json'], { cwd, env });
  const early = await keys('list');
  assert.equal(early.code, 1);
  assert.match(early.stderr, /start the gateway on it once/, 'reading changes nothing');
  const made = await keys('create', '--id', 'me', '--role', 'owner');
  assert.equal(made.code, 0, made.stderr);
  const { token } = JSON.parse(made.stdout);
  const gateway = await start(withKeys([]));
  assert.equal(await status(gateway, token), 200);
  assert.equal((await keys('revoke', 'me')).code, 0);
  await until(async () => (await status(gateway, token)) === 401, 'the running gateway hears of it', 5000);
  assert.equal(server.ask(database, 'SELECT count(*) FROM gateway_keys WHERE token <> \'redacted:\' || id'), '0');
});

scenario('through pgbouncer in transaction mode', async (world) => {
  const { server, database, gateway: start } = await setUp(world);
  const port = await server.pooled(world);
  const direct = server.dsn(database);
  const pooled = server.dsn(database, { port });
  const heard = await start(merge(withKeys(), { storage: { listen_dsn: direct } }), pooled);
  const deaf = await start(withKeys(), pooled);
  const made = await as(heard, owner.token, '/api/gateway-keys', { method: 'POST', body: { id: 'ci' } });
  assert.equal(made.status, 201, made.text);
  for (const gateway of [heard, deaf]) {
    await until(async () => (await status(gateway, made.json.token)) === 200, 'the key is known', 5000);
    for (let i = 0; i < 20; i++) assert.equal(await status(gateway, made.json.token), 200);
  }
  await heard.stop();
  await deaf.stop();
  assert.equal(server.ask(database, 'SELECT count(*) >= 40 FROM traces'), 't');
});

scenario('Postgres restarted and stopped under load: nothing is lost, and it recovers by itself', kLong, async (world) => {
  const server = await Postgres.start(world);
  const database = server.database();
  const upstream = await loadUpstream(world);
  const gateway = await world.gateway({
    openai: upstream.url,
    config: { storage: { driver: 'postgres', dsn: server.dsn(database) } },
  });
  const load = new Load(world, { port: gateway.port, clients: 16, rate: 500 }).start();
  const answers = (n) =>
    until(
      () => load.answered.length >= n,
      () => `${n} answers; ${load.answered.length} so far`,
      60000,
    );
  await answers(500);
  await server.stop();
  await server.run();
  await answers(1000);
  await server.stop('SIGKILL');
  await answers(2000);
  assert.equal((await gateway.api('/api/ready')).status, 503);
  await server.run();
  await until(async () => (await gateway.api('/api/ready')).status === 200, 'ready again', 60000);
  await answers(2500);
  await load.stop();
  await gateway.settled(60000);
  const rows = server
    .ask(database, "SELECT metadata->>'correlation_id', count(*) FROM traces GROUP BY 1")
    .split('\n')
    .map((line) => line.split('|'))
    .map(([c, n]) => ({ c, n: Number(n) }));
  const { missing, doubled, strangers } = account(gateway, load, rows);
  assert.deepEqual({ missing: missing.slice(0, 5), doubled: doubled.slice(0, 5), strangers }, { missing: [], doubled: [], strangers: [] });
  assert.deepEqual([...load.failed], [], 'no client noticed');
  assert.equal((await gateway.diagnostics()).total_dropped_total, 0);
});

scenario('a full disk of the server is named, and nothing is lost', kLong, async (world) => {
  const server = await Postgres.start(world);
  const disk = server.disk(world, '64m');
  if (!disk) return;
  const database = server.database(disk);
  const upstream = await loadUpstream(world);
  const gateway = await world.gateway({
    openai: upstream.url,
    config: { storage: { driver: 'postgres', dsn: server.dsn(database) } },
  });
  disk.fill();
  const load = new Load(world, { port: gateway.port, clients: 16, rate: 1000 }).start();
  const told = await until(async () => {
    const d = await gateway.diagnostics();
    return d.store_available === false && d.store_error;
  }, 'the store is full', 60000);
  assert.match(told, /the disk of the server is full: make room there.*53100/);
  await load.stop();
  disk.empty();
  await until(async () => (await gateway.diagnostics()).store_available !== false, 'there is room again', 60000);
  await gateway.settled(60000);
  assert.equal(Number(server.ask(database, 'SELECT count(*) FROM traces')), load.answered.length);
});

scenario('keys stay in force for as long as configured without the database, are refused then, and come back with it', async (world) => {
  const { server, gateway: start } = await setUp(world);
  const trusted = 5000;
  const gateway = await start(merge(withKeys(), { auth: { stale_keys_ms: trusted } }));
  assert.equal(await status(gateway, owner.token), 200);
  await server.stop();
  const began = performance.now();
  let answer;
  await until(
    async () => {
      answer = await chat(gateway, owner.token);
      return answer.status !== 200;
    },
    'keys are stale',
    30000,
  );
  assert.equal(answer.status, 503);
  assert.equal(answer.json.error, 'gateway key verification unavailable');
  // The store was asked at most two seconds before it ended.
  assert.ok(performance.now() - began > trusted - 2000, `after ${performance.now() - began} ms`);
  await server.run();
  await until(async () => (await status(gateway, owner.token)) === 200, 'keys are in force again', 30000);
});

scenario('two gateways on one ring folder: the second says what to set', async (world) => {
  const { server, database, gateway: start } = await setUp(world);
  const rings = path.join(world.folder('shared'), 'rings');
  await start({ trace: { ring_path: rings } });
  const cwd = world.folder('second');
  fs.writeFileSync(path.join(cwd, 'c.yaml'), JSON.stringify({ trace: { ring_path: rings } }));
  const env = { ONGOINGAI_STORAGE_DRIVER: 'postgres', ONGOINGAI_STORAGE_DSN: server.dsn(database) };
  const second = await run(['serve', '--config', 'c.yaml'], { cwd, env });
  assert.equal(second.code, 1);
  assert.match(second.stderr, /set trace\.ring_path to a folder of this gateway's own/);
});

scenario('what is wrong with the database is said with the setting and what to do, and without the password', async (world) => {
  const { server, database } = await setUp(world);
  const cwd = world.folder('wrong');
  const newer = server.database();
  server.ask(
    newer,
    `CREATE TABLE schema_migrations(name TEXT PRIMARY KEY, applied_at TIMESTAMPTZ NOT NULL DEFAULT now());
     INSERT INTO schema_migrations VALUES('postgres/999_future.sql'); GRANT ALL ON schema_migrations TO gateway`,
  );
  const cases = [
    [server.dsn(database, { port: 1 }), /127\.0\.0\.1, port 1 cannot be reached.*storage\.dsn/],
    [server.dsn(database, { password: `${kPassword}nis` }), /28P01/],
    [server.dsn('nowhere'), /database of storage\.dsn does not exist.*3D000/],
    [server.dsn(database, { user: 'reporter' }), /role of storage\.dsn lacks a privilege.*42501/],
    [server.dsn(newer), /newer version.*999_future/],
    [`postgres://gateway:${kPassword}@[::1/x`, /storage\.dsn is neither/],
    [server.dsn(database), /storage\.listen_dsn is neither/, { ONGOINGAI_STORAGE_LISTEN_DSN: `host=h ${kPassword}` }],
  ];
  for (const [dsn, expected, more] of cases) {
    const env = { ONGOINGAI_STORAGE_DRIVER: 'postgres', ONGOINGAI_STORAGE_DSN: dsn, ...more };
    const served = await run(['serve', '--config', ''], { cwd, env });
    assert.equal(served.code, 1, `${expected}`);
    assert.match(served.stderr, /^failed to initialize postgres storage: /);
    assert.match(served.stderr, expected);
    const examined = await run(['doctor', '--config', ''], { cwd, env });
    assert.equal(examined.code, 1, `doctor: ${expected}\n${examined.stdout}`);
    const validated = await run(['config', 'validate', '--config', ''], { cwd, env });
    assert.equal(validated.code, /neither/.test(expected) ? 1 : 0, validated.stderr);
    for (const text of [served, examined, validated].flatMap(({ stdout, stderr }) => [stdout, stderr]))
      assert.doesNotMatch(text, new RegExp(kPassword));
  }
});
