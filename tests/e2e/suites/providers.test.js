// Providers under names of the user's choice: routes, headers that the gateway adds, traces, access, and what is refused
// at start.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { run } from '../lib/gateway.js';
import { MockProvider, kText, usage } from '../lib/mock_provider.js';
import { scenario } from '../lib/world.js';
import { unique } from '../lib/http.js';

const kTheirs = 'sk-the-clients-key-0123456789';
const kOurs = 'sk-the-operators-key-zyxw';
const kTeam = 'the-configured-team';
const kMessages = [{ role: 'user', content: 'Hi' }];

/** Three providers of the user's, each a mock of its own, beside the built-in two. */
async function setUp(world, config = {}) {
  const groq = await MockProvider.start(world);
  const vllm = await MockProvider.start(world);
  const claude = await MockProvider.start(world);
  const gateway = await world.gateway({
    config: {
      providers: {
        groq: {
          kind: 'openai',
          upstream: groq.url,
          headers: { Authorization: `Bearer ${kOurs}`, 'x-team': kTeam },
        },
        vllm_2: { kind: 'openai', upstream: vllm.url, prefix: '/local/vllm/', idle_timeout_ms: 60000 },
        'claude-eu': { kind: 'anthropic', upstream: claude.url },
      },
      ...config,
    },
  });
  return { groq, vllm, claude, gateway };
}
const chat = (gateway, prefix, headers) =>
  new OpenAI({
    baseURL: `${gateway.url}${prefix}/v1`,
    apiKey: kTheirs,
    maxRetries: 0,
    defaultHeaders: headers,
  }).chat.completions.create({ model: 'gpt-4o-mini', messages: kMessages });

scenario('three named providers: each request goes to its own upstream and its trace carries the name', async (world) => {
  const { groq, vllm, claude, gateway } = await setUp(world);
  const group = unique('providers');
  const headers = { 'X-OngoingAI-Trace-Group-ID': group };
  await chat(gateway, '/groq', headers);
  await chat(gateway, '/local/vllm', headers);
  const anthropic = new Anthropic({
    baseURL: `${gateway.url}/claude-eu`,
    apiKey: kTheirs,
    maxRetries: 0,
    defaultHeaders: headers,
  });
  const request = { model: 'claude-haiku-4-5-20251001', max_tokens: 50, messages: kMessages };
  const message = await anthropic.messages.create(request);
  assert.equal(message.content[0].text, kText);
  const streamed = await anthropic.messages.stream(request).finalMessage();
  assert.equal(streamed.content[0].text, kText);

  assert.deepEqual(
    [groq, vllm, claude].map((mock) => mock.requests.map((r) => r.url)),
    [['/v1/chat/completions'], ['/v1/chat/completions'], ['/v1/messages', '/v1/messages']],
  );
  await gateway.settled();
  const list = async (query) => (await gateway.list({ trace_group_id: group, ...query })).map((t) => t.provider);
  assert.deepEqual((await list({})).reverse(), ['groq', 'vllm_2', 'claude-eu', 'claude-eu']);
  for (const [provider, count] of [['groq', 1], ['vllm_2', 1], ['claude-eu', 2], ['openai', 0], ['anthropic', 0]])
    assert.deepEqual(await list({ provider }), Array(count).fill(provider), `provider=${provider}`);
  const trace = await gateway.onlyTrace({ provider: 'vllm_2' });
  assert.equal(trace.request_path, '/local/vllm/v1/chat/completions');
  const counts = usage.openai.plain;
  assert.deepEqual([trace.input_tokens, trace.output_tokens], [counts.input, counts.output]);
  const [streamedTrace] = await gateway.list({ provider: 'claude-eu' });
  const { input, output } = usage.anthropic.stream;
  assert.deepEqual([streamedTrace.input_tokens, streamedTrace.output_tokens], [input, output]);
});

scenario('configured headers reach the provider in place of the client’s, and are seen nowhere else', async (world) => {
  const { groq, gateway } = await setUp(world, { tracing: { capture_bodies: true }, pii: { mode: 'off' } });
  await chat(gateway, '/groq', { 'X-Team': 'the-clients-team', 'X-Other': 'kept' });
  const [seen] = groq.requests;
  assert.equal(seen.headers.authorization, `Bearer ${kOurs}`);
  assert.equal(seen.headers['x-team'], kTeam);
  assert.equal(seen.headers['x-other'], 'kept');
  const names = seen.rawHeaders.filter((_, i) => i % 2 === 0).map((name) => name.toLowerCase());
  for (const name of ['authorization', 'x-team']) assert.equal(names.filter((n) => n === name).length, 1, name);
  assert.ok(!JSON.stringify(seen).includes(kTheirs), 'the client’s key went upstream');

  const trace = await gateway.onlyTrace({ provider: 'groq' });
  assert.match(JSON.stringify(trace), /the-clients-team/, 'a trace holds what the client sent');
  assert.equal(trace.metadata.api_key_last4, kTheirs.slice(-4));
  await gateway.stop();
  const rows = JSON.stringify(gateway.rows('SELECT * FROM traces'));
  for (const secret of [kOurs, kOurs.slice(-4), kTeam])
    for (const [where, text] of [['trace', JSON.stringify(trace)], ['row', rows], ['output', gateway.output()]])
      assert.ok(!text.includes(secret), `${secret} stands in the ${where}`);
});

