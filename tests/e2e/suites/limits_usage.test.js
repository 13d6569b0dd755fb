// Limits on requests, tokens and money: who is let through, who is refused and how, and what is counted.
import assert from 'node:assert/strict';
import OpenAI from 'openai';
import { chatAnswer, chatRequest, kCompletions, post, reply } from '../lib/http.js';
import { scenario } from '../lib/world.js';
import { gate, until } from '../lib/wait.js';

const kJson = [['Content-Type', 'application/json']];
const kKeys = ['a', 'b'].map((id) => ({ id, token: `ogk-limits-${id}-0123456789`, org_id: 'o', workspace_id: 'w' }));
const gatewayKey = (id) => kKeys.find((k) => k.id === id).token;
const credentials = (id) => [
  ['X-OngoingAI-Gateway-Key', gatewayKey(id)],
  ['Authorization', 'Bearer sk-limits'],
  ['Content-Type', 'application/json'],
];

/** A gateway with these limits before a provider whose answers use `usage`, once `hold` is open. */
async function setUp(world, limits, { usage, hold, config = {} } = {}) {
  const { upstream, routes } = await world.routed();
  const state = { usage: usage ?? { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 }, hold, bodies: [] };
  routes.on('/v1/chat/completions', async (request, peer) => {
    state.bodies.push(request.body.toString());
    if (state.hold) await state.hold.promise;
    await peer.write(state.fail ? reply('{}', kJson, '500 Oops') : reply(chatAnswer(state.usage), kJson));
  });
  const gateway = await world.gateway({
    openai: upstream.url,
    config: { auth: { enabled: true, keys: kKeys }, limits, ...config },
  });
  const ask = (id = 'a', extra = {}) =>
    fetch(gateway.url + kCompletions, {
      method: 'POST',
      headers: credentials(id),
      body: chatRequest(extra),
    }).then(async (r) => ({ status: r.status, headers: r.headers, text: await r.text() }));
  const api = async (target, on = gateway) =>
    (await on.api(target, { headers: { 'X-OngoingAI-Gateway-Key': gatewayKey('a') } })).json;
  const diagnostics = async () => (await api('/api/diagnostics/trace-pipeline')).diagnostics;
  const stored = (n) => until(async () => (await diagnostics()).stored_total === n, `${n} traces are stored`);
  return { upstream, gateway, state, ask, api, diagnostics, stored };
}
const day = (code, what) => `{"code":"${code}","error":"${what}"}\n`;

scenario('requests over a rate are refused with the time to wait, audited, counted and not traced', async (world) => {
  const env = await setUp(world, { per_key: { requests_per_minute: 2 } });
  const left = (answer) =>
    ['limit', 'remaining', 'reset'].map((what) => answer.headers.get(`x-ratelimit-${what}-requests`));
  for (const remaining of ['1', '0']) {
    const passed = await env.ask();
    assert.equal(passed.status, 200);
    assert.deepEqual(left(passed).slice(0, 2), ['2', remaining]);
    assert.match(left(passed)[2], /^[1-9][0-9]?s$/);
  }
  const refused = await env.ask();
  assert.equal(refused.status, 429);
  assert.deepEqual(left(refused).slice(0, 2), ['2', '0']);
  const wait = Number(refused.headers.get('retry-after'));
  assert.ok(wait >= 1 && wait <= 60, `Retry-After: ${wait}`);
  assert.equal(
    refused.text,
    `{"code":"KEY_RATE_LIMIT_EXCEEDED","error":"request rate limit exceeded for key","retry_after_seconds":${wait}}\n`,
  );
  assert.equal(refused.headers.get('content-type'), 'application/json');
  assert.equal(refused.headers.get('x-should-retry'), null, 'waiting helps');
  assert.equal(refused.headers.get('x-ongoingai-trace-id'), null);
  assert.equal((await env.ask('b')).status, 200, 'the other key has its own');
  const line = await env.gateway.waitLog((l) => l.msg === 'audit gateway auth deny', 'the refusal is audited');
  assert.deepEqual(
    [line.level, line.audit_reason, line.status_code, line.limit_code, line.key_id, line.org_id, line.workspace_id],
    ['WARN', 'usage_limit_exceeded', 429, 'KEY_RATE_LIMIT_EXCEEDED', 'a', 'o', 'w'],
  );
  await env.stored(3);
  const d = await env.diagnostics();
  assert.equal(d.admitted_total, 3, 'a refusal leaves no trace');
  assert.deepEqual(d.limits, { KEY_RATE_LIMIT_EXCEEDED: 1, refused_total: 1 });
  assert.equal(env.state.bodies.length, 3);
});

