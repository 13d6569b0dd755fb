// The export that tails: nothing missed, nothing repeated, whatever is killed when.
import assert from 'node:assert/strict';
import zlib from 'node:zlib';
import { Exporter, ways } from '../lib/exporter.js';
import { chatAnswer, get, json, kCompletions, post, random, reply } from '../lib/http.js';
import { Load, account, loadUpstream } from '../lib/load.js';
import { scenario } from '../lib/world.js';
import { patience, until } from '../lib/wait.js';

const kExport = '/api/export/traces';
const kStream = '/api/traces/stream';

async function setUp(world, options = {}) {
  const { upstream, routes } = await world.routed();
  routes.on('/v1/chat/completions', (request, peer) => peer.write(reply(chatAnswer())));
  const gateway = await world.gateway({ openai: upstream.url, ...options });
  const client = await world.client(gateway);
  /** Makes traces, one after the other; their ids. */
  const make = async (count, fields = []) => {
    const ids = [];
    for (let i = 0; i < count; i++) {
      await client.write(post(kCompletions, json({ model: 'gpt-4o-mini' }), fields));
      ids.push((await client.readResponse()).get('x-ongoingai-trace-id'));
    }
    return ids;
  };
  return { gateway, upstream, client, make };
}
const stored = (gateway, count) =>
  until(async () => (await gateway.traceCount()) === count, `${count} traces are stored`);
const idsOf = (text) => text.split('\n').filter(Boolean).map((line) => JSON.parse(line).id);

scenario('pages: everything once, in the order of commits, and on from an empty page', async (world) => {
  const { gateway, make } = await setUp(world);
  const empty = (await gateway.api(kExport)).json;
  assert.deepEqual([empty.items, empty.has_more], [[], false]);
  await make(25);
  await stored(gateway, 25);
  const order = gateway.rows('SELECT id FROM traces ORDER BY seq').map((row) => row.id);
  for (const limit of [1, 7, 25, 26]) {
    const ids = [];
    let page = { next_cursor: empty.next_cursor, has_more: true };
    while (page.has_more) {
      page = (await gateway.api(`${kExport}?limit=${limit}&after=${page.next_cursor}`)).json;
      assert.ok(page.items.length <= limit);
      ids.push(...page.items.map((t) => t.id));
    }
    assert.deepEqual(ids, order, `limit ${limit}`);
    const [more] = await make(1);
    await until(async () => {
      const next = (await gateway.api(`${kExport}?after=${page.next_cursor}`)).json;
      return next.items.length === 1 && next.items[0].id === more;
    }, 'the next trace is behind the last cursor');
    order.push(more);
  }
});

scenario('an item says what the list says, and what is in its metadata', async (world) => {
  const { gateway, make } = await setUp(world, { config: { tracing: { capture_bodies: true } } });
  const [id] = await make(1, [
    ['X-Request-ID', 'req-9'],
    ['X-OngoingAI-Thread-ID', 'thread-9'],
    ['Authorization', 'Bearer sk-abcdef'],
  ]);
  const detail = await gateway.trace(id);
  const item = (await gateway.api(kExport)).json.items[0];
  for (const [key, value] of Object.entries((await gateway.list())[0])) assert.deepEqual(item[key], value, key);
  assert.equal(item.seq, 1);
  assert.equal(item.correlation_id, 'req-9');
  assert.equal(item.thread_id, 'thread-9');
  assert.equal(item.outcome, 'complete');
  assert.equal(item.cost_source, detail.metadata.cost_source);
  assert.equal(item.price_version, detail.metadata.price_version);
  for (const name of ['metadata', 'request_body', 'response_body', 'request_headers', 'response_headers'])
    assert.equal(item[name], undefined, name);
  const fields = 'metadata,request_body,response_body,request_headers,response_headers';
  const whole = (await gateway.api(`${kExport}?fields=${fields}`)).json.items[0];
  assert.deepEqual(Object.keys(whole).sort(), ['id', 'seq', ...fields.split(',')].sort());
  for (const name of fields.split(',')) assert.deepEqual(whole[name], detail[name], name);
});

