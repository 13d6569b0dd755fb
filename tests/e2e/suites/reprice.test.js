// `ongoingai reprice`: stored costs computed again, beside a running gateway.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { promisify } from 'node:util';
import { binary } from '../lib/gateway.js';
import { chatAnswer, kCompletions, post, reply } from '../lib/http.js';
import { scenario } from '../lib/world.js';

/** {code, stdout, stderr} of the command on the gateway's configuration. */
async function reprice(gateway, ...args) {
  const config = path.join(gateway.dir, 'ongoingai.yaml');
  try {
    const options = { cwd: gateway.dir, timeout: 60000 };
    return {
      code: 0,
      ...(await promisify(execFile)(binary, ['reprice', '--config', config, ...args], options)),
    };
  } catch (error) {
    return { code: error.code, stdout: error.stdout, stderr: error.stderr };
  }
}
const report = async (gateway, ...args) => {
  const answer = await reprice(gateway, '--from', '2000-01-01', '--format', 'json', ...args);
  assert.equal(answer.code, 0, answer.stderr);
  return JSON.parse(answer.stdout);
};

async function setUp(world) {
  const { upstream, routes } = await world.routed();
  const usage = { prompt_tokens: 1000, completion_tokens: 200, total_tokens: 1200 };
  routes.on('/v1/chat/completions', (request, peer) =>
    peer.write(reply(chatAnswer(usage, JSON.parse(request.body).model), [['Content-Type', 'application/json']])),
  );
  const gateway = await world.gateway({ openai: upstream.url });
  const client = await world.client(gateway);
  const ask = async (n, model = 'gpt-4o-mini') => {
    for (let i = 0; i < n; i++) {
      await client.write(post(kCompletions, JSON.stringify({ model, messages: [] })));
      assert.equal((await client.readResponse()).status, 200);
    }
  };
  return { gateway, ask };
}
const costs = (gateway) =>
  gateway.rows('SELECT id, cost_nano_usd, estimated_cost_usd, metadata FROM traces ORDER BY id');

/** What an older table with other prices would have left. */
function ageCosts(gateway) {
  const database = new DatabaseSync(gateway.databasePath, { timeout: 5000 });
  database.exec(
    "UPDATE traces SET cost_nano_usd=1, estimated_cost_usd=1e-9, metadata=replace(metadata, '\"price_version\":\"', '\"price_version\":\"old-')",
  );
  database.close();
}

scenario('reprice brings stored costs to the present table, a dry run only says so, twice is once', async (world) => {
  const { gateway, ask } = await setUp(world);
  await ask(7);
  await ask(2, 'model-without-a-price');
  await gateway.settled();
  const before = costs(gateway);
  ageCosts(gateway);
  const aged = costs(gateway);
  assert.notDeepEqual(aged, before);

  const dry = await report(gateway, '--dry-run');
  assert.equal(dry.rows, 9);
  assert.equal(dry.changed, 7);
  assert.equal(dry.unpriced, 2);
  assert.equal(dry.dry_run, true);
  assert.deepEqual(costs(gateway), aged, 'a dry run changes nothing');

  const done = await report(gateway);
  assert.deepEqual({ ...done, dry_run: true }, dry);
  const priced = (rows) => rows.filter((row) => JSON.parse(row.metadata).cost_source !== 'unpriced');
  assert.deepEqual(priced(costs(gateway)), priced(before), 'as if the present table had been used from the start');
  const item = (await gateway.list({ model: 'gpt-4o-mini' }))[0];
  assert.ok(item.estimated_cost_usd > 1e-6, 'the running gateway shows the new cost');

  const again = await report(gateway);
  assert.equal(again.changed, 0);
  assert.equal(again.old_cost_usd, again.new_cost_usd);
});

scenario('reprice works while the gateway stores traces', async (world) => {
  const { gateway, ask } = await setUp(world);
  await ask(20);
  await gateway.settled();
  ageCosts(gateway);
  const [done] = await Promise.all([report(gateway), ask(200)]);
  assert.ok(done.changed >= 20);
  await gateway.settled();
  assert.equal(await gateway.traceCount(), 220);
  assert.equal(gateway.rows('SELECT count(*) AS n FROM traces WHERE cost_nano_usd <= 1')[0].n, 0);
});

scenario('reprice takes only the range, prints a table, and has the exit codes of the other commands', async (world) => {
  const { gateway, ask } = await setUp(world);
  await ask(3);
  await gateway.settled();
  ageCosts(gateway);
  const none = await reprice(gateway, '--from', '2000-01-01', '--to', '2000-12-31');
  assert.equal(none.code, 0, none.stderr);
  assert.match(none.stdout, /^0 traces changed$/m);
  const all = await reprice(gateway, '--from', '2000-01-01');
  assert.match(all.stdout, /^PROVIDER +MODEL +TRACES +OLD USD +NEW USD +DIFFERENCE$/m);
  assert.match(all.stdout, /^openai +gpt-4o-mini +3 +0\.000000003 +0\.\d+ +\+0\.\d+$/m);
  assert.match(all.stdout, /^3 traces changed$/m);
  assert.equal((await reprice(gateway)).code, 2);
  assert.equal((await reprice(gateway, '--from', 'yesterday')).code, 2);
  const absent = await promisify(execFile)(binary, ['reprice', '--from', '2000-01-01'], {
    cwd: world.folder('empty'),
  }).catch((error) => error);
  assert.equal(absent.code, 1);
  assert.match(absent.stderr, /^failed to reprice: open sqlite database /);
});
