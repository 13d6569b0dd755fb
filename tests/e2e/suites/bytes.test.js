// Bodies cross the gateway byte for byte in both directions, however they are framed and however they are cut.
import assert from 'node:assert/strict';
import zlib from 'node:zlib';
import { sameBytes, sameRequestFields, sameResponseFields } from '../lib/compare.js';
import { recordedAnswers } from '../lib/fixtures.js';
import { chatAnswer, cut, get, json, kCompletions, post, random, randomBytes, reply, unique } from '../lib/http.js';
import { chunked, head } from '../lib/peer.js';
import { scenario } from '../lib/world.js';
import { gate, until, within } from '../lib/wait.js';

const kCoded = {
  gzip: zlib.gzipSync,
  deflate: zlib.deflateSync,
  br: zlib.brotliCompressSync,
  ...(zlib.zstdCompressSync ? { zstd: zlib.zstdCompressSync } : {}),
};

/** Response bytes: head and body framed as asked. Chunk sizes come from the generator r. */
function framed(framing, body, fields, r) {
  if (framing === 'length') return reply(body, fields);
  if (framing === 'close') return Buffer.concat([head('HTTP/1.1 200 OK', [...fields, ['Connection', 'close']]), body]);
  const sizes = Array.from({ length: Math.min(60, body.length) }, () =>
    r.integer(1, Math.max(1, Math.min(70000, Math.ceil(body.length / 8)))),
  );
  return Buffer.concat([head('HTTP/1.1 200 OK', [...fields, ['Transfer-Encoding', 'chunked']]), chunked(body, sizes)]);
}

function randomCuts(bytes, r, most = 12) {
  return cut(
    bytes,
    Array.from({ length: r.integer(0, most) }, () => r.integer(0, Math.min(bytes.length, 70000))),
  );
}

/** A client that opens a new connection when the last answer closed it. */
async function ask(world, gateway, state, bytes, { r, method } = {}) {
  if (!state.client || state.client.ended || state.client.closed) state.client = await world.client(gateway);
  const pieces = r ? randomCuts(bytes, r) : [bytes];
  const [answer] = await Promise.all([state.client.readResponse({ method }), state.client.writePieces(pieces)]);
  if (answer.framing === 'close' || /close/i.test(answer.get('connection') ?? '')) state.client = null;
  return answer;
}

scenario(
  'every recorded answer comes back byte for byte: length, chunked and close-delimited, at random cuts',
  async (world) => {
    const answers = recordedAnswers();
    const { upstream, routes } = await world.routed();
    const gateway = await world.gateway({ openai: upstream.url, anthropic: upstream.url });
    const state = {};
    let done = 0;
    for (const [i, answer] of answers.entries()) {
      for (const framing of ['length', 'chunked', 'close']) {
        const r = random(1000 + i);
        const fields = [
          ['Content-Type', answer.streaming ? 'text/event-stream' : 'application/json'],
          ['x-request-id', 'req_011CRx'],
          ['Set-Cookie', 'a=1; Path=/'],
          ['cf-ray', '8f-FRA'],
          ['Set-Cookie', 'b=2'],
          ['X-Empty', ''],
        ];
        routes.on(`/v1/recorded/${i}`, async (request, peer) => {
          await peer.writePieces(randomCuts(framed(framing, answer.body, fields, r), r));
          if (framing === 'close') await peer.finish();
        });
        const body = json({ model: 'any', stream: answer.streaming, n: i });
        const response = await ask(world, gateway, state, post(`/${answer.provider}/v1/recorded/${i}`, body), { r });
        assert.equal(response.status, 200, answer.name);
        sameBytes(response.body, answer.body, `${answer.name}, ${framing}`);
        assert.equal(response.aborted, false, answer.name);
        sameResponseFields(fields, response.fields);
        if (framing === 'length')
          assert.equal(
            response.get('content-length'),
            String(answer.body.length),
            'a known length stays a known length',
          );
        done += 1;
      }
    }
    await until(async () => (await gateway.list()).length === done, `${done} traces, one per exchange`);
  },
);

const kSizes = [
  0, 1, 2, 3, 15, 16, 17, 255, 256, 1023, 1460, 2048, 4095, 4096, 4097, 8191, 8192, 8193, 16384, 32767, 32768, 32769,
  65535, 65536, 65537, 131072, 1048576,
];

