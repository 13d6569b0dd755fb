// Limits of several gateways that count together in one Redis.
import assert from 'node:assert/strict';
import { chatAnswer, chatRequest, kCompletions, reply } from '../lib/http.js';
import { Authority } from '../lib/pki.js';
import { Redis } from '../lib/redis.js';
import { scenario } from '../lib/world.js';
import { gate, until } from '../lib/wait.js';

const kKey = { id: 'a', token: 'ogk-shared-a-0123456789', org_id: 'o', workspace_id: 'w' };
const kJson = [['Content-Type', 'application/json']];
const kUsage = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 };
/** Of gpt-4o-mini, and what it costs. */
const kThousand = { prompt_tokens: 1000, completion_tokens: 1000, total_tokens: 2000 };
const kCost = 0.00075;
/** A hundredth of a limit: what each gateway may have in reserve. */
const lease = (limit) => Math.max(1, Math.floor(limit / 100));

/** That many gateways on one Redis, before one provider. */
async function setUp(world, count, limits, { tls, env } = {}) {
  const redis = await Redis.start(world, { tls });
  const { upstream, routes } = await world.routed();
  const state = { hold: undefined, passed: 0, usage: kUsage };
  routes.on('/v1/chat/completions', async (request, peer) => {
    state.passed += 1;
    if (state.hold) await state.hold.promise;
    await peer.write(reply(chatAnswer(state.usage), kJson));
  });
  const config = {
    server: { workers: 1 },
    auth: { enabled: true, keys: [kKey] },
    limits: { ...limits, redis_url: redis.url },
  };
  let started = 0;
  const start = () => world.gateway({ openai: upstream.url, config, env, dir: world.folder(`shared${started++}`) });
  const gateways = await Promise.all(Array.from({ length: count }, start));
  const ask = (gateway, extra = {}) =>
    fetch(gateway.url + kCompletions, {
      method: 'POST',
      headers: [
        ['X-OngoingAI-Gateway-Key', kKey.token],
        ['Authorization', 'Bearer sk-shared'],
        ['Content-Type', 'application/json'],
      ],
      body: chatRequest(extra),
    }).then(async (r) => ({ status: r.status, text: await r.text(), retry: r.headers.get('x-should-retry') }));
  const figures = async (gateway) =>
    (await gateway.api('/api/diagnostics/trace-pipeline', { headers: { 'X-OngoingAI-Gateway-Key': kKey.token } })).json
      .diagnostics.limits;
  const together = (n = count) =>
    until(async () => (await figures(gateways.at(-1))).shared_instances === n, `${n} gateways know each other`);
  await together();
  return { redis, gateways, state, start, ask, figures, together };
}

/** Clients that ask one gateway after the other, until each was refused `patience` times running. */
async function crowd(env, clients, { patience = 3, extra } = {}) {
  const statuses = { 200: 0, 429: 0 };
  const codes = new Set();
  let turn = 0;
  await Promise.all(
    Array.from({ length: clients }, async () => {
      for (let refused = 0; refused < patience; ) {
        const gateway = env.gateways[turn++ % env.gateways.length];
        const answer = await env.ask(gateway, extra);
        statuses[answer.status] = (statuses[answer.status] ?? 0) + 1;
        if (answer.status === 429) codes.add(JSON.parse(answer.text).code);
        refused = answer.status === 200 ? 0 : refused + 1;
      }
    }),
  );
  return { statuses, codes: [...codes] };
}

for (const [gateways, clients, most] of [
  [3, 60, 900],
  [10, 200, 2000],
])
  scenario(`${gateways} gateways and ${clients} clients: requests per minute are one limit for all`, { timeout: 240000 }, async (world) => {
    const env = await setUp(world, gateways, { per_key: { requests_per_minute: most } });
    const { statuses, codes } = await crowd(env, clients);
    assert.deepEqual(Object.keys(statuses).sort(), ['200', '429']);
    assert.deepEqual(codes, ['KEY_RATE_LIMIT_EXCEEDED']);
    assert.equal(statuses[200], env.state.passed);
    assert.ok(statuses[200] <= most, `${statuses[200]} of ${most} passed`);
    assert.ok(statuses[200] >= most - gateways * lease(most), `only ${statuses[200]} of ${most} passed`);
    const seen = await env.figures(env.gateways[0]);
    assert.equal(seen.shared_reachable, 1);
    console.log(`${statuses[200]} of ${most} passed; one gateway: ${seen.shared_rounds_total} rounds, ${seen.shared_waits_total} requests waited`);
  });

