// OpenTelemetry from outside: what a receiver gets for each way that an exchange can end, whose trace it is part of,
// and that a receiver that misbehaves changes nothing for anybody.
import assert from 'node:assert/strict';
import { freePort } from '../lib/gateway.js';
import { Authority } from '../lib/pki.js';
import { chatAnswer, get, json, kCompletions, post, reply } from '../lib/http.js';
import { OtlpReceiver, othersReceiver } from '../lib/otlp_receiver.js';
import { SocketClient, SocketProvider, responsesUsage } from '../lib/socket_provider.js';
import { gate, until } from '../lib/wait.js';
import { scenario } from '../lib/world.js';

const kTrace = '4bf92f3577b34da6a3ce929d0e0e4736';
const kSpan = '00f067aa0ba902b7';
const parent = (flags, trace = kTrace) => ['traceparent', `00-${trace}-${kSpan}-${flags}`];
const kSoon = { OTEL_BSP_SCHEDULE_DELAY: '20' };

const otel = (endpoint, more = {}) => ({
  observability: { otel: { enabled: true, endpoint, metrics_enabled: false, ...more } },
});

async function setUp(world, { config = {}, env = {}, otelOptions, receiver, openai } = {}) {
  receiver ??= await OtlpReceiver.start(world);
  const { upstream, routes } = await world.routed();
  routes.on('/v1/chat/completions', (request, peer) => peer.write(reply(chatAnswer())));
  const gateway = await world.gateway({
    openai: openai ?? upstream.url,
    env: { ...kSoon, ...env },
    config: { server: { workers: 1 }, ...otel(receiver.endpoint, otelOptions), ...config },
  });
  const client = await world.client(gateway);
  return { receiver, upstream, routes, gateway, client };
}
const chat = (fields = [], body = { model: 'gpt-4o-mini' }) => post(kCompletions, json(body), fields);

async function ask(env, request) {
  env.client.write(request);
  return env.client.readResponse();
}

/** Asks, with a trace of its own, and gives the spans by name. */
async function traced(env, request, trace = kTrace) {
  const response = await ask(env, request);
  return { response, spans: await env.receiver.trace(trace) };
}

scenario('an exchange is five spans below the client span that it came with', async (world) => {
  const env = await setUp(world);
  const fields = [parent('01'), ['tracestate', 'rojo=1,congo=2'], ['User-Agent', 'test/1']];
  const { response, spans } = await traced(env, chat(fields));
  assert.equal(response.status, 200);
  assert.deepEqual(Object.keys(spans).sort(), [
    'POST /openai/*',
    'gateway.auth',
    'gateway.route',
    'gateway.trace.enqueue',
    'proxy POST /other',
  ]);
  const server = spans['POST /openai/*'];
  const call = spans['proxy POST /other'];
  assert.equal(server.parentSpanId, kSpan);
  assert.equal(spans['gateway.auth'].parentSpanId, server.spanId);
  assert.equal(spans['gateway.route'].parentSpanId, spans['gateway.auth'].spanId);
  assert.equal(call.parentSpanId, spans['gateway.route'].spanId);
  assert.equal(spans['gateway.trace.enqueue'].parentSpanId, spans['gateway.auth'].spanId);
  assert.deepEqual([server.kind, call.kind, spans['gateway.auth'].kind], [2, 3, 1]);
  assert.ok(Object.values(spans).every((s) => !s.error && s.traceState === 'rojo=1,congo=2'));
  for (const s of Object.values(spans)) {
    assert.ok(BigInt(s.startTimeUnixNano) >= BigInt(server.startTimeUnixNano));
    assert.ok(BigInt(s.endTimeUnixNano) >= BigInt(s.startTimeUnixNano));
    assert.equal(s.resource['service.name'], 'ongoingai-gateway');
    assert.ok(s.resource['service.version']);
  }
  assert.match(server.scope, /otelhttp$/);
  assert.equal(spans['gateway.auth'].scope, 'ongoingai.gateway');
  const { attributes } = server;
  assert.equal(attributes['http.target'], '/openai/v1/chat/completions');
  assert.equal(attributes['http.status_code'], 200);
  assert.equal(attributes['user_agent.original'], 'test/1');
  assert.equal(attributes['http.request_content_length'], json({ model: 'gpt-4o-mini' }).length);
  assert.equal(attributes['http.response_content_length'], response.body.length);
  assert.equal(attributes['gateway.correlation_id'], response.get('x-ongoingai-correlation-id'));
  assert.equal(attributes['gateway.model'], 'gpt-4o-mini');
  assert.equal(call.attributes['http.url'], `${env.upstream.url}/v1/chat/completions`);
  assert.equal(call.attributes['net.peer.port'], env.upstream.port);
  assert.equal(spans['gateway.auth'].attributes['gateway.auth.result'], 'allow');
  assert.equal(spans['gateway.route'].attributes['gateway.route.prefix'], '/openai');
  assert.equal(spans['gateway.trace.enqueue'].attributes['gateway.trace.enqueue.result'], 'accepted');
  assert.equal(spans['gateway.trace.enqueue'].attributes['gateway.model'], 'gpt-4o-mini');
  // The provider is told the call's span, the log the server's.
  const sent = env.upstream.requests.at(-1);
  assert.deepEqual(sent.all('traceparent'), [`00-${kTrace}-${call.spanId}-01`]);
  assert.deepEqual(sent.all('tracestate'), ['rojo=1,congo=2']);
  const isAccess = (l) => l.msg === 'request complete' && l.path === kCompletions;
  const line = await env.gateway.waitLog(isAccess, 'the access line');
  assert.deepEqual([line.trace_id, line.span_id], [kTrace, server.spanId]);
  assert.deepEqual(env.receiver.faults, []);
});