for (const requestFraming of ['length', 'chunked']) {
  for (const responseFraming of ['length', 'chunked', 'close']) {
    scenario(
      `bodies of every size cross unchanged: request ${requestFraming}, response ${responseFraming}, random cuts`,
      async (world) => {
        const { upstream, routes } = await world.routed();
        const gateway = await world.gateway({ openai: upstream.url });
        const state = {};
        for (const [i, size] of kSizes.entries()) {
          const r = random(77 + size);
          const up = randomBytes(size, size + 1);
          const down = randomBytes(kSizes[kSizes.length - 1 - i], size + 2);
          let arrived;
          routes.on('/v1/sizes', async (request, peer) => {
            arrived = request;
            await peer.writePieces(
              randomCuts(framed(responseFraming, down, [['Content-Type', 'application/octet-stream']], r), r),
            );
            if (responseFraming === 'close') await peer.finish();
          });
          const sizes = Array.from({ length: 20 }, () => r.integer(1, 9000));
          const bytes = post('/openai/v1/sizes', up, [['Content-Type', 'application/octet-stream']], {
            framing: requestFraming,
            sizes,
          });
          const response = await ask(world, gateway, state, bytes, { r });
          sameBytes(arrived.body, up, `request body of ${size} bytes`);
          sameBytes(response.body, down, `response body of ${down.length} bytes`);
          assert.equal(response.aborted, false);
          if (requestFraming === 'length' && size > 0) assert.equal(arrived.get('content-length'), String(size));
        }
      },
    );
  }
}

scenario('20 MiB up and 20 MiB down cross unchanged, by length and chunked', async (world) => {
  const { upstream, routes } = await world.routed();
  const gateway = await world.gateway({ openai: upstream.url });
  const size = 20 * 1024 * 1024;
  const body = randomBytes(size, 5);
  for (const framing of ['length', 'chunked']) {
    const r = random(3);
    let arrived;
    routes.on('/v1/big', async (request, peer) => {
      arrived = request;
      await peer.write(framed(framing, request.body, [], r));
    });
    const client = await world.client(gateway);
    const sizes = Array.from({ length: 400 }, () => r.integer(1, 100000));
    const [response] = await Promise.all([
      client.readResponse({ deadline: 60000 }),
      client.write(post('/openai/v1/big', body, [], { framing, sizes })),
    ]);
    sameBytes(arrived.body, body, `upload, ${framing}`);
    sameBytes(response.body, body, `download, ${framing}`);
  }
});

scenario('a request cut at every byte of its head and framing arrives unchanged', async (world) => {
  const { upstream, routes } = await world.routed();
  const gateway = await world.gateway({ openai: upstream.url });
  const body = Buffer.from('{"model":"gpt-4o-mini","x":"\u00e9"}');
  let arrived;
  routes.on('/v1/cut', async (request, peer) => {
    arrived = request;
    await peer.write(reply('ok'));
  });
  const client = await world.client(gateway);
  for (const framing of ['length', 'chunked']) {
    const bytes = post('/openai/v1/cut?a=1', body, [['X-Cut', 'value']], { framing, sizes: [3, 1, 9], trailers: [] });
    for (let at = 1; at < bytes.length; at++) {
      const [response] = await Promise.all([
        client.readResponse(),
        client.writePieces([bytes.subarray(0, at), bytes.subarray(at)]),
      ]);
      assert.equal(response.status, 200, `cut at ${at}: ${response.body}`);
      sameBytes(arrived.body, body, `${framing}, cut at ${at}`);
      assert.equal(arrived.get('x-cut'), 'value');
    }
  }
});

