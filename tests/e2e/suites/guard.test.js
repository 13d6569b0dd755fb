// The privacy guard: pii.mode redact_upstream, block and observe. Nothing private reaches the provider or the store, and
// what holds nothing private passes byte for byte.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import OpenAI, { toFile } from 'openai';
import Anthropic from '@anthropic-ai/sdk';
import { sameBytes } from '../lib/compare.js';
import { chatAnswer, chatRequest, get, json, kCompletions, post, reply, unique } from '../lib/http.js';
import { head } from '../lib/peer.js';
import { MockProvider, kText } from '../lib/mock_provider.js';
import { scenario } from '../lib/world.js';
import { until } from '../lib/wait.js';

const kModes = ['redact_upstream', 'block', 'observe'];
const kJson = [['Content-Type', 'application/json']];
const hash = (value, workspace = 'default', salt = '') =>
  createHash('sha256').update(`${workspace}:${salt}:${value}`).digest('hex').slice(0, 16);
const mark = (type, value, ...rest) => `[${type}_REDACTED:${hash(value, ...rest)}]`;

/** What must never arrive: [detector's key, value as it stands in JSON, value]. */
const kPlanted = [
  ['email', 'jane.doe@example.org', 'jane.doe@example.org'],
  ['email', 'jane.doe\\u0040example.net', 'jane.doe@example.net'],
  ['phone', '415-555-1212', '415-555-1212'],
  ['ssn', '078-05-1120', '078-05-1120'],
  ['token_like', 'sk-ant-api03-Abc_def-1234567890', 'sk-ant-api03-Abc_def-1234567890'],
];

/** A routed upstream behind a gateway whose pii section is given. */
async function setUp(world, pii, config = {}) {
  const { upstream, routes } = await world.routed();
  const seen = [];
  routes.on('*', async (request, peer) => {
    seen.push(request);
    await peer.write(reply(chatAnswer(), [['Content-Type', 'application/json']]));
  });
  const gateway = await world.gateway({ openai: upstream.url, config: { server: { workers: 1 }, pii, ...config } });
  const client = await world.client(gateway);
  const send = async (body, fields = kJson, options = {}) => {
    await client.write(post(options.target ?? kCompletions, body, fields, options));
    return client.readResponse();
  };
  return { gateway, client, seen, send, upstream };
}
const trace = (gateway, response) => gateway.trace(response.get('x-ongoingai-trace-id'));

/** Nothing of the values in any file of the store, nor in what the API shows. */
async function expectNotStored(gateway, values) {
  await gateway.settled();
  await gateway.stop();
  const folder = `${gateway.dir}/data`;
  for (const file of fs.readdirSync(folder, { recursive: true })) {
    const path = `${folder}/${file}`;
    if (!fs.statSync(path).isFile()) continue;
    const bytes = fs.readFileSync(path);
    for (const value of values) assert.ok(!bytes.includes(value), `${value} stands in ${file}`);
  }
}

