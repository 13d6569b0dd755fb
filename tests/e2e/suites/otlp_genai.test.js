// OpenTelemetry's conventions for generative AI from outside: the span, the metrics and the events of a call to a
// model, beside our own, and that content leaves only where bodies are captured, and redacted.
import assert from 'node:assert/strict';
import { freePort } from '../lib/gateway.js';
import { chatAnswer, get, json, kCompletions, post, reply } from '../lib/http.js';
import { OtlpReceiver, othersReceiver } from '../lib/otlp_receiver.js';
import { head } from '../lib/peer.js';
import { SocketClient, SocketProvider, responsesUsage } from '../lib/socket_provider.js';
import { until } from '../lib/wait.js';
import { scenario } from '../lib/world.js';

const kTrace = '4bf92f3577b34da6a3ce929d0e0e4736';
const kParent = ['traceparent', `00-${kTrace}-00f067aa0ba902b7-01`];
const kSoon = { OTEL_BSP_SCHEDULE_DELAY: '20', OTEL_BLRP_SCHEDULE_DELAY: '20' };
const kDetails = 'gen_ai.client.inference.operation.details';
const kException = 'gen_ai.client.operation.exception';
const kMessages = '/anthropic/v1/messages';
const kUsage = {
  prompt_tokens: 100,
  completion_tokens: 20,
  total_tokens: 120,
  prompt_tokens_details: { cached_tokens: 60 },
  completion_tokens_details: { reasoning_tokens: 5 },
};

async function setUp(world, { receiver, otel = {}, config = {}, env = {} } = {}) {
  receiver ??= await OtlpReceiver.start(world);
  const { upstream, routes } = await world.routed();
  const type = [['Content-Type', 'application/json']];
  routes.on('/v1/chat/completions', (request, peer) =>
    peer.write(reply(chatAnswer(kUsage, 'gpt-4o-mini-2024-07-18'), type)),
  );
  routes.on('/v1/messages', (request, peer) => {
    const usage = { input_tokens: 10, cache_read_input_tokens: 6, cache_creation_input_tokens: 4, output_tokens: 2 };
    const content = [{ type: 'text', text: 'Hello' }];
    const answer = { id: 'msg_1', role: 'assistant', model: 'claude-x', content, stop_reason: 'end_turn', usage };
    peer.write(reply(json(answer), type));
  });
  routes.on('/v1/models', (request, peer) => peer.write(reply('{}', type)));
  const gateway = await world.gateway({
    openai: upstream.url,
    anthropic: upstream.url,
    env: { ...kSoon, ...env },
    config: {
      server: { workers: 1 },
      observability: {
        otel: {
          enabled: true,
          endpoint: receiver.endpoint,
          metrics_enabled: false,
          logs_enabled: true,
          semconv: ['ongoingai', 'genai'],
          ...otel,
        },
      },
      ...config,
    },
  });
  const client = await world.client(gateway);
  const ask = async (request) => {
    client.write(request);
    return client.readResponse();
  };
  return { receiver, upstream, routes, gateway, ask };
}
const kQuestion = { model: 'gpt-4o-mini', temperature: 0.5, messages: [{ role: 'user', content: 'Call me at a@b.test' }] };
const chat = (fields = [kParent], body = kQuestion) => post(kCompletions, json(body), fields);
const inferences = (receiver) => receiver.spans.filter((s) => s.attributes['gen_ai.operation.name']);
const inference = (receiver, isIt = () => true) =>
  until(
    () => inferences(receiver).find(isIt),
    () => `the span of the inference; there are ${receiver.spans.map((s) => s.name)}`,
  );
const event = (receiver, name) => receiver.log((r) => r.eventName === name, `the event ${name}`);

