// A WebSocket carries many responses: each of them is one trace, with its own model, tokens and times.
import assert from 'node:assert/strict';
import https from 'node:https';
import OpenAI from 'openai';
import { ResponsesWS } from 'openai/resources/responses/ws';
import { OpenAIRealtimeWS } from 'openai/realtime/ws';
import { Authority } from '../lib/pki.js';
import { SocketClient, SocketProvider, responsesUsage } from '../lib/socket_provider.js';
import { gate, until, within } from '../lib/wait.js';
import { scenario } from '../lib/world.js';

const path = '/openai/v1/responses';
const url = (gateway, target = path) => `ws://127.0.0.1:${gateway.port}${target}`;
const tokens = (trace) => [trace.input_tokens, trace.output_tokens, trace.total_tokens];

let unnamed = 0;
const group = () => `ws-${process.pid}-${unnamed++}`;

/** All traces of a group, oldest first, once nothing is queued. */
async function traces(gateway, name, count) {
  await until(async () => (await gateway.list({ trace_group_id: name })).length >= count, `${count} traces of ${name}`);
  await gateway.settled();
  const items = await gateway.list({ trace_group_id: name });
  assert.equal(items.length, count, JSON.stringify(items));
  const whole = await Promise.all(items.map((item) => gateway.trace(item.id)));
  return whole.sort((a, b) => a.created_at.localeCompare(b.created_at));
}

/** A response of the Responses API: created, some deltas, completed. */
function respond(send, message, { id, usage, model = message.model, end = 'response.completed', deltas = 3 }) {
  send({ type: 'response.created', response: { id, status: 'in_progress', model, usage: null } });
  for (let i = 0; i < deltas; i++) send({ type: 'response.output_text.delta', item_id: 'i', delta: `word${i} ` });
  send({
    type: end,
    response: { id, status: end.slice('response.'.length), model, service_tier: 'default', output: [], usage },
  });
}

scenario('each response on a WebSocket leaves one trace, the connection none beside them', async (world) => {
  let n = 0;
  const provider = await SocketProvider.start(world, (send, message) => {
    if (message.type !== 'response.create') return;
    n += 1;
    respond(send, message, {
      id: `resp_${n}`,
      usage: responsesUsage(100 * n, 10 * n, 7 * n, n),
      model: `${message.model}-2026-01-01`,
    });
  });
  const gateway = await world.gateway({ openai: provider.url });
  const name = group();
  const client = await SocketClient.open(world, url(gateway), {
    headers: {
      Authorization: 'Bearer sk-socket-1234',
      'X-OngoingAI-Trace-Group-ID': name,
      'session-id': 'codex-session-1',
    },
  });
  for (const model of ['gpt-5', 'gpt-5-mini', 'gpt-5'])
    await client.ask({ type: 'response.create', model, input: 'hi' }, 'response.completed');
  const [first, second, third] = await traces(gateway, name, 3);
  assert.deepEqual(
    [first, second, third].map((t) => t.model),
    ['gpt-5', 'gpt-5-mini', 'gpt-5'],
  );
  assert.deepEqual([tokens(first), tokens(second), tokens(third)], [[100, 7, 107], [200, 14, 214], [300, 21, 321]]);
  assert.equal(third.metadata.usage.cache_read_tokens, 30);
  assert.equal(third.metadata.usage.reasoning_tokens, 3);
  for (const trace of [first, second, third]) {
    assert.equal(trace.response_status, 200);
    assert.equal(trace.metadata.outcome, 'complete');
    assert.equal(trace.metadata.streaming, true);
    assert.equal(trace.metadata.stream_chunks, 5);
    assert.equal(trace.metadata.session_id, 'codex-session-1');
    assert.equal(trace.metadata.response_model, `${trace.model}-2026-01-01`);
    assert.equal(trace.metadata.api_key_last4, '1234');
    assert.equal(trace.request_path, path);
    assert.ok(trace.time_to_first_token_us > 0);
  }
  assert.equal(new Set([first, second, third].map((t) => t.metadata.correlation_id)).size, 1);
  assert.equal(first.id, client.traceId, 'the header of the handshake names the first');
  client.socket.close();
  await within(5000, client.closed, 'the close');
  await traces(gateway, name, 3);
  const d = await gateway.diagnostics();
  assert.equal(d.admitted_total, d.stored_total, JSON.stringify(d));
});