scenario('what NUL characters keep apart is not put together in the store', async (world) => {
  const key = 'sk-proj-Ab3dEf5hIj7kLm9nOp1qRs3tUv5wXy7z';
  for (const mode of ['off', 'redact_storage', 'observe']) {
    const env = await setUp(world, { mode }, { tracing: { capture_bodies: true } });
    const apart = await env.send(`{"model":"m ${key.slice(0, 5)}\\u0000${key.slice(5)}","messages":[]}`);
    assert.equal(apart.status, 200);
    const stored = await trace(env.gateway, apart);
    assert.match(stored.model, mode === 'off' ? /^m \[CREDENTIAL_REDACTED\]$/ : /^m \[TOKEN_REDACTED:/);
    if (mode === 'off') continue;
    const bytes = await env.send('{"model":"m","messages":[{"role":"user","content":"zed\0@quux.org"}]}');
    assert.equal(bytes.status, 200);
    const dropped = await trace(env.gateway, bytes);
    assert.equal(dropped.metadata.redaction_storage_drop, true);
    assert.ok(!dropped.request_body);
    await expectNotStored(env.gateway, ['zed@quux.org', key]);
  }
});

scenario('the model that an answer names is stored as the one that was asked for', async (world) => {
  const { upstream, routes } = await world.routed();
  const model = 'ft:zed@quux.org';
  routes.on('*', (request, peer) => peer.write(reply(chatAnswer(undefined, model), kJson)));
  const gateway = await world.gateway({ openai: upstream.url, config: { pii: { mode: 'redact_storage' } } });
  const client = await world.client(gateway);
  for (const asked of [model, 'other']) {
    await client.write(post(kCompletions, chatRequest({ model: asked }), kJson));
    const { metadata } = await trace(gateway, await client.readResponse());
    assert.equal(metadata.response_model, asked === model ? undefined : `ft:${mark('EMAIL', 'zed@quux.org')}`);
  }
  await expectNotStored(gateway, ['zed@quux.org']);
});

scenario('service tiers and regions are stored redacted, whoever names them', async (world) => {
  const { upstream, routes } = await world.routed();
  const answer = { ...JSON.parse(chatAnswer()), service_tier: 'served zed@quux.org', inference_geo: 'geo zed@quux.org' };
  routes.on('*', (request, peer) => peer.write(reply(JSON.stringify(answer), kJson)));
  const gateway = await world.gateway({ openai: upstream.url, config: { pii: { mode: 'redact_upstream' } } });
  const client = await world.client(gateway);
  await client.write(post(kCompletions, chatRequest({ service_tier: 'asked zed@quux.org' }), kJson));
  const { metadata } = await trace(gateway, await client.readResponse());
  assert.equal(metadata.service_tier_asked, `asked ${mark('EMAIL', 'zed@quux.org')}`);
  assert.equal(metadata.service_tier, `served ${mark('EMAIL', 'zed@quux.org')}`);
  await expectNotStored(gateway, ['zed@quux.org']);
});

scenario('redact_upstream: only the values are replaced, every other byte stays', async (world) => {
  const env = await setUp(world, { mode: 'redact_upstream' });
  for (const [kind, written, value] of kPlanted) {
    const body = (text) =>
      `{ "model":"gpt-4o-mini" ,"z":1.50e1,\n "messages":[{"role":"user","content":"a\\u00e9\\n ${text} \\/ b"}],"max_tokens":5}`;
    const response = await env.send(body(written));
    assert.equal(response.status, 200);
    const type = { email: 'EMAIL', phone: 'PHONE', ssn: 'SSN', token_like: 'TOKEN' }[kind];
    const want = body(mark(type, value));
    sameBytes(env.seen.at(-1).body, Buffer.from(want), kind);
    assert.equal(env.seen.at(-1).get('content-length'), String(Buffer.byteLength(want)));
    const { metadata } = await trace(env.gateway, response);
    assert.equal(metadata.redaction_mode, 'redact_upstream');
    assert.equal(metadata.redaction_applied, true);
    assert.deepEqual(metadata.redaction_counts, { [kind]: 1 });
    assert.equal(metadata.outcome, 'complete');
  }
});

scenario('redact_upstream: neither provider nor store see the values', async (world) => {
  const env = await setUp(world, { mode: 'redact_upstream' }, { tracing: { capture_bodies: true } });
  const values = kPlanted.map(([, , value]) => value);
  const text = values.join(' and ');
  await env.send(chatRequest({ user: values[0], messages: [{ role: 'user', content: text }] }));
  await env.send(chatRequest({ model: values[0] }));
  await env.send(chatRequest({ metadata: { note: text } }), kJson, { framing: 'chunked', sizes: [7, 1, 30] });
  const response = await env.send(chatRequest(), kJson, { target: `/openai/v1/files/${values[0]}` });
  assert.equal(response.status, 200);
  for (const request of env.seen)
    for (const value of values) assert.ok(!request.body.includes(value), `${value} went to the provider`);
  await expectNotStored(env.gateway, values);
});

scenario('redact_upstream: a workspace has its own hashes, and the same value the same one', async (world) => {
  const auth = {
    enabled: true,
    keys: ['a', 'b'].map((w) => ({ id: w, token: `token-of-workspace-${w}`, workspace_id: w, role: 'developer' })),
  };
  const env = await setUp(world, { mode: 'redact_upstream', replacement: { hash_salt: 'pepper' } }, { auth });
  for (const workspace of ['a', 'b', 'a']) {
    const key = [['X-OngoingAI-Gateway-Key', `token-of-workspace-${workspace}`], ['Authorization', 'Bearer x']];
    const response = await env.send(chatRequest({ user: 'a@b.co' }), [...kJson, ...key]);
    assert.equal(response.status, 200);
    assert.equal(JSON.parse(env.seen.at(-1).body).user, mark('EMAIL', 'a@b.co', workspace, 'pepper'));
  }
});

scenario('redact_upstream: digests go with the body that they are of', async (world) => {
  const env = await setUp(world, { mode: 'redact_upstream' });
  const fields = [...kJson, ['Content-MD5', 'x'], ['Digest', 'y'], ['Content-Digest', 'z']];
  await env.send(chatRequest({ user: 'a@b.co' }), fields);
  for (const name of ['content-md5', 'digest', 'content-digest']) assert.equal(env.seen.at(-1).get(name), undefined);
  for (const framing of [{}, { framing: 'chunked' }]) {
    await env.send(chatRequest(), fields, framing);
    assert.equal(env.seen.at(-1).get('content-digest'), 'z');
  }
});

scenario('redact_upstream: redacting what was redacted changes nothing', async (world) => {
  const env = await setUp(world, { mode: 'redact_upstream' });
  await env.send(chatRequest({ user: 'a@b.co 415-555-1212', password: 'hunter2' }));
  const once = env.seen.at(-1).body;
  await env.send(once);
  sameBytes(env.seen.at(-1).body, once, 'the second time');
});

scenario('block: what holds something private is answered 403, logged and traced', async (world) => {
  const env = await setUp(world, { mode: 'block' }, { tracing: { capture_bodies: true } });
  let refused = 0;
  for (const [kind, written, value] of kPlanted) {
    const response = await env.send(`{"model":"gpt-4o-mini","messages":[{"role":"user","content":"${written}"}]}`);
    assert.equal(response.status, 403);
    assert.deepEqual(JSON.parse(response.body), { error: 'request blocked by pii policy' });
    const stored = await trace(env.gateway, response);
    assert.equal(stored.response_status, 403);
    assert.equal(stored.metadata.outcome, 'refused_by_guard');
    assert.deepEqual(stored.metadata.redaction_counts, { [kind]: 1 });
    assert.ok(stored.request_body.includes('_REDACTED:'), stored.request_body);
    assert.ok(!stored.request_body.includes(value), stored.request_body);
    assert.equal(stored.model, 'gpt-4o-mini');
    refused += 1;
    const line = await until(
      () => env.gateway.log('pii guardrail denied request')[refused - 1],
      `log line ${refused} of a refusal`,
    );
    const { time, level, msg, correlation_id, ...fields } = line;
    assert.equal(correlation_id, response.get('x-ongoingai-correlation-id'));
    assert.equal(level, 'WARN');
    assert.deepEqual(fields, {
      mode: 'block',
      reason: 'pii_detected',
      method: 'POST',
      path: kCompletions,
      redaction_counts: { [kind]: 1 },
    });
  }
  assert.equal(env.seen.length, 0, 'nothing went to the provider');
  assert.deepEqual((await env.gateway.diagnostics()).guard, { block_refused: kPlanted.length });
});

scenario('what cannot be judged is answered 503, and nothing of it leaves', async (world) => {
  for (const mode of ['redact_upstream', 'block']) {
    const env = await setUp(world, { mode }, { tracing: { body_max_size: 2000 } });
    const cases = [
      ['too long', chatRequest({ user: 'x'.repeat(3000) }), kJson, {}, /exceeds pii inspection limit \(2000 bytes\)/],
      ['too long in chunks', chatRequest({ user: 'x'.repeat(3000) }), kJson, { framing: 'chunked' }, /exceeds/],
      ['a type that is no text', 'x', [['Content-Type', 'application/pdf']], {}, /unsupported content type .*"application\/pdf"/],
      ['no type at all', 'x', [['Content-Type', 'nonsense']], {}, /unsupported content type/],
      ['compressed', gzipSync(chatRequest()), [...kJson, ['Content-Encoding', 'gzip']], {}, /content encoding/],
      ['no UTF-8', Buffer.from([0x41, 0xff]), [['Content-Type', 'text/plain']], {}, /not valid utf-8/],
    ];
    for (const [name, body, fields, options, error] of cases) {
      const client = await world.client(env.gateway);
      await client.write(post(kCompletions, body, fields, options));
      const response = await client.readResponse();
      assert.equal(response.status, 503, `${mode}: ${name}`);
      assert.deepEqual(JSON.parse(response.body), { error: 'request denied by pii guardrail policy uncertainty' });
      assert.equal((await trace(env.gateway, response)).metadata.outcome, 'refused_by_guard', name);
      const line = await env.gateway.waitLog((l) => l.reason === 'policy_evaluation_failed' && error.test(l.error), name);
      assert.equal(line.mode, mode);
    }
    assert.equal(env.seen.length, 0, 'nothing went to the provider');
  }
});

scenario('upgrades are refused, since their frames are not looked at', async (world) => {
  const env = await setUp(world, { mode: 'redact_upstream' });
  const upgrade = [['Connection', 'Upgrade'], ['Upgrade', 'websocket'], ['Sec-WebSocket-Key', 'x'], ['Sec-WebSocket-Version', '13']];
  await env.client.write(get('/openai/v1/realtime', upgrade));
  const response = await env.client.readResponse();
  assert.equal(response.status, 503);
  assert.equal(env.seen.length, 0);
  assert.equal((await trace(env.gateway, response)).metadata.outcome, 'refused_by_guard');
});

scenario('requests without a body, and routes with another mode, are left alone', async (world) => {
  const env = await setUp(world, {
    mode: 'block',
    scopes: [{ match: { route_prefix: '/openai/v1/embeddings' }, mode: 'off' }],
  });
  await env.client.write(get('/openai/v1/models'));
  assert.equal((await env.client.readResponse()).status, 200);
  const body = json({ input: 'a@b.co' });
  assert.equal((await env.send(body, kJson, { target: '/openai/v1/embeddings' })).status, 200);
  sameBytes(env.seen.at(-1).body, body, 'the body');
  assert.equal((await env.send(body)).status, 403);
});

scenario('observe: everything passes untouched, counted and logged', async (world) => {
  const env = await setUp(world, { mode: 'observe' }, { tracing: { body_max_size: 2000 } });
  const body = chatRequest({ user: 'a@b.co' });
  const response = await env.send(body);
  assert.equal(response.status, 200);
  sameBytes(env.seen.at(-1).body, body, 'the body');
  const { metadata } = await trace(env.gateway, response);
  assert.deepEqual(metadata.redaction_counts, { email: 1 });
  assert.equal(metadata.redaction_applied, false);
  const line = await env.gateway.waitLog((l) => l.msg === 'pii guardrail observed request', 'the observation');
  assert.deepEqual(line.redaction_counts, { email: 1 });
  const long = chatRequest({ user: 'x'.repeat(5000) });
  assert.equal((await env.send(long, kJson, { framing: 'chunked', sizes: [100] })).status, 200);
  sameBytes(env.seen.at(-1).body, long, 'a body that is too long to be judged');
  assert.equal((await env.send(chatRequest())).status, 200);
  assert.deepEqual((await env.gateway.diagnostics()).guard, { observe_found: 1, observe_uncertain: 1, observe_passed: 1 });
});

scenario('redacted requests are asked for their usage too', async (world) => {
  const env = await setUp(world, { mode: 'redact_upstream' }, { accounting: { include_usage: 'inject' } });
  await env.send(chatRequest({ stream: true, user: 'a@b.co' }));
  const sent = JSON.parse(env.seen.at(-1).body);
  assert.equal(sent.user, mark('EMAIL', 'a@b.co'));
  assert.deepEqual(sent.stream_options, { include_usage: true });
});

scenario('forms and multipart bodies are looked into', async (world) => {
  const env = await setUp(world, { mode: 'redact_upstream' });
  await env.send('q=jane%40example.org&n=1&password=x', [['Content-Type', 'application/x-www-form-urlencoded']]);
  const sent = new URLSearchParams(env.seen.at(-1).body.toString());
  assert.equal(sent.get('q'), mark('EMAIL', 'jane@example.org'));
  assert.equal(sent.get('n'), '1');
  assert.equal(sent.get('password'), mark('FIELD', 'x'));
  const part = (name, content, extra = '') =>
    `--B\r\nContent-Disposition: form-data; name="${name}"${extra}\r\n\r\n${content}\r\n`;
  const body = (email) => `${part('purpose', 'batch')}${part('file', `{"m":"${email}"}\n{"a":1}\n`, '; filename="a.jsonl"')}--B--\r\n`;
  await env.send(body('a@b.co'), [['Content-Type', 'multipart/form-data; boundary=B']]);
  sameBytes(env.seen.at(-1).body, Buffer.from(body(mark('EMAIL', 'a@b.co'))), 'the form');
});

scenario('forms are stored as they are judged, field by field and part by part, in every mode', async (world) => {
  const values = ['jane@example.org', 'jane%40example.org', 'hunter22'];
  const parts = ['password\r\n\r\nhunter22', 'x\r\n\r\njane@example.org'];
  const multipart = parts
    .map((p) => p.split('\r\n\r\n'))
    .map(([name, value]) => `--B\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`)
    .join('');
  for (const mode of ['redact_storage', 'redact_upstream', 'block']) {
    const env = await setUp(world, { mode }, { tracing: { capture_bodies: true } });
    const form = [['Content-Type', 'application/x-www-form-urlencoded']];
    const response = await env.send('x=jane%40example.org&n=1&password=hunter22', form);
    const stored = (await trace(env.gateway, response)).request_body;
    assert.equal(new URLSearchParams(stored).get('password'), mark('FIELD', 'hunter22'), mode);
    assert.equal(new URLSearchParams(stored).get('n'), '1');
    await env.send(`${multipart}--B--\r\n`, [['Content-Type', 'multipart/form-data; boundary=B']]);
    await expectNotStored(env.gateway, values);
  }
});

scenario('user-defined patterns and optional detectors', async (world) => {
  const env = await setUp(world, {
    mode: 'redact_upstream',
    detectors: { payment_card: true, iban: true, ip_address: true },
    patterns: [{ name: 'employee', regex: '\\bE-\\d{5}\\b' }],
  });
  const response = await env.send(
    chatRequest({ user: 'E-12345 pays with 4111 1111 1111 1111 or DE89 3704 0044 0532 0130 00 from 192.0.2.7', n: 4111111111111111 }),
  );
  assert.deepEqual((await trace(env.gateway, response)).metadata.redaction_counts, {
    employee: 1,
    iban: 1,
    ip_address: 1,
    payment_card: 2,
  });
  assert.equal(JSON.parse(env.seen.at(-1).body).user.split(' ')[0], mark('EMPLOYEE', 'E-12345'));
});

// ---- real SDKs: what holds nothing private passes as it is in every mode

const schema = {
  type: 'object',
  properties: {
    email: { type: 'string', description: 'of the customer' },
    token: { anyOf: [{ type: 'string' }, { type: 'null' }] },
    password: { $ref: '#/$defs/secret' },
  },
  required: ['email', 'token', 'password'],
  $defs: { secret: { type: 'string', minLength: 8 } },
  additionalProperties: false,
};
const kImage = `data:image/png;base64,${Buffer.alloc(900, 'iVBORw0KGgoAAA').toString('base64')}`;

/** Every call through one gateway: the bodies that the provider saw. */
async function callAll(world, mode) {
  const provider = await MockProvider.start(world);
  const pii = { mode, detectors: { payment_card: true, iban: true, ip_address: true, phone_international: true } };
  const gateway = await world.gateway({ openai: provider.url, config: { pii } });
  const openai = new OpenAI({ baseURL: `${gateway.url}/openai/v1`, apiKey: 'sk-test-0123456789abcdef', maxRetries: 0 });
  const anthropic = new Anthropic({ baseURL: `${gateway.url}/anthropic`, apiKey: 'sk-ant-test-0123456789', maxRetries: 0 });
  const model = 'gpt-4o-mini';
  const messages = [{ role: 'user', content: 'Explain "gc_sweep.cpp:1042", 3.14, and https://example.org/?v=2 \u{1F600}' }];
  const tools = [{ type: 'function', function: { name: 'sign_up', description: 'Signs up', parameters: schema } }];
  const answer = await openai.chat.completions.create({ model, messages, max_tokens: 50, seed: 1741570283, logprobs: true });
  assert.equal(answer.choices[0].message.content, kText);
  let text = '';
  for await (const chunk of await openai.chat.completions.create({ model, messages, stream: true }))
    text += chunk.choices[0]?.delta?.content ?? '';
  assert.equal(text, kText);
  const called = await openai.chat.completions.create({ model, messages, tools });
  assert.equal(called.choices[0].finish_reason, 'tool_calls');
  await openai.chat.completions.create({
    model,
    messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: kImage } }, { type: 'text', text: 'What?' }] }],
  });
  await openai.embeddings.create({ model: 'text-embedding-3-small', input: ['one', 'two'] });
  await openai.responses.create({ model, input: 'Hello?', max_output_tokens: 20 });
  await openai.files.create({ file: await toFile(Buffer.from('{"custom_id":"1"}\n'), 'a.jsonl'), purpose: 'batch' });
  await openai.models.list();
  const claude = { model: 'claude-haiku-4-5-20251001', max_tokens: 64, messages: [{ role: 'user', content: 'Hello?' }] };
  const said = await anthropic.messages.create(claude);
  assert.equal(said.content[0].text, kText);
  assert.equal(await anthropic.messages.stream(claude).finalText(), kText);
  await anthropic.messages.create({
    ...claude,
    tools: [{ name: 'sign_up', description: 'Signs up', input_schema: schema }],
    metadata: { user_id: 'user-17' },
  });
  await gateway.settled();
  assert.equal((await gateway.list()).length, provider.requests.length, 'a trace each');
  return provider.requests.map((r) => {
    const boundary = /boundary=(\S+)/.exec(r.headers['content-type'] ?? '')?.[1];
    return `${r.method} ${r.url} ${boundary ? r.text.replaceAll(boundary, 'B') : r.text}`;
  });
}

