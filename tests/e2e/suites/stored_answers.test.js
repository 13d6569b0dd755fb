// What a provider stored can be fetched again, with its usage: only the request that made a model work is billed.
import assert from 'node:assert/strict';
import { get, json, post, reply } from '../lib/http.js';
import { scenario } from '../lib/world.js';

const answer = (value) => reply(json(value), [['Content-Type', 'application/json']]);
const fields = [['Content-Type', 'application/json']];
const usage = { input_tokens: 100, output_tokens: 20, total_tokens: 120 };
const stored = (id, more = {}) => ({
  id,
  object: 'response',
  model: 'gpt-4o-mini',
  status: 'completed',
  background: false,
  output: [],
  usage,
  ...more,
});

async function setUp(world) {
  const { upstream, routes } = await world.routed();
  const gateway = await world.gateway({ openai: upstream.url });
  const client = await world.client(gateway);
  const exchange = async (request) => {
    await client.write(request);
    return gateway.trace((await client.readResponse()).get('x-ongoingai-trace-id'));
  };
  const fetch = (path) => exchange(get(path));
  return { routes, gateway, exchange, fetch };
}

scenario('fetching, changing and cancelling what is stored repeats no bill', async (world) => {
  const env = await setUp(world);
  const completion = { id: 'c1', model: 'gpt-4o-mini', choices: [], usage: { prompt_tokens: 100, completion_tokens: 20 } };
  const answers = {
    '/v1/responses': stored('resp_1'),
    '/v1/responses/resp_1': stored('resp_1'),
    '/v1/responses/resp_1/cancel': stored('resp_1'),
    '/v1/chat/completions/c1': completion,
  };
  for (const [path, value] of Object.entries(answers)) env.routes.on(path, (request, peer) => peer.write(answer(value)));
  const made = await env.exchange(post('/openai/v1/responses', JSON.stringify({ model: 'gpt-4o-mini', input: 'hi' }), fields));
  assert.equal(made.total_tokens, 120);
  assert.ok(made.estimated_cost_usd > 0);
  const again = [
    await env.fetch('/openai/v1/responses/resp_1'),
    await env.fetch('/openai/v1/responses/resp_1'),
    await env.exchange(post('/openai/v1/responses/resp_1/cancel', '{}', fields)),
    await env.fetch('/openai/v1/chat/completions/c1'),
    await env.exchange(post('/openai/v1/chat/completions/c1', '{"metadata":{}}', fields)),
  ];
  for (const trace of again) {
    assert.deepEqual([trace.total_tokens, trace.estimated_cost_usd], [0, 0], trace.request_path);
    assert.equal(trace.metadata.usage, undefined, trace.request_path);
    assert.equal(trace.model, 'gpt-4o-mini');
  }
  assert.equal((await env.gateway.diagnostics()).unpriced_total, 0);
});

scenario('a response that was made in the background is billed to the first who sees its usage', async (world) => {
  const env = await setUp(world);
  const background = (more) => stored('resp_2', { background: true, ...more });
  let finished = false;
  const now = () => answer(finished ? background() : background({ status: 'in_progress', usage: null }));
  env.routes.on('/v1/responses', (request, peer) => peer.write(answer(background({ status: 'queued', usage: null }))));
  env.routes.on('/v1/responses/resp_2', (request, peer) => peer.write(now()));
  await env.exchange(post('/openai/v1/responses', '{"model":"gpt-4o-mini","background":true,"input":"hi"}', fields));
  assert.equal((await env.fetch('/openai/v1/responses/resp_2')).total_tokens, 0);
  finished = true;
  const first = await env.fetch('/openai/v1/responses/resp_2');
  assert.equal(first.total_tokens, 120);
  assert.ok(first.estimated_cost_usd > 0);
  assert.equal((await env.fetch('/openai/v1/responses/resp_2')).total_tokens, 0);
});
