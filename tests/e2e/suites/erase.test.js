// Traces that are removed beside a running gateway: on request, and because they are old.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { run } from '../lib/gateway.js';
import { chatAnswer, kCompletions, post, reply } from '../lib/http.js';
import { until } from '../lib/wait.js';
import { scenario } from '../lib/world.js';

async function setUp(world, config = {}) {
  const { upstream, routes } = await world.routed();
  const usage = { prompt_tokens: 1000, completion_tokens: 200, total_tokens: 1200 };
  routes.on('/v1/chat/completions', (request, peer) =>
    peer.write(reply(chatAnswer(usage, JSON.parse(request.body).model), [['Content-Type', 'application/json']])),
  );
  const gateway = await world.gateway({
    openai: upstream.url,
    config: { tracing: { capture_bodies: true }, pii: { mode: 'off' }, ...config },
  });
  const client = await world.client(gateway);
  const ask = async (n, session, secret) => {
    for (let i = 0; i < n; i++) {
      const body = JSON.stringify({ model: 'gpt-4o-mini', user: session, messages: [{ role: 'user', content: secret }] });
      await client.write(post(kCompletions, body, [['Session-Id', session]]));
      assert.equal((await client.readResponse()).status, 200);
    }
    await gateway.settled();
  };
  return { gateway, ask };
}
const get = async (gateway, target) => {
  const answer = await gateway.api(target);
  return { status: answer.status, ...answer.json };
};
const erase = async (gateway, ...args) => {
  const config = path.join(gateway.dir, 'ongoingai.yaml');
  return run(['erase', '--config', config, '--format', 'json', ...args], { cwd: gateway.dir, ms: 60000 });
};
const onDisk = (gateway, text) =>
  ['', '-wal'].filter((suffix) => {
    const file = gateway.databasePath + suffix;
    return fs.existsSync(file) && fs.readFileSync(file).includes(text);
  });

scenario('a session is erased while the gateway serves: rows, bodies and figures', async (world) => {
  const { gateway, ask } = await setUp(world);
  await ask(3, 'session-kept', 'harmless words');
  await ask(2, 'session-gone', 'a very private sentence');
  assert.notDeepEqual(onDisk(gateway, 'a very private sentence'), []);

  const dry = await erase(gateway, '--session', 'session-gone', '--dry-run');
  assert.equal(dry.code, 0, dry.stderr);
  assert.equal(JSON.parse(dry.stdout).traces, 2);
  assert.equal((await gateway.list({})).length, 5, 'a dry run erases nothing');

  const done = await erase(gateway, '--session', 'session-gone');
  assert.equal(done.code, 0, done.stderr);
  assert.equal(JSON.parse(done.stdout).traces, 2);
  assert.match(done.stderr, /"msg":"audit erase","traces":2,"by":\["session"\]/);
  assert.ok(!done.stderr.includes('session-gone'), 'the audit line does not say about whom');

  assert.deepEqual((await gateway.list({ session_id: 'session-gone' })).length, 0);
  assert.equal((await gateway.list({})).length, 3);
  const summary = await get(gateway, '/api/analytics/summary');
  assert.equal(summary.total_requests, 3);
  assert.equal(summary.total_tokens, 3600);
  assert.deepEqual(onDisk(gateway, 'a very private sentence'), [], 'nothing of it is left in the files');
  assert.deepEqual(onDisk(gateway, 'session-gone'), []);

  await ask(1, 'session-gone', 'new words');
  assert.equal((await get(gateway, '/api/analytics/summary')).total_requests, 4, 'the gateway goes on writing');
});

scenario('a person is found by the address that the client sent, though it is stored as something else', async (world) => {
  const { gateway, ask } = await setUp(world, { pii: { mode: 'redact_storage' } });
  await ask(2, 'alice@example.com', 'words');
  await ask(1, 'bob@example.com', 'words');
  assert.deepEqual(await gateway.list({ session_id: 'alice@example.com' }), [], 'the address is not stored');
  for (const [flag, who, traces] of [
    ['--session', 'alice@example.com', 2],
    ['--user', 'bob@example.com', 1],
    ['--user', 'carol@example.com', 0],
  ]) {
    const done = await erase(gateway, flag, who);
    assert.equal(done.code, 0, done.stderr);
    assert.equal(JSON.parse(done.stdout).traces, traces, who);
  }
  assert.equal((await gateway.list({})).length, 0);
});

