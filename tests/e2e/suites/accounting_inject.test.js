// accounting.include_usage: inject, and accounting.drain_ms: streams state what they used, and clients see what they
// asked for.
import assert from 'node:assert/strict';
import { gzipSync } from 'node:zlib';
import OpenAI from 'openai';
import { sameBytes } from '../lib/compare.js';
import { chatRequest, kCompletions, post, unique } from '../lib/http.js';
import { MockProvider, kText, usage } from '../lib/mock_provider.js';
import { chunked, head } from '../lib/peer.js';
import { scenario } from '../lib/world.js';
import { gate, until, within } from '../lib/wait.js';

const kInject = { accounting: { include_usage: 'inject' } };
const kOption = '"stream_options":{"include_usage":true}';
const counts = usage.openai.stream;

const event = (value) => `data: ${typeof value === 'string' ? value : JSON.stringify(value)}\n\n`;
const delta = (content) => event({ id: 'c', choices: [{ index: 0, delta: { content } }], usage: null });
const kUsageEvent = event({
  id: 'c',
  choices: [],
  usage: { prompt_tokens: 43, completion_tokens: 71, total_tokens: 114 },
});
const kDone = event('[DONE]');
const kStream = [['Content-Type', 'text/event-stream']];
const kChunkedHead = head('HTTP/1.1 200 OK', [...kStream, ['Transfer-Encoding', 'chunked']]);
const piece = (text) => Buffer.from(`${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`);
const lengthAnswer = (text, fields = kStream) =>
  Buffer.concat([
    head('HTTP/1.1 200 OK', [...fields, ['Content-Length', String(Buffer.byteLength(text))]]),
    Buffer.from(text),
  ]);

/** A gateway in front of the simulated provider, and the openai client with a group that marks its traces. */
async function setUpClient(world, config) {
  const provider = await MockProvider.start(world);
  const gateway = await world.gateway({ openai: provider.url, config });
  const group = unique('inject');
  const client = new OpenAI({
    baseURL: `${gateway.url}/openai/v1`,
    apiKey: 'sk-test-0123456789abcdef',
    defaultHeaders: { 'X-OngoingAI-Trace-Group-ID': group },
    maxRetries: 0,
  });
  return { provider, gateway, client, trace: () => gateway.onlyTrace({ trace_group_id: group }) };
}
/** What the client sees of a stream: its text and its usage chunks. */
async function read(client, extra = {}) {
  const stream = await client.chat.completions.create({
    model: 'gpt-4o-mini',
    messages: [{ role: 'user', content: 'Hello?' }],
    stream: true,
    ...extra,
  });
  let text = '';
  const usages = [];
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta?.content ?? '';
    if (chunk.choices.length === 0) usages.push(chunk.usage);
  }
  return { text, usages };
}
function expectCounted(trace, outcome = 'complete') {
  assert.deepEqual(
    { input: trace.input_tokens, output: trace.output_tokens, total: trace.total_tokens },
    { input: 43, output: 71, total: 114 },
  );
  assert.equal(trace.metadata.outcome, outcome);
  assert.ok(trace.estimated_cost_usd > 0, 'a cost');
}

/** A routed upstream behind a gateway, byte for byte. */
async function setUp(world, config, fields = []) {
  const { upstream, routes } = await world.routed();
  const gateway = await world.gateway({ openai: upstream.url, config: { server: { workers: 1 }, ...config } });
  const group = unique('inject');
  const client = await world.client(gateway);
  const all = [['X-OngoingAI-Trace-Group-ID', group], ['Content-Type', 'application/json'], ...fields];
  return { upstream, routes, gateway, client, fields: all, trace: () => gateway.onlyTrace({ trace_group_id: group }) };
}

// ---- row 7 of the accounting cases

scenario('row 7: a stream without usage is counted, and the client sees no usage chunk', async (world) => {
  const env = await setUpClient(world, kInject);
  const seen = await read(env.client);
  assert.deepEqual(seen, { text: kText, usages: [] });
  assert.deepEqual(JSON.parse(env.provider.requests[0].text).stream_options, { include_usage: true });
  expectCounted(await env.trace());
});