scenario('NDJSON and CSV end where they said, coded as the client likes', async (world) => {
  const { gateway, make } = await setUp(world);
  const made = await make(40);
  await stored(gateway, 40);
  const plain = await gateway.api(`${kExport}?format=ndjson`);
  assert.equal(plain.headers['content-type'], 'application/x-ndjson');
  assert.deepEqual(idsOf(plain.text).sort(), [...made].sort());
  assert.equal(JSON.parse(plain.text.trimEnd().split('\n').at(-1)).cursor, plain.headers['x-ongoingai-next-cursor']);
  for (const [accept, coding, decode] of [
    ['gzip', 'gzip', zlib.gunzipSync],
    ['gzip;q=0.5, zstd', 'zstd', zlib.zstdDecompressSync],
    ['identity', undefined, (bytes) => bytes],
  ]) {
    const client = await world.client(gateway);
    await client.write(get(kExport, [['Accept', 'application/x-ndjson'], ['Accept-Encoding', accept]]));
    const answer = await client.readResponse();
    assert.equal(answer.get('content-encoding'), coding);
    assert.equal(answer.get('vary'), 'Accept, Accept-Encoding');
    assert.equal(decode(answer.body).toString(), plain.text, accept);
  }
  const csv = await gateway.api(kExport, { headers: { Accept: 'text/csv' } });
  const rows = csv.text.split('\r\n');
  assert.equal(rows.length, 42);
  assert.match(rows[0], /^seq,id,timestamp,.*,cursor$/);
  const after = await gateway.api(`${kExport}?format=ndjson&after=${plain.headers['x-ongoingai-next-cursor']}`);
  assert.equal(after.text, '');
});

scenario('a long-poll is answered by the commit, not by its time', async (world) => {
  const { gateway, make } = await setUp(world);
  for (const format of ['json', 'ndjson']) {
    const { next_cursor: cursor } = (await gateway.api(kExport)).json;
    // gateway.api gives up long before the minute is over.
    const waiting = gateway.api(`${kExport}?wait=60&format=${format}&fields=id&after=${cursor}`);
    const [id] = await make(1);
    assert.ok((await waiting).text.includes(id), format);
  }
});

scenario('a long-poll does not end with traces that do not fit, but with its time', async (world) => {
  const { gateway, make } = await setUp(world);
  const waiting = gateway.api(`${kExport}?wait=1&model=other`);
  await make(2);
  const page = (await waiting).json;
  assert.deepEqual([page.items, page.has_more], [[], false]);
  await gateway.settled();
  assert.equal((await gateway.api(`${kExport}?after=${page.next_cursor}`)).status, 200);
});

scenario('events come as traces are stored, and resume where they were, over a restart', async (world) => {
  const { gateway, make } = await setUp(world);
  await make(3);
  await stored(gateway, 3);
  const client = await world.client(gateway);
  await client.write(get(kStream));
  await client.readHead();
  const first = await client.readUntil('\n\n', 'the place to begin');
  const begin = /id: (\S+)/.exec(first)[1];
  const made = await make(2);
  const seen = [];
  let last = '';
  while (seen.length < 2) {
    const event = (await client.readUntil('\n\n', 'an event')).toString();
    last = /id: (\S+)/.exec(event)[1];
    const data = /data: (.*)/.exec(event);
    if (data) seen.push(JSON.parse(data[1]).id);
  }
  assert.deepEqual(seen, made);

  assert.equal((await gateway.stop()).code, 0);
  assert.ok((await client.readToEnd()).toString().endsWith('0\r\n\r\n'), 'the stream ends in order');
  const again = await world.restart(gateway);
  for (const [id, expected] of [
    [begin, made],
    [last, []],
  ]) {
    const other = await world.client(again);
    await other.write(get(kStream, [['Last-Event-ID', id]]));
    await other.readHead();
    for (const trace of expected) assert.ok((await other.readUntil('}\n\n', 'an event')).toString().includes(trace));
    if (expected.length === 0) {
      const begin = (await other.readUntil('\n\n', 'where it stands')).toString();
      assert.ok(begin.endsWith(`\r\n: traces\nid: ${last}\n\n`), begin);
    }
    other.destroy();
  }
});

scenario('a key sees its own workspace only; without one nothing', async (world) => {
  const key = (id, workspace) => ({ id, token: `token-of-${id}`, org_id: 'org', workspace_id: workspace, role: 'member' });
  const { gateway, client } = await setUp(world, {
    config: { auth: { enabled: true, keys: [key('a', 'wa'), key('b', 'wb'), { ...key('c', 'wa'), role: 'nobody' }] } },
  });
  const made = {};
  for (const id of ['a', 'b', 'a']) {
    const fields = [
      ['X-OngoingAI-Gateway-Key', `token-of-${id}`],
      ['Authorization', 'Bearer sk'],
    ];
    await client.write(post(kCompletions, json({ model: 'gpt-4o-mini' }), fields));
    (made[id] ??= []).push((await client.readResponse()).get('x-ongoingai-trace-id'));
  }
  await stored(gateway, 3);
  for (const path of [kExport, kStream]) {
    assert.equal((await gateway.api(path)).status, 401, path);
    const refused = await gateway.api(path, { headers: { 'X-OngoingAI-Gateway-Key': 'token-of-c' } });
    assert.equal(refused.status, 403, path);
  }
  for (const id of ['a', 'b']) {
    const headers = { 'X-OngoingAI-Gateway-Key': `token-of-${id}` };
    const page = (await gateway.api(kExport, { headers })).json;
    assert.deepEqual(page.items.map((t) => t.id), made[id]);
    assert.deepEqual(idsOf((await gateway.api(`${kExport}?format=ndjson`, { headers })).text), made[id]);
  }
});