scenario('an address is stored in none of the ids and headers that clients send, and erased by each of them', async (world) => {
  const { gateway } = await setUp(world, { pii: { mode: 'redact_storage' } });
  const client = await world.client(gateway);
  const ask = async (headers) => {
    const body = JSON.stringify({ model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'words' }] });
    await client.write(post(kCompletions, body, headers));
    assert.equal((await client.readResponse()).status, 200);
  };
  const lineage = (name, id) => [`X-OngoingAI-${name}`, id];
  await ask([lineage('Thread-ID', 'dora@example.com'), lineage('Run-ID', 'run-1'), lineage('Parent-Checkpoint-ID', 'p-dora@example.com')]);
  await ask([lineage('Thread-ID', 'dora@example.com'), lineage('Run-ID', 'run-2')]);
  await ask([lineage('Run-ID', 'run of emil@example.com'), ['Session-Id', 'dora@example.com']]);
  await ask([lineage('Trace-Group-ID', 'emil@example.com'), lineage('Thread-ID', 'plain'), ['Session-Id', 'emil@example.com']]);
  await ask([lineage('Thread-ID', 'plain-2')]);
  await gateway.settled();
  assert.deepEqual(onDisk(gateway, 'example.com'), []);
  const traces = await gateway.list({});
  const threads = [];
  for (const { id } of traces) {
    const { lineage: l, session_id: session } = await get(gateway, `/api/traces/${id}`);
    if (l.thread_id) assert.equal(session, l.thread_id, 'the session is the thread, as it is stored');
    threads.push(l.thread_id);
  }
  assert.equal(new Set(threads.filter((t) => t?.startsWith('[EMAIL_REDACTED:'))).size, 1, 'one address, one thread');
  assert.ok(threads.includes('plain') && threads.includes('plain-2'), 'what holds no address stays as it is');
  for (const [flag, id, count] of [
    ['--thread', 'dora@example.com', 2],
    ['--run', 'run of emil@example.com', 1],
    ['--trace-group', 'emil@example.com', 1],
    ['--thread', 'plain-2', 1],
  ]) {
    for (const dry of [['--dry-run'], []]) {
      const done = await erase(gateway, flag, id, ...dry);
      assert.equal(done.code, 0, done.stderr);
      assert.equal(JSON.parse(done.stdout).traces, count, `${flag} ${id} ${dry}`);
    }
  }
  assert.equal((await gateway.list({})).length, 0);
});

scenario('old traces go and their figures stay; a consumer that had not seen them is told', async (world) => {
  let { gateway, ask } = await setUp(world, { storage: { retention_days: 30 } });
  await ask(4, 'session-a', 'words');
  const page = await get(gateway, '/api/export/traces?limit=1');
  assert.equal(page.items.length, 1);
  await gateway.stop();
  // Two months ago, as far as anybody can tell.
  const database = new DatabaseSync(gateway.databasePath, { timeout: 5000 });
  const old = new Date(Date.now() - 60 * 86400e3).toISOString().replace('T', ' ').replace('Z', ' +0000 UTC');
  database.prepare('UPDATE traces SET timestamp=?, created_at=? WHERE seq <= 3').run(old, old);
  database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  database.close();
  const copy = path.join(gateway.dir, 'copy.db');
  fs.copyFileSync(gateway.databasePath, copy);
  gateway = await world.restart(gateway);

  await until(async () => (await gateway.list({})).length === 1, 'the old traces are removed');
  const report = await until(() => gateway.log('storage retention')[0], 'it is logged');
  assert.deepEqual(report.reasons, ['retention_days']);
  assert.equal(report.traces, 3);
  assert.equal(report.bodies, 0);
  assert.ok(report.bytes >= 0 && report.duration_ms >= 0);
  const summary = await get(gateway, '/api/analytics/summary');
  assert.equal(summary.total_requests, 4, 'what was used is still known');
  assert.equal(summary.total_tokens, 4800);
  const late = await get(gateway, `/api/export/traces?after=${page.next_cursor}`);
  assert.equal(late.status, 410);
  const rest = await get(gateway, `/api/export/traces?after=${late.earliest_cursor}`);
  assert.equal(rest.status, 200);
  assert.equal(rest.items.length, 1);

  await gateway.stop();
  const config = path.join(gateway.dir, 'ongoingai.yaml');
  const again = await run(['import', '--config', config, '--format', 'json', copy], { cwd: gateway.dir, ms: 60000 });
  assert.equal(again.code, 0, again.stderr);
  const { imported, already_there: there, expired } = JSON.parse(again.stdout);
  assert.deepEqual([imported, there, expired], [0, 1, 3]);
  gateway = await world.restart(gateway);
  assert.equal((await get(gateway, '/api/analytics/summary')).total_requests, 4, 'none is counted twice');
});
