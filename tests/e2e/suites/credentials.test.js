// Keys of providers that the gateway holds: who is given them, how they are renewed, and that nobody gets to see them.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { WebSocket } from 'ws';
import { merge, run } from '../lib/gateway.js';
import { chatRequest, kCompletions } from '../lib/http.js';
import { MockProvider, kText } from '../lib/mock_provider.js';
import { SocketClient, SocketProvider, responsesUsage } from '../lib/socket_provider.js';
import { until } from '../lib/wait.js';
import { scenario } from '../lib/world.js';

const kHeld = 'sk-held-openai-2f7c91d6e0b84a35';
const kHeldClaude = 'sk-ant-held-90ab3344cd5566ef';
const kOwn = 'sk-the-clients-own-key-0123456789';
const kGatewayKey = 'ogk-the-key-of-a-developer';
const kKeyHeader = 'X-OngoingAI-Gateway-Key';
const developer = { id: 'dev', token: kGatewayKey, role: 'developer' };
const auth = { enabled: true, failure_delay_ms: 0, keys: [developer] };
const kMessages = [{ role: 'user', content: 'Hi' }];
const kClaude = { model: 'claude-haiku-4-5-20251001', max_tokens: 50, messages: kMessages };

/** OpenAI's key comes from the environment, Anthropic's from a file. */
async function setUp(world, config = {}) {
  const provider = await MockProvider.start(world);
  const file = path.join(world.folder('secrets'), 'anthropic');
  fs.writeFileSync(file, `${kHeldClaude}\n`, { mode: 0o600 });
  const gateway = await world.gateway({
    openai: provider.url,
    anthropic: provider.url,
    env: { HELD_OPENAI: kHeld },
    config: merge(
      { auth, providers: { openai: { credential_env: 'HELD_OPENAI' }, anthropic: { credential_file: file } } },
      config,
    ),
  });
  const api = gateway.api.bind(gateway); // so that the harness may look at traces
  gateway.api = (target, options = {}) =>
    api(target, { ...options, headers: { ...(target.startsWith('/api') && { [kKeyHeader]: kGatewayKey }), ...options.headers } });
  return { provider, gateway, file };
}
const openai = (gateway, apiKey, headers = { [kKeyHeader]: kGatewayKey }) =>
  new OpenAI({ baseURL: `${gateway.url}/openai/v1`, apiKey, maxRetries: 0, defaultHeaders: headers });
const anthropic = (gateway, apiKey, headers = { [kKeyHeader]: kGatewayKey }) =>
  new Anthropic({ baseURL: `${gateway.url}/anthropic`, apiKey, maxRetries: 0, defaultHeaders: headers });
const chat = (client) => client.chat.completions.create({ model: 'gpt-4o-mini', messages: kMessages });
const plain = (gateway, headers) =>
  gateway.api(kCompletions, { method: 'POST', headers: { [kKeyHeader]: kGatewayKey, ...headers }, body: chatRequest() });
const hash = (key) => createHash('sha256').update(key).digest('hex');
const keyHeaders = ({ headers }) =>
  Object.fromEntries(
    ['authorization', 'x-api-key', 'api-key', 'x-goog-api-key', kKeyHeader.toLowerCase()]
      .filter((name) => headers[name] !== undefined)
      .map((name) => [name, headers[name]]),
  );