scenario('SDK calls that hold nothing private pass byte for byte in every mode', async (world) => {
  const plain = await callAll(world, 'off');
  assert.equal(plain.length, 11);
  for (const mode of ['redact_storage', ...kModes]) assert.deepEqual(await callAll(world, mode), plain, mode);
});

scenario('SDKs: a refusal is the error they know, and is not sent again', async (world) => {
  const provider = await MockProvider.start(world);
  const gateway = await world.gateway({ openai: provider.url, config: { pii: { mode: 'block' } } });
  const openai = new OpenAI({ baseURL: `${gateway.url}/openai/v1`, apiKey: 'sk-test-0123456789abcdef' });
  const call = (content) => openai.chat.completions.create({ model: 'gpt-4o-mini', messages: [{ role: 'user', content }] });
  await assert.rejects(call('I am jane@example.org'), (error) => error instanceof OpenAI.PermissionDeniedError);
  await assert.rejects(call('x'.repeat(1100000)), (error) => error.status === 503);
  await until(async () => (await gateway.list()).length === 2, 'one trace per call');
  assert.equal(provider.requests.length, 0);
});

// ---- answers: pii.response

const delta = (content) => `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content } }] })}\n\n`;

/** An upstream that answers with one body, and a gateway that looks at answers. */
async function setUpAnswers(world, response, body, fields, config = {}) {
  const { upstream, routes } = await world.routed();
  const seen = [];
  routes.on('*', async (request, peer) => {
    seen.push(request);
    await peer.write(reply(body, fields));
  });
  const gateway = await world.gateway({
    openai: upstream.url,
    config: { server: { workers: 1 }, pii: { response }, ...config },
  });
  const client = await world.client(gateway);
  await client.write(post(kCompletions, chatRequest(), [...kJson, ['Accept-Encoding', 'gzip, br']]));
  return { gateway, seen, client, response: await client.readResponse() };
}
const kAnswer = json({ choices: [{ message: { content: 'I am jane@example.org' } }], usage: { total_tokens: 5 } });