scenario('a response cut at every byte of its head and framing arrives unchanged', async (world) => {
  const { upstream, routes } = await world.routed();
  const gateway = await world.gateway({ openai: upstream.url });
  const body = Buffer.from(
    'data: {"usage":{"prompt_tokens":5,"completion_tokens":7,"total_tokens":12}}\n\ndata: [DONE]\n\n',
  );
  const fields = [
    ['Content-Type', 'text/event-stream'],
    ['X-Cut', 'value'],
  ];
  let pieces;
  routes.on('/v1/cut', (request, peer) => peer.writePieces(pieces));
  const client = await world.client(gateway);
  const group = unique('cut');
  let count = 0;
  for (const framing of ['length', 'chunked']) {
    const bytes =
      framing === 'length'
        ? reply(body, fields)
        : Buffer.concat([
            head('HTTP/1.1 200 OK', [...fields, ['Transfer-Encoding', 'chunked']]),
            chunked(body, [1, 20, 3, 15], [['X-Trailer', 'end']]),
          ]);
    for (let at = 1; at < bytes.length; at++) {
      pieces = [bytes.subarray(0, at), bytes.subarray(at)];
      await client.write(post('/openai/v1/cut', '{}', [['X-OngoingAI-Trace-Group-ID', group]]));
      const response = await client.readResponse();
      count += 1;
      sameBytes(response.body, body, `${framing}, cut at ${at}`);
      sameResponseFields(fields, response.fields);
      if (framing === 'chunked') assert.deepEqual(response.trailers, [['X-Trailer', 'end']], `trailers, cut at ${at}`);
    }
  }
  await gateway.settled();
  const traces = await gateway.list({ trace_group_id: group });
  assert.equal(traces.length, count);
  const wrong = traces.filter((trace) => trace.input_tokens !== 5 || trace.output_tokens !== 7);
  assert.deepEqual(wrong, [], 'the tokens do not depend on the cut');
});

for (const [coding, encode] of Object.entries(kCoded)) {
  scenario(`a ${coding} answer is relayed as it is and its tokens are read`, async (world) => {
    const { upstream, routes } = await world.routed();
    const gateway = await world.gateway({ openai: upstream.url });
    const plain = chatAnswer({ prompt_tokens: 1234, completion_tokens: 567, total_tokens: 1801 });
    const body = encode(plain);
    routes.on('/v1/chat/completions', async (request, peer) => {
      await peer.writePieces(
        cut(
          reply(body, [
            ['Content-Type', 'application/json'],
            ['Content-Encoding', coding],
          ]),
          [100, 150, 155, 300],
        ),
      );
    });
    const client = await world.client(gateway);
    await client.write(
      post(kCompletions, json({ model: 'gpt-4o-mini' }), [['Accept-Encoding', 'gzip, deflate, br, zstd']]),
    );
    const response = await client.readResponse();
    sameBytes(response.body, body, coding);
    assert.equal(response.get('content-encoding'), coding);
    assert.equal(response.get('content-length'), String(body.length));
    const trace = await gateway.trace(response.get('x-ongoingai-trace-id'));
    assert.deepEqual([trace.input_tokens, trace.output_tokens, trace.total_tokens], [1234, 567, 1801]);
    assert.equal(trace.metadata.cost_source, 'computed');
  });

  scenario(`a ${coding} event stream is relayed event by event and its tokens are read`, async (world) => {
    const step = [gate(), gate()];
    const first = Buffer.from('data: {"choices":[{"delta":{"content":"a"}}]}\n\n');
    const second = Buffer.from(
      'data: {"choices":[],"usage":{"prompt_tokens":21,"completion_tokens":8,"total_tokens":29}}\n\ndata: [DONE]\n\n',
    );
    const whole = encode(Buffer.concat([first, second]));
    const { upstream, routes } = await world.routed();
    const middle = Math.floor(whole.length / 2);
    routes.on('/v1/chat/completions', async (request, peer) => {
      await peer.write(
        head('HTTP/1.1 200 OK', [
          ['Content-Type', 'text/event-stream'],
          ['Content-Encoding', coding],
          ['Transfer-Encoding', 'chunked'],
        ]),
      );
      await peer.write(
        Buffer.concat([Buffer.from(`${middle.toString(16)}\r\n`), whole.subarray(0, middle), Buffer.from('\r\n')]),
      );
      await step[0].promise;
      await peer.write(chunked(whole.subarray(middle)));
    });
    const gateway = await world.gateway({ openai: upstream.url });
    const client = await world.client(gateway);
    await client.write(post(kCompletions, json({ model: 'gpt-4o-mini', stream: true })));
    const headOfAnswer = await client.readResponseHead();
    const size = parseInt((await client.readUntil('\r\n')).toString(), 16);
    const half = await client.readExactly(size);
    step[0].open();
    await client.readExactly(2);
    const rest = await client.readBody({ kind: 'chunked' });
    sameBytes(Buffer.concat([half, rest.body]), whole, coding);
    const trace = await gateway.trace(headOfAnswer.get('x-ongoingai-trace-id'));
    assert.deepEqual([trace.input_tokens, trace.output_tokens], [21, 8]);
    assert.equal(trace.metadata.streaming, true);
  });
}