scenario('ten gateways: a budget of tokens is over by no more than the last request', { timeout: 240000 }, async (world) => {
  const most = 5000;
  const env = await setUp(world, 10, { per_workspace: { max_tokens_per_day: most }, default_output_reserve: 2 });
  const { statuses, codes } = await crowd(env, 100);
  assert.deepEqual(codes, ['WORKSPACE_DAILY_TOKENS_EXCEEDED']);
  const reserved = Math.floor(chatRequest().length / 4) + 2;
  const spent = statuses[200] * kUsage.total_tokens;
  assert.ok(spent < most + reserved, `${spent} tokens of ${most}`);
  assert.ok(spent >= most - 10 * (lease(most) + reserved), `only ${spent} tokens of ${most}`);
});

scenario('requests at a time are one limit, and a killed gateway frees its places within its lease', async (world) => {
  const env = await setUp(world, 3, { per_key: { concurrent_requests: 4 } });
  env.state.hold = gate();
  const [a, b, c] = env.gateways;
  const first = Array.from({ length: 3 }, () => env.ask(a).catch(() => 'killed'));
  await until(() => env.state.passed === 3, 'three are with the provider');
  const second = env.ask(b);
  await until(() => env.state.passed === 4, 'and a fourth');
  const refused = await env.ask(c);
  assert.equal(JSON.parse(refused.text).code, 'KEY_CONCURRENT_REQUESTS_EXCEEDED');
  await a.kill();
  assert.deepEqual(await Promise.all(first), ['killed', 'killed', 'killed']);
  const since = performance.now();
  const third = [];
  await until(async () => {
    third.push(env.ask(c));
    const early = await Promise.race([third.at(-1), until(() => env.state.passed === 5, 'one more passes', 300).catch(() => undefined)]);
    return env.state.passed === 5 || early?.status === 200;
  }, 'a place of the killed gateway is free');
  console.log(`a place was free ${((performance.now() - since) / 1000).toFixed(1)} s after the kill`);
  env.state.hold.open();
  assert.equal((await second).status, 200);
});

scenario('money that a killed gateway had reserved is free again within its lease, and the budget is kept', { timeout: 120000 }, async (world) => {
  const env = await setUp(world, 2, { per_workspace: { max_cost_usd_per_day: 10 * kCost } });
  env.state.usage = kThousand;
  const [a, b] = env.gateways;
  assert.equal((await env.ask(b, { max_tokens: 1000 })).status, 200);
  env.state.hold = gate();
  const inFlight = [];
  for (const passed of [2, 3]) {
    inFlight.push(env.ask(a, { max_tokens: 8000 }).catch(() => 'killed'));
    await until(() => env.state.passed === passed, 'it is with the provider; two have reserved all there is');
  }
  const refused = await env.ask(b, { max_tokens: 1000 });
  assert.equal(JSON.parse(refused.text).code, 'WORKSPACE_DAILY_COST_EXCEEDED');
  assert.equal(refused.retry, null, 'it is only reserved');
  await a.kill();
  const since = performance.now();
  assert.deepEqual(await Promise.all(inFlight), ['killed', 'killed']);
  env.state.hold = undefined;
  let answer;
  await until(async () => (answer = await env.ask(b, { max_tokens: 1000 })).status === 200, 'the money is free again');
  const took = (performance.now() - since) / 1000;
  console.log(`the money was free ${took.toFixed(1)} s after the kill`);
  await until(async () => (await env.ask(b, { max_tokens: 1000 })).retry === 'false', 'the budget is spent');
  // What the killed requests cost nobody knows; all others together cross the budget by no more than the last one.
  const known = env.state.passed - 2;
  assert.ok(known === 10 || known === 11, `${known} requests of a tenth of the budget each`);
});

