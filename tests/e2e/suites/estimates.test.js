// Streams that report no usage, or are cut short, are counted by the tokenizer and say so; prices that are missing are
// visible.
import assert from 'node:assert/strict';
import { post } from '../lib/http.js';
import { chunked, head } from '../lib/peer.js';
import { gate, until, within } from '../lib/wait.js';
import { scenario } from '../lib/world.js';

const kCompletions = '/openai/v1/chat/completions';
const kMessages = '/anthropic/v1/messages';
const kStream = head('HTTP/1.1 200 OK', [
  ['Content-Type', 'text/event-stream'],
  ['Transfer-Encoding', 'chunked'],
]);
const event = (payload) => `data: ${JSON.stringify(payload)}\n\n`;
const delta = (content) => event({ model: 'gpt-4o-mini', choices: [{ index: 0, delta: { content } }] });
/** Chunk framing without its end. */
const unfinished = (bytes) => chunked(bytes).subarray(0, -5);
const fields = [['Content-Type', 'application/json']];

async function setUp(world, config = {}) {
  const { upstream, routes } = await world.routed();
  const gateway = await world.gateway({ openai: upstream.url, config });
  const client = await world.client(gateway);
  return { upstream, routes, gateway, client };
}
const chat = (extra) =>
  JSON.stringify({ model: 'gpt-4o-mini', stream: true, messages: [{ role: 'user', content: 'Say hello.' }], ...extra });

scenario('row 10: a stream that its client leaves is billed for what was seen, as an estimate', async (world) => {
  const env = await setUp(world);
  const left = gate();
  env.routes.on('/v1/chat/completions', async (request, peer) => {
    const deltas = Buffer.from(delta('Hello') + delta(' there, ') + delta('friend'));
    await peer.write(Buffer.concat([kStream, unfinished(deltas)]));
    await left.promise;
    await peer.gone;
  });
  await env.client.write(post(kCompletions, chat({ stream_options: { include_usage: true } }), fields));
  await env.client.readUntil('friend', 'the deltas');
  env.client.destroy();
  left.open();
  const trace = await env.gateway.onlyTrace({ provider: 'openai' });
  assert.equal(trace.metadata.outcome, 'client_aborted');
  assert.equal(trace.metadata.cost_source, 'estimated');
  assert.deepEqual([trace.input_tokens, trace.output_tokens], [10, 4]);
  assert.equal(trace.metadata.usage.estimated, true);
  assert.ok(trace.estimated_cost_usd > 0);
});

scenario('row 10: of a cut Anthropic stream the stated input stays and the output is counted', async (world) => {
  const env = await setUp(world);
  env.routes.on('/v1/messages', async (request, peer) => {
    const usage = { input_tokens: 100, cache_read_input_tokens: 20, cache_creation_input_tokens: 0, output_tokens: 1 };
    const text =
      event({ type: 'message_start', message: { model: 'claude-sonnet-4-5', usage } }) +
      event({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'one two three four five' } });
    await peer.write(Buffer.concat([kStream, unfinished(Buffer.from(text))]));
    peer.destroy();
  });
  const body = JSON.stringify({ model: 'claude-sonnet-4-5', stream: true, messages: [{ role: 'user', content: 'Count.' }] });
  await env.client.write(post(kMessages, body, fields));
  await env.client.readToEnd('the torn stream');
  const trace = await env.gateway.onlyTrace({ provider: 'anthropic' });
  assert.equal(trace.metadata.outcome, 'upstream_aborted');
  assert.deepEqual([trace.input_tokens, trace.output_tokens], [120, 5]);
  assert.equal(trace.metadata.cost_source, 'estimated');
});

scenario('row 10: an error inside a stream is never billed', async (world) => {
  const env = await setUp(world);
  env.routes.on('/v1/chat/completions', (request, peer) =>
    peer.write(Buffer.concat([kStream, chunked(Buffer.from(event({ error: { message: 'the engine is overloaded '.repeat(20) } })))])),
  );
  await env.client.write(post(kCompletions, chat(), fields));
  await env.client.readResponse();
  const trace = await env.gateway.onlyTrace({ provider: 'openai' });
  assert.deepEqual([trace.input_tokens, trace.output_tokens, trace.estimated_cost_usd], [0, 0, 0]);
});

