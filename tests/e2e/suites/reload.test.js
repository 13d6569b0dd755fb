// A changed configuration that is put in force while the gateway works: by SIGHUP and by `ongoingai reload`.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import tls from 'node:tls';
import { merge, run } from '../lib/gateway.js';
import { chatAnswer, get, kCompletions, post, reply } from '../lib/http.js';
import { Load, account } from '../lib/load.js';
import { chunked, head } from '../lib/peer.js';
import { Authority } from '../lib/pki.js';
import { Postgres } from '../lib/postgres.js';
import { until, within } from '../lib/wait.js';
import { scenario } from '../lib/world.js';

const kKeyHeader = 'X-OngoingAI-Gateway-Key';
const file = (gateway) => path.join(gateway.dir, 'ongoingai.yaml');

/** What the gateway is to take up: its configuration with these changes. */
function change(gateway, changes) {
  gateway.options.config = merge(gateway.options.config ?? {}, changes);
  fs.writeFileSync(file(gateway), JSON.stringify(gateway.config(), null, 1));
}
const reload = (gateway) => run(['reload', '--config', file(gateway)], { cwd: gateway.dir });
async function reloaded(gateway) {
  const { code, stdout, stderr } = await reload(gateway);
  assert.equal(code, 0, stderr);
  return stdout;
}
/** A provider that says who it is. */
async function provider(world, name) {
  const { upstream, routes } = await world.routed();
  routes.on('/v1/chat/completions', (request, peer) =>
    peer.write(reply(chatAnswer(), [['Content-Type', 'application/json'], ['X-Provider', name]])),
  );
  return { upstream, routes };
}
async function ask(world, gateway, fields) {
  const client = await world.client(gateway);
  await client.write(post(kCompletions, '{}', fields));
  return client.readResponse();
}

scenario('reload under load and with open streams: nothing is dropped, new requests go to the new upstream', async (world) => {
  const a = await provider(world, 'a');
  const b = await provider(world, 'b');
  const events = [];
  a.routes.on('/v1/responses', async (request, peer) => {
    await peer.write(head('HTTP/1.1 200 OK', [['Content-Type', 'text/event-stream'], ['Transfer-Encoding', 'chunked']]));
    for (let i = 0; ; i++) {
      const event = await new Promise((resolve) => events.push(resolve));
      if (event === null) break;
      await peer.write(Buffer.from(`${event.length.toString(16)}\r\n${event}\r\n`));
    }
    await peer.write(chunked(Buffer.alloc(0)));
  });
  const gateway = await world.gateway({ openai: a.upstream.url, config: { server: { workers: 2 } } });

  const streams = [];
  for (let i = 0; i < 4; i++) {
    const client = await world.client(gateway);
    await client.write(post('/openai/v1/responses', '{"stream":true}'));
    await client.readHead();
    streams.push(client);
  }
  const load = new Load(world, { port: gateway.port, clients: 16 }).start();
  await until(() => load.answered.length > 300, 'load is on');
  for (let round = 0; round < 6; round++) {
    change(gateway, { providers: { openai: { upstream: (round % 2 ? a : b).upstream.url } } });
    const before = load.answered.length;
    if (round % 3) {
      assert.match(await reloaded(gateway), /applied:\n {2}providers\.openai\.upstream\n/);
    } else {
      gateway.signal('SIGHUP');
      await until(() => gateway.log('configuration reloaded').length > round, 'the reload is logged');
    }
    for (let i = 0; i < 4; i++)
      assert.equal((await ask(world, gateway)).get('x-provider'), round % 2 ? 'a' : 'b', `round ${round}`);
    await until(() => load.answered.length > before + 100, 'load goes on');
  }
  // The streams are still those of the first configuration.
  await until(() => events.length === streams.length, 'the provider waits in each stream');
  for (const send of events.splice(0)) send('data: on\n\n');
  for (const client of streams) await client.readUntil('data: on\n\n', 'an event of a stream that outlived six reloads');
  await until(() => events.length === streams.length, 'the provider waits in each stream');
  for (const send of events.splice(0)) send(null);
  for (const client of streams) await client.readUntil('0\r\n\r\n', 'the end of the stream');

  await load.stop();
  assert.deepEqual([...load.failed], []);
  assert.deepEqual([...load.statuses.keys()], [200]);
  await gateway.stop();
  const { missing, doubled } = account(gateway, load);
  assert.deepEqual([missing, doubled], [[], []]);
});