scenario('row 7: a stream that asks for usage passes untouched', async (world) => {
  const env = await setUpClient(world, kInject);
  const seen = await read(env.client, { stream_options: { include_usage: true } });
  assert.equal(seen.text, kText);
  assert.equal(seen.usages.length, 1);
  assert.equal(seen.usages[0].total_tokens, counts.input + counts.output);
  expectCounted(await env.trace());
});

for (const [name, stream_options] of [
  ['an explicit false', { include_usage: false }],
  ['null options', null],
  ['other options', { include_obfuscation: false }],
]) {
  scenario(`row 7: ${name}: counted, and the client sees no usage chunk`, async (world) => {
    const env = await setUpClient(world, kInject);
    const seen = await read(env.client, { stream_options });
    assert.deepEqual(seen, { text: kText, usages: [] });
    assert.deepEqual(JSON.parse(env.provider.requests[0].text).stream_options, {
      ...stream_options,
      include_usage: true,
    });
    expectCounted(await env.trace());
  });
}

scenario('row 7: off by default: nothing is put in and nothing taken out', async (world) => {
  const env = await setUpClient(world, {});
  await read(env.client);
  assert.equal(JSON.parse(env.provider.requests[0].text).stream_options, undefined);
  assert.equal((await env.trace()).metadata.outcome, 'complete');
});

// ---- bytes

for (const framing of ['length', 'chunked']) {
  scenario(`only the option and the usage chunk differ, body by ${framing}, answer cut anywhere`, async (world) => {
    const env = await setUp(world, { ...kInject, tracing: { capture_bodies: true }, pii: { mode: 'off' } });
    const azure = event({ choices: [], id: '', model: '', prompt_filter_results: [{ prompt_index: 0 }] });
    const kept = `: hi\n\n${azure}${delta('Hel')}${delta('lo')}`;
    const answer = `${kept}${kUsageEvent}${kDone}`;
    env.routes.on('/v1/chat/completions', async (request, peer) => {
      await peer.writePieces([kChunkedHead, ...chunkedPieces(answer, 17)]);
    });
    const body = Buffer.from('{ "model": "gpt-4o-mini",\n "messages":[{"content":"\\u00e9\\"}{"}], "stream" : true }\n');
    await env.client.writePieces(cutEvery(post(kCompletions, body, env.fields, { framing, sizes: [3, 30] }), 40));
    const response = await env.client.readResponse();
    sameBytes(response.body, Buffer.from(kept + kDone));
    assert.equal(response.framing, 'chunked');
    const [request] = env.upstream.requests;
    sameBytes(request.body, Buffer.from(`{${kOption},${body.toString().slice(1)}`));
    assert.deepEqual(request.all('content-length'), [String(request.body.length)]);
    assert.equal(request.get('transfer-encoding'), undefined);
    const trace = await env.trace();
    expectCounted(trace);
    assert.equal(trace.request_body, body.toString(), 'the trace has what the client sent');
    assert.equal(trace.response_body, answer, 'and what the provider answered');
  });
}
const cutEvery = (bytes, n) =>
  Array.from({ length: Math.ceil(bytes.length / n) }, (_, i) => bytes.subarray(i * n, i * n + n));
const chunkedPieces = (text, n) => [
  ...cutEvery(Buffer.from(text), n).map((part) => piece(part.toString('latin1'))),
  Buffer.from('0\r\n\r\n'),
];

scenario('an answer with a length is chunked for HTTP/1.1 and ends with the connection for HTTP/1.0', async (world) => {
  const env = await setUp(world, kInject);
  env.routes.on('/v1/chat/completions', async (request, peer) => {
    await peer.write(lengthAnswer(delta('Hi') + kUsageEvent + kDone));
  });
  const body = chatRequest({ stream: true });
  await env.client.write(post(kCompletions, body, env.fields));
  const modern = await env.client.readResponse();
  assert.equal(modern.framing, 'chunked');
  assert.equal(modern.get('content-length'), undefined);
  sameBytes(modern.body, Buffer.from(delta('Hi') + kDone));
  const old = await world.client(env.gateway);
  await old.write(
    Buffer.concat([
      head(`POST ${kCompletions} HTTP/1.0`, [...env.fields, ['Content-Length', String(body.length)]]),
      body,
    ]),
  );
  const response = await old.readResponse();
  assert.equal(response.framing, 'close');
  sameBytes(response.body, Buffer.from(delta('Hi') + kDone));
});