scenario('answers: redacted with their length, and asked for without a coding', async (world) => {
  const env = await setUpAnswers(world, 'redact', kAnswer, kJson);
  const want = kAnswer.toString().replace('jane@example.org', mark('EMAIL', 'jane@example.org'));
  sameBytes(env.response.body, Buffer.from(want), 'the answer');
  assert.equal(env.response.get('content-length'), String(Buffer.byteLength(want)));
  assert.deepEqual(env.seen[0].all('accept-encoding'), ['identity']);
  const stored = await trace(env.gateway, env.response);
  assert.deepEqual(stored.metadata.redaction_counts, { email: 1 });
  assert.equal(stored.response_status, 200);
  assert.equal((await env.gateway.diagnostics()).guard.response_redact_redacted, 1);
});

scenario('answers: blocked ones are a 403, traced as refused', async (world) => {
  const env = await setUpAnswers(world, 'block', kAnswer, kJson);
  assert.equal(env.response.status, 403);
  assert.deepEqual(JSON.parse(env.response.body), { error: 'response blocked by pii policy' });
  const stored = await trace(env.gateway, env.response);
  assert.equal(stored.metadata.outcome, 'refused_by_guard');
  assert.equal(stored.response_status, 403);
  await env.gateway.waitLog((l) => l.msg === 'pii guardrail denied response' && l.reason === 'pii_detected', 'the refusal');
  await env.client.write(get('/api/health')); // the connection goes on
  assert.equal((await env.client.readResponse()).status, 200);
});