scenario('Redis is killed and comes back empty: gateways go on with their shares, say so, and no limit is passed', { timeout: 120000 }, async (world) => {
  const most = 1000;
  const env = await setUp(world, 3, { per_key: { requests_per_minute: most } });
  const started = Date.now();
  for (let i = 0; i < 300; i++) assert.equal((await env.ask(env.gateways[i % 3])).status, 200);
  await env.redis.kill();
  for (const gateway of env.gateways)
    await until(async () => !(await env.figures(gateway)).shared_reachable, 'it notices');
  const without = await crowd(env, 6);
  assert.ok((without.statuses[200] ?? 0) <= 3 * 2 * lease(most), 'only what they had');
  await env.gateways[0].waitLog(
    (l) => l.level === 'ERROR' && l.msg.startsWith('limits cannot be shared now') && l.redis === env.redis.url,
    'it says so',
  );
  await env.redis.start();
  for (const gateway of env.gateways)
    await until(async () => (await env.figures(gateway)).shared_reachable === 1, 'it is back');
  await until(async () => (await env.ask(env.gateways[1])).status === 200, 'requests pass again');
  await crowd(env, 60);
  const minutes = 1 + Math.floor((Date.now() - started) / 60000); // of which each has its requests
  assert.ok(env.state.passed <= minutes * most, `${env.state.passed} of ${most} passed`);
  assert.ok(env.state.passed >= most - 3 * 2 * lease(most), `only ${env.state.passed} of ${most} passed`);
});

scenario('over TLS gateways count together where they trust the certificate of Redis, and else each for itself', async (world) => {
  const authority = new Authority(world.folder('pki'));
  const tls = authority.issue('DNS:localhost');
  const limits = { per_key: { requests_per_minute: 10 } };
  const env = await setUp(world, 2, limits, { tls, env: { SSL_CERT_FILE: authority.file } });
  const { statuses } = await crowd(env, 4);
  assert.ok(statuses[200] <= 10 && statuses[200] >= 8, `${statuses[200]} of 10 passed`);
  const config = { ...env.gateways[0].options.config };
  const stranger = await world.gateway({ config, dir: world.folder('stranger') });
  const line = await stranger.waitLog((l) => l.msg.startsWith('limits cannot be shared now'), 'it says so');
  assert.match(line.error, /^tls: certificate not accepted: /);
});

scenario('what was spent is known to a gateway that starts later, also after Redis has forgotten it', async (world) => {
  const env = await setUp(world, 1, { per_key: { max_tokens_per_day: 50 }, default_output_reserve: 1 });
  for (let i = 0; i < 10; i++) await env.ask(env.gateways[0]);
  const before = env.state.passed;
  assert.ok(before >= 8, `${before} requests of 5 tokens`);
  const later = await env.start();
  env.gateways.push(later);
  for (let i = 0; i < 3; i++) await env.ask(later);
  assert.ok(env.state.passed <= 10, `${env.state.passed} requests of 5 tokens: what the first one left, no more`);
  for (const gateway of env.gateways) await gateway.stop();
  await env.redis.kill();
  await env.redis.start();
  const again = await world.restart(env.gateways[0]);
  const { statuses } = await crowd({ ...env, gateways: [again] }, 2);
  assert.ok(env.state.passed <= 11, `${env.state.passed} requests: what its own database knows counts`);
  assert.ok(statuses[429] > 0);
});

scenario('a gateway starts without Redis, and refuses until it has its part alone', async (world) => {
  const env = await setUp(world, 1, { per_key: { requests_per_minute: 7 } });
  await env.gateways[0].stop();
  await env.redis.kill();
  const again = await world.restart(env.gateways[0]);
  await again.waitLog((l) => l.msg.startsWith('limits cannot be shared now'), 'it says so');
  await until(async () => (await env.ask(again)).status === 200, 'it counts alone after a while');
  const { statuses } = await crowd({ ...env, gateways: [again] }, 2);
  assert.ok((statuses[200] ?? 0) <= 6);
});