scenario('bad parameters, wrong methods and cursors of other databases', async (world) => {
  const { gateway } = await setUp(world);
  const other = (await setUp(world)).gateway;
  const foreign = (await other.api(kExport)).json.next_cursor;
  for (const [query, message] of [
    ['limit=10001', 'limit must be <= 10000'],
    ['wait=61', 'wait must be <= 60'],
    ['format=parquet', 'invalid format: expected json, ndjson or csv'],
    ['fields=secret', 'invalid fields: "secret" is no field of an export'],
    ['after=nonsense', 'export cursor is invalid'],
    [`after=${foreign}`, 'export cursor is of another database'],
  ]) {
    const answer = await gateway.api(`${kExport}?${query}`);
    assert.deepEqual([answer.status, answer.json], [400, { error: message }], query);
  }
  for (const path of [kExport, kStream]) {
    const answer = await gateway.api(path, { method: 'POST' });
    assert.deepEqual([answer.status, answer.headers.allow], [405, 'GET, OPTIONS']);
    const client = await world.client(gateway);
    await client.write(get(path, [], { method: 'HEAD' }));
    assert.equal((await client.readResponse({ method: 'HEAD' })).status, 200, `HEAD ${path}`);
    await client.write(get('/api/health'));
    assert.equal((await client.readResponse()).status, 200, 'the connection is in step');
  }
});

/** Times of different precision, comparable as text. */
const padded = (time) => time.replace(/(\.\d*)?Z$/, (_, fraction = '.') => fraction.padEnd(10, '0'));

scenario('safe_until: nothing that ended before it comes later', async (world) => {
  const upstream = await loadUpstream(world);
  const gateway = await world.gateway({ openai: upstream.url });
  const load = new Load(world, { port: gateway.port, clients: 8, rate: 400 / patience }).start();
  let cursor = '';
  let safe = '';
  let advances = 0;
  while (advances < 5) {
    const page = (await gateway.api(`${kExport}?wait=5&limit=10000&fields=created_at&after=${cursor}`)).json;
    for (const item of page.items)
      assert.ok(padded(item.created_at) >= safe, `${item.created_at} came after ${safe} was safe`);
    cursor = page.next_cursor;
    const until = page.safe_until ? padded(page.safe_until) : safe;
    if (until > safe) advances += 1;
    safe = until;
  }
  await load.stop();
});

scenario(
  'five exporters that are cut off at random, a gateway that is killed: identical, complete sets',
  { timeout: 240000 },
  async (world) => {
    const seed = Number(process.env.GW_SEED ?? Date.now() % 100000);
    const r = random(seed);
    const upstream = await loadUpstream(world);
    let gateway = await world.gateway({ openai: upstream.url });
    const begin = (await gateway.api(kExport)).json.next_cursor;
    const exporters = ways.map((way) => new Exporter(world, { way, port: () => gateway.port, random: r }));
    for (const exporter of exporters) {
      exporter.cursor = begin;
      exporter.start();
    }
    const answered = [];
    for (let round = 0; round < 3; round++) {
      const load = new Load(world, { port: gateway.port, clients: 16, rate: 1500 / patience, reconnect: false }).start();
      const moment = r.integer(500, 2000);
      await until(() => load.answered.length >= moment, `${moment} answers`, 60000);
      if (round < 2) {
        await gateway.kill();
        await load.ended();
        gateway = await world.restart(gateway);
      } else {
        await load.stop();
      }
      await gateway.settled(30000);
      const { missing } = account(gateway, load);
      assert.deepEqual(missing, [], `seed ${seed}`);
      answered.push(...load.answered);
    }
    const rows = gateway.rows('SELECT id FROM traces ORDER BY id').map((row) => row.id);
    for (const exporter of exporters) {
      const what = () => `${exporter.way}: ${exporter.seen.size} of ${rows.length} (seed ${seed}) ${exporter.problems[0] ?? ''}`;
      await until(() => exporter.seen.size >= rows.length, what, 60000);
      exporter.stop();
      assert.deepEqual([...exporter.seen.keys()].sort(), rows, what());
      assert.deepEqual([exporter.repeated, exporter.problems], [0, []], what());
      assert.ok(exporter.cuts > 3, `${exporter.way} was cut off ${exporter.cuts} times`);
      const correlations = new Set(exporter.seen.values());
      assert.ok(answered.every((id) => correlations.has(id)), `${exporter.way} has every answered request`);
    }
  },
);