scenario('a bad file changes nothing: the command and the log say what is wrong with it', async (world) => {
  const a = await provider(world, 'a');
  const gateway = await world.gateway({ openai: a.upstream.url });
  const good = fs.readFileSync(file(gateway));
  const bad = gateway.config();
  bad.providers.openai.upstream = 'http://127.0.0.1:9';
  bad.providers.anthropic.prefix = 'no/slash?';
  bad.tracing = { body_max_size: -1 };
  for (const text of [JSON.stringify(bad), JSON.stringify({ ...gateway.config(), colour: 'red' }), '{', null]) {
    if (text === null) fs.rmSync(file(gateway));
    else fs.writeFileSync(file(gateway), text);
    const { code, stdout, stderr } = await reload(gateway);
    assert.deepEqual([code, stdout], [1, ''], stderr);
    assert.match(stderr, /^configuration not reloaded: /);
    const before = gateway.log('configuration not reloaded; nothing has changed').length;
    gateway.signal('SIGHUP');
    const line = await until(
      () => gateway.log('configuration not reloaded; nothing has changed')[before],
      'the refusal is logged',
    );
    assert.equal(line.level, 'ERROR');
    assert.ok(line.error.length > 10, line.error);
    assert.equal((await ask(world, gateway)).get('x-provider'), 'a');
  }
  assert.equal(gateway.log('configuration reloaded').length, 0);
  fs.writeFileSync(file(gateway), good);
  assert.match(await reloaded(gateway), /no key has changed/);
});

scenario('what needs a restart is named, and the rest is applied', async (world) => {
  const a = await provider(world, 'a');
  const b = await provider(world, 'b');
  const gateway = await world.gateway({ openai: a.upstream.url });
  change(gateway, {
    server: { workers: 7 },
    trace: { ring_bytes: 16 * 1024 * 1024 },
    providers: { openai: { upstream: b.upstream.url } },
  });
  const said = /applied:\n {2}providers\.openai\.upstream\nnot applied, needs a restart:\n {2}server\.workers\n {2}trace\.ring_bytes\n/;
  assert.match(await reloaded(gateway), said);
  assert.equal((await ask(world, gateway)).get('x-provider'), 'b');
  const kWarning = 'configuration changes need a restart; the gateway goes on without them';
  const warning = await gateway.waitLog((line) => line.msg === kWarning, 'the warning');
  assert.deepEqual([warning.level, warning.keys], ['WARN', ['server.workers', 'trace.ring_bytes']]);
  assert.match(await reloaded(gateway), /needs a restart:\n {2}server\.workers\n {2}trace\.ring_bytes\n/, 'said again');
});

scenario('connections to a provider are kept when it is reached as before, and closed when it is not', async (world) => {
  const a = await provider(world, 'a');
  const b = await provider(world, 'b');
  const gateway = await world.gateway({
    openai: a.upstream.url,
    anthropic: b.upstream.url,
    config: { server: { workers: 1 } },
  });
  assert.equal((await ask(world, gateway)).status, 200);
  change(gateway, { log: { level: 'debug' }, providers: { openai: { idle_timeout_ms: 5000 } } });
  await reloaded(gateway);
  assert.equal((await ask(world, gateway)).status, 200);
  assert.equal(a.upstream.connections.length, 1);
  change(gateway, { providers: { openai: { upstream: b.upstream.url } } });
  await reloaded(gateway);
  await within(10000, a.upstream.connections[0].gone, 'the idle connection to the old provider is closed');
});

