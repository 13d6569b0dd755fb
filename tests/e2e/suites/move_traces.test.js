// The commands that add up traces and move them: report, export, import.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { binary, run } from '../lib/gateway.js';
import { chatAnswer, kCompletions, post, reply } from '../lib/http.js';
import { scenario } from '../lib/world.js';

const configOf = (gateway) => path.join(gateway.dir, 'ongoingai.yaml');
async function command(gateway, name, ...args) {
  const answer = await run([name, '--config', configOf(gateway), ...args], { cwd: gateway.dir, ms: 60000 });
  assert.equal(answer.code, 0, answer.stderr);
  return answer;
}
const lines = (text) =>
  text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));
const cursorOf = (answer) => /--after (\S+)/.exec(answer.stderr)[1];

async function setUp(world) {
  const { upstream, routes } = await world.routed();
  const usage = { prompt_tokens: 1000, completion_tokens: 200, total_tokens: 1200 };
  routes.on('/v1/chat/completions', (request, peer) =>
    peer.write(reply(chatAnswer(usage, JSON.parse(request.body).model), [['Content-Type', 'application/json']])),
  );
  const gateway = await world.gateway({ openai: upstream.url, config: { tracing: { capture_bodies: true } } });
  const client = await world.client(gateway);
  const ask = async (n, model = 'gpt-4o-mini') => {
    for (let i = 0; i < n; i++) {
      await client.write(
        post(kCompletions, JSON.stringify({ model, messages: [] }), [['Authorization', 'Bearer sk-test-key']]),
      );
      assert.equal((await client.readResponse()).status, 200);
    }
    await gateway.settled();
  };
  return { gateway, ask };
}

scenario('report adds up what the database holds', async (world) => {
  const { gateway, ask } = await setUp(world);
  await ask(3);
  await ask(2, 'gpt-4o');
  const report = JSON.parse((await command(gateway, 'report', '--format', 'json', '--limit', '2')).stdout);
  const [sums] = gateway.rows(
    'SELECT count(*) AS n, sum(total_tokens) AS tokens, sum(cost_nano_usd) AS nano FROM traces',
  );
  assert.equal(report.summary.total_requests, sums.n);
  assert.equal(report.summary.total_tokens, sums.tokens);
  assert.equal(Math.round(report.summary.total_cost_usd * 1e9), sums.nano);
  assert.equal(report.summary.active_keys, 1);
  assert.equal(report.summary.top_model, 'gpt-4o-mini');
  assert.deepEqual(
    report.models.map((model) => [model.model, model.request_count]),
    [
      ['gpt-4o-mini', 3],
      ['gpt-4o', 2],
    ],
  );
  assert.equal(report.recent_traces.length, 2);
  const one = JSON.parse((await command(gateway, 'report', '--format', 'json', '--model', 'gpt-4o')).stdout);
  assert.equal(one.summary.total_requests, 2);
  const none = JSON.parse((await command(gateway, 'report', '--format', 'json', '--to', '2000-01-01')).stdout);
  assert.equal(none.summary.total_requests, 0);
  assert.deepEqual(none.recent_traces, []);
});

scenario('export gives every trace once, from cursor to cursor', async (world) => {
  const { gateway, ask } = await setUp(world);
  await ask(5);
  const first = await command(gateway, 'export');
  const items = lines(first.stdout);
  assert.equal(items.length, 5);
  assert.ok(items.every((item) => item.model === 'gpt-4o-mini' && item.total_tokens === 1200 && !item.request_body));
  await ask(3, 'gpt-4o');
  const second = await command(gateway, 'export', '--after', cursorOf(first), '--bodies');
  assert.deepEqual(
    lines(second.stdout).map((item) => [item.model, JSON.parse(item.request_body).model]),
    Array(3).fill(['gpt-4o', 'gpt-4o']),
  );
  const third = await command(gateway, 'export', '--after', cursorOf(second));
  assert.equal(third.stdout, '');
  const ids = [...items, ...lines(second.stdout)].map((item) => item.id);
  assert.equal(new Set(ids).size, 8);

  const file = path.join(gateway.dir, 'traces.csv');
  await command(gateway, 'export', '--format', 'csv', '--fields', 'id,model', '--model', 'gpt-4o', '--output', file);
  const rows = fs.readFileSync(file, 'utf8').split('\r\n');
  assert.equal(rows[0], 'seq,id,model');
  assert.equal(rows.length, 5);
  const gone = spawnSync('bash', ['-c', `'${binary}' export --config '${configOf(gateway)}' | true`], {
    cwd: gateway.dir,
    encoding: 'utf8',
    timeout: 30000,
  });
  assert.equal(gone.stderr.replace(/^\d+ traces exported.*\n/, ''), '');
});

scenario('import moves the traces of a backup into another gateway, once', async (world) => {
  const { gateway, ask } = await setUp(world);
  await ask(20);
  const copy = path.join(gateway.dir, 'copy.db');
  await command(gateway, 'backup', copy);
  const folder = world.folder('target');
  fs.writeFileSync(path.join(folder, 'ongoingai.yaml'), JSON.stringify({ storage: { path: './data/new.db' } }));
  const importing = async (...args) => {
    const answer = await run(['import', '--format', 'json', ...args, copy], { cwd: folder, ms: 60000 });
    assert.equal(answer.code, 0, answer.stderr);
    return JSON.parse(answer.stdout);
  };
  assert.equal((await importing('--dry-run')).imported, 20);
  assert.ok(!fs.existsSync(path.join(folder, 'data')), 'a dry run creates nothing');
  assert.equal((await importing()).imported, 20);
  const again = await importing();
  assert.deepEqual([again.imported, again.already_there], [0, 20]);
  const dump = (file) => {
    const database = new DatabaseSync(file, { readOnly: true });
    const rows = database
      .prepare('SELECT id, timestamp, created_at, model, total_tokens, cost_nano_usd, metadata, request_body FROM traces ORDER BY id')
      .all();
    database.close();
    return rows;
  };
  assert.deepEqual(dump(path.join(folder, 'data', 'new.db')), dump(copy));

  const busy = await run(['import', '--config', configOf(gateway), copy], { cwd: gateway.dir });
  assert.equal(busy.code, 1);
  assert.match(busy.stderr, /is in use by the process with pid \d+/);
  const itself = await run(['import', './data/new.db'], { cwd: folder });
  assert.equal(itself.code, 1);
  assert.match(itself.stderr, /is the configured database itself/);
});