scenario('of pipelined requests only the one that needs it is changed, and only its answer', async (world) => {
  const env = await setUp(world, kInject);
  env.routes.on('/v1/chat/completions', async (request, peer) => {
    await peer.write(Buffer.concat([kChunkedHead, chunked(Buffer.from(delta('Hi') + kUsageEvent + kDone))]));
  });
  const asking = chatRequest({ stream: true, stream_options: { include_usage: true } });
  const silent = chatRequest({ stream: true });
  await env.client.write(
    Buffer.concat([
      post(kCompletions, silent, env.fields),
      post(kCompletions, asking, env.fields),
      post(kCompletions, silent, env.fields, { framing: 'chunked' }),
      post(kCompletions, asking, env.fields),
    ]),
  );
  const whole = Buffer.from(delta('Hi') + kUsageEvent + kDone);
  const stripped = Buffer.from(delta('Hi') + kDone);
  for (const expected of [stripped, whole, stripped, whole])
    sameBytes((await env.client.readResponse()).body, expected);
  const injected = `{${kOption},${silent.toString().slice(1)}`;
  assert.deepEqual(
    env.upstream.requests.map((r) => r.body.toString()),
    [injected, asking.toString(), injected, asking.toString()],
  );
});

for (const [name, options] of [
  ['a body over inject_max_bytes', { extra: { user: 'x'.repeat(3000) }, counted: true }],
  [
    'a chunked body over inject_max_bytes',
    { extra: { user: 'x'.repeat(3000) }, framing: 'chunked', sizes: [1000], counted: true },
  ],
  ['a body with a checksum', { fields: [['Content-MD5', 'abc']] }],
  ['a body of another type', { type: 'text/plain' }],
  ['a compressed body', { fields: [['Content-Encoding', 'gzip']], zip: true }],
  ['another path', { path: '/v1/responses' }],
  ['a request that does not stream', { extra: { stream: false } }],
  ['a body that is no JSON', { raw: Buffer.from('{"stream":true') }],
]) {
  scenario(`left alone, with its answer: ${name}`, async (world) => {
    const env = await setUp(world, { accounting: { include_usage: 'inject', inject_max_bytes: 2048 } });
    const path = options.path ?? '/v1/chat/completions';
    const answer = lengthAnswer(delta('Hi') + kUsageEvent + kDone);
    env.routes.on(path, async (request, peer) => {
      await peer.write(answer);
    });
    const plain = options.raw ?? chatRequest({ stream: true, ...options.extra });
    const body = options.zip ? gzipSync(plain) : plain;
    const fields = [
      ['X-OngoingAI-Trace-Group-ID', env.fields[0][1]],
      ['Content-Type', options.type ?? 'application/json'],
      ...(options.fields ?? []),
    ];
    await env.client.writePieces(
      cutEvery(post(`/openai${path}`, body, fields, { framing: options.framing, sizes: options.sizes }), 700),
    );
    const response = await env.client.readResponse();
    assert.equal(response.framing, 'length');
    sameBytes(response.body, Buffer.from(delta('Hi') + kUsageEvent + kDone));
    sameBytes(env.upstream.requests[0].body, body);
    assert.equal(env.upstream.requests[0].get('transfer-encoding'), options.framing && 'chunked');
    assert.equal((await env.trace()).metadata.outcome, 'complete');
    const { accounting } = await env.gateway.diagnostics();
    assert.deepEqual(accounting, options.counted && { over_max_bytes_total: 1 });
  });
}