scenario('streams of many earlier configurations stay open; too many refuse a further reload until one ends', async (world) => {
  const a = await provider(world, 'a');
  const open = [];
  a.routes.on('/v1/responses', async (request, peer) => {
    await peer.write(head('HTTP/1.1 200 OK', [['Content-Type', 'text/event-stream'], ['Transfer-Encoding', 'chunked']]));
    await new Promise((resolve) => open.push(resolve));
    await peer.write(chunked(Buffer.from('data: [DONE]\n\n')));
  });
  const gateway = await world.gateway({ openai: a.upstream.url, config: { server: { workers: 1 } } });
  const streams = [];
  for (let i = 0; i < 64; i++) {
    const client = await world.client(gateway);
    await client.write(post('/openai/v1/responses', '{"stream":true}'));
    await client.readHead();
    streams.push(client);
    change(gateway, { server: { idle_timeout_ms: 100000 + i } });
    await reloaded(gateway);
  }
  const { code, stderr } = await reload(gateway);
  assert.equal(code, 1);
  assert.match(stderr, /streams that are open still use 64 earlier configurations/);
  open[0]();
  await streams[0].readUntil('0\r\n\r\n', 'the end of the first stream');
  await until(async () => (await reload(gateway)).code === 0, 'a reload is taken again');
  for (const end of open) end();
  for (const client of streams.slice(1)) await client.readUntil('0\r\n\r\n', 'the end of a stream');
});

scenario('a certificate is replaced for new connections, and open ones go on', async (world) => {
  const authority = new Authority(world.dir);
  const a = await provider(world, 'a');
  const [first, second] = [authority.issue('IP:127.0.0.1'), authority.issue('IP:127.0.0.1')];
  const served = { cert: path.join(world.dir, 'served.pem'), key: path.join(world.dir, 'served.key') };
  const serve = (leaf) => (fs.writeFileSync(served.cert, leaf.cert), fs.writeFileSync(served.key, leaf.key));
  serve(first);
  const gateway = await world.gateway({
    openai: a.upstream.url,
    config: { server: { workers: 1, tls: served } },
    ready: false,
  });
  await gateway.waitLog((line) => line.msg === 'startup banner', 'the banner');
  const options = { tls: { ca: authority.pem } };
  const open = await until(() => world.client(gateway, options).catch(() => null), 'TLS connection');
  const fingerprint = (client) => client.socket.getPeerCertificate().fingerprint256;
  const alive = async (client) => {
    await client.write(get('/api/health'));
    assert.equal((await client.readResponse()).status, 200);
  };
  await alive(open);
  serve(second);
  assert.match(await reloaded(gateway), /files were read again/);
  const renewed = await world.client(gateway, options);
  await alive(renewed);
  await alive(open);
  assert.notEqual(fingerprint(renewed), fingerprint(open));

  fs.writeFileSync(served.key, first.key); // of another certificate
  const { code, stderr } = await reload(gateway);
  assert.equal(code, 1);
  assert.match(stderr, /server\.tls/);
  const still = await world.client(gateway, options);
  await alive(still);
  assert.equal(fingerprint(still), fingerprint(renewed));
});