scenario('answers: observed ones pass byte for byte', async (world) => {
  const env = await setUpAnswers(world, 'observe', kAnswer, kJson);
  sameBytes(env.response.body, kAnswer, 'the answer');
  await env.gateway.waitLog((l) => l.msg === 'pii guardrail observed response', 'the observation');
});

scenario('answers: what cannot be judged is a 503', async (world) => {
  const env = await setUpAnswers(world, 'redact', gzipSync(kAnswer), [...kJson, ['Content-Encoding', 'gzip']]);
  assert.equal(env.response.status, 503);
  const long = await setUpAnswers(world, 'redact', json({ x: 'y'.repeat(3000) }), kJson, { tracing: { body_max_size: 2000 } });
  assert.equal(long.response.status, 503);
  const image = await setUpAnswers(world, 'redact', Buffer.from('a@b.co \xff', 'latin1'), [['Content-Type', 'image/png']]);
  assert.equal(image.response.status, 200);
});

scenario('answers: they are asked for whole, and those that do not say what they are count as text', async (world) => {
  const env = await setUpAnswers(world, 'redact', kAnswer, [], {});
  assert.ok(!env.response.body.includes('jane@'), env.response.body.toString());
  await env.client.write(get('/openai/v1/files/f/content', [['Range', 'bytes=0-9'], ['X-Other', 'kept']]));
  assert.equal((await env.client.readResponse()).status, 200);
  assert.equal(env.seen.at(-1).get('range'), undefined);
  assert.equal(env.seen.at(-1).get('x-other'), 'kept');
});