for (const [name, limits, answer] of [
  ['a day, of a key', { per_key: { max_tokens_per_day: 10 } }, day('KEY_DAILY_TOKENS_EXCEEDED', 'daily token limit exceeded for key')],
  ['a day, of a workspace', { per_workspace: { max_tokens_per_day: 10 } }, day('WORKSPACE_DAILY_TOKENS_EXCEEDED', 'daily token limit exceeded for workspace')],
  ['a day, of an org', { per_org: { max_tokens_per_day: 10 } }, day('ORG_DAILY_TOKENS_EXCEEDED', 'daily token limit exceeded for org')],
])
  scenario(`tokens of ${name} are let through one by one until their sum reaches the limit`, async (world) => {
    const env = await setUp(world, limits);
    for (let i = 0; i < 2; i++) assert.equal((await env.ask()).status, 200, `request ${i}`);
    const refused = await env.ask();
    assert.equal(refused.status, 429);
    assert.equal(refused.text, answer);
    assert.equal(refused.headers.get('retry-after'), null);
    assert.equal(refused.headers.get('x-should-retry'), 'false');
    assert.equal((await env.ask('b')).status, limits.per_key ? 200 : 429);
  });

scenario('a key has limits of its own from the moment they are put, and what it spent before counts', async (world) => {
  const admin = { id: 'admin', token: 'ogk-limits-admin-0123456789', org_id: 'o', workspace_id: 'w', role: 'admin' };
  const env = await setUp(world, { per_key: { max_tokens_per_day: 10 } }, { config: { auth: { enabled: true, keys: [...kKeys, admin] } } });
  const put = (id, body) =>
    env.gateway.api(`/api/gateway-keys/${id}/limits`, {
      method: 'PUT',
      headers: { 'X-OngoingAI-Gateway-Key': admin.token },
      body: JSON.stringify(body),
    });
  for (let i = 0; i < 2; i++) assert.equal((await env.ask()).status, 200);
  assert.equal((await env.ask()).status, 429);
  const changed = await put('a', { max_tokens_per_day: 15, requests_per_minute: 3 });
  assert.equal(changed.status, 200, changed.text);
  assert.deepEqual(changed.json.limits, { max_tokens_per_day: 15, requests_per_minute: 3 });
  assert.equal((await env.ask()).status, 200, '10 of 15');
  assert.equal(JSON.parse((await env.ask()).text).code, 'KEY_DAILY_TOKENS_EXCEEDED');
  assert.equal((await put('a', { max_tokens_per_day: 0, requests_per_minute: 2 })).status, 200);
  assert.equal((await env.ask()).status, 200, 'no limit on tokens, one request of two');
  assert.equal(JSON.parse((await env.ask()).text).code, 'KEY_RATE_LIMIT_EXCEEDED');
  for (let i = 0; i < 2; i++) assert.equal((await env.ask('b')).status, 200, 'the other key has the configured one');
  assert.equal((await env.ask('b')).status, 429);
  assert.equal((await put('a', {})).status, 200);
  assert.equal(JSON.parse((await env.ask()).text).code, 'KEY_DAILY_TOKENS_EXCEEDED');
});

const kMini = { per_model: { 'gpt-4o*': { max_tokens_per_day: 10 } } };

scenario('a model is limited for everybody together, by its name in the request, and others are not', async (world) => {
  const env = await setUp(world, kMini);
  assert.equal((await env.ask('a')).status, 200);
  assert.equal((await env.ask('b', { model: 'gpt-4o' })).status, 200);
  for (const key of ['a', 'b']) {
    const refused = await env.ask(key, { model: 'gpt-4o' });
    assert.equal(refused.status, 429);
    assert.equal(refused.text, day('MODEL_DAILY_TOKENS_EXCEEDED', 'daily token limit exceeded for model'));
    assert.equal(refused.headers.get('x-should-retry'), 'false');
  }
  assert.equal((await env.ask('a', { model: 'o1' })).status, 200);
  const line = await env.gateway.waitLog((l) => l.msg === 'usage limit threshold reached', 'it is told');
  assert.deepEqual([line.limit, line.org_id, line.key_id], ['limits.per_model.gpt-4o*.max_tokens_per_day', '', '']);
  await env.gateway.kill();
  const again = await world.restart(env.gateway);
  const ask = (model) =>
    fetch(again.url + kCompletions, { method: 'POST', headers: credentials('b'), body: chatRequest({ model }) });
  assert.equal((await ask('gpt-4o-mini')).status, 429, 'it is known after a restart');
  assert.equal((await ask('o1')).status, 200);
});