scenario('tokens are read from an answer far larger than body_max_size', async (world) => {
  const { upstream, routes } = await world.routed();
  const gateway = await world.gateway({
    openai: upstream.url,
    config: { tracing: { body_max_size: 1024, capture_bodies: true }, pii: { mode: 'off' } },
  });
  const filler = 'x'.repeat(3 * 1024 * 1024);
  const body = json({
    model: 'm',
    choices: [{ message: { content: filler } }],
    usage: { prompt_tokens: 9, completion_tokens: 4, total_tokens: 13 },
  });
  routes.on('/v1/chat/completions', (request, peer) => peer.write(reply(body, [['Content-Type', 'application/json']])));
  const client = await world.client(gateway);
  await client.write(post(kCompletions, json({ model: 'gpt-4o' })));
  const response = await client.readResponse();
  sameBytes(response.body, body, 'body');
  const trace = await gateway.trace(response.get('x-ongoingai-trace-id'));
  assert.deepEqual([trace.model, trace.input_tokens, trace.output_tokens], ['gpt-4o', 9, 4]);
  assert.equal(Buffer.byteLength(trace.response_body), 1024, 'the captured body is cut at body_max_size');
});

scenario('an upload is streamed: the upstream sees bytes before the client sent the rest', async (world) => {
  const size = 5 * 1024 * 1024;
  const body = randomBytes(size, 9);
  const headers = gate();
  const { upstream, routes } = await world.routed();
  routes.on(
    '/v1/upload',
    async (request, peer) => {
      headers.open(peer);
      const { body: received } = await peer.readBody({ kind: 'length', length: size });
      sameBytes(received, body, 'upload');
      await peer.write(reply('done'));
    },
    { stream: true },
  );
  const gateway = await world.gateway({ openai: upstream.url });
  const client = await world.client(gateway);
  await client.write(
    Buffer.concat([
      head('POST /openai/v1/upload HTTP/1.1', [
        ['Host', 'g'],
        ['Content-Length', String(size)],
      ]),
      body.subarray(0, 1),
    ]),
  );
  const peer = await within(
    5000,
    headers.promise,
    'the upstream sees the head while the client has sent one byte of the body',
  );
  await until(() => peer.received > 0 && peer.buffered + 1 > 0, 'the first byte arrives');
  await client.write(body.subarray(1, 200000));
  await until(
    () => peer.received >= 200000,
    () => `the upstream has ${peer.received} of 200,000 bytes`,
  );
  await client.write(body.subarray(200000));
  assert.equal((await client.readResponse()).body.toString(), 'done');
});

scenario('a chunked upload is streamed chunk by chunk', async (world) => {
  const arrived = [gate(), gate(), gate()];
  const { upstream, routes } = await world.routed();
  routes.on(
    '/v1/upload',
    async (request, peer) => {
      assert.equal(request.get('transfer-encoding')?.toLowerCase(), 'chunked');
      let text = '';
      for (const [i, word] of ['one', 'two', 'three'].entries()) {
        while (!text.includes(word)) text += (await peer.readSome(`chunk ${word}`)).toString('latin1');
        arrived[i].open();
      }
      if (!text.endsWith('0\r\n\r\n')) await peer.readUntil('0\r\n\r\n', 'the last chunk');
      await peer.write(reply('done'));
    },
    { stream: true },
  );
  const gateway = await world.gateway({ openai: upstream.url });
  const client = await world.client(gateway);
  await client.write(
    head('POST /openai/v1/upload HTTP/1.1', [
      ['Host', 'g'],
      ['Transfer-Encoding', 'chunked'],
    ]),
  );
  for (const [i, word] of ['one', 'two', 'three'].entries()) {
    await client.write(Buffer.from(`${word.length.toString(16)}\r\n${word}\r\n`));
    await within(5000, arrived[i].promise, `chunk ${word} at the upstream before the next is sent`);
  }
  await client.write(Buffer.from('0\r\n\r\n'));
  assert.equal((await client.readResponse()).body.toString(), 'done');
});

