// The commands that look at a gateway and its database: debug, doctor, diagnostics, backup.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { binary, run } from '../lib/gateway.js';
import { chatAnswer, kCompletions, post, reply } from '../lib/http.js';
import { Authority } from '../lib/pki.js';
import { until } from '../lib/wait.js';
import { scenario } from '../lib/world.js';

const configOf = (gateway) => path.join(gateway.dir, 'ongoingai.yaml');
const command = (gateway, name, ...args) =>
  run([name, '--config', configOf(gateway), ...args], { cwd: gateway.dir, ms: 60000 });
async function json(gateway, name, ...args) {
  const answer = await command(gateway, name, '--format', 'json', ...args);
  assert.equal(answer.code, 0, answer.stderr);
  return JSON.parse(answer.stdout);
}

/** A gateway and a way to ask it; `ask` returns the trace ids. */
async function setUp(world, options = {}) {
  const { upstream, routes } = await world.routed();
  const usage = { prompt_tokens: 1000, completion_tokens: 200, total_tokens: 1200 };
  routes.on('/v1/chat/completions', (request, peer) =>
    peer.write(reply(chatAnswer(usage, JSON.parse(request.body).model), [['Content-Type', 'application/json']])),
  );
  const gateway = await world.gateway({ openai: upstream.url, ...options });
  const client = await world.client(gateway);
  const ask = async (n, { model = 'gpt-4o-mini', headers = [] } = {}) => {
    const ids = [];
    for (let i = 0; i < n; i++) {
      await client.write(post(kCompletions, JSON.stringify({ model, messages: [], n: i }), headers));
      const answer = await client.readResponse();
      assert.equal(answer.status, 200);
      ids.push(answer.get('X-OngoingAI-Trace-ID'));
    }
    return ids;
  };
  return { gateway, ask };
}