scenario('where models are limited a body too long to be looked at is refused by name', async (world) => {
  const env = await setUp(world, { ...kMini, hold_max_bytes: 4096 });
  const refused = await env.ask('a', { user: 'x'.repeat(10_000) });
  assert.equal(refused.status, 413);
  assert.equal(
    refused.text,
    '{"code":"MODEL_LIMIT_BODY_TOO_LARGE","error":"request body too large for a limit on models"}\n',
  );
  assert.equal((await env.diagnostics()).limits.MODEL_LIMIT_BODY_TOO_LARGE, 1);
  assert.equal((await env.ask('a', { user: 'x'.repeat(3_000) })).status, 200);
});

scenario('money of a day and a month is counted as the traces have it', async (world) => {
  const config = { pricing: { overrides: [{ provider: 'openai', model: 'gpt-4o-mini', input: 1000, output: 2000 }] } };
  for (const [limit, code] of [
    ['max_cost_usd_per_day', 'KEY_DAILY_COST_EXCEEDED'],
    ['max_cost_usd_per_month', 'KEY_MONTHLY_COST_EXCEEDED'],
  ]) {
    const env = await setUp(world, { per_key: { [limit]: 0.0141 }, default_output_reserve: 1 }, { config });
    for (let i = 0; i < 3; i++) assert.equal((await env.ask()).status, 200, `request ${i} of 0.007`);
    assert.equal(JSON.parse((await env.ask()).text).code, code);
    const crossed = await env.gateway.waitLog((l) => l.msg === 'usage limit threshold reached' && l.percent === 100, 'it is told');
    assert.deepEqual(
      [crossed.limit, crossed.spent, crossed.threshold, crossed.key_id],
      [`limits.per_key.${limit}`, '0.021', '0.0141', 'a'],
    );
  }
});

scenario('a budget holds whatever the concurrency', async (world) => {
  const hold = gate();
  const env = await setUp(world, { per_key: { max_tokens_per_day: 1000 } }, { hold });
  const answers = Array.from({ length: 40 }, () => env.ask('a', { max_tokens: 84 }));
  const reserved = 84 + Math.floor(chatRequest({ max_tokens: 84 }).length / 4);
  const most = Math.ceil(1000 / reserved);
  await until(async () => (await env.diagnostics()).limits?.refused_total === 40 - most, `all but ${most} are refused`);
  await until(() => env.state.bodies.length === most, `${most} are let through`);
  hold.open();
  const all = await Promise.all(answers);
  assert.equal(all.filter((a) => a.status === 200).length, most);
  for (const a of all.filter((one) => one.status !== 200)) {
    assert.equal(a.text, day('KEY_DAILY_TOKENS_EXCEEDED', 'daily token limit exceeded for key'));
    assert.equal(a.headers.get('x-should-retry'), null, 'only reserved, not spent: a retry may pass');
  }
  assert.equal((await env.ask('a', { max_tokens: 84 })).status, 200, 'what was not used is free again');
});

scenario('requests at a time are limited, and a place is free again with the answer', async (world) => {
  const hold = gate();
  const env = await setUp(world, { per_key: { concurrent_requests: 1 } }, { hold });
  const first = env.ask();
  await until(() => env.state.bodies.length === 1, 'the first is with the provider');
  const refused = await env.ask();
  assert.equal(
    refused.text,
    '{"code":"KEY_CONCURRENT_REQUESTS_EXCEEDED","error":"concurrent request limit exceeded for key","retry_after_seconds":1}\n',
  );
  hold.open();
  assert.equal((await first).status, 200);
  assert.equal((await env.ask()).status, 200);
});

scenario('a request that the provider does not answer costs nothing', async (world) => {
  const env = await setUp(world, { per_key: { max_tokens_per_day: 10 } });
  env.state.fail = true;
  for (let i = 0; i < 5; i++) assert.equal((await env.ask()).status, 500);
  env.state.fail = false;
  for (let i = 0; i < 2; i++) assert.equal((await env.ask()).status, 200);
  assert.equal((await env.ask()).status, 429);
});