scenario('responses that are open at once are told apart, and a repeated last event counts once', async (world) => {
  const provider = await SocketProvider.start(world, (send) => {
    const model = 'gpt-realtime';
    const done = (id, usage) => ({ type: 'response.done', response: { id, status: 'completed', usage } });
    const audio = {
      total_tokens: 253,
      input_tokens: 132,
      output_tokens: 121,
      input_token_details: {
        text_tokens: 119,
        audio_tokens: 13,
        cached_tokens: 64,
        cached_tokens_details: { text_tokens: 64, audio_tokens: 0 },
      },
      output_token_details: { text_tokens: 30, audio_tokens: 91 },
    };
    send({ type: 'session.created', session: { model } });
    send({ type: 'response.created', response: { id: 'resp_a', status: 'in_progress' } });
    send({ type: 'response.created', response: { id: 'resp_b', status: 'in_progress' } });
    send({ type: 'response.output_audio.delta', response_id: 'resp_b', delta: 'AAAA' });
    send(done('resp_b', { total_tokens: 3, input_tokens: 1, output_tokens: 2 }));
    send({ type: 'response.output_audio.delta', response_id: 'resp_a', delta: 'A'.repeat(100000) });
    send(done('resp_a', audio));
    send(done('resp_a', audio));
    send(done('resp_b', audio));
    send({ type: 'rate_limits.updated', rate_limits: [] });
  });
  const gateway = await world.gateway({ openai: provider.url });
  const name = group();
  const client = await SocketClient.open(world, url(gateway, '/openai/v1/realtime?model=gpt-realtime'), {
    headers: { 'X-OngoingAI-Trace-Group-ID': name },
  });
  await client.ask({ type: 'response.create' }, 'rate_limits.updated');
  const [b, a] = await traces(gateway, name, 2);
  assert.deepEqual(tokens(b), [1, 2, 3]);
  assert.deepEqual(tokens(a), [132, 121, 253]);
  assert.equal(a.model, 'gpt-realtime');
  const usage = a.metadata.usage;
  assert.equal(usage.cache_read_tokens, 64);
  assert.equal(usage.input_audio_tokens, 13);
  assert.equal(usage.output_audio_tokens, 91);
  assert.equal(usage.uncached_input_tokens, 132 - 64 - 13);
});

for (const [what, deflate] of [
  ['with context', true],
  ['without context', { serverNoContextTakeover: true, clientNoContextTakeover: true }],
]) {
  scenario(`compressed messages are read, ${what}, and pass unchanged`, async (world) => {
    let n = 0;
    const provider = await SocketProvider.start(
      world,
      (send, message) =>
        respond(send, message, { id: `resp_${++n}`, usage: responsesUsage(50, 0, n, 0), deltas: 40 }),
      { deflate },
    );
    const gateway = await world.gateway({ openai: provider.url });
    const name = group();
    const client = await SocketClient.open(world, url(gateway), {
      headers: { 'X-OngoingAI-Trace-Group-ID': name },
      perMessageDeflate: { threshold: 0 },
    });
    assert.match(client.socket.extensions, /permessage-deflate/);
    for (let i = 0; i < 3; i++)
      await client.ask({ type: 'response.create', model: 'gpt-5', input: 'x'.repeat(3000) }, 'response.completed');
    assert.deepEqual((await traces(gateway, name, 3)).map(tokens), [
      [50, 1, 51],
      [50, 2, 52],
      [50, 3, 53],
    ]);
    assert.equal(client.events.length, 3 * 42);
  });
}

