// Replay and fork of traces, and the bodies that clients send to the API.
import assert from 'node:assert/strict';
import { chatAnswer, get, json, kCompletions, post, reply, unique } from '../lib/http.js';
import { head } from '../lib/peer.js';
import { scenario } from '../lib/world.js';

/** A gateway and one trace in it, with these lineage headers. */
async function setUp(world, { config = {}, fields = [] } = {}) {
  const { upstream, routes } = await world.routed();
  routes.on('/v1/chat/completions', (request, peer) =>
    peer.write(reply(chatAnswer(), [['Content-Type', 'application/json']])),
  );
  const gateway = await world.gateway({ openai: upstream.url, config });
  const client = await world.client(gateway);
  const send = async (lineage) => {
    await client.write(post(kCompletions, json({ model: 'gpt-4o-mini' }), lineage));
    const id = (await client.readResponse()).get('x-ongoingai-trace-id');
    await gateway.trace(id);
    return id;
  };
  return { gateway, client, send, id: await send(fields) };
}

scenario('the headers of a fork make a trace that a replay shows behind its parent', async (world) => {
  const { gateway, send, id } = await setUp(world, {
    fields: [
      ['X-OngoingAI-Trace-Group-ID', unique('g')],
      ['X-OngoingAI-Thread-ID', 'thread'],
      ['X-OngoingAI-Run-ID', 'run-1'],
      ['X-OngoingAI-Checkpoint-Seq', '4'],
    ],
  });
  const fork = await gateway.api(`/api/traces/${id}/fork`, { method: 'POST', body: '{"run_id":"run-1"}' });
  assert.equal(fork.status, 200, fork.text);
  assert.match(fork.json.fork_id, /^fork_[0-9a-f]{16}$/);
  assert.equal(fork.json.headers['X-OngoingAI-Checkpoint-Seq'], '5');
  const child = await send(Object.entries(fork.json.headers));
  const replay = await gateway.api(`/api/traces/${child}/replay`);
  assert.equal(replay.status, 200, replay.text);
  assert.deepEqual(
    replay.json.checkpoints.map((c) => [c.id, c.lineage.checkpoint_seq]),
    [
      [id, 4],
      [child, 5],
    ],
  );
  assert.equal(replay.json.lineage.parent_checkpoint_id, id);
  assert.equal(replay.json.target_trace.id, child);
  assert.equal((await gateway.api(`/api/traces/${child}/replay?checkpoint_id=${id}`)).json.checkpoints.length, 1);
});

scenario('a body to the API arrives however it is framed and cut, and the connection goes on', async (world) => {
  const { gateway, client, id } = await setUp(world);
  const target = `/api/traces/${id}/fork`;
  const body = json({ run_id: 'mine', thread_id: 'x'.repeat(100) });
  const expectFork = async (what) => {
    const answer = await client.readResponse();
    assert.equal(answer.status, 200, `${what}: ${answer.body}`);
    assert.equal(JSON.parse(answer.body).lineage.run_id, 'mine', what);
    assert.equal(answer.get('connection'), undefined, what);
    await client.write(get('/api/health'));
    assert.equal((await client.readResponse()).status, 200, `${what}: the next request`);
  };
  await client.write(post(target, body));
  await expectFork('with a length');
  await client.write(post(target, body, [], { framing: 'chunked', sizes: Array(body.length).fill(1) }));
  await expectFork('in chunks of a byte');
  await client.writePieces([...post(target, body)].map((byte) => Buffer.from([byte])));
  await expectFork('byte by byte');
  await client.writePieces([...post(target, body, [], { framing: 'chunked', sizes: [5, 1, 50] })].map((b) => Buffer.from([b])));
  await expectFork('in chunks, byte by byte');
  await client.write(Buffer.concat([post(target, body), post(target, body, [], { framing: 'chunked' }), get('/api/health')]));
  assert.equal((await client.readResponse()).status, 200, 'the first of three at once');
  assert.equal((await client.readResponse()).status, 200, 'the second');
  assert.equal((await client.readResponse()).status, 200, 'the third');
  await client.write(post(target, ''));
  assert.equal((await client.readResponse()).status, 200, 'no body');
  await client.write(post('/api/health', body));
  assert.equal((await client.readResponse()).status, 405, 'a body where none belongs');
  await client.write(get('/api/health'));
  assert.equal((await client.readResponse()).status, 200, 'the connection is in step');
  const none = await world.client(gateway);
  await none.write(get(target, [], { method: 'POST' }));
  assert.equal((await none.readResponse()).status, 200, 'no framing, no body');
});