scenario('official clients need the gateway key only: where they insist on a key they are given that one', async (world) => {
  const { provider, gateway } = await setUp(world);
  assert.equal((await chat(openai(gateway, kGatewayKey))).choices[0].message.content, kText);
  const noHeader = { [kKeyHeader]: kGatewayKey, Authorization: null };
  const stream = await openai(gateway, 'unused', noHeader).chat.completions.create({
    model: 'gpt-4o-mini',
    messages: kMessages,
    stream: true,
  });
  let text = '';
  for await (const chunk of stream) text += chunk.choices[0]?.delta?.content ?? '';
  assert.equal(text, kText);
  const message = await anthropic(gateway, kGatewayKey).messages.create(kClaude);
  assert.equal(message.content[0].text, kText);
  const bare = anthropic(gateway, null, { [kKeyHeader]: kGatewayKey, 'X-Api-Key': null, Authorization: null });
  assert.equal((await bare.messages.stream(kClaude).finalMessage()).content[0].text, kText);

  assert.deepEqual(provider.requests.map(keyHeaders), [
    { authorization: `Bearer ${kHeld}` },
    { authorization: `Bearer ${kHeld}` },
    { 'x-api-key': kHeldClaude },
    { 'x-api-key': kHeldClaude },
  ]);
  assert.ok(!JSON.stringify(provider.requests).includes(kGatewayKey), 'the gateway key went upstream');
  await gateway.settled();
  for (const { id } of await gateway.list()) {
    const trace = await gateway.trace(id);
    assert.equal(trace.metadata.credential, 'gateway');
    assert.equal(trace.metadata.gateway_key_id, 'dev');
    assert.equal(trace.metadata.api_key_last4, undefined);
    assert.equal(trace.api_key_hash, undefined);
  }
});

scenario('a key that the client brings goes on as it came, and its trace is the client’s', async (world) => {
  const { provider, gateway } = await setUp(world);
  await chat(openai(gateway, kOwn));
  await anthropic(gateway, kOwn).messages.create(kClaude);
  assert.equal((await plain(gateway, { 'Api-Key': kOwn })).status, 200);
  assert.equal((await plain(gateway, { Authorization: 'Basic b3du' })).status, 200);
  const [, sent] = provider.requests.map(keyHeaders); // clients of different ages choose different headers
  assert.deepEqual(Object.values(sent).map((value) => value.replace('Bearer ', '')), [kOwn]);
  assert.deepEqual(provider.requests.map(keyHeaders), [
    { authorization: `Bearer ${kOwn}` },
    sent,
    { 'api-key': kOwn },
    { authorization: 'Basic b3du' },
  ]);
  await gateway.settled();
  const traces = await gateway.list();
  assert.deepEqual(
    traces.map((t) => t.api_key_hash).sort(),
    [undefined, hash(kOwn), hash(kOwn), hash('Basic b3du')].sort(),
  );
  for (const { id } of traces) assert.equal((await gateway.trace(id)).metadata.credential, undefined);
});

scenario('a blank key is none, and without the right gateway key nobody is given one', async (world) => {
  const { provider, gateway } = await setUp(world);
  for (const headers of [{}, { Authorization: '' }, { Authorization: 'Bearer ' }, { 'X-API-Key': ' ' }]) {
    assert.equal((await plain(gateway, headers)).status, 200, JSON.stringify(headers));
    assert.deepEqual(keyHeaders(provider.requests.at(-1)), { authorization: `Bearer ${kHeld}` });
  }
  const before = provider.requests.length;
  for (const key of ['', 'ogk-a-key-that-nobody-has'])
    assert.equal((await plain(gateway, { [kKeyHeader]: key })).status, 401);
  assert.equal(provider.requests.length, before, 'what was refused went nowhere');
  await gateway.api('/openai/v1/models', { method: 'TRACE', headers: { [kKeyHeader]: kGatewayKey } });
  const echoed = provider.requests.at(-1);
  assert.ok(echoed.method !== 'TRACE' || !JSON.stringify(echoed.headers).includes(kHeld), 'TRACE answers with the key');
});

scenario('named providers have keys of their own, in the header that is configured', async (world) => {
  const azure = await MockProvider.start(world);
  const claude = await MockProvider.start(world);
  const { gateway } = await setUp(world, {
    providers: {
      azure: { kind: 'openai', upstream: azure.url, credential_env: 'HELD_OPENAI', credential_header: 'api-key' },
      'claude-eu': { kind: 'anthropic', upstream: claude.url, credential_env: 'HELD_OPENAI' },
    },
  });
  for (const prefix of ['/azure', '/claude-eu'])
    assert.equal((await gateway.api(`${prefix}/v1/models`, { headers: { [kKeyHeader]: kGatewayKey } })).status, 200);
  assert.deepEqual(keyHeaders(azure.requests[0]), { 'api-key': kHeld });
  assert.deepEqual(keyHeaders(claude.requests[0]), { 'x-api-key': kHeld });
});