scenario('answers: one that stops coming while it is held is a 504, not a closed connection', async (world) => {
  const { upstream, routes } = await world.routed();
  routes.on('*', (request, peer) => peer.write(head('HTTP/1.1 200 OK', [...kJson, ['Content-Length', '500']]) + '{"half":'));
  const gateway = await world.gateway({
    openai: upstream.url,
    config: { pii: { response: 'redact' }, providers: { openai: { idle_timeout_ms: 300 } } },
  });
  const client = await world.client(gateway);
  await client.write(post(kCompletions, chatRequest(), kJson));
  const response = await client.readResponse();
  assert.equal(response.status, 504);
  assert.ok(!response.body.includes('half'), response.body.toString());
  assert.equal((await trace(gateway, response)).metadata.outcome, 'upstream_error');
});

scenario('answers: a stream that the guard ends is told of, also when its client leaves at the error', async (world) => {
  const { upstream, routes } = await world.routed();
  routes.on('*', (request, peer) =>
    peer.write(
      head('HTTP/1.1 200 OK', [
        ['Content-Type', 'text/event-stream'],
        ['Content-Length', '100000'],
      ]) + delta('Ask jane@example.org now. '),
    ),
  ); // and says no more
  const gateway = await world.gateway({ openai: upstream.url, config: { pii: { response: 'block' } } });
  const client = await world.client(gateway);
  await client.write(post(kCompletions, chatRequest({ stream: true }), kJson));
  await client.readUntil('response blocked by pii policy', 'the error event');
  client.destroy();
  const line = await gateway.waitLog((l) => l.msg === 'pii guardrail denied response', 'the refusal');
  assert.equal(line.reason, 'pii_detected');
  assert.match(line.correlation_id, /^corr-/);
  await until(async () => (await gateway.list()).length === 1, 'its trace');
  const [{ id }] = await gateway.list();
  assert.equal((await gateway.trace(id)).metadata.outcome, 'refused_by_guard');
});