scenario('Expect: 100-continue of the API is answered when the body is wanted', async (world) => {
  const { client, id } = await setUp(world);
  const target = `/api/traces/${id}/fork`;
  for (const framing of [
    ['Content-Length', '15'],
    ['Transfer-Encoding', 'chunked'],
  ]) {
    await client.write(head(`POST ${target} HTTP/1.1`, [['Host', 'g'], ['Expect', '100-continue'], framing]));
    assert.equal((await client.readResponseHead()).status, 100, framing[0]);
    await client.write(framing[0] === 'Content-Length' ? '{"run_id":"r1"}' : 'f\r\n{"run_id":"r1"}\r\n0\r\n\r\n');
    const answer = await client.readResponse();
    assert.equal(answer.status, 200, framing[0]);
    assert.equal(JSON.parse(answer.body).lineage.run_id, 'r1');
  }
  await client.write(
    head(`POST ${target} HTTP/1.1`, [
      ['Host', 'g'],
      ['Expect', '100-continue'],
      ['Content-Length', '1000000'],
    ]),
  );
  const refused = await client.readResponse();
  assert.equal(refused.status, 413, 'nobody is asked to send what is too large');
  assert.equal(refused.informational.length, 0);
  assert.equal(refused.get('connection'), 'close');
});

scenario('a body to the API is bounded at 16 KiB', async (world) => {
  const { gateway, id } = await setUp(world);
  const target = `/api/traces/${id}/fork`;
  const spaces = (n) => Buffer.from(`{}${' '.repeat(n - 2)}`);
  const ask = async (bytes) => {
    const client = await world.client(gateway);
    await client.write(bytes);
    return client.readResponse();
  };
  for (const framing of ['length', 'chunked']) {
    assert.equal((await ask(post(target, spaces(16384), [], { framing }))).status, 200, framing);
    for (const size of [16385, 70000, 400000]) {
      const answer = await ask(post(target, spaces(size), [], { framing, sizes: [10000, 10000] }));
      assert.equal(answer.status, 413, `${framing} ${size}`);
      assert.deepEqual(JSON.parse(answer.body), { error: 'fork request body too large' });
      assert.equal(answer.get('access-control-allow-origin'), '*');
    }
  }
  const extended = Array(200).fill(`1;${'x'.repeat(4000)}\r\n \r\n`).join('');
  const padded = await ask(
    Buffer.concat([
      head(`POST ${target} HTTP/1.1`, [
        ['Host', 'g'],
        ['Transfer-Encoding', 'chunked'],
      ]),
      Buffer.from(`${extended}0\r\n\r\n`),
    ]),
  );
  assert.equal(padded.status, 413, 'framing counts when it is out of proportion');
  const unknown = await ask(post('/api/traces/nobody/fork', spaces(70000)));
  assert.equal(unknown.status, 404, 'the trace comes first');
});

scenario('a body to the API that is malformed or never comes is refused', async (world) => {
  const { gateway, id } = await setUp(world, { config: { server: { header_timeout_ms: 300 } } });
  const target = `/api/traces/${id}/fork`;
  const start = (framing) => head(`POST ${target} HTTP/1.1`, [['Host', 'g'], framing]);
  const bad = await world.client(gateway);
  await bad.write(Buffer.concat([start(['Transfer-Encoding', 'chunked']), Buffer.from('2\r\n{}x')]));
  const malformed = await bad.readResponse();
  assert.equal(malformed.status, 400);
  assert.deepEqual(JSON.parse(malformed.body), { error: 'malformed chunked request body' });
  assert.equal(malformed.get('connection'), 'close');
  const slow = await world.client(gateway);
  await slow.write(Buffer.concat([start(['Content-Length', '10']), Buffer.from('{')]));
  const late = await slow.readResponse();
  assert.equal(late.status, 408);
  assert.equal(late.get('access-control-allow-origin'), '*');
  const gone = await world.client(gateway);
  await gone.write(start(['Content-Length', '10']));
  gone.reset();
  assert.equal((await gateway.api('/api/health')).status, 200, 'the gateway goes on');
});

scenario('Accept and format choose CSV on the wire', async (world) => {
  const { gateway, id } = await setUp(world);
  const list = await gateway.api('/api/traces', { headers: { Accept: 'text/csv' } });
  assert.equal(list.status, 200);
  assert.equal(list.headers['content-type'], 'text/csv; charset=utf-8; header=present');
  assert.equal(list.headers['content-disposition'], 'attachment; filename="traces.csv"');
  const lines = list.text.split('\r\n');
  assert.equal(lines.length, 3);
  assert.ok(lines[0].startsWith('id,timestamp,provider,model,'));
  assert.ok(lines[1].startsWith(`${id},`));
  const client = await world.client(gateway);
  await client.write(get('/api/traces?format=csv', [], { method: 'HEAD' }));
  const headOnly = await client.readResponse({ method: 'HEAD' });
  assert.equal(headOnly.get('content-length'), String(Buffer.byteLength(list.text)));
  await client.write(get('/api/health'));
  assert.equal((await client.readResponse()).status, 200, 'the connection is in step after HEAD');
});