scenario('an inference is a client span below the server span, beside our own', async (world) => {
  const { receiver, upstream, ask } = await setUp(world);
  const response = await ask(chat());
  assert.equal(response.status, 200);
  const span = await inference(receiver);
  const spans = await receiver.trace(kTrace);
  assert.equal(span.name, 'chat gpt-4o-mini');
  assert.equal(span.kind, 3);
  assert.equal(span.traceId, kTrace);
  assert.equal(span.parentSpanId, spans['POST /openai/*'].spanId);
  assert.deepEqual(span.resource, spans['POST /openai/*'].resource);
  const { 'gateway.usage.cost_usd': cost, ...attributes } = span.attributes;
  assert.ok(cost > 0, 'a cost');
  assert.deepEqual(attributes, {
    'gen_ai.operation.name': 'chat',
    'gen_ai.provider.name': 'openai',
    'gen_ai.request.model': 'gpt-4o-mini',
    'gen_ai.response.model': 'gpt-4o-mini-2024-07-18',
    'gen_ai.usage.input_tokens': 100,
    'gen_ai.usage.output_tokens': 20,
    'gen_ai.usage.cache_read.input_tokens': 60,
    'gen_ai.usage.reasoning.output_tokens': 5,
    'server.address': '127.0.0.1',
    'server.port': upstream.port,
    'openai.api.type': 'chat_completions',
    'gateway.correlation_id': response.get('x-ongoingai-correlation-id'),
    'gateway.usage.cost_source': 'computed',
  });
  // The others stay as they were: backends count what has a model as a call to one.
  for (const other of ['POST /openai/*', 'gateway.auth', 'gateway.route', 'proxy POST /other'])
    assert.ok(!Object.keys(spans[other].attributes).some((key) => key.startsWith('gen_ai.')), other);
  assert.deepEqual(receiver.faults, []);
});

scenario("Anthropic's input counts what was cached in", async (world) => {
  const { receiver, ask } = await setUp(world);
  await ask(post(kMessages, json({ model: 'claude-x', max_tokens: 9, messages: [] }), [kParent]));
  const { name, attributes } = await inference(receiver);
  assert.equal(name, 'chat claude-x');
  assert.equal(attributes['gen_ai.provider.name'], 'anthropic');
  assert.equal(attributes['gen_ai.usage.input_tokens'], 20);
  assert.equal(attributes['gen_ai.usage.cache_read.input_tokens'], 6);
  assert.equal(attributes['gen_ai.usage.cache_creation.input_tokens'], 4);
  assert.equal(attributes['openai.api.type'], undefined);
});

scenario('a stream tells when its first chunk came', async (world) => {
  const { receiver, routes, ask } = await setUp(world, { config: { tracing: { capture_bodies: true } } });
  const chunks = ['Hel', 'lo'].map((content) => ({ id: 'c1', choices: [{ index: 0, delta: { content } }] }));
  chunks.push({ id: 'c1', choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] });
  const text = chunks.map((c) => `data: ${JSON.stringify(c)}\n\n`).join('') + 'data: [DONE]\n\n';
  routes.on('/v1/chat/completions', async (request, peer) => {
    const fields = [
      ['Content-Type', 'text/event-stream'],
      ['Content-Length', String(text.length)],
    ];
    await peer.write(head('HTTP/1.1 200 OK', fields));
    await peer.write(text);
  });
  await ask(chat([kParent], { ...kQuestion, stream: true }));
  const { attributes } = await inference(receiver);
  assert.equal(attributes['gen_ai.request.stream'], true);
  assert.ok(attributes['gen_ai.response.time_to_first_chunk'] > 0);
  const details = await event(receiver, kDetails);
  assert.deepEqual(details.attributes['gen_ai.output.messages'], [
    { role: 'assistant', parts: [{ type: 'text', content: 'Hello' }], finish_reason: 'stop' },
  ]);
});

scenario('each response on a WebSocket is an inference of its own', async (world) => {
  const provider = await SocketProvider.start(world, (send, message) => {
    if (message.type !== 'response.create') return;
    const response = { id: `resp_${message.model}`, model: message.model, output: [] };
    send({
      type: 'response.completed',
      response: { ...response, status: 'completed', usage: responsesUsage(4, 2, 1, 0) },
    });
  });
  const { receiver, gateway } = await setUp(world, { config: { providers: { openai: { upstream: provider.url } } } });
  const client = await SocketClient.open(world, `ws://127.0.0.1:${gateway.port}/openai/v1/responses`, {
    headers: Object.fromEntries([kParent]),
  });
  for (const model of ['gpt-5', 'gpt-5-mini'])
    await client.ask({ type: 'response.create', model, input: 'hi' }, 'response.completed');
  client.socket.close();
  await until(() => inferences(receiver).length === 2, 'two inferences');
  const spans = inferences(receiver);
  assert.deepEqual(
    spans.map((s) => [s.name, s.attributes['openai.api.type'], s.attributes['gen_ai.usage.input_tokens']]),
    [
      ['chat gpt-5', 'responses', 4],
      ['chat gpt-5-mini', 'responses', 4],
    ],
  );
  const server = (await receiver.trace(kTrace))['GET /openai/*'];
  assert.ok(spans.every((s) => s.traceId === kTrace && s.parentSpanId === server.spanId));
  assert.equal(new Set(spans.map((s) => s.spanId)).size, 2);
});