scenario('the start-up line lists named providers, without their headers', async (world) => {
  const { claude, gateway } = await setUp(world);
  const banner = await gateway.waitLog((line) => line.msg === 'startup banner', 'the start-up line');
  assert.ok(banner.providers.includes(`claude-eu:/claude-eu->${claude.url}`), JSON.stringify(banner.providers));
  assert.ok(!JSON.stringify(gateway.lines).includes(kOurs));
});

scenario('with auth on a named provider asks for the gateway key like the built-in ones', async (world) => {
  const { groq, vllm, gateway } = await setUp(world, {
    auth: {
      enabled: true,
      keys: [
        { id: 'dev', token: 'gateway-key-of-a-developer', role: 'developer' },
        { id: 'viewer', token: 'gateway-key-of-a-viewer', role: 'viewer' },
      ],
    },
  });
  const send = (prefix, headers) =>
    gateway.api(`${prefix}/v1/models`, { headers: { 'Content-Type': 'application/json', ...headers } });
  const key = (who) => ({ 'X-OngoingAI-Gateway-Key': `gateway-key-of-a-${who}` });
  const theirs = { Authorization: `Bearer ${kTheirs}` };
  for (const prefix of ['/groq', '/local/vllm', '/claude-eu']) {
    assert.equal((await send(prefix, theirs)).status, 401, `${prefix} without a gateway key`);
    assert.equal((await send(prefix, { ...theirs, ...key('viewer') })).status, 403, `${prefix} as viewer`);
    assert.equal((await send(prefix, { ...theirs, ...key('developer') })).status, 200, `${prefix} as developer`);
  }
  assert.equal((await send('/local/vllm', key('developer'))).status, 403, 'nobody brings the provider’s key');
  assert.equal((await send('/groq', key('developer'))).status, 200, 'the gateway brings the provider’s key');
  assert.equal(groq.requests.at(-1).headers.authorization, `Bearer ${kOurs}`);
  assert.deepEqual([groq.requests.length, vllm.requests.length], [2, 1], 'what was refused went nowhere');
  const denied = await gateway.waitLog((line) => line.msg === 'audit gateway auth deny', 'the first refusal');
  assert.equal(denied.provider, 'groq');
});

const kRefused = [
  [
    'a prefix below another provider’s',
    '  groq:\n    kind: openai\n    upstream: http://h\n    prefix: /openai/groq\n',
    /providers\.openai\.prefix and providers\.groq\.prefix must not overlap .*"\/openai\/groq" of the provider on line 2/,
  ],
  [
    'two providers on one prefix',
    '  a: {kind: openai, upstream: http://h, prefix: /x}\n  b: {kind: openai, upstream: http://h, prefix: /x/}\n',
    /providers\.a\.prefix and providers\.b\.prefix must not overlap .*on line 2.*on line 3/,
  ],
  [
    'an unknown kind',
    '  groq: {kind: gemini, upstream: http://h}\n',
    /providers\.groq\.kind must be openai or anthropic \(got "gemini"\)/,
  ],
  ['a number as name', '  12: {kind: openai, upstream: http://h}\n', /line 2: .*providers\.12: expected a name/],
  [
    'a header that the gateway writes',
    `  groq: {kind: openai, upstream: http://h, headers: {Host: ${kOurs}}}\n`,
    /providers\.groq\.headers\.Host must not be set/,
  ],
  [
    'a header with a line break',
    `  groq: {kind: openai, upstream: http://h, headers: {X-A: "${kOurs}\\r\\nX-B: c"}}\n`,
    /providers\.groq\.headers\.X-A must not hold control characters/,
  ],
];
for (const [what, providers, message] of kRefused) {
  scenario(`${what} is refused by serve and by config validate`, async (world) => {
    const cwd = world.folder('refused');
    const file = path.join(cwd, 'ongoingai.yaml');
    fs.writeFileSync(file, `providers:\n${providers}`);
    for (const command of [['serve'], ['config', 'validate']]) {
      const ended = await run([...command, '--config', file], { cwd });
      assert.equal(ended.code, 1, command.join(' '));
      assert.match(ended.stderr, message, command.join(' '));
      assert.ok(!(ended.stdout + ended.stderr).includes(kOurs), 'the secret is shown');
    }
  });
}