scenario('a WebSocket is opened with the gateway’s key unless the client brings one', async (world) => {
  const provider = await SocketProvider.start(world, (send, { model }) =>
    send({ type: 'response.completed', response: { id: 'r', status: 'completed', model, usage: responsesUsage(10, 0, 5, 0) } }),
  );
  const { gateway } = await setUp(world, { providers: { openai: { upstream: provider.url } } });
  const url = `ws://127.0.0.1:${gateway.port}/openai/v1/responses`;
  const headers = { [kKeyHeader]: kGatewayKey };
  const held = await SocketClient.open(world, url, { headers });
  await held.ask({ type: 'response.create', model: 'gpt-5' }, 'response.completed');
  assert.deepEqual(keyHeaders(provider.handshakes[0]), { authorization: `Bearer ${kHeld}` });
  const trace = await gateway.trace(held.traceId);
  assert.equal(trace.metadata.credential, 'gateway');
  assert.equal(trace.api_key_hash, undefined);

  await SocketClient.open(world, url, { headers: { ...headers, Authorization: `Bearer ${kOwn}` } });
  assert.deepEqual(keyHeaders(provider.handshakes[1]), { authorization: `Bearer ${kOwn}` });
  const protocol = `openai-insecure-api-key.${kOwn}`;
  const browser = new WebSocket(url, ['realtime', protocol], { headers });
  browser.on('error', () => {}); // it does not wait for an answer
  world.later(() => browser.terminate());
  await until(() => provider.handshakes.length === 3, 'the browser’s handshake arrives');
  assert.equal(provider.handshakes[2].headers['sec-websocket-protocol'], `realtime,${protocol}`);
  assert.deepEqual(keyHeaders(provider.handshakes[2]), {});
});

scenario('with auth off the key is for programs on this machine, not for web pages', async (world) => {
  const { provider, gateway } = await setUp(world, { auth: { enabled: false } });
  assert.equal((await plain(gateway, { [kKeyHeader]: '' })).status, 200);
  assert.deepEqual(keyHeaders(provider.requests.at(-1)), { authorization: `Bearer ${kHeld}` });
  await plain(gateway, { [kKeyHeader]: '', Origin: 'https://evil.example' });
  assert.deepEqual(keyHeaders(provider.requests.at(-1)), {});
  await plain(gateway, { [kKeyHeader]: '', Host: `rebound.example:${gateway.port}` });
  assert.deepEqual(keyHeaders(provider.requests.at(-1)), {}, 'a name that resolves to this machine');
  await plain(gateway, { [kKeyHeader]: '', Host: `LOCALHOST:${gateway.port}` });
  assert.deepEqual(keyHeaders(provider.requests.at(-1)), { authorization: `Bearer ${kHeld}` });
});

scenario('a renewed file is taken up without a restart, a bad one leaves the key before', async (world) => {
  const { provider, gateway, file } = await setUp(world);
  const seen = async () => {
    await anthropic(gateway, kGatewayKey).messages.create(kClaude);
    return provider.requests.at(-1).headers['x-api-key'];
  };
  assert.equal(await seen(), kHeldClaude);
  const next = `${kHeldClaude}-next`;
  fs.writeFileSync(`${file}.new`, next, { mode: 0o600 });
  fs.renameSync(`${file}.new`, file);
  await until(async () => (await seen()) === next, 'the new key is used');
  const taken = await gateway.waitLog(({ msg }) => msg === 'provider credential taken', 'it says so');
  assert.equal(taken.provider, 'anthropic');
  fs.writeFileSync(file, 'two words\n');
  const refused = await gateway.waitLog(({ msg }) => /^provider credential not taken/.test(msg), 'it says why not');
  assert.match(refused.error, /^providers\.anthropic\.credential_file: the key must be one word/);
  assert.equal(await seen(), next);
  fs.rmSync(file);
  await gateway.waitLog(({ error }) => /No such file/.test(error ?? ''), 'it says that the file is gone');
  assert.equal(await seen(), next);
});

