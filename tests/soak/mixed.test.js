// Mixed traffic for a while: answers, streams, tools of bad clients and bad providers, all at once. Every exchange
// that was begun leaves exactly one trace with an outcome that it can have had, memory stays flat, and nothing is
// left open.
import assert from 'node:assert/strict';
import { chunked, connect, head } from '../e2e/lib/peer.js';
import { chatAnswer, chatRequest, get, json, kCompletions, post, random, reply, unique } from '../e2e/lib/http.js';
import { scenario } from '../e2e/lib/world.js';
import { until } from '../e2e/lib/wait.js';

const kSeconds = Number(process.env.GW_SOAK_SECONDS ?? 20);
const kSeed = Number(process.env.GW_SEED ?? Date.now() % 100000);
const kClients = 40;
const kStreamHead = head('HTTP/1.1 200 OK', [
  ['Content-Type', 'text/event-stream'],
  ['Transfer-Encoding', 'chunked'],
]);
const event = (text) => Buffer.from(`${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`);
const kUsage = 'data: {"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3,"total_tokens":10}}\n\n';

function provider(routes, r) {
  routes.on('/v1/chat/completions', (request, peer) =>
    peer.write(reply(chatAnswer(), [['Content-Type', 'application/json']])),
  );
  routes.on('/v1/stream', async (request, peer) => {
    await peer.write(kStreamHead);
    for (let i = r.integer(0, 20); i > 0; i--)
      await peer.write(event('data: {"choices":[{"delta":{"content":"x"}}]}\n\n'));
    await peer.write(Buffer.concat([event(kUsage), event('data: [DONE]\n\n'), Buffer.from('0\r\n\r\n')]));
  });
  routes.on('/v1/endless', async (request, peer) => {
    await peer.write(Buffer.concat([kStreamHead, event(kUsage)]));
    await peer.gone;
    peer.destroy();
  });
  routes.on('/v1/reset', (request, peer) => peer.reset());
  routes.on('/v1/cut', async (request, peer) => {
    await peer.write(Buffer.concat([kStreamHead, event(kUsage)]));
    await peer.finish();
  });
  routes.on('/v1/big', (request, peer) =>
    peer.write(Buffer.concat([kStreamHead, chunked(Buffer.alloc(400000, 'b'), [70000, 3, 90000])])),
  );
}

/**
 * Each way: what the client does; resolves with the outcomes that its trace may have, or null when nothing was
 * admitted.
 */
const ways = {
  async plain(peer, fields) {
    await peer.write(post(kCompletions, chatRequest(), fields));
    assert.equal((await peer.readResponse()).status, 200);
    return ['complete'];
  },
  async stream(peer, fields) {
    await peer.write(post('/openai/v1/stream', json({ stream: true }), fields, { framing: 'chunked', sizes: [3] }));
    assert.match((await peer.readResponse()).body.toString(), /\[DONE\]/);
    return ['complete'];
  },
  async big(peer, fields) {
    await peer.write(post('/openai/v1/big', Buffer.alloc(300000, 'u'), fields));
    assert.equal((await peer.readResponse()).body.length, 400000);
    return ['complete'];
  },
  async leave(peer, fields) {
    await peer.write(post('/openai/v1/endless', '{}', fields));
    await peer.readUntil('usage');
    peer.reset();
    return ['client_aborted'];
  },
  async leaveAtOnce(peer, fields, r) {
    const bytes = post(kCompletions, chatRequest(), fields);
    const whole = r.next() < 0.5;
    await peer.write(whole ? bytes : bytes.subarray(0, bytes.length - 3));
    peer.reset();
    return ['client_aborted', 'complete', 'upstream_error', null]; // how far the gateway got is chance
  },
  async reset(peer, fields) {
    await peer.write(post('/openai/v1/reset', '{}', fields));
    assert.equal((await peer.readResponse()).status, 502);
    return ['upstream_error'];
  },
  async cut(peer, fields) {
    await peer.write(post('/openai/v1/cut', '{}', fields));
    const answer = await peer.readResponse();
    assert.equal(answer.aborted, true);
    peer.destroy();
    return ['upstream_aborted'];
  },
  async malformed(peer, fields) {
    await peer.write(
      Buffer.concat([
        head('POST /openai/v1/chat/completions HTTP/1.1', [['Host', 'g'], ...fields, ['Content-Length', 'x']]),
      ]),
    );
    assert.equal((await peer.readResponse()).status, 400);
    peer.destroy();
    return null;
  },
  async api(peer, fields) {
    await peer.write(get('/api/traces?limit=5', fields));
    assert.equal((await peer.readResponse()).status, 200);
    return null;
  },
};