scenario('answers: one that breaks off while it is held is a 502, not half an answer', async (world) => {
  const { upstream, routes } = await world.routed();
  routes.on('*', async (request, peer) => {
    await peer.write(head('HTTP/1.1 200 OK', [...kJson, ['Content-Length', '500']]));
    await peer.write('{"half":');
    peer.destroy();
  });
  const gateway = await world.gateway({ openai: upstream.url, config: { pii: { response: 'redact' } } });
  const client = await world.client(gateway);
  await client.write(post(kCompletions, chatRequest(), kJson));
  const response = await client.readResponse();
  assert.equal(response.status, 502);
  assert.ok(!response.body.includes('half'), response.body.toString());
  assert.equal((await trace(gateway, response)).metadata.outcome, 'upstream_error');
});

scenario('answers: with usage asked for, both filters work on a stream', async (world) => {
  const usage = 'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}\n\n';
  const { upstream, routes } = await world.routed();
  routes.on('*', async (request, peer) => {
    const body = delta('to ja') + delta('ne@b.co, ') + usage + 'data: [DONE]\n\n';
    await peer.write(reply(body, [['Content-Type', 'text/event-stream']]));
  });
  const config = { pii: { response: 'redact' }, accounting: { include_usage: 'inject' } };
  const gateway = await world.gateway({ openai: upstream.url, config });
  const client = await world.client(gateway);
  await client.write(post(kCompletions, chatRequest({ stream: true }), kJson));
  const response = await client.readResponse();
  const text = response.body.toString();
  assert.ok(text.includes(mark('EMAIL', 'jane@b.co')) && !text.includes('usage') && text.endsWith('[DONE]\n\n'), text);
  assert.equal((await trace(gateway, response)).total_tokens, 7);
});

scenario('answers: upgrades are refused, since what providers say there is not looked at', async (world) => {
  const env = await setUp(world, { response: 'redact' });
  await env.client.write(get('/openai/v1/realtime', [['Connection', 'Upgrade'], ['Upgrade', 'websocket']]));
  assert.equal((await env.client.readResponse()).status, 503);
  assert.equal(env.seen.length, 0);
});

scenario('answers: a value that is split over events of a stream is replaced, the rest streams', async (world) => {
  const body = ['Hello ', 'you, ', 'ask ja', 'ne@exam', 'ple.org', ' now, ', 'bye'].map(delta).join('') + 'data: [DONE]\n\n';
  const env = await setUpAnswers(world, 'redact', Buffer.from(body), [['Content-Type', 'text/event-stream']]);
  const text = env.response.body.toString();
  assert.ok(text.startsWith(delta('Hello ') + delta('you, ')), text);
  assert.ok(text.endsWith(delta(' now, ') + delta('bye') + 'data: [DONE]\n\n'), text);
  assert.ok(text.includes(mark('EMAIL', 'jane@example.org')), text);
  assert.ok(!text.includes('exam'), text);
});