scenario('the keys are in no output: logs, database, ring files, API, commands', { timeout: 180000 }, async (world) => {
  const { provider, gateway } = await setUp(world, { tracing: { capture_bodies: true }, pii: { mode: 'off' }, auth: { keys: [{ ...developer, role: 'owner' }] } });
  const headers = { [kKeyHeader]: kGatewayKey };
  await chat(openai(gateway, kGatewayKey));
  await anthropic(gateway, kGatewayKey).messages.create(kClaude);
  await plain(gateway, { [kKeyHeader]: 'ogk-a-key-that-nobody-has' });
  await gateway.api('/openai/v1/nowhere', { headers });
  await gateway.settled();
  provider.server.closeAllConnections();
  await new Promise((resolve) => provider.server.close(resolve));
  assert.equal((await plain(gateway, {})).status, 502);

  const output = [];
  const trace = (await gateway.list())[0].id;
  for (const target of ['/', '/api/health', '/api/ready', '/api/traces', `/api/traces/${trace}`, `/api/traces/${trace}/replay`, '/api/export/traces?include=metadata,headers,bodies', '/api/diagnostics/trace-pipeline', '/api/gateway-keys', '/api/analytics/keys', '/api/openapi.json'])
    output.push([target, (await gateway.api(target, { headers })).text]);
  const config = path.join(gateway.dir, 'ongoingai.yaml');
  const env = { HELD_OPENAI: kHeld };
  const bundle = path.join(gateway.dir, 'bundle');
  for (const args of [['config', 'validate'], ['doctor'], ['doctor', '--format', 'json'], ['report'], ['shell-init'], ['debug', '--include-headers', '--include-bodies', '--bundle-out', bundle], ['export', '--output', path.join(gateway.dir, 'export.ndjson')]]) {
    const done = await run([...args, '--config', config], { cwd: gateway.dir, env });
    output.push([args.join(' '), done.stdout + done.stderr]);
  }
  await gateway.kill(); // what is in the rings stays there
  output.push(['log', JSON.stringify(gateway.lines) + gateway.stderrText]);
  for (const name of fs.readdirSync(gateway.dir, { recursive: true })) {
    const file = path.join(gateway.dir, String(name));
    if (fs.statSync(file).isFile()) output.push([file, fs.readFileSync(file, 'latin1')]);
  }
  assert.ok(output.some(([name]) => /\.rings\//.test(name)), 'ring files were looked at');
  assert.ok(output.some(([name]) => /debug-chain\.json$/.test(name)), 'the bundle was looked at');
  for (const secret of [kHeld, kHeldClaude, hash(kHeld), hash(kHeldClaude)])
    for (const [where, text] of output) assert.ok(!text.includes(secret), `${secret} stands in ${where}`);
});

const kRefused = [
  ['a listener that others reach, with auth off', 'credential_env: HELD', 'server: {host: 0.0.0.0}', /providers\.openai\.credential_env lets everybody who reaches the gateway use your key.*\s+at .*ongoingai\.yaml:3/],
  ['a variable that is not set', 'credential_env: NOT_SET', 'server: {host: 127.0.0.1}', /providers\.openai\.credential_env: the variable that it names is not set or empty/],
  ['the key in place of its variable', `credential_env: ${kHeld}`, 'server: {host: 127.0.0.1}', /must be the name of an environment variable, not a key/],
  ['the key in place of its file', `credential_file: ${kHeld}`, 'server: {host: 127.0.0.1}', /credential_file: the file that it names cannot be read: No such file/],
  ['two places at once', 'credential_env: HELD, credential_file: HELD', 'server: {host: 127.0.0.1}', /must not both be set/],
];
for (const [what, keys, rest, message] of kRefused) {
  scenario(`${what} is refused by serve, config validate and doctor, without showing the key`, async (world) => {
    const cwd = world.folder('refused');
    const file = path.join(cwd, 'ongoingai.yaml');
    fs.writeFileSync(file, `${rest}\nproviders:\n  openai: {${keys}}\n`);
    for (const command of [['serve'], ['config', 'validate'], ['doctor']]) {
      const ended = await run([...command, '--config', file], { cwd, env: { HELD: kHeld } });
      assert.equal(ended.code, 1, command.join(' '));
      const said = ended.stdout + ended.stderr;
      assert.match(said, message, command.join(' '));
      assert.ok(!said.includes(kHeld), 'the secret is shown');
    }
  });
}
