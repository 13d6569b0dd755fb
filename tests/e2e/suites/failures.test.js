// What happens when a side breaks: the client is told the truth, the other side is told at once, and exactly one
// trace says what happened.
import assert from 'node:assert/strict';
import { sameBytes } from '../lib/compare.js';
import { freePort } from '../lib/gateway.js';
import { chatAnswer, get, json, kCompletions, post, randomBytes, reply, unique } from '../lib/http.js';
import { chunked, head } from '../lib/peer.js';
import { scenario } from '../lib/world.js';
import { gate, until, within } from '../lib/wait.js';

const kUsageEvent =
  'event: message_start\ndata: {"type":"message_start","message":{"model":"claude-haiku-4-5-20251001","usage":{"input_tokens":33,"output_tokens":1}}}\n\n';
const chunk = (text) => Buffer.from(`${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`);
const kStreamHead = head('HTTP/1.1 200 OK', [
  ['Content-Type', 'text/event-stream'],
  ['Transfer-Encoding', 'chunked'],
]);

/** A routed upstream, a gateway with one worker, a client, and a group that finds the trace. */
async function setUp(world, options = {}) {
  const { upstream, routes } = await world.routed(options.upstreamOptions);
  const gateway = await world.gateway({
    openai: options.openai ?? upstream.url,
    anthropic: upstream.url,
    ...options,
    config: { server: { workers: 1 }, ...options.config },
  });
  const group = unique('failure');
  const client = await world.client(gateway, options.client);
  const fields = [['X-OngoingAI-Trace-Group-ID', group]];
  return {
    upstream,
    routes,
    gateway,
    client,
    group,
    fields,
    trace: () => gateway.onlyTrace({ trace_group_id: group }),
  };
}

async function expectBadGateway(env, response) {
  assert.ok(response.status === 502 || response.status === 504, `status ${response.status}: ${response.body}`);
  assert.equal(response.get('content-type'), 'application/json');
  assert.equal(typeof JSON.parse(response.body).error, 'string');
  assert.ok(response.get('x-ongoingai-correlation-id'));
  const trace = await env.trace();
  assert.equal(trace.metadata.outcome, 'upstream_error');
  assert.equal(trace.response_status, response.status);
  assert.equal(trace.model, 'gpt-4o-mini', 'the model asked for is known');
  assert.equal(trace.id, response.get('x-ongoingai-trace-id'));
  const line = await env.gateway.waitLog((l) => l.msg === 'proxy request failed', 'proxy request failed');
  assert.equal(line.level, 'ERROR');
  assert.equal(line.provider_prefix, '/openai');
  assert.equal(typeof line.error, 'string');
}
const chatPost = (env) => post(kCompletions, json({ model: 'gpt-4o-mini' }), env.fields);

/** The connection must still answer; after a failure the gateway may close it, but must then say so. */
async function clientIsTold(world, env, response) {
  if (/close/i.test(response.get('connection') ?? '')) env.client = await world.client(env.gateway);
  env.routes.on('/v1/after', (request, peer) => peer.write(reply('fine')));
  await env.client.write(get('/openai/v1/after'));
  const after = await env.client.readResponse();
  return after;
}

scenario('an upstream that refuses connections: 502, one trace', async (world) => {
  const env = await setUp(world, { openai: `http://127.0.0.1:${await freePort()}` });
  await env.client.write(chatPost(env));
  await expectBadGateway(env, await env.client.readResponse());
});

scenario('an upstream whose name does not resolve: 502, one trace', async (world) => {
  const env = await setUp(world, { openai: 'http://nowhere.invalid' });
  await env.client.write(chatPost(env));
  await expectBadGateway(env, await env.client.readResponse({ deadline: 30000 }));
});

