// Bodies that are hard on whoever looks into them: bombs, endless lines, deep or broken JSON. They are relayed as
// they are, in bounded memory, and nobody else waits.
import assert from 'node:assert/strict';
import zlib from 'node:zlib';
import { sameBytes } from '../lib/compare.js';
import { chatAnswer, get, json, kCompletions, post, reply } from '../lib/http.js';
import { chunked, head } from '../lib/peer.js';
import { patience } from '../lib/wait.js';
import { scenario } from '../lib/world.js';

const kMiB = 1024 * 1024;

async function setUp(world, answer, config = {}) {
  const { upstream, routes } = await world.routed();
  routes.on('/v1/chat/completions', (request, peer) => peer.write(answer));
  routes.on('/v1/fine', (request, peer) => peer.write(reply('fine')));
  const gateway = await world.gateway({
    openai: upstream.url,
    anthropic: upstream.url,
    config: { server: { workers: 1 }, ...config },
  });
  const client = await world.client(gateway);
  await client.write(get('/openai/v1/fine'));
  await client.readResponse();
  return { routes, gateway, client, before: gateway.rssAnonKiB() };
}
async function exchange({ client, gateway }, body = json({ model: 'gpt-4o-mini' })) {
  const [response] = await Promise.all([
    client.readResponse({ deadline: 60000 }),
    client.write(post(kCompletions, body)),
  ]);
  return { response, trace: await gateway.trace(response.get('x-ongoingai-trace-id')) };
}
for (const [coding, encode] of Object.entries({ gzip: zlib.gzipSync, br: zlib.brotliCompressSync })) {
  scenario(`a ${coding} bomb is relayed, reading it is given up in bounds, and others do not wait`, async (world) => {
    const bomb = encode(
      Buffer.alloc(400 * kMiB),
      coding === 'br' ? { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 4 } } : {},
    );
    const env = await setUp(
      world,
      reply(bomb, [
        ['Content-Encoding', coding],
        ['Content-Type', 'application/json'],
      ]),
    );
    const other = await world.client(env.gateway);
    let longest = 0;
    let done = false;
    const bystander = (async () => {
      while (!done) {
        const start = performance.now();
        await other.write(get('/openai/v1/fine'));
        assert.equal((await other.readResponse()).status, 200);
        longest = Math.max(longest, performance.now() - start);
      }
    })();
    const { response, trace } = await exchange(env);
    done = true;
    await bystander;
    sameBytes(response.body, bomb, 'the bomb');
    assert.equal(trace.metadata.cost_source, 'estimated', 'the count is marked as estimated');
    env.gateway.expectGrownAtMost(12 * 1024, env.before);
    assert.ok(longest < 1000 * patience, `another client on the same worker waited ${longest.toFixed(0)} ms`);
  });
}

scenario('a single event line of 30 MiB does not grow memory, and usage behind it is read', async (world) => {
  const usage =
    'data: {"choices":[],"usage":{"prompt_tokens":17,"completion_tokens":4,"total_tokens":21}}\n\ndata: [DONE]\n\n';
  const body = Buffer.concat([
    Buffer.from('data: {"choices":[{"delta":{"content":"'),
    Buffer.alloc(30 * kMiB, 'z'),
    Buffer.from(`"}}]}\n\n${usage}`),
  ]);
  const answer = Buffer.concat([
    head('HTTP/1.1 200 OK', [
      ['Content-Type', 'text/event-stream'],
      ['Transfer-Encoding', 'chunked'],
    ]),
    chunked(body, Array(200).fill(150000)),
  ]);
  const env = await setUp(world, answer);
  const { response, trace } = await exchange(env);
  sameBytes(response.body, body, 'stream');
  assert.deepEqual([trace.input_tokens, trace.output_tokens], [17, 4]);
  env.gateway.expectGrownAtMost(6 * 1024, env.before);
});

scenario('an upload of 30 MiB whose model stands at the end is streamed in bounded memory', async (world) => {
  const env = await setUp(world, reply(chatAnswer()));
  const body = Buffer.concat([
    Buffer.from('{"messages":"'),
    Buffer.alloc(30 * kMiB, 'm'),
    Buffer.from('","model":"gpt-4o"}'),
  ]);
  const { trace } = await exchange(env, body);
  assert.equal(trace.model, 'gpt-4o');
  env.gateway.expectGrownAtMost(6 * 1024, env.before);
});