scenario('events are relayed at once: each reaches the client before the next is sent', async (world) => {
  for (const framing of ['chunked', 'close']) {
    const seen = Array.from({ length: 51 }, gate);
    const { upstream, routes } = await world.routed();
    routes.on('/v1/chat/completions', async (request, peer) => {
      const fields = framing === 'chunked' ? [['Transfer-Encoding', 'chunked']] : [['Connection', 'close']];
      await peer.write(head('HTTP/1.1 200 OK', [['Content-Type', 'text/event-stream'], ...fields]));
      for (let i = 0; i < 50; i++) {
        const event = `data: {"n":${i}}\n\n`;
        await peer.write(Buffer.from(framing === 'chunked' ? `${event.length.toString(16)}\r\n${event}\r\n` : event));
        await seen[i].promise;
      }
      if (framing === 'chunked') await peer.write(Buffer.from('0\r\n\r\n'));
      else await peer.finish();
    });
    const gateway = await world.gateway({ openai: upstream.url });
    const client = await world.client(gateway);
    await client.write(post(kCompletions, json({ model: 'gpt-4o-mini', stream: true })));
    const answer = await client.readResponseHead();
    for (let i = 0; i < 50; i++) {
      await client.readUntil(`data: {"n":${i}}\n\n`, `event ${i} (${framing})`, 5000);
      seen[i].open();
    }
    const trace = await gateway.trace(answer.get('x-ongoingai-trace-id'));
    assert.equal(trace.metadata.stream_chunks, 50, framing);
    assert.equal(trace.metadata.outcome, 'complete', framing);
  }
});

scenario('header fields cross in order with their values, credentials untouched', async (world) => {
  const { upstream, routes } = await world.routed();
  let arrived;
  const fields = [
    ['Content-Type', 'application/json; charset=utf-8'],
    ['X-Multi', 'one'],
    ['Cache-Control', 'no-store'],
    ['X-Multi', 'two'],
    ['X-Spaces', 'a  b\tc'],
    ['X-Latin', 'caf\u00e9'],
    ['X-Empty', ''],
    ['openai-organization', 'org-1'],
    ['Set-Cookie', 'x=1; HttpOnly'],
    ['Set-Cookie', 'y=2'],
    ['Server', 'cloudflare'],
  ];
  routes.on('/v1/chat/completions', async (request, peer) => {
    arrived = request;
    await peer.write(reply('{}', fields));
  });
  const gateway = await world.gateway({ openai: upstream.url });
  const client = await world.client(gateway);
  const sent = [
    ['User-Agent', 'OpenAI/JS 7.57.0'],
    ['Authorization', 'Bearer sk-secret-123'],
    ['x-stainless-lang', 'js'],
    ['X-API-Key', 'sk-ant-1'],
    ['X-Multi', 'one'],
    ['Accept', 'application/json'],
    ['X-Multi', 'two, three'],
    ['X-Forwarded-Host', 'example.com'],
    ['X-Forwarded-Proto', 'https'],
    ['Cookie', 'a=b'],
    ['X-Spaces', 'a  b\tc'],
    ['X-Empty', ''],
    ['X-OngoingAI-Trace-Group-ID', 'g-1'],
    ['X-OngoingAI-Thread-ID', 't-1'],
    ['Content-Type', 'application/json'],
  ];
  await client.write(post(kCompletions, '{}', sent));
  const response = await client.readResponse();
  sameRequestFields(sent, arrived.fields);
  sameResponseFields(fields, response.fields);
  assert.equal(arrived.get('host'), `127.0.0.1:${upstream.port}`, "the upstream's own host");
  assert.deepEqual(arrived.all('x-forwarded-for'), ['127.0.0.1']);
  assert.equal(arrived.all('x-ongoingai-correlation-id').length, 1);
  assert.equal(arrived.get('x-ongoingai-correlation-id'), response.get('x-ongoingai-correlation-id'));
  assert.match(response.get('x-ongoingai-trace-id'), /^[0-9a-f]{32}$/);
  const trace = await gateway.trace(response.get('x-ongoingai-trace-id'));
  assert.deepEqual(trace.request_headers['X-Multi'], ['one', 'two, three']);
  for (const name of ['Authorization', 'X-Api-Key', 'Cookie'])
    assert.deepEqual(trace.request_headers[name], ['[REDACTED]'], name);
  assert.deepEqual(trace.response_headers['Set-Cookie'], ['[REDACTED]']);
  assert.equal(trace.request_headers.Host, undefined);
  assert.deepEqual(trace.response_headers['X-Multi'], ['one', 'two']);
  assert.equal(trace.metadata.redaction_applied, true);
});