scenario('without a usable parent an exchange begins a trace, which the provider is told', async (world) => {
  const env = await setUp(world);
  for (const fields of [[], [['traceparent', 'junk'], ['tracestate', 'a=1']], [parent('01'), parent('01')]]) {
    await ask(env, chat(fields));
    const sent = env.upstream.requests.at(-1);
    const [, traceId, spanId] = /^00-([0-9a-f]{32})-([0-9a-f]{16})-01$/.exec(sent.all('traceparent').join());
    assert.notEqual(traceId, kTrace);
    assert.deepEqual(sent.all('tracestate'), []);
    const spans = await env.receiver.trace(traceId);
    assert.equal(spans['POST /openai/*'].parentSpanId, '');
    assert.equal(spans['proxy POST /other'].spanId, spanId);
  }
});

scenario('what the parent decided holds: unsampled leaves no span, and its context goes on', async (world) => {
  const env = await setUp(world);
  await ask(env, chat([parent('00'), ['tracestate', 'a=1']]));
  const sent = env.upstream.requests.at(-1);
  assert.match(sent.all('traceparent').join(), new RegExp(`^00-${kTrace}-[0-9a-f]{16}-00$`));
  assert.ok(!sent.all('traceparent').join().includes(kSpan));
  assert.deepEqual(sent.all('tracestate'), ['a=1']);
  const other = 'a'.repeat(32);
  await ask(env, chat([parent('01', other)]));
  await env.receiver.trace(other);
  assert.ok(env.receiver.spans.every((s) => s.traceId !== kTrace));
  await env.gateway.waitLog((l) => l.trace_id === other, 'the access line of the second');
  const lines = env.gateway.log('request complete').filter((l) => l.path === kCompletions);
  assert.equal(lines[0].trace_id, undefined);
  assert.equal(lines[1].trace_id, other);
});

scenario('a ratio of 0 samples nothing but what a parent sampled', async (world) => {
  const env = await setUp(world, { otelOptions: { sampling_ratio: 0 } });
  await ask(env, chat());
  assert.match(env.upstream.requests.at(-1).all('traceparent').join(), /-00$/);
  await traced(env, chat([parent('01')]));
  assert.ok(env.receiver.spans.every((s) => s.traceId === kTrace));
});

scenario('with traces off the context of the client passes byte for byte', async (world) => {
  for (const config of [{}, otel('127.0.0.1:9', { traces_enabled: false, metrics_enabled: true })]) {
    const env = await setUp(world, { config: { observability: {}, ...config } });
    const fields = [['TraceParent', 'junk'], ['tracestate', 'x'], ['tracestate', '!']];
    await ask(env, chat(fields));
    const sent = env.upstream.requests.at(-1);
    assert.deepEqual([sent.all('traceparent'), sent.all('tracestate')], [['junk'], ['x', '!']]);
  }
});

const kReader = 'reader-token-of-twenty-chars';