for (const end of ['stop', 'kill'])
  scenario(`what was spent survives a ${end}`, async (world) => {
    const env = await setUp(world, { per_key: { max_tokens_per_day: 10 } });
    for (let i = 0; i < 2; i++) assert.equal((await env.ask()).status, 200);
    await env.gateway[end]();
    const again = await world.restart(env.gateway);
    const ask = (id) =>
      fetch(again.url + kCompletions, { method: 'POST', headers: credentials(id), body: chatRequest() });
    assert.equal((await ask('a')).status, 429);
    assert.equal((await ask('b')).status, 200);
  });

scenario('a held body goes on byte for byte, whole or chunked, within its bound or over it', async (world) => {
  const limits = { per_key: { max_tokens_per_day: 1e9, max_cost_usd_per_day: 1000 }, hold_max_bytes: 4096 };
  for (const config of [{}, { accounting: { include_usage: 'inject' } }]) {
    const env = await setUp(world, limits, { config });
    const client = await world.client(env.gateway);
    let sent = 0;
    for (const framing of ['length', 'chunked'])
      for (const size of [10, 4000, 100_000]) {
        const body = chatRequest({ user: 'x'.repeat(size) }).toString();
        await client.write(post(kCompletions, body, credentials('a'), { framing, sizes: [7, 1000] }));
        const answer = await client.readResponse();
        assert.equal(answer.status, 200, `${framing}, ${size}`);
        assert.equal(env.state.bodies[sent], body, `${framing}, ${size}`);
        sent += 1;
      }
    await env.stored(sent);
    const traces = (await env.api('/api/traces?limit=50')).items;
    assert.equal(traces.length, sent);
    for (const t of traces) assert.deepEqual([t.model, t.total_tokens], ['gpt-4o-mini', 5]);
    assert.equal((await env.diagnostics()).limits.over_max_bytes_total, 2);
  }
});

scenario('a stream that asks for its usage by the gateway is counted under a limit', async (world) => {
  const env = await setUp(world, { per_key: { max_tokens_per_day: 10 } }, { config: { accounting: { include_usage: 'inject' } } });
  assert.equal((await env.ask('a', { stream: true })).status, 200);
  assert.match(env.state.bodies[0], /"include_usage":true/);
});

scenario('a client that leaves while its body is held leaves a trace and no reservation', async (world) => {
  const env = await setUp(world, { per_key: { max_tokens_per_day: 10 } });
  const client = await world.client(env.gateway);
  const request = post(kCompletions, chatRequest(), credentials('a'));
  await client.write(request.subarray(0, request.length - 5));
  await client.destroy();
  await env.stored(1);
  for (let i = 0; i < 2; i++) assert.equal((await env.ask()).status, 200);
  assert.equal((await env.ask()).status, 429);
});

scenario('a body that is refused anyway is not waited for', async (world) => {
  const env = await setUp(world, { per_key: { max_tokens_per_day: 5 } });
  assert.equal((await env.ask()).status, 200);
  const client = await world.client(env.gateway);
  const request = post(kCompletions, chatRequest(), credentials('a'));
  await client.write(request.subarray(0, request.length - 5));
  assert.equal((await client.readResponse()).status, 429);
});

scenario('the openai client does not try again after a spent day', async (world) => {
  const env = await setUp(world, { per_key: { max_tokens_per_day: 5 } });
  const client = new OpenAI({
    baseURL: `${env.gateway.url}/openai/v1`,
    apiKey: 'sk-limits',
    defaultHeaders: { 'X-OngoingAI-Gateway-Key': gatewayKey('a') },
    maxRetries: 3,
  });
  const ask = () => client.chat.completions.create({ model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'Hi' }] });
  await ask();
  await assert.rejects(ask, { status: 429, message: '429 "daily token limit exceeded for key"' });
  assert.equal((await env.diagnostics()).limits.refused_total, 1, 'it was asked once');
});

scenario('limits do nothing without auth, and the API is never limited', async (world) => {
  const open = await setUp(world, { per_key: { requests_per_minute: 1 } }, { config: { auth: { enabled: false } } });
  for (let i = 0; i < 3; i++) assert.equal((await open.ask()).status, 200);
  const env = await setUp(world, { per_key: { requests_per_minute: 1 } });
  for (let i = 0; i < 5; i++) assert.ok(await env.diagnostics());
  assert.equal((await env.ask()).status, 200);
});