scenario('answers: SDK calls that hold nothing private are read as ever, also in streams', async (world) => {
  for (const response of ['observe', 'redact', 'block']) {
    const provider = await MockProvider.start(world);
    const gateway = await world.gateway({ openai: provider.url, config: { pii: { response } } });
    const openai = new OpenAI({ baseURL: `${gateway.url}/openai/v1`, apiKey: 'sk-test-0123456789abcdef', maxRetries: 0 });
    const anthropic = new Anthropic({ baseURL: `${gateway.url}/anthropic`, apiKey: 'x', maxRetries: 0 });
    const messages = [{ role: 'user', content: 'Hello?' }];
    const answer = await openai.chat.completions.create({ model: 'gpt-4o-mini', messages });
    assert.equal(answer.choices[0].message.content, kText);
    let text = '';
    for await (const chunk of await openai.chat.completions.create({ model: 'gpt-4o-mini', messages, stream: true }))
      text += chunk.choices[0]?.delta?.content ?? '';
    assert.equal(text, kText);
    const claude = { model: 'claude-haiku-4-5-20251001', max_tokens: 64, messages };
    assert.equal((await anthropic.messages.create(claude)).content[0].text, kText);
    assert.equal(await anthropic.messages.stream(claude).finalText(), kText);
  }
});

scenario('long bodies are redacted for the store between the turns of other connections', async (world) => {
  const text = `${'The quick brown fox, '.repeat(45000)}jane@example.org`;
  const { upstream, routes } = await world.routed();
  routes.on('*', async (request, peer) => peer.write(reply(json({ choices: [{ message: { content: text } }] }), kJson)));
  const gateway = await world.gateway({ openai: upstream.url, config: { tracing: { capture_bodies: true } } });
  const client = await world.client(gateway);
  await client.write(post(kCompletions, chatRequest({ user: text }), kJson));
  const response = await client.readResponse();
  assert.ok(response.body.includes('jane@example.org'), 'what the client gets is untouched');
  const stored = await trace(gateway, response);
  for (const body of [stored.request_body, stored.response_body]) {
    assert.ok(body.includes(mark('EMAIL', 'jane@example.org')), 'redacted at its end');
    assert.ok(!body.includes('jane@'), 'nothing is left');
  }
  assert.deepEqual(stored.metadata.redaction_counts, { email: 2 });
});

scenario('a body that comes slowly takes no permit before it is whole', async (world) => {
  const auth = { enabled: true, keys: [{ id: 'k', token: 'token-of-a-slow-client', role: 'developer' }] };
  const env = await setUp(world, { mode: 'block' }, { auth, limits: { per_key: { concurrent_requests: 1 } } });
  const fields = [...kJson, ['X-OngoingAI-Gateway-Key', 'token-of-a-slow-client'], ['Authorization', 'Bearer x']];
  const slow = await world.client(env.gateway);
  const request = post(kCompletions, chatRequest(), fields);
  await slow.write(request.subarray(0, request.length - 5));
  await until(async () => (await env.send(chatRequest(), fields)).status === 200, 'another request is answered');
  await slow.write(request.subarray(request.length - 5));
  assert.equal((await slow.readResponse()).status, 200);
  const blocked = await env.send(chatRequest({ user: 'a@b.co' }), fields);
  assert.equal(blocked.status, 403);
  assert.equal((await env.send(chatRequest(), fields)).status, 200, 'a refused request gives its permit back');
  const line = await env.gateway.waitLog((l) => l.msg === 'pii guardrail denied request', 'the refusal');
  assert.deepEqual([line.org_id, line.workspace_id, line.key_id], ['default', 'default', 'k']);
});

scenario('a policy may hold for one key alone', async (world) => {
  const auth = {
    enabled: true,
    keys: ['strict', 'free'].map((id) => ({ id, token: `token-of-the-${id}-client`, role: 'developer' })),
  };
  const scopes = [{ match: { key_id: 'strict' }, mode: 'block', policy_id: 'strict/v1' }];
  const env = await setUp(world, { mode: 'off', scopes }, { auth });
  const answers = [];
  for (const id of ['strict', 'free']) {
    const key = [['X-OngoingAI-Gateway-Key', `token-of-the-${id}-client`], ['Authorization', 'Bearer x']];
    answers.push((await env.send(chatRequest({ user: 'a@b.co' }), [...kJson, ...key])).status);
  }
  assert.deepEqual(answers, [403, 200]);
  const policies = await until(() => {
    const rows = env.gateway.rows('SELECT metadata FROM traces');
    return rows.length === 2 && rows.map((row) => JSON.parse(row.metadata).redaction_policy_id).sort();
  }, 'both traces are stored');
  assert.deepEqual(policies, ['default/v1', 'strict/v1']);
});
