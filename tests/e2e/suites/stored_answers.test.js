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

scenario('a background stream that is left is billed once, to who fetches its end', async (world) => {
  const env = await setUp(world);
  const event = (value) => `event: ${value.type}\ndata: ${JSON.stringify(value)}\n\n`;
  env.routes.on('/v1/responses', async (request, peer) => {
    const events =
      event({ type: 'response.created', response: stored('resp_3', { background: true, status: 'queued', usage: null }) }) +
      event({ type: 'response.output_text.delta', item_id: 'm', output_index: 0, content_index: 0, delta: 'Hello there, friend' });
    await peer.write(`HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n${events}`);
    await peer.gone;
  });
  env.routes.on('/v1/responses/resp_3', (request, peer) => peer.write(answer(stored('resp_3', { background: true }))));
  const leaver = await world.client(env.gateway);
  await leaver.write(
    post('/openai/v1/responses', '{"model":"gpt-4o-mini","background":true,"stream":true,"input":"hi"}', fields),
  );
  await leaver.readUntil('friend', 'the deltas');
  leaver.destroy();
  const left = await env.gateway.onlyTrace({ provider: 'openai' });
  assert.equal(left.metadata.outcome, 'client_aborted');
  assert.equal(left.total_tokens, 0, 'it goes on without the client, and its usage is not known yet');
  assert.equal((await env.fetch('/openai/v1/responses/resp_3')).total_tokens, 120);
});

scenario('a deferred completion is billed where it is fetched, as its request says nothing of usage', async (world) => {
  const env = await setUp(world);
  const completion = { id: 'c1', model: 'grok-4', choices: [], usage: { prompt_tokens: 100, completion_tokens: 20 } };
  env.routes.on('/v1/chat/completions', (request, peer) => peer.write(answer({ request_id: '1f2e' })));
  env.routes.on('/v1/chat/deferred-completion/1f2e', (request, peer) => peer.write(answer(completion)));
  await env.exchange(post('/openai/v1/chat/completions', '{"model":"grok-4","deferred":true,"messages":[]}', fields));
  assert.equal((await env.fetch('/openai/v1/chat/deferred-completion/1f2e')).total_tokens, 120);
});