scenario('keys, limits, providers and credentials of the file are taken up', async (world) => {
  const a = await provider(world, 'a');
  const b = await provider(world, 'b');
  const key = (id, token) => ({ id, token, role: 'owner' });
  const gateway = await world.gateway({
    openai: a.upstream.url,
    config: { auth: { enabled: true, failure_delay_ms: 0, keys: [key('one', 'token-of-key-one-0123')] } },
  });
  const as = (token, target = kCompletions) =>
    gateway.api(target, { method: 'POST', headers: { [kKeyHeader]: token, Authorization: 'Bearer x' }, body: '{}' });
  assert.equal((await as('token-of-key-one-0123')).status, 200);
  assert.equal((await as('token-of-key-two-0123')).status, 401);

  change(gateway, { auth: { keys: [key('two', 'token-of-key-two-0123')] } });
  await reloaded(gateway);
  assert.equal((await as('token-of-key-one-0123')).status, 401);
  assert.equal((await as('token-of-key-two-0123')).status, 200);

  change(gateway, {
    limits: { per_key: { max_tokens_per_day: 1 } },
    providers: { mine: { kind: 'openai', upstream: b.upstream.url, headers: { 'X-Added': 'yes' } } },
  });
  const said = await reloaded(gateway);
  assert.match(said, /providers\.mine\n/);
  assert.match(said, /limits\.per_key\.max_tokens_per_day\n/);
  const denied = await as('token-of-key-two-0123');
  assert.equal(denied.status, 429, 'what was spent before the reload counts');
  change(gateway, { limits: { per_key: { max_tokens_per_day: 0 } } });
  await reloaded(gateway);
  const answer = await as('token-of-key-two-0123', '/mine/v1/chat/completions');
  assert.deepEqual([answer.status, answer.headers['x-provider']], [200, 'b']);
  assert.equal(b.upstream.requests.at(-1).get('x-added'), 'yes');
});

scenario('keys of the file are taken up beside Postgres too, until one is stored', async (world) => {
  const server = await Postgres.start(world);
  const a = await provider(world, 'a');
  const key = (id) => ({ id, token: `token-of-key-${id}-0123`, role: 'owner' });
  const gateway = await world.gateway({
    openai: a.upstream.url,
    config: { storage: { driver: 'postgres' }, auth: { enabled: true, failure_delay_ms: 0, keys: [key('one')] } },
    env: { ONGOINGAI_STORAGE_DSN: server.dsn(server.database()) },
  });
  const status = async (id, target = '/api/traces', more = {}) =>
    (await gateway.api(target, { headers: { [kKeyHeader]: key(id).token }, ...more })).status;
  const fallback = 'postgres config store has no active gateway keys; using yaml auth.keys fallback';
  assert.equal((await gateway.waitLog((line) => line.msg === fallback, 'the source of keys')).fallback_key_count, 1);
  for (const id of ['two', 'three', 'four']) {
    change(gateway, { auth: { keys: [key(id)] } });
    assert.match(await reloaded(gateway), /auth\.keys/);
    assert.deepEqual([await status('one'), await status(id)], [401, 200]);
  }
  change(gateway, { storage: { retention_days: 3 } });
  const kept = await reloaded(gateway);
  assert.match(kept, /storage\.retention_days/);
  assert.doesNotMatch(kept, /needs a restart/);
  const body = JSON.stringify({ id: 'stored', token: 'token-of-key-stored-0123', role: 'owner' });
  assert.equal(await status('four', '/api/gateway-keys', { method: 'POST', body }), 201);
  change(gateway, { auth: { keys: [key('five')] } });
  await reloaded(gateway);
  assert.deepEqual([await status('four'), await status('stored'), await status('five')], [200, 200, 401]);
});

scenario('without a gateway, or with another configuration, the command says so', async (world) => {
  const a = await provider(world, 'a');
  const gateway = await world.gateway({ openai: a.upstream.url });
  await gateway.stop();
  assert.ok(!fs.existsSync(`${gateway.databasePath}.control`), 'the socket goes with its gateway');
  const { code, stderr } = await reload(gateway);
  assert.equal(code, 1);
  assert.match(stderr, /no gateway is running on ".*ongoingai\.db"/);
});

scenario('a gateway that lost its terminal ends, as it does on Ctrl-C', async (world) => {
  const a = await provider(world, 'a');
  const gateway = await world.gateway({
    openai: a.upstream.url,
    wrapper: ['sh', '-c', 'exec script -qfec "exec $*" /dev/null', 'sh'], // a terminal of its own
  });
  const socket = `${gateway.databasePath}.control`;
  assert.ok(fs.existsSync(socket));
  await reloaded(gateway);
  await gateway.kill(); // the terminal
  await until(() => !fs.existsSync(socket), 'the gateway has ended in order');
});