scenario('refusals end at gateway.auth, and the audit line names the span', async (world) => {
  const env = await setUp(world, {
    config: {
      auth: {
        enabled: true,
        keys: [{ id: 'reader', token: kReader, org_id: 'acme', workspace_id: 'w', role: 'viewer' }],
      },
    },
  });
  for (const [status, reason, fields] of [
    [401, 'unauthorized', []],
    [403, 'forbidden', [['X-OngoingAI-Gateway-Key', kReader]]],
  ]) {
    const trace = String(status).padEnd(32, '0');
    const { response, spans } = await traced(env, chat([parent('01', trace), ...fields]), trace);
    assert.equal(response.status, status);
    assert.deepEqual(Object.keys(spans).sort(), ['POST /openai/*', 'gateway.auth']);
    const auth = spans['gateway.auth'];
    assert.deepEqual([auth.error, auth.message], [true, reason]);
    assert.equal(auth.attributes['gateway.auth.result'], 'deny');
    assert.equal(auth.attributes['gateway.auth.deny_reason'], reason);
    assert.equal(auth.attributes['gateway.org_id'], status === 403 ? 'acme' : 'unknown');
    assert.equal(spans['POST /openai/*'].error, false);
    const line = await env.gateway.waitLog((l) => l.trace_id === trace && l.audit_action, 'the audit line');
    assert.equal(line.span_id, auth.spanId);
  }
});

scenario("what the provider refuses is its call's error alone, what fails there that of all above", async (world) => {
  const env = await setUp(world);
  for (const status of [401, 503]) {
    env.routes.on('/v1/chat/completions', (request, peer) => peer.write(reply('{"error":"no"}', [], `${status} No`)));
    const trace = String(status).padEnd(32, '0');
    const { spans } = await traced(env, chat([parent('01', trace)]), trace);
    assert.deepEqual([spans['proxy POST /other'].error, spans['proxy POST /other'].message], [true, '']);
    assert.equal(spans['gateway.auth'].attributes['gateway.auth.result'], 'allow');
    for (const name of ['gateway.auth', 'gateway.route'])
      assert.equal(spans[name].message, status === 503 ? 'http 503' : '', name);
    assert.equal(spans['POST /openai/*'].error, status === 503);
  }
});

scenario('a provider that is away is an exception of the call', async (world) => {
  const env = await setUp(world, { openai: `http://127.0.0.1:${await freePort()}` });
  const { response, spans } = await traced(env, chat([parent('01')]));
  assert.equal(response.status, 502);
  const call = spans['proxy POST /other'];
  assert.ok(call.error && call.message);
  assert.equal(call.events[0].name, 'exception');
  assert.equal(call.attributes['http.status_code'], undefined);
  assert.equal(spans['gateway.route'].message, 'http 502');
  const line = await env.gateway.waitLog((l) => l.msg === 'proxy request failed', 'the error line');
  assert.deepEqual([line.trace_id, line.span_id], [kTrace, spans['gateway.route'].spanId]);
});

scenario('a client that leaves ends its spans', async (world) => {
  const env = await setUp(world);
  const arrived = gate();
  env.routes.on('/v1/chat/completions', async (request, peer) => {
    arrived.open();
    await peer.gone;
  });
  env.client.write(chat([parent('01')]));
  await arrived.promise;
  env.client.destroy();
  const spans = await env.receiver.trace(kTrace);
  assert.ok(spans['proxy POST /other'].error);
  assert.ok(spans['POST /openai/*'].attributes['http.read_error']);
});

scenario('requests to the API have spans too, without a call', async (world) => {
  const env = await setUp(world);
  const { spans } = await traced(env, get('/api/health?x=1', [parent('01')]));
  assert.deepEqual(Object.keys(spans).sort(), ['GET /api/*', 'gateway.auth', 'gateway.route']);
  assert.equal(spans['gateway.route'].attributes['gateway.route.prefix'], '/');
  assert.equal(spans['GET /api/*'].attributes['http.target'], '/api/health');
});