scenario('a response that is cut short is a trace of who cut it', async (world) => {
  const provider = await SocketProvider.start(world, (send, message, socket) => {
    send({ type: 'response.created', response: { id: 'resp_open', model: message.model } });
    send({ type: 'response.output_text.delta', delta: 'never finished' });
    if (message.input === 'die') socket.once('drain', () => {}), setImmediate(() => socket.terminate());
  });
  const gateway = await world.gateway({ openai: provider.url });
  for (const [input, outcome] of [
    ['leave', 'client_aborted'],
    ['die', 'upstream_aborted'],
  ]) {
    const name = group();
    const client = await SocketClient.open(world, url(gateway), { headers: { 'X-OngoingAI-Trace-Group-ID': name } });
    client.socket.on('error', () => {});
    await client.ask({ type: 'response.create', model: 'gpt-5', input }, 'response.output_text.delta');
    if (input === 'leave') client.socket.terminate();
    await within(5000, client.closed, 'the end');
    const [trace] = await traces(gateway, name, 1);
    assert.equal(trace.metadata.outcome, outcome);
    assert.equal(trace.metadata.cost_source, 'estimated');
    assert.deepEqual(tokens(trace), [1, 2, 3], 'the question and what was said of the answer');
    assert.ok(trace.estimated_cost_usd > 0);
    assert.equal(trace.model, 'gpt-5');
    assert.equal(trace.id, client.traceId);
  }
});

scenario('a response that ends without its usage is counted before the next one', async (world) => {
  const provider = await SocketProvider.start(world, (send, message) => {
    const id = `resp_${message.input}`;
    send({ type: 'response.created', response: { id, model: message.model } });
    send({ type: 'response.output_text.delta', response_id: id, delta: 'never finished' });
    const usage = message.input === 'stated' ? responsesUsage(40, 0, 2, 0) : null;
    send({ type: 'response.completed', response: { id, status: 'completed', model: message.model, usage } });
  });
  const gateway = await world.gateway({ openai: provider.url });
  const name = group();
  const client = await SocketClient.open(world, url(gateway), { headers: { 'X-OngoingAI-Trace-Group-ID': name } });
  for (const input of ['leave', 'stated'])
    await client.ask({ type: 'response.create', model: 'gpt-5', input }, 'response.completed');
  const [counted, stated] = await traces(gateway, name, 2);
  assert.deepEqual([tokens(counted), tokens(stated)], [[1, 2, 3], [40, 2, 42]]);
  assert.deepEqual([counted, stated].map((t) => t.metadata.cost_source), ['estimated', 'computed']);
  assert.equal(counted.metadata.outcome, 'complete');
});

scenario('a WebSocket without a response is one trace of its connection', async (world) => {
  const provider = await SocketProvider.start(world, (send) => send({ type: 'error', error: { message: 'no' } }));
  const gateway = await world.gateway({ openai: provider.url });
  const name = group();
  const client = await SocketClient.open(world, url(gateway), { headers: { 'X-OngoingAI-Trace-Group-ID': name } });
  await client.ask({ type: 'response.create', model: 'gpt-5' }, 'error');
  client.socket.close();
  const [trace] = await traces(gateway, name, 1);
  assert.equal(trace.response_status, 101);
  assert.equal(trace.metadata.outcome, 'complete');
  assert.deepEqual(tokens(trace), [0, 0, 0]);
});

scenario('whoever holds a finished response finds its trace, also when the gateway is killed at once', async (world) => {
  const provider = await SocketProvider.start(world, (send, message) =>
    respond(send, message, { id: 'resp_1', usage: responsesUsage(11, 0, 5, 0) }),
  );
  let gateway = await world.gateway({ openai: provider.url });
  const name = group();
  const client = await SocketClient.open(world, url(gateway), { headers: { 'X-OngoingAI-Trace-Group-ID': name } });
  client.socket.on('error', () => {});
  client.socket.on('message', (data) => {
    if (JSON.parse(data.toString()).type === 'response.completed') gateway.signal('SIGKILL');
  });
  client.send({ type: 'response.create', model: 'gpt-5' });
  await within(10000, gateway.ended, 'the kill');
  gateway = await world.restart(gateway);
  assert.deepEqual((await traces(gateway, name, 1)).map(tokens), [[11, 5, 16]]);
});