scenario('an address or a key where a session id is read is not stored', async (world) => {
  const env = await setUp(world);
  env.routes.on('/v1/chat/completions', (request, peer) =>
    peer.write(Buffer.concat([kStream, chunked(Buffer.from(delta('Hi') + 'data: [DONE]\n\n'))])),
  );
  const users = ['bob@example.com', 'sk-proj-abcdefghijklmnopqrstuvwxyz0123456789', '550e8400-e29b-41d4-a716-446655440000'];
  const sessions = [];
  for (const user of users) {
    await env.client.write(post(kCompletions, chat({ user }), fields));
    const response = await env.client.readResponse();
    sessions.push((await env.gateway.trace(response.get('x-ongoingai-trace-id'))).session_id);
  }
  assert.match(sessions[0], /^\[EMAIL_REDACTED:/);
  assert.match(sessions[1], /^\[TOKEN_LIKE_REDACTED:|^\[TOKEN_REDACTED:|REDACTED/);
  assert.equal(sessions[2], users[2]);
});

scenario('a whole answer without usage is no silent zero', async (world) => {
  const env = await setUp(world);
  const body = JSON.stringify({ model: 'gpt-4o-mini', choices: [{ message: { role: 'assistant', content: 'Hello' } }] });
  env.routes.on('/v1/chat/completions', (request, peer) =>
    peer.write(
      Buffer.concat([
        head('HTTP/1.1 200 OK', [
          ['Content-Type', 'application/json'],
          ['Content-Length', String(body.length)],
        ]),
        Buffer.from(body),
      ]),
    ),
  );
  await env.client.write(post(kCompletions, chat({ stream: false }), fields));
  const response = await env.client.readResponse();
  const trace = await env.gateway.trace(response.get('x-ongoingai-trace-id'));
  assert.equal(trace.metadata.cost_source, 'estimated');
  assert.equal(trace.metadata.usage.estimated, true);
});

scenario('row 22: a model without a price is unpriced, counted, listed and logged once', async (world) => {
  const env = await setUp(world);
  env.routes.on('/v1/chat/completions', (request, peer) =>
    peer.write(
      Buffer.concat([
        kStream,
        chunked(Buffer.from(event({ choices: [], usage: { prompt_tokens: 7, completion_tokens: 2, total_tokens: 9 } }))),
      ]),
    ),
  );
  for (let i = 0; i < 3; i++) {
    await env.client.write(post(kCompletions, chat({ model: 'model-of-tomorrow' }), fields));
    await env.client.readResponse();
  }
  await until(async () => (await env.gateway.list({ model: 'model-of-tomorrow' })).length === 3, 'three traces');
  const [item] = await env.gateway.list({ model: 'model-of-tomorrow' });
  assert.equal((await env.gateway.trace(item.id)).metadata.cost_source, 'unpriced');
  const d = await env.gateway.diagnostics();
  assert.equal(d.unpriced_total, 3);
  assert.deepEqual(
    d.unpriced_models.map((m) => [m.provider, m.model, m.count]),
    [['openai', 'model-of-tomorrow', 3]],
  );
  const line = 'model has no price; its traces cost 0 until it has one';
  await env.gateway.waitLog((l) => l.msg === line, line);
  assert.equal(env.gateway.log(line).length, 1);
});

scenario('row 25: a price file is taken up while serving, a bad one changes nothing', async (world) => {
  const { writeFileSync, renameSync } = await import('node:fs');
  const file = `${world.dir}/prices.json`;
  const table = (version, input) => ({
    format: 'ongoingai-prices/1',
    version,
    providers: [{ id: 'openai', models: [{ id: 'house-model', prices: { input_mtok: input, output_mtok: '0' } }] }],
  });
  const put = (text) => {
    writeFileSync(`${file}.new`, text);
    renameSync(`${file}.new`, file);
  };
  put(JSON.stringify(table('first', '1')));
  const env = await setUp(world, { pricing: { file } });
  env.routes.on('/v1/chat/completions', (request, peer) =>
    peer.write(
      Buffer.concat([
        kStream,
        chunked(Buffer.from(event({ choices: [], usage: { prompt_tokens: 1000000, completion_tokens: 0, total_tokens: 1000000 } }))),
      ]),
    ),
  );
  const cost = async () => {
    await env.client.write(post(kCompletions, chat({ model: 'house-model' }), fields));
    const response = await env.client.readResponse();
    return (await env.gateway.trace(response.get('x-ongoingai-trace-id'))).estimated_cost_usd;
  };
  assert.equal(await cost(), 1);
  put('{"format": "ongoingai-prices/1", "version": "torn", "providers": [');
  await env.gateway.waitLog((l) => l.msg.startsWith('price file not taken'), 'the bad file is reported');
  assert.equal(await cost(), 1);
  put(JSON.stringify(table('second', '2.5')));
  await env.gateway.waitLog((l) => l.msg === 'price file taken', 'the good file is taken');
  assert.equal(await within(5000, cost(), 'the cost'), 2.5);
});