scenario('each response on a WebSocket has its own span of the enqueued trace', async (world) => {
  const provider = await SocketProvider.start(world, (send, message) => {
    if (message.type !== 'response.create') return;
    const response = { id: `resp_${message.model}`, model: message.model, output: [] };
    send({ type: 'response.created', response: { ...response, status: 'in_progress', usage: null } });
    send({
      type: 'response.completed',
      response: { ...response, status: 'completed', usage: responsesUsage(4, 2, 1, 0) },
    });
  });
  const env = await setUp(world, { openai: provider.url });
  const client = await SocketClient.open(world, `ws://127.0.0.1:${env.gateway.port}/openai/v1/responses`, {
    headers: Object.fromEntries([parent('01')]),
  });
  for (const model of ['gpt-5', 'gpt-5-mini'])
    await client.ask({ type: 'response.create', model, input: 'hi' }, 'response.completed');
  client.socket.close();
  const spans = await env.receiver.trace(kTrace);
  assert.equal(spans['GET /openai/*'].attributes['http.status_code'], 101);
  const enqueued = () => env.receiver.spans.filter((s) => s.traceId === kTrace && s.name === 'gateway.trace.enqueue');
  await until(() => enqueued().length === 2, 'two spans of enqueued traces');
  assert.deepEqual(
    enqueued().map((s) => s.attributes['gateway.model']),
    ['gpt-5', 'gpt-5-mini'],
  );
  assert.ok(enqueued().every((s) => s.parentSpanId === spans['gateway.auth'].spanId));
  assert.equal(new Set(enqueued().map((s) => s.spanId)).size, 2);
});

scenario('a batch that the store takes is a trace of its own', async (world) => {
  const env = await setUp(world);
  await ask(env, chat());
  const name = 'gateway.trace.write';
  const written = await until(() => env.receiver.spans.find((s) => s.name === name), name);
  assert.equal(written.parentSpanId, '');
  assert.equal(written.attributes['gateway.trace.write.batch_size'], 1);
  assert.equal(written.attributes['gateway.route'], '/other');
});

scenario('JSON, gzip, headers and resource attributes follow the standard variables', async (world) => {
  const env = await setUp(world, {
    env: {
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
      OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip',
      OTEL_EXPORTER_OTLP_HEADERS: 'x-team=red%20one',
      OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment=test,service.name=not-this',
    },
  });
  const { spans } = await traced(env, chat([parent('01')]));
  const server = spans['POST /openai/*'];
  assert.equal(server.parentSpanId, kSpan);
  assert.equal(server.attributes['http.status_code'], 200);
  assert.equal(typeof server.startTimeUnixNano, 'string');
  assert.equal(server.resource['deployment.environment'], 'test');
  assert.equal(server.resource['service.name'], 'ongoingai-gateway');
  const [request] = env.receiver.requests;
  assert.equal(request.headers['x-team'], 'red one');
  assert.equal(request.headers['content-encoding'], 'gzip');
  assert.equal(request.headers['content-type'], 'application/json');
  assert.deepEqual(env.receiver.faults, []);
});

scenario('a receiver behind TLS is checked, and shown the certificate of the gateway', async (world) => {
  const ca = new Authority(world.folder('pki'));
  const theirs = ca.issue('IP:127.0.0.1');
  const ours = ca.issue('DNS:gateway.test');
  const receiver = await OtlpReceiver.start(world, {
    tls: { cert: theirs.cert, key: theirs.key, ca: ca.pem, requestCert: true, rejectUnauthorized: true },
  });
  const files = { OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: ours.certFile, OTEL_EXPORTER_OTLP_CLIENT_KEY: ours.keyFile };
  const endpoint = otel(`https://${receiver.endpoint}`);
  const env = await setUp(world, {
    receiver,
    config: endpoint,
    env: { ...files, OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE: ca.file },
  });
  await traced(env, chat([parent('01')]));
  const stranger = await setUp(world, { receiver, config: endpoint, env: files });
  const untold = 'b'.repeat(32);
  await ask(stranger, chat([parent('01', untold)]));
  const line = await stranger.gateway.waitLog((l) => l.msg === 'opentelemetry export fails', 'the warning');
  assert.match(line.error, /certificate/i);
  assert.ok(receiver.spans.every((s) => s.traceId !== untold));
});

scenario('a forward proxy of the environment carries exports, but none to this machine itself', async (world) => {
  const asked = [];
  const proxy = await OtlpReceiver.start(world, {
    answer: (request) => {
      asked.push(request.url);
      return false;
    },
  });
  const env = await setUp(world, {
    config: otel('collector.test:4318'),
    env: { HTTP_PROXY: `http://127.0.0.1:${proxy.port}` },
  });
  await ask(env, chat([parent('01')]));
  await until(() => asked.includes('http://collector.test:4318/v1/traces'), 'the proxy is asked');
  const direct = await setUp(world, { env: { HTTP_PROXY: 'http://127.0.0.1:9' } });
  await traced(direct, chat([parent('01')]));
});

