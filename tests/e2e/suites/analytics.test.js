// The analytics of the API over what real requests left in the real store.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { chatAnswer, json, kCompletions, post, reply } from '../lib/http.js';
import { scenario } from '../lib/world.js';
import { until } from '../lib/wait.js';

const sha256 = (text) => createHash('sha256').update(text).digest('hex');

/** 24 traces of two models, three keys, two statuses, and what each was. */
async function setUp(world) {
  const { upstream, routes } = await world.routed();
  routes.on('/v1/chat/completions', (request, peer) =>
    peer.write(
      reply(
        chatAnswer({ prompt_tokens: Number(request.get('x-tokens')), completion_tokens: 10 }, request.get('x-model')),
        [['Content-Type', 'application/json']],
        `${request.get('x-status')} X`,
      ),
    ),
  );
  const gateway = await world.gateway({ openai: upstream.url });
  const client = await world.client(gateway);
  const made = [];
  for (let i = 0; i < 24; i++) {
    const model = i % 3 ? 'gpt-4o' : 'gpt-4o-mini';
    const status = i % 8 === 7 ? 503 : 200;
    await client.write(
      post(kCompletions, json({ model }), [
        ['X-Tokens', String(i * 10)],
        ['X-Model', model],
        ['X-Status', String(status)],
        ['Authorization', `Bearer key-${i % 3}`],
        ['X-OngoingAI-Thread-ID', `session-${i % 4}`],
      ]),
    );
    made.push({ id: (await client.readResponse()).get('x-ongoingai-trace-id'), model, status });
  }
  await until(async () => (await gateway.traceCount()) === made.length, 'all traces are stored');
  return { gateway, made, traces: await gateway.list() };
}
const sum = (list, field) => list.reduce((total, item) => total + item[field], 0);
const groups = (list, key) => Map.groupBy(list, key);
const near = (actual, expected, what) => assert.ok(Math.abs(actual - expected) < 1e-9, `${what}: ${actual}, not ${expected}`);

scenario('analytics add up to what the list of traces shows', async (world) => {
  const { gateway, traces } = await setUp(world);
  const ask = async (path) => {
    const answer = await gateway.api(`/api/analytics/${path}`);
    assert.equal(answer.status, 200, `${path}: ${answer.text}`);
    return answer.json;
  };
  const summary = await ask('summary');
  assert.equal(summary.total_requests, 24);
  assert.equal(summary.total_input_tokens, sum(traces, 'input_tokens'));
  assert.equal(summary.total_tokens, sum(traces, 'total_tokens'));
  near(summary.total_cost_usd, sum(traces, 'estimated_cost_usd'), 'cost');
  assert.equal(summary.active_keys, 3);
  assert.equal(summary.top_model, 'gpt-4o');
  assert.deepEqual(Object.keys(await ask('usage')).slice(0, 3), ['total_input_tokens', 'total_output_tokens', 'total_tokens']);

  const byModel = groups(traces, (t) => t.model);
  const models = (await ask('models')).items;
  assert.deepEqual(
    models.map((m) => [m.model, m.request_count, m.total_tokens]),
    ['gpt-4o', 'gpt-4o-mini'].map((m) => [m, byModel.get(m).length, sum(byModel.get(m), 'total_tokens')]),
  );
  const keys = (await ask('keys')).items;
  assert.deepEqual(
    keys.map((k) => [k.api_key_hash, k.request_count]),
    ['key-0', 'key-1', 'key-2'].map((k) => [sha256(k), 8]).sort(),
  );
  const newest = traces.filter((t) => t.api_key_hash === keys[0].api_key_hash)[0];
  assert.equal(keys[0].last_active_at, newest.created_at);

  const errors = (await ask('errors?group_by=status')).items;
  assert.deepEqual(
    errors.map((e) => [e.group, e.total_requests, e.error_count_5xx, e.error_rate]),
    [
      ['200', 21, 0, 0],
      ['503', 3, 3, 1],
    ],
  );
  for (const [name, field] of [
    ['provider', 'provider'],
    ['model', 'model'],
    ['route', 'request_path'],
    ['api_key', 'api_key_hash'],
    ['session', 'session_id'],
  ]) {
    const expected = [...groups(traces, (t) => t[field])].map(([group, list]) => [group, list.length, sum(list, 'latency_ms') / list.length]).sort();
    const latency = (await ask(`latency?group_by=${name}`)).items;
    assert.deepEqual(latency.map((l) => [l.group, l.request_count, l.avg_ms]), expected, name);
    const usage = (await ask(`usage?group_by=${name}&bucket=month`)).items;
    for (const [group, list] of groups(traces, (t) => t[field]))
      assert.equal(sum(usage.filter((u) => u.group === group), 'total_tokens'), sum(list, 'total_tokens'), `${name} ${group}`);
  }
  assert.deepEqual((await ask('latency?group_by=key')).items.map((l) => [l.group, l.request_count]), [[undefined, 24]]);
  assert.deepEqual((await ask('latency?group_by=workspace')).items.map((l) => l.group), ['default']);
});

scenario('series of analytics have their buckets where the clocks of a zone put them', async (world) => {
  const { gateway, traces } = await setUp(world);
  const units = { minute: 60, hour: 3600, day: 86400 };
  for (const [bucket, seconds] of Object.entries(units))
    for (const [zone, offset] of [
      ['UTC', 0],
      ['%2B02:00', 7200],
      ['-11:00', -39600],
      ['Asia/Kolkata', 19800],
    ]) {
      const start = (t) => Math.floor((Date.parse(t.timestamp) / 1000 + offset) / seconds) * seconds - offset;
      const expected = [...groups(traces, start)].map(([s, list]) => [s * 1000, list.length]).sort();
      const answer = await gateway.api(`/api/analytics/cost?bucket=${bucket}&tz=${zone}`);
      assert.equal(answer.status, 200, answer.text);
      assert.deepEqual(answer.json.items.map((i) => [Date.parse(i.bucket_start), i.request_count]), expected, `${bucket} ${zone}`);
    }
  const csv = await gateway.api('/api/analytics/cost?bucket=day', { headers: { Accept: 'text/csv' } });
  assert.equal(csv.headers['content-type'], 'text/csv; charset=utf-8; header=present');
  assert.ok(csv.text.startsWith('bucket_start,total_cost_usd,request_count,avg_cost_usd\r\n'));
  for (const [query, error] of [
    ['bucket=minute&from=2026-01-01&to=2026-01-03', 'bucket minute needs from and to at most 48 hours apart'],
    ['tz=Mars/Olympus', 'invalid tz: "Mars/Olympus": expected UTC, an offset such as +02:00 or a name such as Europe/Berlin'],
    ['group_by=color', 'invalid group_by: "color": expected provider, model, route, key, api_key, status, workspace or session'],
  ]) {
    const answer = await gateway.api(`/api/analytics/usage?${query}`);
    assert.equal(answer.status, 400, query);
    assert.deepEqual(answer.json, { error }, query);
  }
});