scenario('bodies of a WebSocket are the message that asked and the event that answered', async (world) => {
  const provider = await SocketProvider.start(world, (send, message) =>
    respond(send, message, { id: 'resp_1', usage: responsesUsage(1, 0, 1, 0) }),
  );
  const gateway = await world.gateway({ openai: provider.url, config: { tracing: { capture_bodies: true } } });
  for (const [refuse, captured] of [
    [{}, true],
    [{ 'X-OngoingAI-No-Capture': 'true' }, false],
  ]) {
    const name = group();
    const client = await SocketClient.open(world, url(gateway), {
      headers: { 'X-OngoingAI-Trace-Group-ID': name, ...refuse },
    });
    const question = { type: 'response.create', model: 'gpt-5', input: `what is asked ${name}` };
    const answer = await client.ask(question, 'response.completed');
    const [trace] = await traces(gateway, name, 1);
    if (captured) {
      assert.deepEqual(JSON.parse(trace.request_body), question);
      assert.deepEqual(JSON.parse(trace.response_body), answer);
    } else {
      assert.equal(trace.request_body || trace.response_body || '', '');
    }
  }
});

scenario("OpenAI's client of the Responses API over a WebSocket is traced", async (world) => {
  const provider = await SocketProvider.start(world, (send, message) =>
    respond(send, message, { id: 'resp_sdk', usage: responsesUsage(36, 4, 9, 2) }),
  );
  const gateway = await world.gateway({ openai: provider.url });
  const openai = new OpenAI({ baseURL: `${gateway.url}/openai/v1`, apiKey: 'sk-test-sdk1' });
  const sdk = new ResponsesWS(openai);
  world.later(() => sdk.close());
  const done = gate();
  sdk.on('error', (error) => done.fail(error));
  sdk.on('response.completed', (event) => done.open(event));
  sdk.send({ type: 'response.create', model: 'gpt-5', input: 'hi' });
  const event = await within(10000, done.promise, 'the response');
  assert.equal(event.response.usage.total_tokens, 45);
  const trace = await gateway.onlyTrace({ model: 'gpt-5' });
  assert.deepEqual(tokens(trace), [36, 9, 45]);
  assert.equal(trace.metadata.usage.cache_read_tokens, 4);
});

scenario("OpenAI's realtime client is traced over TLS", async (world) => {
  const authority = new Authority(world.dir);
  const [front, back] = [authority.issue('IP:127.0.0.1'), authority.issue('DNS:localhost')];
  const server = https.createServer({ cert: back.cert, key: back.key });
  await SocketProvider.start(
    world,
    (send, message) => {
      if (message.type !== 'response.create') return;
      send({ type: 'response.created', response: { id: 'resp_rt' } });
      send({ type: 'response.output_text.delta', response_id: 'resp_rt', delta: 'Hi' });
      const usage = { total_tokens: 30, input_tokens: 20, output_tokens: 10 };
      send({ type: 'response.done', response: { id: 'resp_rt', status: 'completed', usage } });
    },
    { server },
  );
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  world.later(() => server.close());
  const gateway = await world.gateway({
    openai: `https://localhost:${server.address().port}`,
    env: { SSL_CERT_FILE: authority.file },
    config: { server: { tls: { cert: front.certFile, key: front.keyFile } } },
    ready: false,
  });
  (await until(() => world.client(gateway, { tls: { ca: authority.pem } }), 'the TLS listener')).destroy();
  const openai = new OpenAI({ baseURL: `https://127.0.0.1:${gateway.port}/openai/v1`, apiKey: 'sk-test-rt' });
  const realtime = new OpenAIRealtimeWS({ model: 'gpt-realtime', options: { ca: authority.pem } }, openai);
  world.later(() => realtime.close());
  const done = gate();
  realtime.on('error', (error) => done.fail(error));
  realtime.on('response.done', (event) => done.open(event));
  realtime.socket.once('open', () => realtime.send({ type: 'response.create' }));
  await within(10000, done.promise, 'the response');
  const row = await until(
    () => gateway.rows('SELECT model, input_tokens, output_tokens FROM traces WHERE response_status = 200')[0],
    'the trace is stored',
  );
  assert.deepEqual({ ...row }, { model: 'gpt-realtime', input_tokens: 20, output_tokens: 10 });
});