scenario('what fails is told by its type, on the span and as an event', async (world) => {
  const { receiver, ask } = await setUp(world, {
    config: { providers: { openai: { upstream: `http://127.0.0.1:${await freePort()}` } } },
  });
  assert.equal((await ask(chat())).status, 502);
  const span = await inference(receiver);
  assert.equal(span.attributes['error.type'], '502');
  assert.ok(span.error && span.message);
  const exception = await event(receiver, kException);
  assert.equal(exception.attributes['exception.type'], '502');
  assert.ok(exception.attributes['exception.message']);
  assert.deepEqual([exception.traceId, exception.spanId], [kTrace, span.spanId]);
});

scenario('requests that no model answers have none of it', async (world) => {
  const { receiver, ask } = await setUp(world);
  await ask(get('/openai/v1/models', [kParent]));
  await receiver.trace(kTrace);
  const other = 'a'.repeat(32);
  await ask(chat([['traceparent', `00-${other}-00f067aa0ba902b7-01`]]));
  await inference(receiver, (s) => s.traceId === other);
  await event(receiver, kDetails);
  assert.deepEqual(
    [inferences(receiver).length, receiver.logs.filter((r) => r.eventName).length],
    [1, 1],
    'only the chat',
  );
});

scenario('by default there is none of it', async (world) => {
  const { receiver, gateway, ask } = await setUp(world, {
    otel: { semconv: ['ongoingai'], prometheus_enabled: true },
    config: { tracing: { capture_bodies: true } },
  });
  await ask(chat());
  await receiver.trace(kTrace);
  assert.ok(!(await gateway.api('/metrics')).text.includes('gen_ai'));
  assert.equal((await gateway.stop()).code, 0);
  assert.ok(!JSON.stringify(receiver.requests.map((r) => r.json)).includes('gen_ai'));
});

scenario('the standard opt-in asks for it too', async (world) => {
  const { receiver, ask } = await setUp(world, {
    otel: { semconv: ['ongoingai'] },
    env: { OTEL_SEMCONV_STABILITY_OPT_IN: 'http,gen_ai_latest_experimental' },
  });
  await ask(chat());
  await inference(receiver);
});

scenario('without captured bodies an event has no content and a span no parameters', async (world) => {
  const { receiver, ask } = await setUp(world);
  await ask(chat());
  const details = await event(receiver, kDetails);
  const span = await inference(receiver);
  assert.deepEqual([details.traceId, details.spanId], [kTrace, span.spanId]);
  assert.deepEqual(details.attributes, span.attributes);
  const sent = JSON.stringify(receiver.requests.map((r) => r.json));
  for (const content of ['Call me', 'a@b.test', 'Hello', 'temperature']) assert.ok(!sent.includes(content), content);
});

scenario('captured content stands in events, redacted as it is stored, and in no span', async (world) => {
  const { receiver, gateway, ask } = await setUp(world, {
    config: { tracing: { capture_bodies: true }, pii: { mode: 'redact_storage' } },
  });
  const secret = 'sk-proj-0123456789abcdefghijklmnop';
  const question = {
    ...kQuestion,
    messages: [
      { role: 'system', content: 'Be kind' },
      { role: 'user', content: `Mail a@b.test with ${secret}` },
    ],
  };
  const response = await ask(chat([kParent], question));
  const { attributes } = await event(receiver, kDetails);
  const [system, user] = attributes['gen_ai.input.messages'];
  assert.deepEqual(system, { role: 'system', parts: [{ type: 'text', content: 'Be kind' }] });
  const stored = JSON.parse((await gateway.trace(response.get('x-ongoingai-trace-id'))).request_body);
  assert.deepEqual(user.parts, [{ type: 'text', content: stored.messages[1].content }]);
  assert.deepEqual(attributes['gen_ai.output.messages'], [
    { role: 'assistant', parts: [{ type: 'text', content: 'Hello' }], finish_reason: 'stop' },
  ]);
  assert.equal(attributes['gen_ai.request.temperature'], 0.5);
  const span = await inference(receiver);
  assert.equal(span.attributes['gen_ai.request.temperature'], 0.5);
  assert.equal(span.attributes['gen_ai.response.id'], 'chatcmpl-1');
  assert.deepEqual(span.attributes['gen_ai.response.finish_reasons'], ['stop']);
  const sent = JSON.stringify(receiver.requests.map((r) => r.json));
  for (const hidden of ['a@b.test', '0123456789abcdef']) assert.ok(!sent.includes(hidden), hidden);
  assert.ok(!JSON.stringify(receiver.spans).includes('Be kind'));
});