scenario('nothing is added to a request: no Accept-Encoding, no User-Agent, no Accept', async (world) => {
  const { upstream, routes } = await world.routed();
  routes.on('/v1/models', (request, peer) => peer.write(reply('{}')));
  const gateway = await world.gateway({ openai: upstream.url });
  const client = await world.client(gateway);
  await client.write(get('/openai/v1/models'));
  await client.readResponse();
  const names = upstream.requests[0].fields.map(([name]) => name.toLowerCase()).sort();
  assert.deepEqual(
    names.filter((name) => name !== 'connection'),
    ['host', 'x-forwarded-for', 'x-ongoingai-correlation-id'],
  );
});

scenario('hop-by-hop fields stop at the gateway in both directions', async (world) => {
  const { upstream, routes } = await world.routed();
  routes.on('/v1/hop', (request, peer) =>
    peer.write(
      reply('{}', [
        ['Connection', 'keep-alive, X-Up-Private'],
        ['Keep-Alive', 'timeout=5'],
        ['X-Up-Private', 'x'],
        ['Proxy-Authenticate', 'Basic'],
        ['X-Stays', '1'],
      ]),
    ),
  );
  const gateway = await world.gateway({ openai: upstream.url });
  const client = await world.client(gateway);
  await client.write(
    get('/openai/v1/hop', [
      ['Connection', 'keep-alive, X-Private , Foo'],
      ['X-Private', 'secret'],
      ['Foo', 'bar'],
      ['Keep-Alive', 'timeout=9'],
      ['Proxy-Connection', 'keep-alive'],
      ['Proxy-Authorization', 'Basic abc'],
      ['TE', 'trailers, deflate'],
      ['X-Stays', '1'],
    ]),
  );
  const response = await client.readResponse();
  const [arrived] = upstream.requests;
  for (const name of ['x-private', 'foo', 'keep-alive', 'proxy-connection', 'proxy-authorization'])
    assert.equal(arrived.get(name), undefined, name);
  assert.equal(arrived.get('te'), 'trailers');
  assert.equal(arrived.get('x-stays'), '1');
  for (const name of ['x-up-private', 'keep-alive', 'proxy-authenticate'])
    assert.equal(response.get(name), undefined, name);
  assert.equal(response.get('x-stays'), '1');
});

scenario('X-Forwarded-For is appended to what came', async (world) => {
  const { upstream, routes } = await world.routed();
  routes.on('/v1/models', (request, peer) => peer.write(reply('{}')));
  const gateway = await world.gateway({ openai: upstream.url });
  const client = await world.client(gateway);
  await client.write(get('/openai/v1/models', [['X-Forwarded-For', '203.0.113.7, 10.0.0.1']]));
  await client.readResponse();
  assert.deepEqual(upstream.requests[0].all('x-forwarded-for'), ['203.0.113.7, 10.0.0.1, 127.0.0.1']);
});

scenario('the gateway key header never goes upstream, whatever the auth setting', async (world) => {
  const { upstream, routes } = await world.routed();
  routes.on('/v1/models', (request, peer) => peer.write(reply('{}')));
  const gateway = await world.gateway({ openai: upstream.url });
  const client = await world.client(gateway);
  await client.write(
    get('/openai/v1/models', [
      ['x-ongoingai-gateway-key', 'gwk_secret'],
      ['X-Other', '1'],
    ]),
  );
  const response = await client.readResponse();
  assert.equal(response.status, 200);
  assert.equal(upstream.requests[0].get('x-ongoingai-gateway-key'), undefined);
  assert.equal(upstream.requests[0].get('x-other'), '1');
  const renamed = await world.gateway({ openai: upstream.url, config: { auth: { header: 'X-Team-Key' } } });
  const other = await world.client(renamed);
  await other.write(get('/openai/v1/models', [['X-Team-Key', 'gwk_secret']]));
  await other.readResponse();
  assert.equal(upstream.requests[1].get('x-team-key'), undefined);
});