scenario(
  `${kSeconds} s of mixed traffic: every exchange leaves one trace, memory stays flat`,
  { timeout: kSeconds * 1000 + 180000 },
  async (world) => {
    console.log(`seed ${kSeed}`);
    const r = random(kSeed);
    const { upstream, routes } = await world.routed();
    provider(routes, r);
    const gateway = await world.gateway({ openai: upstream.url, config: { server: { workers: 2 } } });
    const expected = new Map();
    const prefix = unique('mixed');
    let count = 0;
    let stopping = false;
    const counts = new Map();
    const client = async () => {
      let peer = null;
      while (!stopping) {
        if (!peer || peer.closed || peer.ended || peer.error || peer.socket.destroyed)
          peer = await connect(gateway.port);
        const way = r.pick(Object.keys(ways));
        const id = `${prefix}.${count++}`;
        counts.set(way, (counts.get(way) ?? 0) + 1);
        const outcomes = await ways[way](peer, [['X-OngoingAI-Correlation-ID', id]], r);
        if (outcomes) expected.set(id, [way, outcomes]);
      }
      peer?.destroy();
    };
    const run = async (seconds) => {
      stopping = false;
      const end = performance.now() + seconds * 1000;
      const clients = Array.from({ length: kClients }, client);
      await until(() => performance.now() > end, 'the time is over', (seconds + 30) * 1000);
      stopping = true;
      await Promise.all(clients);
      await gateway.settled(60000);
    };
    await run(Math.min(10, kSeconds / 2));
    const before = gateway.rssAnonKiB();
    await run(kSeconds);
    console.log(
      `${count} exchanges (${[...counts].map(([way, n]) => `${way} ${n}`).join(', ')}); memory ${(before / 1024).toFixed(1)} MiB, grew by ${gateway.rssAnonKiB() - before} KiB`,
    );
    const found = new Map();
    for (const row of gateway.rows(
      `SELECT json_extract(metadata, '$.correlation_id') AS id, json_extract(metadata, '$.outcome') AS outcome FROM traces`,
    )) {
      assert.ok(!found.has(row.id), `two traces of ${row.id}`);
      found.set(row.id, row.outcome);
    }
    const wrong = [...expected].filter(([id, [, outcomes]]) => !outcomes.includes(found.get(id) ?? null));
    assert.deepEqual(
      wrong.slice(0, 5).map(([id, [way]]) => `${id}: ${way} left ${found.get(id)}`),
      [],
      `${wrong.length} of ${expected.size} traces are wrong`,
    );
    assert.equal([...found.keys()].filter((id) => !expected.has(id)).length, 0, 'no trace without an exchange');
    const d = await gateway.diagnostics();
    assert.equal(d.enqueue_accepted_total, d.stored_total, JSON.stringify(d));
    assert.equal(d.total_dropped_total, 0);
    gateway.expectGrownAtMost(4096, before);
    await until(
      () => upstream.connections.filter((peer) => !peer.closed && !peer.ended).length <= kClients * 2,
      'upstream connections are let go',
    );
    assert.equal((await gateway.stop()).code, 0);
  },
);