scenario('a receiver of others takes what is exported', async (world) => {
  const others = await othersReceiver(world);
  const env = await setUp(world, { receiver: others });
  await ask(env, chat([parent('01')]));
  await until(() => others.spanNames.includes('POST /openai/*'), 'the server span');
  assert.ok(others.spanNames.includes('gateway.auth'));
});

scenario('what is left is sent at the end', async (world) => {
  const env = await setUp(world, { env: { OTEL_BSP_SCHEDULE_DELAY: '3600000' } });
  for (let i = 0; i < 20; i++) await ask(env, chat());
  const { code } = await env.gateway.stop();
  assert.equal(code, 0);
  assert.equal(env.receiver.spans.filter((s) => s.name === 'POST /openai/*').length, 20);
});

scenario('a setting that cannot be followed turns telemetry off and nothing else', async (world) => {
  const env = await setUp(world, { config: otel('ftp://collector') });
  const line = await env.gateway.waitLog((l) => /failed to initialize opentelemetry/.test(l.msg), 'the error line');
  assert.equal(line.level, 'ERROR');
  assert.equal(line.error, 'observability.otel.endpoint scheme must be http or https when provided (got "ftp")');
  assert.equal((await ask(env, chat())).status, 200);
  assert.equal(env.gateway.log('opentelemetry enabled').length, 0);
});

scenario('the start says what is exported', async (world) => {
  const env = await setUp(world, { otelOptions: { sampling_ratio: 0.25 } });
  const line = await env.gateway.waitLog((l) => l.msg === 'opentelemetry enabled', 'what is exported');
  assert.equal(line.otel_endpoint, env.receiver.endpoint);
  assert.deepEqual(
    [line.otel_traces_enabled, line.otel_metrics_enabled, line.otel_prometheus_enabled, line.otel_sampling_ratio],
    [true, false, false, 0.25],
  );
});

// A receiver that misbehaves.

scenario('what a busy receiver refuses comes again when it asked for', async (world) => {
  let refused = 0;
  const receiver = await OtlpReceiver.start(world, {
    answer: (request, response) => {
      if (refused++ > 0) return false;
      response.writeHead(429, { 'Retry-After': '1' }).end();
      return true;
    },
  });
  const env = await setUp(world, { receiver });
  await ask(env, chat([parent('01')]));
  await env.gateway.waitLog((l) => l.msg === 'opentelemetry export fails', 'the warning');
  await receiver.trace(kTrace);
  await env.gateway.waitLog((l) => l.msg === 'opentelemetry export works again', 'the recovery');
});

for (const [what, answer] of [
  ['closes every connection', (request) => request.socket.destroy()],
  ['answers garbage', (request) => request.socket.end('\x00\x01garbage\r\n\r\n')],
  ['never answers', () => {}],
  ['answers 400', (request, response) => response.writeHead(400).end('<html>no')],
]) {
  scenario(`requests go on, in bounded memory, beside a receiver that ${what}`, async (world) => {
    let bad = true;
    const receiver = await OtlpReceiver.start(world, {
      answer: (request, response) => {
        if (bad) answer(request, response);
        return bad;
      },
    });
    const env = await setUp(world, {
      receiver,
      otelOptions: { export_timeout_ms: 300 },
      env: { OTEL_BSP_MAX_QUEUE_SIZE: '256' },
    });
    await ask(env, chat());
    const before = env.gateway.rssAnonKiB();
    for (let i = 0; i < 1000; i++) {
      const response = await ask(env, chat());
      assert.equal(response.status, 200);
    }
    env.gateway.expectGrownAtMost(8 * 1024, before);
    await env.gateway.waitLog((l) => l.msg === 'opentelemetry export fails' && l.signal === 'traces', 'the warning');
    bad = false;
    if (what === 'answers 400') {
      await traced(env, chat([parent('01')]));
      await env.gateway.waitLog((l) => l.msg === 'opentelemetry export works again' && l.dropped > 0, 'the recovery');
    }
    const { code } = await env.gateway.stop();
    assert.equal(code, 0);
  });
}

scenario('a receiver that is away keeps the gateway neither from starting nor from ending, and the log says so', async (world) => {
  const env = await setUp(world, { config: otel(`127.0.0.1:${await freePort()}`) });
  await ask(env, chat());
  const { code } = await env.gateway.stop();
  assert.equal(code, 0);
  const line = env.gateway.log('failed to shutdown opentelemetry providers')[0];
  assert.equal(line.timeout, '5s');
});