const kBeforeHeaders = {
  'resets before its headers': (peer) => peer.reset(),
  'closes before its headers': (peer) => peer.finish(),
  'closes in the middle of its headers': async (peer) => {
    await peer.write(Buffer.from('HTTP/1.1 200 OK\r\nContent-Le'));
    await peer.finish();
  },
  'answers in another language': async (peer) => {
    await peer.write(Buffer.from('SSH-2.0-OpenSSH_9.2\r\n\r\n'));
    await peer.gone;
  },
  'answers with a bad length': async (peer) => {
    await peer.write(Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 12abc\r\n\r\nhello'));
    await peer.gone;
  },
  'answers with headers without end': async (peer) => {
    const line = Buffer.from(`X-Filler: ${'x'.repeat(1000)}\r\n`);
    await peer.write(Buffer.from('HTTP/1.1 200 OK\r\n'));
    for (let i = 0; i < 4000; i++) await peer.write(line);
    await peer.gone;
  },
};
for (const [what, act] of Object.entries(kBeforeHeaders)) {
  scenario(`an upstream that ${what}: 502, one trace, one attempt`, async (world) => {
    const env = await setUp(world);
    env.routes.on('/v1/chat/completions', async (request, peer) => {
      await Promise.resolve(act(peer)).catch(() => {});
    });
    await env.client.write(chatPost(env));
    const response = await env.client.readResponse();
    await expectBadGateway(env, response);
    assert.equal(env.upstream.requests.length, 1, 'a fresh connection is not tried twice');
    assert.equal((await clientIsTold(world, env, response)).body.toString(), 'fine');
  });
}

const kMidBody = {
  'resets in a body with length': [reply(Buffer.alloc(1000, 'x')).subarray(0, 600), (peer) => peer.reset()],
  'closes in a body with length': [reply(Buffer.alloc(1000, 'x')).subarray(0, 600), (peer) => peer.finish()],
  'resets in a chunked body': [Buffer.concat([kStreamHead, chunk(kUsageEvent)]), (peer) => peer.reset()],
  'closes in a chunked body': [Buffer.concat([kStreamHead, chunk(kUsageEvent)]), (peer) => peer.finish()],
  'closes inside a chunk': [
    Buffer.concat([kStreamHead, chunk(kUsageEvent), Buffer.from('ff\r\nabc')]),
    (peer) => peer.finish(),
  ],
  'breaks the chunk syntax': [Buffer.concat([kStreamHead, chunk(kUsageEvent), Buffer.from('zz\r\nabc\r\n')]), () => {}],
};
for (const [what, [bytes, act]] of Object.entries(kMidBody)) {
  scenario(`an upstream that ${what}: the client sees a cut answer, the trace says upstream_aborted`, async (world) => {
    const env = await setUp(world);
    const seen = gate();
    env.routes.on('/v1/messages', async (request, peer) => {
      await peer.write(bytes);
      await seen.promise;
      await act(peer);
      await peer.gone;
    });
    await env.client.write(
      post('/anthropic/v1/messages', json({ model: 'claude-haiku-4-5-20251001', stream: true }), env.fields),
    );
    const answer = await env.client.readResponseHead();
    assert.equal(answer.status, 200);
    // What came in the same segment as the fault may be cut with it; all else has been relayed by now.
    const alreadyBroken = what === 'breaks the chunk syntax';
    if (!alreadyBroken) await until(() => env.client.buffered >= 100, 'the first bytes of the body reach the client');
    seen.open();
    const rest = await env.client.readBody(
      answer.get('content-length') ? { kind: 'length', length: 1000 } : { kind: 'chunked' },
    );
    assert.equal(rest.aborted, true, 'the client can tell that the answer is not whole');
    await within(2000, env.client.gone, 'the connection is closed');
    const trace = await env.trace();
    assert.equal(trace.metadata.outcome, 'upstream_aborted');
    assert.equal(trace.response_status, 200);
    if (bytes.includes('message_start') && !alreadyBroken) {
      assert.equal(trace.input_tokens, 33, 'tokens seen until then');
      assert.equal(trace.metadata.streaming, true);
      assert.ok(trace.time_to_first_token_us > 0);
    }
  });
}

scenario('a close-delimited answer that is reset is told from one that ended', async (world) => {
  const env = await setUp(world);
  const seen = gate();
  env.routes.on('/v1/chat/completions', async (request, peer) => {
    await peer.write(
      Buffer.concat([
        head('HTTP/1.1 200 OK', [
          ['Connection', 'close'],
          ['Content-Type', 'application/json'],
        ]),
        Buffer.alloc(500, 'x'),
      ]),
    );
    await seen.promise;
    peer.reset();
  });
  await env.client.write(chatPost(env));
  const answer = await env.client.readResponseHead();
  await until(() => env.client.buffered >= 500, 'the body so far');
  seen.open();
  const rest = await env.client.readBody(answer.get('transfer-encoding') ? { kind: 'chunked' } : { kind: 'close' });
  assert.equal(rest.aborted, true, 'no clean end for the client');
  assert.equal((await env.trace()).metadata.outcome, 'upstream_aborted');
});

for (const leaving of ['closes', 'resets']) {
  scenario(`a client that ${leaving} in a stream cancels the upstream within a second`, async (world) => {
    const env = await setUp(world);
    const at = gate();
    env.routes.on('/v1/messages', async (request, peer) => {
      await peer.write(Buffer.concat([kStreamHead, chunk(kUsageEvent)]));
      at.open(peer);
      await peer.gone;
      peer.destroy();
    });
    await env.client.write(
      post('/anthropic/v1/messages', json({ model: 'claude-haiku-4-5-20251001', stream: true }), env.fields),
    );
    await env.client.readUntil('message_start', 'the first event');
    const peer = await at.promise;
    if (leaving === 'resets') env.client.reset();
    else env.client.destroy();
    await within(1000, peer.gone, 'the upstream connection is closed after the client left');
    const trace = await env.trace();
    assert.equal(trace.metadata.outcome, 'client_aborted');
    assert.equal(trace.response_status, 200);
    assert.equal(trace.input_tokens, 33, 'tokens seen until then');
  });

  scenario(
    `a client that ${leaving} while the upstream is silent, before headers, cancels it within a second`,
    async (world) => {
      const env = await setUp(world);
      const at = gate();
      env.routes.on('/v1/chat/completions', async (request, peer) => {
        at.open(peer);
        await peer.gone;
        peer.destroy();
      });
      await env.client.write(chatPost(env));
      const peer = await within(5000, at.promise, 'the request at the upstream');
      if (leaving === 'resets') env.client.reset();
      else env.client.destroy();
      await within(1000, peer.gone, 'the upstream connection is closed after the client left');
      const trace = await env.trace();
      assert.equal(trace.metadata.outcome, 'client_aborted');
      assert.equal(trace.model, 'gpt-4o-mini');
    },
  );
}

const kEndEvents = {
  '/openai/v1/chat/completions': 'data: [DONE]\n\n',
  '/anthropic/v1/messages': 'event: message_stop\ndata: {"type":"message_stop"}\n\n',
};
for (const [target, end] of Object.entries(kEndEvents)) {
  scenario(
    `a client that leaves after the end event of ${target}, before the last chunk, got everything: outcome complete`,
    async (world) => {
      const env = await setUp(world);
      env.routes.on(target.replace(/^\/\w+/, ''), async (request, peer) => {
        await peer.write(Buffer.concat([kStreamHead, chunk(kUsageEvent), chunk(end)])); // no last chunk: SDKs do not wait for it either
        await peer.gone;
        peer.destroy();
      });
      await env.client.write(post(target, json({ model: 'gpt-4o-mini', stream: true }), env.fields));
      await env.client.readUntil(end, 'the end event');
      env.client.destroy();
      const trace = await env.trace();
      assert.equal(trace.metadata.outcome, 'complete');
      assert.equal(trace.input_tokens, 33);
    },
  );
}

scenario(
  'a client that leaves while its pipelined requests wait cancels the upstream within a second',
  async (world) => {
    const env = await setUp(world);
    const at = gate();
    env.routes.on('/v1/chat/completions', async (request, peer) => {
      at.open(peer);
      await peer.gone;
      peer.destroy();
    });
    const waiting = Array.from({ length: 200 }, () => post('/openai/v1/later', Buffer.alloc(2000, 'y')));
    env.client.write(Buffer.concat([chatPost(env), ...waiting])).catch(() => {});
    const peer = await within(5000, at.promise, 'the request at the upstream');
    env.client.reset();
    await within(1000, peer.gone, 'the upstream connection is closed after the client left');
    assert.equal((await env.trace()).metadata.outcome, 'client_aborted');
  },
);

scenario('a client that leaves in its upload: the upstream is told, one trace', async (world) => {
  for (const framing of ['length', 'chunked']) {
    const env = await setUp(world);
    const at = gate();
    env.routes.on(
      '/v1/chat/completions',
      async (request, peer) => {
        at.open(peer);
        await peer.gone;
        peer.destroy();
      },
      { stream: true },
    );
    const whole = post(kCompletions, Buffer.alloc(100000, ' '), env.fields, { framing, sizes: [50000] });
    await env.client.write(whole.subarray(0, 60000));
    const peer = await within(5000, at.promise, 'the head at the upstream');
    env.client.reset();
    await within(1000, peer.gone, 'the upstream connection is closed after the client left');
    assert.equal((await env.trace()).metadata.outcome, 'client_aborted', framing);
  }
});

scenario('a client that leaves while bytes flow: the upstream is told within a second', async (world) => {
  const env = await setUp(world);
  const at = gate();
  env.routes.on('/v1/chat/completions', async (request, peer) => {
    await peer.write(kStreamHead);
    at.open(peer);
    const event = chunk(`data: ${'x'.repeat(2000)}\n\n`);
    while (!peer.closed && !peer.error) await peer.write(event).catch(() => {});
  });
  await env.client.write(chatPost(env));
  const peer = await at.promise;
  await until(() => env.client.received > 1000000, 'a megabyte of the stream');
  env.client.reset();
  await within(1000, peer.gone, 'the upstream connection is closed after the client left');
  assert.equal((await env.trace()).metadata.outcome, 'client_aborted');
});

scenario(
  'a reused connection that turns out dead is replaced once, unseen by the client, also for a POST',
  async (world) => {
    for (const [what, die] of Object.entries({ reset: (peer) => peer.reset(), close: (peer) => peer.destroy() })) {
      let served = 0;
      const seen = [];
      const upstream = await world.upstream(async (peer, self) => {
        const first = await peer.readRequest();
        seen.push(first);
        served += 1;
        await peer.write(reply(chatAnswer(), [['Content-Type', 'application/json']]));
        if (self.connections.length > 1) return;
        seen.push(await peer.readRequest()); // the connection dies with the request in it and nothing sent back
        die(peer);
      });
      const gateway = await world.gateway({ openai: upstream.url, config: { server: { workers: 1 } } });
      const client = await world.client(gateway);
      const group = unique('retry');
      await client.write(post(kCompletions, json({ model: 'gpt-4o-mini' })));
      assert.equal((await client.readResponse()).status, 200);
      const body = json({ model: 'gpt-4o-mini', second: true });
      await client.write(post(kCompletions, body, [['X-OngoingAI-Trace-Group-ID', group]]));
      const response = await client.readResponse();
      assert.equal(response.status, 200, `${what}: ${response.body}`);
      assert.equal(upstream.connections.length, 2);
      assert.equal(served, 2);
      sameBytes(seen[2].body, body, 'the body sent again');
      assert.deepEqual(seen[2].fields, seen[1].fields, 'the same head was sent again');
      assert.equal((await gateway.onlyTrace({ trace_group_id: group })).metadata.outcome, 'complete');
    }
  },
);

scenario('a reused connection is retried once only', async (world) => {
  const upstream = await world.upstream(async (peer, self) => {
    await peer.readRequest();
    if (self.connections.length > 1) return peer.reset();
    await peer.write(reply('ok'));
    await peer.readRequest();
    peer.reset();
  });
  const gateway = await world.gateway({ openai: upstream.url, config: { server: { workers: 1 } } });
  const client = await world.client(gateway);
  await client.write(post(kCompletions, '{}'));
  await client.readResponse();
  await client.write(post(kCompletions, '{}'));
  assert.equal((await client.readResponse()).status, 502);
  assert.equal(upstream.connections.length, 2);
});

scenario('a reused connection that died after it began to answer is not retried', async (world) => {
  const upstream = await world.upstream(async (peer) => {
    await peer.readRequest();
    await peer.write(reply('ok'));
    await peer.readRequest();
    await peer.write(Buffer.from('HTTP/1.1 200 OK\r\nContent-'));
    await peer.finish();
  });
  const gateway = await world.gateway({ openai: upstream.url, config: { server: { workers: 1 } } });
  const client = await world.client(gateway);
  await client.write(post(kCompletions, '{}'));
  await client.readResponse();
  await client.write(post(kCompletions, '{}'));
  assert.equal((await client.readResponse()).status, 502);
  assert.equal(upstream.connections.length, 1);
});

scenario('connections that the upstream closed while idle are not used', async (world) => {
  const upstream = await world.upstream(async (peer) => {
    await peer.readRequest();
    await peer.write(reply('ok'));
    peer.destroy();
  });
  const gateway = await world.gateway({ openai: upstream.url, config: { server: { workers: 1 } } });
  const client = await world.client(gateway);
  for (let i = 0; i < 30; i++) {
    await client.write(post(kCompletions, '{}'));
    assert.equal((await client.readResponse()).status, 200, `request ${i}`);
  }
  assert.equal(upstream.connections.length, 30);
});

scenario('bytes that an upstream sends beyond its answer never become the answer to another request', async (world) => {
  const poison = reply('poison', [['X-Poison', '1']]);
  for (const late of [false, true]) {
    const go = gate();
    const upstream = await world.upstream(async (peer) => {
      for (;;) {
        const request = await peer.readRequest({ deadline: 60000 }).catch(() => null);
        if (!request) return;
        const answer = reply('good');
        if (late) {
          await peer.write(answer);
          await peer.write(poison);
        } else {
          await peer.write(Buffer.concat([answer, poison]));
        }
        go.open();
      }
    });
    const gateway = await world.gateway({ openai: upstream.url, config: { server: { workers: 1 } } });
    const client = await world.client(gateway);
    for (let i = 0; i < 5; i++) {
      await client.write(get('/openai/v1/models'));
      const response = await client.readResponse();
      assert.notEqual(
        response.body.toString(),
        'poison',
        `request ${i}, poison ${late ? 'in a segment of its own' : 'with the answer'}`,
      );
    }
  }
});

scenario('idle upstream connections are capped and expire', async (world) => {
  const capped = await setUp(world, { config: { providers: { openai: { max_idle_connections: 3 } } } });
  const all = gate();
  let waiting = 0;
  capped.routes.on('/v1/wait', async (request, peer) => {
    if (++waiting === 10) all.open();
    await all.promise;
    await peer.write(reply('ok'));
  });
  await Promise.all(
    Array.from({ length: 10 }, async () => {
      const client = await world.client(capped.gateway);
      await client.write(get('/openai/v1/wait'));
      assert.equal((await client.readResponse()).status, 200);
    }),
  );
  const open = (env) => env.upstream.connections.filter((peer) => !peer.ended && !peer.closed).length;
  await until(
    () => open(capped) === 3,
    () => `3 connections are kept, ${open(capped)} are open`,
    5000,
  );

  const expiring = await setUp(world, { config: { providers: { openai: { pool_idle_timeout_ms: 300 } } } });
  expiring.routes.on('/v1/fine', (request, peer) => peer.write(reply('ok')));
  await expiring.client.write(get('/openai/v1/fine'));
  await expiring.client.readResponse();
  await until(() => open(expiring) === 0, 'the idle connection expires', 5000);
  await expiring.client.write(get('/openai/v1/fine'));
  assert.equal((await expiring.client.readResponse()).status, 200);
});

/** Waits until `value()` has not changed for half a second. */
async function standstill(value, what) {
  let last = -1;
  let since = performance.now();
  await until(
    () => {
      const now = value();
      if (now !== last) {
        last = now;
        since = performance.now();
      }
      return performance.now() - since > 500;
    },
    what,
    30000,
  );
  return last;
}

scenario('a slow reader slows the upstream, in bounded memory', async (world) => {
  const env = await setUp(world);
  const total = 96 * 1024 * 1024;
  const block = randomBytes(1024 * 1024, 6);
  let written = 0;
  env.routes.on('/v1/chat/completions', async (request, peer) => {
    await peer.write(
      head('HTTP/1.1 200 OK', [
        ['Content-Length', String(total)],
        ['Content-Type', 'application/octet-stream'],
      ]),
    );
    for (; written < total; written += block.length) await peer.write(block);
  });
  await env.client.write(chatPost(env));
  const answer = await env.client.readResponseHead();
  const before = env.gateway.rssAnonKiB();
  env.client.pause();
  const stopped = await standstill(() => written, 'the upstream comes to a standstill');
  assert.ok(stopped < total / 2, `the upstream wrote ${stopped} bytes to a client that does not read`);
  env.gateway.expectGrownAtMost(2048, before);
  env.client.resume();
  const rest = await env.client.readBody({ kind: 'length', length: total }, 60000);
  assert.equal(rest.body.length, total);
  for (let at = 0; at < total; at += block.length)
    sameBytes(rest.body.subarray(at, at + block.length), block, `block at ${at}`);
  assert.equal((await env.gateway.trace(answer.get('x-ongoingai-trace-id'))).metadata.outcome, 'complete');
});

scenario('a slow upstream slows the client, in bounded memory', async (world) => {
  const env = await setUp(world);
  const total = 96 * 1024 * 1024;
  const block = randomBytes(1024 * 1024, 7);
  const at = gate();
  const go = gate();
  env.routes.on(
    '/v1/chat/completions',
    async (request, peer) => {
      peer.pause();
      at.open();
      await go.promise;
      peer.resume();
      const { body } = await peer.readBody({ kind: 'length', length: total }, 60000);
      await peer.write(reply(String(body.length)));
    },
    { stream: true },
  );
  let sent = 0;
  await env.client.write(
    head(`POST ${kCompletions} HTTP/1.1`, [['Host', 'g'], ...env.fields, ['Content-Length', String(total)]]),
  );
  const uploading = (async () => {
    for (; sent < total; sent += block.length) await env.client.write(block);
  })();
  await within(5000, at.promise, 'the head at the upstream');
  const before = env.gateway.rssAnonKiB();
  const stopped = await standstill(() => sent, 'the client comes to a standstill');
  assert.ok(stopped < total / 2, `the client could send ${stopped} bytes to an upstream that does not read`);
  env.gateway.expectGrownAtMost(3072, before);
  go.open();
  await uploading;
  assert.equal((await env.client.readResponse({ deadline: 60000 })).body.toString(), String(total));
});

scenario('the connect timeout covers a handshake that never ends', async (world) => {
  const silent = await world.upstream((peer) => peer.gone);
  const env = await setUp(world, {
    config: { providers: { openai: { upstream: `https://127.0.0.1:${silent.port}`, connect_timeout_ms: 300 } } },
  });
  await env.client.write(chatPost(env));
  await expectBadGateway(env, await env.client.readResponse({ deadline: 5000 }));
  await within(5000, silent.connections[0].gone, 'the gateway gives the connection up');
});

scenario('the idle timeout ends an exchange in which nothing moves, before and after the headers', async (world) => {
  const env = await setUp(world, {
    config: { providers: { openai: { idle_timeout_ms: 400 }, anthropic: { idle_timeout_ms: 400 } } },
  });
  env.routes.on('/v1/chat/completions', (request, peer) => peer.gone);
  await env.client.write(chatPost(env));
  const response = await env.client.readResponse({ deadline: 6000 });
  await expectBadGateway(env, response);
  await within(5000, env.upstream.connections[0].gone, 'the upstream connection is closed');

  env.routes.on('/v1/messages', async (request, peer) => {
    await peer.write(Buffer.concat([kStreamHead, chunk(kUsageEvent)]));
    await peer.gone;
  });
  const group = unique('idle');
  const client = await world.client(env.gateway);
  await client.write(post('/anthropic/v1/messages', '{}', [['X-OngoingAI-Trace-Group-ID', group]]));
  const answer = await client.readResponseHead();
  assert.equal(answer.status, 200);
  assert.equal((await client.readBody({ kind: 'chunked' }, 6000)).aborted, true);
  assert.equal((await env.gateway.onlyTrace({ trace_group_id: group })).metadata.outcome, 'upstream_aborted');
});

scenario('an exchange that moves slowly outlives the idle timeout', async (world) => {
  const env = await setUp(world, { config: { providers: { openai: { idle_timeout_ms: 1000 } } } });
  env.routes.on('/v1/chat/completions', async (request, peer) => {
    await peer.write(kStreamHead);
    const end = performance.now() + 2500;
    while (performance.now() < end) {
      await peer.write(chunk('data: tick\n\n'));
      await new Promise((resolve) => setTimeout(resolve, 100)); // the pace is what is tested
    }
    await peer.write(Buffer.from('0\r\n\r\n'));
  });
  await env.client.write(chatPost(env));
  const response = await env.client.readResponse();
  assert.equal(response.aborted, false);
  assert.equal((await env.trace()).metadata.outcome, 'complete');
});

scenario('one trace for each of many exchanges that break in different ways at once', async (world) => {
  const env = await setUp(world, { config: { server: { workers: 2 } } });
  const ways = ['complete', 'upstream_error', 'upstream_aborted', 'client_aborted'];
  env.routes.on('/v1/complete', (request, peer) => peer.write(reply('{}')));
  env.routes.on('/v1/upstream_error', (request, peer) => peer.reset());
  env.routes.on('/v1/upstream_aborted', async (request, peer) => {
    await peer.write(Buffer.concat([kStreamHead, chunk('data: 1\n\n')]));
    await peer.finish();
  });
  env.routes.on('/v1/client_aborted', async (request, peer) => {
    await peer.write(Buffer.concat([kStreamHead, chunk('data: 1\n\n')]));
    await peer.gone;
    peer.destroy();
  });
  const count = 200;
  await Promise.all(
    Array.from({ length: count }, async (_, i) => {
      const way = ways[i % ways.length];
      const client = await world.client(env.gateway);
      await client.write(post(`/openai/v1/${way}`, '{}', env.fields));
      const answer = await client.readResponseHead();
      if (way === 'client_aborted') {
        await client.readUntil('data: 1', 'the first event');
        client.reset();
      } else {
        await client.readBody(
          answer.get('transfer-encoding')
            ? { kind: 'chunked' }
            : { kind: 'length', length: Number(answer.get('content-length')) },
        );
      }
    }),
  );
  await env.gateway.settled();
  const items = await until(async () => {
    const found = await env.gateway.list({ trace_group_id: env.group });
    return found.length >= count && found;
  }, `${count} traces`);
  assert.equal(items.length, count);
  const traces = await Promise.all(items.map((item) => env.gateway.trace(item.id)));
  const wrong = traces.filter((t) => t.metadata.outcome !== t.request_path.split('/').pop());
  assert.deepEqual(
    wrong.map((t) => [t.request_path, t.metadata.outcome]),
    [],
  );
  assert.equal(new Set(traces.map((t) => t.metadata.correlation_id)).size, count);
});