scenario('while a reload waits, keys that others change are taken up all the same', async (world) => {
  const a = await provider(world, 'a');
  const auth = { enabled: true, keys: [{ id: 'first', token: 'token-of-the-first-key' }] };
  const gateway = await world.gateway({ openai: a.upstream.url, config: { auth } });
  const config = path.join(gateway.dir, 'whole.yaml');
  fs.renameSync(file(gateway), config);
  execFileSync('mkfifo', [file(gateway)]);
  gateway.signal('SIGHUP');
  const writer = fs.constants.O_WRONLY | fs.constants.O_NONBLOCK;
  const pipe = await until(() => fs.openSync(file(gateway), writer), 'the gateway reads a file that nobody has written');
  const made = await run(['keys', 'create', '--format', 'json', '--config', config], { cwd: gateway.dir });
  assert.equal(made.code, 0, made.stderr);
  const fields = [[kKeyHeader, JSON.parse(made.stdout).token], ['Authorization', 'Bearer sk-provider']];
  await until(async () => (await ask(world, gateway, fields)).status === 200, 'the new key is let through');
  assert.equal(gateway.log('configuration reloaded').length, 0);
  fs.writeSync(pipe, fs.readFileSync(config));
  fs.closeSync(pipe);
  await until(() => gateway.log('configuration reloaded').length === 1, 'the reload is done');
});

scenario('a limit that a reload sets counts what requests spend that were under way', async (world) => {
  const { upstream, routes } = await world.routed();
  const waiting = [];
  routes.on('/v1/chat/completions', async (request, peer) => {
    await new Promise((resolve) => waiting.push(resolve));
    await peer.write(reply(chatAnswer(), [['Content-Type', 'application/json']]));
  });
  const auth = { enabled: true, keys: [{ id: 'k', token: 'token-of-a-key' }] };
  const gateway = await world.gateway({ openai: upstream.url, config: { auth } });
  const fields = [[kKeyHeader, 'token-of-a-key'], ['Authorization', 'Bearer sk-provider']];
  const none = { max_tokens_per_day: 0, max_cost_usd_per_day: 0 };
  for (const [before, after, code] of [
    [none, { max_cost_usd_per_day: 0.000001 }, 'KEY_DAILY_COST_EXCEEDED'],
    [{ ...none, max_tokens_per_day: 1000000 }, { max_tokens_per_day: 8 }, 'KEY_DAILY_TOKENS_EXCEEDED'], // 5 each time
  ]) {
    change(gateway, { limits: { per_key: before } });
    await reloaded(gateway);
    const client = await world.client(gateway);
    await client.write(post(kCompletions, JSON.stringify({ model: 'gpt-4o-mini' }), fields));
    const finish = await until(() => waiting.pop(), 'the request is at the provider');
    change(gateway, { limits: { per_key: after } });
    await reloaded(gateway);
    finish();
    assert.equal((await client.readResponse()).status, 200);
    const refused = await ask(world, gateway, fields);
    assert.equal(refused.status, 429);
    assert.equal(JSON.parse(refused.body).code, code);
  }
});

scenario('ids on a kept connection are stored by the configuration that a reload brings', async (world) => {
  const a = await provider(world, 'a');
  const pii = (email) => ({ pii: { mode: 'redact_storage', detectors: { email } } });
  const gateway = await world.gateway({ openai: a.upstream.url, config: pii(false) });
  const client = await world.client(gateway);
  const stored = async () => {
    await client.write(post(kCompletions, '{}', [['X-OngoingAI-Thread-ID', 'alice@example.com']]));
    const response = await client.readResponse();
    return (await gateway.trace(response.get('x-ongoingai-trace-id'))).session_id;
  };
  assert.equal(await stored(), 'alice@example.com');
  change(gateway, pii(true));
  await reloaded(gateway);
  assert.match(await stored(), /^\[EMAIL_REDACTED:/);
});