scenario('percent-escapes and queries go upstream verbatim, only the prefix is taken off', async (world) => {
  const { upstream, routes } = await world.routed();
  routes.on('*', (request, peer) => peer.write(reply('{}')));
  const gateway = await world.gateway({ openai: upstream.url });
  const client = await world.client(gateway);
  const cases = [
    ['/openai/v1/models', '/v1/models'],
    ['/openai', '/'],
    ['/openai/', '/'],
    ['/openai/a%2Fb', '/a%2Fb'],
    ['/openai/a%2fb%20c%C3%A9', '/a%2fb%20c%C3%A9'],
    ['/openai//double//slash/', '//double//slash/'],
    ['/openai/v1/x%3Fy', '/v1/x%3Fy'],
    ['/openai/v1/models?', '/v1/models?'],
    ['/openai/v1/models?a=1;b=2&c=%2F+%20&&=', '/v1/models?a=1;b=2&c=%2F+%20&&='],
    ["/openai/v1/~user/(x)!$&'*,;=:@", "/v1/~user/(x)!$&'*,;=:@"],
    ['/openai/v1/?q=http://x/../y', '/v1/?q=http://x/../y'],
    ['/%6Fpenai/v1/models', '/v1/models'],
  ];
  for (const [target, expected] of cases) {
    await client.write(get(target));
    const response = await client.readResponse();
    assert.equal(response.status, 200, `${target}: ${response.body}`);
    const got = upstream.requests.at(-1).target;
    assert.ok(
      got === expected || (target.endsWith('?') && `${got}?` === expected),
      `${target} went upstream as ${got}, expected ${expected}`,
    );
  }
});

scenario('the upstream URL contributes its path and query', async (world) => {
  const { upstream, routes } = await world.routed();
  routes.on('*', (request, peer) => peer.write(reply('{}')));
  const gateway = await world.gateway({ openai: `${upstream.url}/base/?api-version=1` });
  const client = await world.client(gateway);
  for (const [target, expected] of [
    ['/openai/v1/models', '/base/v1/models?api-version=1'],
    ['/openai/v1/models?x=2', '/base/v1/models?api-version=1&x=2'],
    ['/openai', '/base/?api-version=1'],
  ]) {
    await client.write(get(target));
    await client.readResponse();
    assert.equal(upstream.requests.at(-1).target, expected, target);
  }
});

scenario('a decoded dot-dot segment is refused and nothing is forwarded', async (world) => {
  const { upstream } = await world.routed();
  const gateway = await world.gateway({ openai: upstream.url });
  for (const target of [
    '/openai/../x',
    '/openai/v1/%2e%2e/x',
    '/openai/%2E./x',
    '/openai/v1/..',
    '/openai/a%2f..%2fb',
  ]) {
    const client = await world.client(gateway);
    await client.write(get(target));
    const response = await client.readResponse();
    assert.equal(response.status, 400, target);
    assert.equal(typeof JSON.parse(response.body).error, 'string', target);
  }
  assert.equal(upstream.requests.length, 0);
});

scenario('prefixes match whole segments only', async (world) => {
  const { upstream, routes } = await world.routed();
  routes.on('*', (request, peer) => peer.write(reply('{}')));
  const gateway = await world.gateway({ openai: upstream.url });
  for (const target of ['/openaiish/v1', '/OpenAI/v1', '/v1/models', '/favicon.ico']) {
    const answer = await gateway.api(target);
    assert.equal(answer.status, 404, target);
    assert.equal(typeof answer.json?.error, 'string', `${target}: ${answer.text}`);
  }
  assert.equal(upstream.requests.length, 0);
  await gateway.settled();
  assert.equal(await gateway.traceCount(), 0, 'only provider routes are traced');
});

scenario('an upstream correlation header is replaced, not doubled', async (world) => {
  const { upstream, routes } = await world.routed();
  routes.on('/v1/models', (request, peer) =>
    peer.write(
      reply('{}', [
        ['X-OngoingAI-Correlation-ID', 'theirs'],
        ['X-OngoingAI-Trace-ID', 'theirs'],
      ]),
    ),
  );
  const gateway = await world.gateway({ openai: upstream.url });
  const client = await world.client(gateway);
  await client.write(get('/openai/v1/models', [['X-Request-ID', 'mine-1']]));
  const response = await client.readResponse();
  assert.deepEqual(response.all('x-ongoingai-correlation-id'), ['mine-1']);
  assert.equal(response.all('x-ongoingai-trace-id').length, 1);
  assert.match(response.get('x-ongoingai-trace-id'), /^[0-9a-f]{32}$/);
  assert.equal(upstream.requests[0].get('x-ongoingai-correlation-id'), 'mine-1');
  assert.equal(upstream.requests[0].get('x-request-id'), 'mine-1');
});