const deep = '['.repeat(500000);
const hostile = {
  'deep nesting': Buffer.from(deep),
  'deep objects around usage': Buffer.from(`${'{"usage":'.repeat(100000)}1`),
  'a usage that never ends': Buffer.from(`{"usage":{"prompt_tokens":${'1'.repeat(200000)}`),
  'usage without numbers': json({ usage: { prompt_tokens: '5', completion_tokens: null, total_tokens: [] } }),
  'numbers beyond 64 bits': Buffer.from(
    '{"usage":{"prompt_tokens":1e400,"completion_tokens":99999999999999999999999}}',
  ),
  'negative numbers': json({ usage: { prompt_tokens: -5, completion_tokens: -1 } }),
  'broken UTF-8 and NUL': Buffer.concat([
    Buffer.from('{"usage":{"prompt_tokens":5,"\0\xff'),
    Buffer.from([0xff, 0xfe, 0x00]),
  ]),
  'lone surrogates': Buffer.from('{"model":"\\ud800","usage":{"prompt_tokens":5,"completion_tokens":1}}'),
  'a usage string inside text': json({
    choices: [{ message: { content: '{"usage":{"prompt_tokens":999,"completion_tokens":999}}' } }],
    usage: { prompt_tokens: 5, completion_tokens: 1 },
  }),
  'empty events': Buffer.from('data:\n\ndata: \n\n:comment\n\n\n\ndata: {}\n\ndata: [DONE]\n\n'),
  'an event cut in the middle': Buffer.from('data: {"usage":{"prompt_tok'),
  'two usages': Buffer.from(
    '{"usage":{"prompt_tokens":1,"completion_tokens":1},"usage":{"prompt_tokens":5,"completion_tokens":1}}',
  ),
};
scenario('hostile bodies are relayed unchanged, never end the process, and never invent tokens', async (world) => {
  const env = await setUp(world, reply('{}'));
  for (const [name, body] of Object.entries(hostile)) {
    for (const type of ['application/json', 'text/event-stream']) {
      env.routes.on('/v1/chat/completions', (request, peer) => {
        sameBytes(request.body, body, `${name}: upload`);
        return peer.write(reply(body, [['Content-Type', type]]));
      });
      const { response, trace } = await exchange(env, body);
      sameBytes(response.body, body, `${name}: answer`);
      for (const field of ['input_tokens', 'output_tokens', 'total_tokens'])
        assert.ok(trace[field] >= 0, `${name}: ${field} ${trace[field]}`);
      assert.ok(trace.input_tokens !== 999, `${name}: text is not usage`);
      if (
        type === 'application/json' &&
        (name === 'a usage string inside text' || name === 'two usages' || name === 'lone surrogates')
      ) {
        assert.deepEqual([trace.input_tokens, trace.output_tokens], [5, 1], name);
      }
    }
  }
  env.gateway.expectGrownAtMost(16 * 1024, env.before);
});

scenario('an answer that says gzip and is not, or is cut, is relayed as it is', async (world) => {
  const env = await setUp(world, reply('{}'));
  const whole = zlib.gzipSync(chatAnswer());
  const broken = Buffer.from(whole);
  broken.writeUInt8(broken[30] ^ 0xff, 30);
  for (const body of [
    Buffer.from('not gzip at all'),
    whole.subarray(0, 40),
    broken,
    Buffer.concat([whole, whole]),
    Buffer.alloc(0),
  ]) {
    env.routes.on('/v1/chat/completions', (request, peer) =>
      peer.write(
        reply(body, [
          ['Content-Encoding', 'gzip'],
          ['Content-Type', 'application/json'],
        ]),
      ),
    );
    const { response } = await exchange(env);
    sameBytes(response.body, body, 'answer');
  }
});

scenario('captured bodies are redacted in the store by default and untouched on the wire', async (world) => {
  const answer = json({
    choices: [{ message: { content: 'write to bob@example.com' } }],
    usage: { prompt_tokens: 3, completion_tokens: 2 },
  });
  const env = await setUp(world, reply(answer, [['Content-Type', 'application/json']]), {
    tracing: { capture_bodies: true },
  });
  let arrived;
  env.routes.on('/v1/chat/completions', (request, peer) => {
    arrived = request.body;
    return peer.write(reply(answer, [['Content-Type', 'application/json']]));
  });
  const question = json({
    model: 'gpt-4o-mini',
    max_tokens: 5,
    password: 'hunter2',
    messages: [{ role: 'user', content: 'I am alice@example.com' }],
  });
  const { response, trace } = await exchange(env, question);
  sameBytes(arrived, question, 'what the provider got');
  sameBytes(response.body, answer, 'what the client got');
  assert.equal(trace.metadata.redaction_mode, 'redact_storage');
  const stored = trace.request_body + trace.response_body;
  for (const secret of ['alice@example.com', 'bob@example.com', 'hunter2'])
    assert.ok(!stored.includes(secret), `${secret} is not stored: ${stored}`);
  assert.match(stored, /\[EMAIL_REDACTED:[0-9a-f]{16}\]/);
  assert.match(trace.request_body, /"max_tokens":\s*5/, 'max_tokens is no secret');
  assert.equal(trace.input_tokens, 3);
});