scenario('an encoded stream and an answer that is no stream pass as they come', async (world) => {
  const env = await setUp(world, kInject);
  const zipped = gzipSync(delta('Hi') + kUsageEvent + kDone);
  const answers = [
    Buffer.concat([
      head('HTTP/1.1 200 OK', [...kStream, ['Content-Encoding', 'gzip'], ['Content-Length', String(zipped.length)]]),
      zipped,
    ]),
    lengthAnswer(kUsageEvent, [['Content-Type', 'application/json']]),
  ];
  env.routes.on('/v1/chat/completions', async (request, peer) => {
    await peer.write(answers.shift());
  });
  for (const expected of [zipped, Buffer.from(kUsageEvent)]) {
    await env.client.write(post(kCompletions, chatRequest({ stream: true }), env.fields));
    const response = await env.client.readResponse();
    assert.equal(response.framing, 'length');
    sameBytes(response.body, expected);
  }
  assert.equal(JSON.parse(env.upstream.requests[1].body).stream_options.include_usage, true);
  const { accounting } = await env.gateway.diagnostics();
  assert.deepEqual(accounting, { encoded_answers_total: 1, injected_total: 2 });
});

scenario('deltas are not held back, and a keep-alive comment is not either', async (world) => {
  const env = await setUp(world, kInject);
  const steps = [gate(), gate(), gate()];
  const half = delta('Hello');
  const cut = half.indexOf('Hel') + 3;
  env.routes.on('/v1/chat/completions', async (request, peer) => {
    await peer.write(Buffer.concat([kChunkedHead, piece(': ping\n')]));
    await steps[0].promise;
    await peer.write(piece(half.slice(0, cut)));
    await steps[1].promise;
    await peer.write(Buffer.concat([piece(half.slice(cut)), piece(kUsageEvent + kDone), Buffer.from('0\r\n\r\n')]));
  });
  await env.client.write(post(kCompletions, chatRequest({ stream: true }), env.fields));
  await env.client.readUntil(': ping\n', 'the comment');
  steps[0].open();
  await env.client.readUntil('Hel', 'the beginning of a delta');
  steps[1].open();
  const rest = (await env.client.readUntil('0\r\n\r\n', 'the end')).toString();
  assert.ok(rest.includes('[DONE]') && !rest.includes('prompt_tokens'), rest);
  expectCounted(await env.trace());
});

// ---- requests that come slowly or not at all

scenario('Expect: 100-continue is answered before the body is held', async (world) => {
  const env = await setUp(world, kInject, [['Expect', '100-continue']]);
  env.routes.on('/v1/chat/completions', async (request, peer) => {
    await peer.write(lengthAnswer(kUsageEvent + kDone));
  });
  const whole = post(kCompletions, chatRequest({ stream: true }), env.fields);
  const end = whole.indexOf('\r\n\r\n') + 4;
  await env.client.write(whole.subarray(0, end));
  assert.equal((await env.client.readResponseHead()).status, 100);
  await env.client.write(whole.subarray(end));
  sameBytes((await env.client.readResponse()).body, Buffer.from(kDone));
  assert.equal(env.upstream.requests[0].get('expect'), undefined);
});

scenario('a client that leaves while its body is held has a trace, and the provider hears nothing', async (world) => {
  for (const framing of ['length', 'chunked']) {
    const env = await setUp(world, kInject);
    const body = chatRequest({ stream: true, user: 'x'.repeat(1000) });
    await env.client.write(post(kCompletions, body, env.fields, { framing, sizes: [100] }).subarray(0, 700));
    await until(async () => (await env.gateway.diagnostics()).in_flight > 0, 'the request is in flight');
    env.client.reset();
    const trace = await env.trace();
    assert.equal(trace.metadata.outcome, 'client_aborted');
    assert.equal(env.upstream.connections.length, 0);
  }
});

scenario('a body that stops coming is answered 408 after the idle time', async (world) => {
  const env = await setUp(world, { ...kInject, providers: { openai: { idle_timeout_ms: 300 } } });
  await env.client.write(post(kCompletions, chatRequest({ stream: true }), env.fields).subarray(0, -5));
  const response = await env.client.readResponse();
  assert.equal(response.status, 408);
  const trace = await env.trace();
  assert.equal(trace.metadata.outcome, 'client_aborted');
  assert.equal(env.upstream.connections.length, 0);
});

