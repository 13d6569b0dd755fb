// Coding agents as people run them: their own binaries, pointed at the gateway and counted right, offline.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { SocketProvider, responsesUsage } from '../e2e/lib/socket_provider.js';
import { within } from '../e2e/lib/wait.js';
import { scenario } from '../e2e/lib/world.js';

const packages = path.join(path.dirname(fileURLToPath(import.meta.url)), 'node_modules');
const claude = path.join(packages, '@anthropic-ai/claude-code-linux-x64/claude');
const codex = path.join(packages, '@openai/codex-linux-x64/vendor/x86_64-unknown-linux-musl/bin/codex');

/** Runs a command in an empty home, so that no real key, configuration or session of anybody is used. */
async function runClient(world, command, args, environment) {
  const home = world.folder(`home-${path.basename(command)}`);
  const child = spawn(command, args, {
    cwd: home,
    env: { PATH: '/usr/bin:/bin', HOME: home, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  world.later(() => child.kill('SIGKILL'));
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text) => (output += text));
  child.stderr.setEncoding('utf8').on('data', (text) => (output += text));
  const code = await within(
    60000,
    new Promise((resolve, reject) => child.once('error', reject).once('close', resolve)),
    () => `${path.basename(command)} ends; it said ${output.slice(-2000)}`,
  );
  assert.equal(code, 0, output);
  return output;
}

const events = (list) => list.map((e) => `event: ${e.type}\ndata: ${JSON.stringify(e)}\n\n`).join('');

/** Serves `answer(body)`'s event streams by path, and 404 elsewhere. */
async function eventProvider(world, answers) {
  const seen = [];
  const server = http.createServer(async (request, response) => {
    const parts = [];
    for await (const part of request) parts.push(part);
    const route = `${request.method} ${request.url.split('?')[0]}`;
    seen.push(route);
    const answer = answers[route];
    if (!answer) return response.writeHead(404, { 'Content-Type': 'application/json' }).end('{"error":{"message":"no"}}');
    response.writeHead(200, { 'Content-Type': 'text/event-stream' });
    response.end(events(answer(JSON.parse(Buffer.concat(parts).toString('utf8')))));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  world.later(() => (server.closeAllConnections(), server.close()));
  return { url: `http://127.0.0.1:${server.address().port}`, seen, server };
}

// The counts at the start are replaced by those at the end, field by field; nothing is summed.
const messagesAnswer = (body) => [
  {
    type: 'message_start',
    message: {
      id: 'msg_1',
      type: 'message',
      role: 'assistant',
      model: body.model,
      content: [],
      stop_reason: null,
      stop_sequence: null,
      usage: {
        input_tokens: 3,
        cache_read_input_tokens: 100,
        cache_creation_input_tokens: 40,
        cache_creation: { ephemeral_5m_input_tokens: 10, ephemeral_1h_input_tokens: 30 },
        output_tokens: 1,
        service_tier: 'standard',
      },
    },
  },
  { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
  { type: 'ping' },
  { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'Hello from the simulated provider' } },
  { type: 'content_block_stop', index: 0 },
  {
    type: 'message_delta',
    delta: { stop_reason: 'end_turn', stop_sequence: null },
    usage: { input_tokens: 5, output_tokens: 12 },
  },
  { type: 'message_stop' },
];

const responseEvents = (body, usage, id = 'resp_1') => {
  const base = { id, object: 'response', created_at: 1, model: body.model };
  const item = {
    type: 'message',
    id: 'msg_1',
    role: 'assistant',
    status: 'completed',
    content: [{ type: 'output_text', text: 'Hello from the simulated provider', annotations: [] }],
  };
  return [
    { type: 'response.created', response: { ...base, status: 'in_progress', output: [] } },
    { type: 'response.output_item.added', output_index: 0, item: { ...item, content: [] } },
    { type: 'response.output_text.delta', item_id: 'msg_1', output_index: 0, content_index: 0, delta: 'Hello' },
    { type: 'response.output_item.done', output_index: 0, item },
    { type: 'response.completed', response: { ...base, status: 'completed', output: [item], usage } },
  ];
};

scenario('Claude Code runs through the gateway and each of its turns is counted', async (world) => {
  const provider = await eventProvider(world, { 'POST /v1/messages': messagesAnswer });
  const gateway = await world.gateway({ anthropic: provider.url });
  const said = await runClient(world, claude, ['-p', 'say hi', '--output-format', 'json'], {
    ANTHROPIC_BASE_URL: `${gateway.url}/anthropic`,
    ANTHROPIC_API_KEY: 'sk-ant-test-0000',
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
    DISABLE_TELEMETRY: '1',
    DISABLE_AUTOUPDATER: '1',
  });
  const result = JSON.parse(said);
  assert.match(result.result, /simulated provider/);
  const items = (await gateway.settled(), await gateway.list({ provider: 'anthropic' }));
  const turns = items.filter((item) => item.request_path.endsWith('/v1/messages'));
  assert.equal(turns.length, provider.seen.filter((route) => route === 'POST /v1/messages').length);
  for (const { id } of turns) {
    const trace = await gateway.trace(id);
    assert.deepEqual([trace.input_tokens, trace.output_tokens, trace.total_tokens], [145, 12, 157]);
    const { usage } = trace.metadata;
    assert.equal(usage.cache_read_tokens, 100);
    assert.equal(usage.cache_write_5m_tokens, 10);
    assert.equal(usage.cache_write_1h_tokens, 30);
    assert.equal(usage.uncached_input_tokens, 5);
    assert.equal(trace.metadata.session_id, result.session_id);
    assert.equal(trace.metadata.cost_source, 'computed');
    assert.ok(trace.estimated_cost_usd > 0, JSON.stringify(trace));
  }
  assert.equal((await gateway.list({ session_id: result.session_id })).length, turns.length);
});

const codexConfig = (gateway, more = '') => `model = "gpt-5.1-codex"
model_provider = "gateway"
[model_providers.gateway]
name = "gateway"
base_url = "${gateway.url}/openai/v1"
env_key = "MOCK_KEY"
wire_api = "responses"
${more}`;

async function runCodex(world, gateway, more) {
  const folder = path.join(world.folder('home-codex'), '.codex');
  fs.mkdirSync(folder, { recursive: true });
  fs.writeFileSync(path.join(folder, 'config.toml'), codexConfig(gateway, more));
  return runClient(world, codex, ['exec', '--skip-git-repo-check', 'say hi'], { MOCK_KEY: 'sk-test-0000' });
}

const codexUsage = responsesUsage(1000, 800, 50, 20);

async function expectCodexTrace(gateway) {
  await gateway.settled();
  const items = (await gateway.list({ provider: 'openai' })).filter((item) => item.total_tokens > 0);
  assert.equal(items.length, 1, JSON.stringify(items));
  const trace = await gateway.trace(items[0].id);
  assert.equal(trace.model, 'gpt-5.1-codex');
  assert.deepEqual([trace.input_tokens, trace.output_tokens, trace.total_tokens], [1000, 50, 1050]);
  assert.equal(trace.metadata.usage.cache_read_tokens, 800);
  assert.equal(trace.metadata.usage.reasoning_tokens, 20);
  assert.equal(trace.metadata.cost_source, 'computed');
  assert.ok(trace.metadata.session_id, JSON.stringify(trace.metadata));
  // 200 uncached and 800 cached tokens in, 50 out, at 1.25, 0.125 and 10 dollars a million.
  assert.equal(trace.estimated_cost_usd, 0.00085);
}

scenario('Codex runs through the gateway over HTTP and is counted right', async (world) => {
  const provider = await eventProvider(world, {
    'POST /v1/responses': (body) => responseEvents(body, codexUsage),
  });
  const gateway = await world.gateway({ openai: provider.url });
  assert.match(await runCodex(world, gateway), /simulated provider/);
  await expectCodexTrace(gateway);
});

scenario('Codex runs through the gateway over a compressed WebSocket and is counted right', async (world) => {
  const provider = await eventProvider(world, {});
  let n = 0;
  const sockets = await SocketProvider.start(
    world,
    (send, message) => {
      if (message.type !== 'response.create') return;
      // Codex may warm a connection up by a request that generates nothing: its answer has no usage.
      const usage = message.generate === false ? responsesUsage(0, 0, 0, 0) : codexUsage;
      for (const event of responseEvents(message, usage, `resp_${++n}`)) send(event);
    },
    { server: provider.server, deflate: true },
  );
  const gateway = await world.gateway({ openai: provider.url });
  assert.match(await runCodex(world, gateway, 'supports_websockets = true'), /simulated provider/);
  assert.ok(sockets.handshakes.length > 0, `no WebSocket was opened: ${provider.seen}`);
  await expectCodexTrace(gateway);
});