scenario('a client that forbids capturing keeps its content to itself', async (world) => {
  const { receiver, ask } = await setUp(world, { config: { tracing: { capture_bodies: true } } });
  await ask(chat([kParent, ['X-OngoingAI-No-Capture', 'true']]));
  const { attributes } = await event(receiver, kDetails);
  assert.equal(attributes['gen_ai.usage.input_tokens'], 100);
  assert.equal(attributes['gen_ai.input.messages'], undefined);
  assert.ok(!JSON.stringify(receiver.requests.map((r) => r.json)).includes('Call me'));
});

scenario('metrics have the names and buckets of the conventions', async (world) => {
  const { receiver, upstream, ask } = await setUp(world, {
    otel: { metrics_enabled: true, metric_export_interval_ms: 50 },
  });
  await ask(chat());
  await until(
    () => receiver.metrics.has('gen_ai.client.token.usage'),
    () => `the metrics; there are ${[...receiver.metrics.keys()]}`,
  );
  const usage = receiver.metrics.get('gen_ai.client.token.usage');
  assert.equal(usage.unit, '{token}');
  const labels = (point) => Object.fromEntries(point.attributes.map(({ key, value }) => [key, value.stringValue]));
  const points = usage.histogram.dataPoints.map((p) => [labels(p), p.sum, p.explicitBounds.length]);
  const common = {
    'gen_ai.operation.name': 'chat',
    'gen_ai.provider.name': 'openai',
    'gen_ai.request.model': 'gpt-4o-mini',
    'gen_ai.response.model': 'gpt-4o-mini-2024-07-18',
    'server.address': '127.0.0.1',
    'server.port': String(upstream.port),
  };
  assert.deepEqual(points, [
    [{ ...common, 'gen_ai.token.type': 'input' }, 100, 14],
    [{ ...common, 'gen_ai.token.type': 'output' }, 20, 14],
  ]);
  for (const name of ['gen_ai.client.operation.duration', 'gen_ai.server.request.duration']) {
    const metric = receiver.metrics.get(name);
    assert.equal(metric.unit, 's');
    assert.deepEqual(labels(metric.histogram.dataPoints[0]), common);
    assert.deepEqual(metric.histogram.dataPoints[0].explicitBounds.slice(0, 2), [0.01, 0.02]);
  }
  assert.deepEqual(receiver.faults, []);
});

scenario('an exchange that is not sampled has an event without ids, and no span', async (world) => {
  const { receiver, gateway, ask } = await setUp(world, { otel: { sampling_ratio: 0 } });
  await ask(chat([]));
  const details = await event(receiver, kDetails);
  assert.deepEqual([details.traceId, details.spanId], ['', '']);
  assert.equal((await gateway.stop()).code, 0);
  assert.deepEqual(inferences(receiver), []);
});

scenario('JSON and a receiver of others take it', async (world) => {
  const others = await othersReceiver(world);
  const { ask } = await setUp(world, { receiver: others });
  await ask(chat());
  await until(() => others.spanNames.includes('chat gpt-4o-mini'), 'the span');
  const inJson = await setUp(world, {
    env: { OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json' },
    config: { tracing: { capture_bodies: true }, pii: { mode: 'off' } },
  });
  await inJson.ask(chat());
  const { attributes } = await event(inJson.receiver, kDetails);
  assert.equal(attributes['gen_ai.input.messages'][0].parts[0].content, 'Call me at a@b.test');
  await inference(inJson.receiver);
});