scenario('a malformed chunked body is refused', async (world) => {
  const env = await setUp(world, kInject);
  env.routes.on('/v1/chat/completions', async () => {}, { stream: true, mayAbort: true });
  await env.client.write(
    Buffer.concat([
      head(`POST ${kCompletions} HTTP/1.1`, [['Host', 'a'], ...env.fields, ['Transfer-Encoding', 'chunked']]),
      Buffer.from('5\nhello'),
    ]),
  );
  assert.equal((await env.client.readResponse()).status, 400);
  assert.equal((await env.trace()).metadata.outcome, 'client_aborted');
});

scenario('a stale pooled connection: the changed request is sent again whole', async (world) => {
  const bodies = [];
  const upstream = await world.upstream(async (peer, self) => {
    bodies.push((await peer.readRequest()).body.toString());
    await peer.write(lengthAnswer(kUsageEvent + kDone));
    if (self.connections.length > 1) return;
    await peer.readSome('the next request'); // which meets a connection that is given up
    peer.reset();
  });
  const gateway = await world.gateway({ openai: upstream.url, config: { server: { workers: 1 }, ...kInject } });
  const client = await world.client(gateway);
  const body = chatRequest({ stream: true });
  for (let i = 0; i < 2; i++) {
    await client.write(post(kCompletions, body));
    sameBytes((await client.readResponse()).body, Buffer.from(kDone));
  }
  assert.equal(upstream.connections.length, 2);
  assert.deepEqual(bodies, Array(2).fill(`{${kOption},${body.toString().slice(1)}`));
});

// ---- row 10 of the accounting cases: drain

scenario('row 10: with drain_ms the usage of a stream whose client left is read', async (world) => {
  const env = await setUp(world, { accounting: { include_usage: 'inject', drain_ms: 60000 } });
  const left = gate();
  env.routes.on('/v1/chat/completions', async (request, peer) => {
    await peer.write(Buffer.concat([kChunkedHead, piece(delta('Hel'))]));
    await left.promise;
    await peer.write(Buffer.concat([piece(delta('lo')), piece(kUsageEvent + kDone), Buffer.from('0\r\n\r\n')]));
    await within(20000, peer.gone, 'the connection is closed at the end');
    peer.destroy();
  });
  await env.client.write(post(kCompletions, chatRequest({ stream: true }), env.fields));
  await env.client.readUntil('Hel', 'the first delta');
  await env.client.finish();
  await env.client.readToEnd('the gateway closes its side at once');
  left.open();
  const trace = await env.trace();
  expectCounted(trace, 'client_aborted');
  assert.equal(trace.response_status, 200);
  const { accounting } = await env.gateway.diagnostics();
  assert.deepEqual(accounting, { drained_total: 1, injected_total: 1, usage_chunks_removed_total: 1 });
});

scenario('row 10: drain_ms bounds the reading, and a stop ends it', async (world) => {
  for (const way of ['time', 'stop']) {
    const env = await setUp(world, { accounting: { drain_ms: way === 'time' ? 200 : 600000 } });
    const at = gate();
    env.routes.on('/v1/chat/completions', async (request, peer) => {
      await peer.write(Buffer.concat([kChunkedHead, piece(delta('Hel'))]));
      at.open(peer);
      await peer.gone;
      peer.destroy();
    });
    await env.client.write(post(kCompletions, chatRequest({ stream: true }), env.fields));
    await env.client.readUntil('Hel', 'the first delta');
    const peer = await at.promise;
    await env.client.finish();
    await env.client.readToEnd('the gateway closes its side at once');
    if (way === 'stop') {
      assert.equal((await env.gateway.stop()).code, 0);
      const rows = env.gateway.rows('SELECT count(*) AS n FROM traces');
      assert.equal(rows[0].n, 1);
    } else {
      assert.equal((await env.trace()).metadata.outcome, 'client_aborted');
    }
    await within(5000, peer.gone, 'the upstream connection is closed');
  }
});

scenario('a wrong accounting value stops serve', async (world) => {
  await assert.rejects(world.gateway({ config: { accounting: { include_usage: 'on' } } }), /include_usage/);
});