scenario('debug shows a lineage parents first, its differences, and a bundle with the right checksum', async (world) => {
  const { gateway, ask } = await setUp(world, { config: { tracing: { capture_bodies: true } } });
  const group = [['X-OngoingAI-Trace-Group-ID', 'group-1']];
  const [first] = await ask(1, { headers: group });
  const [second] = await ask(1, { headers: [...group, ['X-OngoingAI-Parent-Checkpoint-ID', first]], model: 'gpt-4o' });
  const [other] = await ask(1);
  await gateway.settled();

  const chain = await json(gateway, 'debug', '--trace-id', first, '--diff');
  assert.equal(chain.schema_version, 'debug-chain.v1');
  assert.deepEqual(
    chain.chain.checkpoints.map((checkpoint) => checkpoint.id),
    [first, second],
  );
  assert.equal(chain.chain.checkpoints[1].lineage.parent_checkpoint_id, first);
  assert.equal(chain.diffs.length, 1);
  assert.equal(chain.diffs[0].model_changed, true);
  assert.equal(chain.chain.checkpoints[0].request_body, undefined);
  assert.equal((await json(gateway, 'debug', 'last')).source_trace_id, other);

  const bundle = path.join(gateway.dir, 'bundle');
  const answer = await command(gateway, 'debug', '--trace-group-id', 'group-1', '--include-bodies', '--bundle-out', bundle);
  assert.equal(answer.code, 0, answer.stderr);
  assert.match(answer.stdout, /^OngoingAI Debug Chain\n/);
  assert.match(answer.stdout, /^request_body: \{"model":"gpt-4o-mini"/m);
  const document = fs.readFileSync(path.join(bundle, 'debug-chain.json'));
  const manifest = JSON.parse(fs.readFileSync(path.join(bundle, 'manifest.json'), 'utf8'));
  assert.equal(manifest.files[0].bytes, document.length);
  assert.equal(manifest.files[0].sha256, crypto.createHash('sha256').update(document).digest('hex'));
  assert.equal((await command(gateway, 'debug', '--trace-id', 'none')).code, 1);
});

scenario('reading commands create nothing and change nothing', async (world) => {
  const { gateway, ask } = await setUp(world);
  await ask(2);
  await gateway.settled();
  await gateway.stop();
  const folder = path.dirname(gateway.databasePath);
  const state = () =>
    fs.readdirSync(folder).map((name) => [name, fs.statSync(path.join(folder, name), { bigint: true }).mtimeNs]);
  const before = state();
  for (const args of [['debug'], ['doctor']]) assert.equal((await command(gateway, ...args)).code, 0);
  assert.deepEqual(state(), before);

  const empty = world.folder('empty');
  for (const args of [['debug'], ['report'], ['export'], ['doctor']]) await run(args, { cwd: empty });
  assert.deepEqual(fs.readdirSync(empty), [], 'no database, no folder');
});

scenario('doctor passes beside a serving gateway and names what is broken', async (world) => {
  const { gateway } = await setUp(world);
  const report = await json(gateway, 'doctor');
  assert.equal(report.overall_status, 'warn');
  assert.deepEqual(
    report.checks.map((check) => `${check.name} ${check.status}`),
    ['config pass', 'storage pass', 'route_wiring pass', 'auth_posture warn'],
  );
  assert.deepEqual(report.checks[1].details, [`path: ${gateway.databasePath}`]);

  const folder = world.folder('broken');
  const doctor = async (config) => {
    fs.writeFileSync(path.join(folder, 'ongoingai.yaml'), JSON.stringify(config));
    const answer = await run(['doctor', '--format=json'], { cwd: folder });
    return { code: answer.code, checks: JSON.parse(answer.stdout).checks };
  };
  const broken = await doctor({ server: { port: 'many' } });
  assert.equal(broken.code, 1);
  assert.deepEqual(
    broken.checks.map((check) => check.status),
    ['fail', 'skip', 'skip', 'skip'],
  );
  fs.writeFileSync(path.join(folder, 'text.db'), 'this is no database, but it is long enough to be looked at'.repeat(50));
  const noDatabase = await doctor({ storage: { path: './text.db' } });
  assert.equal(noDatabase.code, 1);
  assert.equal(noDatabase.checks[1].status, 'fail');
  assert.match(noDatabase.checks[1].details[0], /not a database/);
  const secret = await doctor({ storage: { driver: 'postgres', dsn: 'postgres://me:geheim@127.0.0.1:1/x' } });
  assert.equal(secret.code, 1);
  assert.doesNotMatch(JSON.stringify(secret.checks), /geheim/);
});

scenario('diagnostics reads a serving gateway, with its key where auth is on', async (world) => {
  const keys = [{ id: 'ops', token: 'ops-token-0123456789abcdef', role: 'viewer' }];
  const gateway = await world.gateway({ config: { auth: { enabled: true, keys } } });
  const denied = await command(gateway, 'diagnostics');
  assert.equal(denied.code, 1);
  assert.match(denied.stderr, /^failed to read diagnostics: status 401: /);
  const answer = await command(gateway, 'diagnostics', '--gateway-key', keys[0].token);
  assert.equal(answer.code, 0, answer.stderr);
  assert.match(answer.stdout, /^Queue pressure +OK$/m);
  const document = await json(gateway, 'diagnostics', '--gateway-key', keys[0].token, 'trace-pipeline');
  assert.equal(document.schema_version, 'trace-pipeline-diagnostics.v1');
  assert.equal(document.diagnostics.total_dropped_total, 0);
  await gateway.stop();
  const gone = await command(gateway, 'diagnostics', '--gateway-key', keys[0].token);
  assert.equal(gone.code, 1);
  assert.match(gone.stderr, /^failed to read diagnostics: send request: .*refused/);
});

scenario('diagnostics speaks TLS and checks the certificate', async (world) => {
  const authority = new Authority(world.folder('pki'));
  const leaf = authority.issue('DNS:localhost', 'IP:127.0.0.1');
  const gateway = await world.gateway({
    ready: false,
    tls: true,
    config: { server: { tls: { cert: leaf.certFile, key: leaf.keyFile } } },
  });
  const ask = (env) => run(['diagnostics', '--config', configOf(gateway)], { cwd: gateway.dir, env });
  const trusting = { SSL_CERT_FILE: authority.file };
  await until(async () => (await ask(trusting)).code === 0, 'diagnostics answers over TLS');
  const answer = await ask(trusting);
  assert.match(answer.stdout, /^Source +https:\/\/127\.0\.0\.1:\d+\/api\/diagnostics\/trace-pipeline$/m);
  const doubting = await ask({});
  assert.equal(doubting.code, 1);
  assert.match(doubting.stderr, /^failed to read diagnostics: send request: TLS: certificate: /);
});

scenario('backup copies a whole database while the gateway goes on storing', async (world) => {
  const { gateway, ask } = await setUp(world);
  await ask(100);
  await gateway.settled();
  const copy = path.join(gateway.dir, 'copy.db');
  const [answer] = await Promise.all([command(gateway, 'backup', copy), ask(200)]);
  assert.equal(answer.code, 0, answer.stderr);
  assert.match(answer.stdout, /^backed up \d+ traces \(/);
  await gateway.settled();
  assert.equal(await gateway.traceCount(), 300);

  const database = new DatabaseSync(copy, { readOnly: true });
  const { n, last } = database.prepare('SELECT count(*) AS n, max(seq) AS last FROM traces').get();
  assert.ok(n >= 100 && n <= 300, `${n} traces`);
  assert.equal(n, last, 'no trace is missing in between');
  assert.equal(database.prepare('PRAGMA integrity_check').get().integrity_check, 'ok');
  database.close();
  assert.deepEqual(
    fs.readdirSync(gateway.dir).filter((name) => name.startsWith('copy')),
    ['copy.db'],
  );
  const again = await command(gateway, 'backup', copy);
  assert.equal(again.code, 1);
  assert.match(again.stderr, /--force replaces it/);
  assert.equal((await command(gateway, 'backup', '--force', copy)).code, 0);

  const second = await world.gateway({ config: { storage: { path: copy } } });
  assert.equal(await second.traceCount(), 300, 'a gateway starts on the copy');
});

scenario('a terminal gets colour and tables that fit, unless it is asked not to; a pipe gets neither', async (world) => {
  const { gateway, ask } = await setUp(world);
  await ask(2, { headers: [['X-OngoingAI-Run-ID', 'run-1']] });
  await gateway.settled();
  const onTerminal = (env) => {
    const line = `stty cols 210; '${binary}' debug --diff --config '${configOf(gateway)}'`;
    const result = spawnSync('script', ['-qec', line, '/dev/null'], {
      cwd: gateway.dir,
      env: { PATH: process.env.PATH, TERM: 'xterm', ...env },
      encoding: 'utf8',
      timeout: 30000,
    });
    return result.stdout;
  };
  const plain = (await command(gateway, 'debug', '--diff')).stdout;
  assert.doesNotMatch(plain, /\x1b|…/);
  const diff = plain.split('\n').find((line) => line.startsWith('FROM '));
  assert.ok(diff.length > 210, 'in a pipe the table is as wide as it is');

  const lines = onTerminal({}).split('\r\n');
  assert.equal(lines[0], '\x1b[1mOngoingAI Debug Chain\x1b[0m');
  const table = lines.slice(lines.indexOf('\x1b[1mDiffs\x1b[0m') + 1).slice(0, 2);
  for (const line of table) assert.ok(line.length <= 210, line);
  assert.match(table[1], /^[0-9a-z]+… /);
  for (const env of [{ NO_COLOR: '1' }, { TERM: 'dumb' }]) {
    const text = onTerminal(env);
    assert.match(text, /^OngoingAI Debug Chain/);
    assert.doesNotMatch(text, /\x1b/);
  }
});

scenario('a reader that goes away is no error message', async (world) => {
  const { gateway, ask } = await setUp(world, { config: { tracing: { capture_bodies: true } } });
  await ask(2);
  await gateway.settled();
  const line = `'${binary}' debug --include-bodies --config '${configOf(gateway)}' | true`;
  const result = spawnSync('bash', ['-c', line], { cwd: gateway.dir, encoding: 'utf8', timeout: 30000 });
  assert.equal(result.stderr, '');
});
