// Limits of several gateways that share nothing but one Postgres.
import assert from 'node:assert/strict';
import { merge } from '../lib/gateway.js';
import { chatAnswer, chatRequest, kCompletions, reply } from '../lib/http.js';
import { Postgres } from '../lib/postgres.js';
import { gate, until } from '../lib/wait.js';
import { scenario } from '../lib/world.js';

const kHeader = 'X-OngoingAI-Gateway-Key';
const kKey = { id: 'a', token: 'ogk-on-postgres-a-012345', org_id: 'o', workspace_id: 'w', role: 'owner' };
/** Of gpt-4o-mini, and what it costs. */
const kThousand = { prompt_tokens: 1000, completion_tokens: 1000, total_tokens: 2000 };
const kCost = 0.00075;
const kUsage = { prompt_tokens: 3, completion_tokens: 7, total_tokens: 10 };

async function setUp(world, count, config) {
  const server = await Postgres.start(world);
  const { upstream, routes } = await world.routed();
  const state = { hold: undefined, passed: 0, usage: kUsage };
  routes.on('/v1/chat/completions', async (request, peer) => {
    state.passed += 1;
    if (state.hold) await state.hold.promise;
    await peer.write(reply(chatAnswer(state.usage), [['Content-Type', 'application/json']]));
  });
  const dsn = server.dsn(server.database());
  const gateways = [];
  for (let i = 0; i < count; i++)
    gateways.push(
      await world.gateway({
        openai: upstream.url,
        config: merge({ server: { workers: 1 }, storage: { driver: 'postgres' }, auth: { enabled: true, keys: [kKey] } }, config),
        env: { ONGOINGAI_STORAGE_DSN: dsn },
        dir: world.folder(`shares${i}`),
      }),
    );
  return { server, gateways, state };
}
const api = (gateway, target, { method = 'GET', body } = {}) =>
  gateway.api(target, { method, headers: { [kHeader]: kKey.token }, body: body && JSON.stringify(body) });
const ask = async (gateway, token = kKey.token, extra = {}) =>
  gateway.api(kCompletions, {
    method: 'POST',
    headers: { [kHeader]: token, Authorization: 'Bearer sk-provider' },
    body: chatRequest(extra),
  });
const figures = async (gateway) => (await api(gateway, '/api/diagnostics/trace-pipeline')).json.diagnostics.limits;

for (const [whose, limits, code] of [
  ['a key', { per_key: { max_tokens_per_day: 100 } }, 'KEY_DAILY_TOKENS_EXCEEDED'],
  ['an org', { per_org: { max_cost_usd_per_month: 0.00004 } }, 'ORG_MONTHLY_COST_EXCEEDED'],
  ['a model', { per_model: { '*': { max_tokens_per_day: 100 } } }, 'MODEL_DAILY_TOKENS_EXCEEDED'],
])
  scenario(`what one gateway spends of the limit of ${whose} another one on its Postgres refuses`, { timeout: 120000 }, async (world) => {
    const { gateways } = await setUp(world, 2, { limits: { ...limits, default_output_reserve: 1 } });
    const [a, b] = gateways;
    assert.equal((await ask(b)).status, 200);
    let answer;
    for (let i = 0; i < 30 && answer?.status !== 429; i++) answer = await ask(a);
    assert.equal(answer.status, 429);
    const since = performance.now();
    await until(async () => (answer = await ask(b)).status === 429, 'the other one refuses');
    console.log(`refused ${((performance.now() - since) / 1000).toFixed(1)} s later`);
    assert.equal(answer.json.code, code);
    assert.equal((await figures(b)).store_reachable, 1);
  });

scenario('without their Postgres gateways go on with their own counts, say so, and share again afterwards', { timeout: 120000 }, async (world) => {
  const { server, gateways } = await setUp(world, 2, {
    limits: { per_key: { max_tokens_per_day: 100 }, default_output_reserve: 1 },
  });
  const [a, b] = gateways;
  await until(async () => (await figures(b)).store_rounds_total > 0, 'it has begun to read');
  for (let i = 0; i < 3; i++) assert.equal((await ask(a)).status, 200);
  await until(async () => (await figures(b)).store_rounds_total > 1, 'the other one has read them');
  await server.stop('SIGQUIT');
  for (const gateway of gateways)
    await gateway.waitLog((l) => l.level === 'ERROR' && l.msg.startsWith('limits cannot be shared now'), 'it says so');
  const passed = [];
  for (const gateway of gateways) {
    passed.push(0);
    while ((await ask(gateway)).status === 200) passed[passed.length - 1]++;
  }
  for (const n of passed) assert.ok(n >= 6 && n <= 8, `${passed} requests of 10 tokens passed; 30 of 100 tokens were known`);
  await server.run();
  for (const gateway of gateways)
    await gateway.waitLog((l) => l.msg.startsWith('limits know again what the database has'), 'it is back');
  for (const gateway of gateways) assert.equal((await ask(gateway)).status, 429);
});

scenario('what a key spent before it had a limit of its own counts, on every gateway', { timeout: 120000 }, async (world) => {
  const { gateways } = await setUp(world, 2, {});
  const [a, b] = gateways;
  const made = await api(a, '/api/gateway-keys', { method: 'POST', body: { name: 'limited', role: 'developer' } });
  assert.equal(made.status, 201, made.text);
  await until(async () => (await ask(b, made.json.token)).status === 200, 'the key is known');
  for (let i = 0; i < 5; i++) assert.equal((await ask(a, made.json.token)).status, 200);
  const id = made.json.key?.id ?? made.json.id;
  const limited = await api(a, `/api/gateway-keys/${id}/limits`, { method: 'PUT', body: { max_tokens_per_day: 60 } });
  assert.equal(limited.status, 200, limited.text);
  await until(async () => (await ask(b, made.json.token)).status === 429, 'it is over its limit');
});

scenario('a killed gateway keeps no money reserved, and what it spent counts for all when it is back', { timeout: 120000 }, async (world) => {
  const { gateways, state } = await setUp(world, 2, { limits: { per_workspace: { max_cost_usd_per_day: 10 * kCost } } });
  state.usage = kThousand;
  const [a, b] = gateways;
  const small = (gateway) => ask(gateway, kKey.token, { max_tokens: 1000 });
  const kEarlier = 3;
  for (let i = 0; i < kEarlier; i++) assert.equal((await small(a)).status, 200);
  state.hold = gate();
  const inFlight = Array.from({ length: 2 }, () => ask(a, kKey.token, { max_tokens: 8000 }).catch(() => 'killed'));
  await until(() => state.passed === kEarlier + 2, 'two are with the provider, and have reserved all there is');
  assert.equal((await small(a)).status, 429);
  await a.kill();
  assert.deepEqual(await Promise.all(inFlight), ['killed', 'killed']);
  state.hold = undefined;
  assert.equal((await small(b)).status, 200, 'nothing is reserved here');
  let passed = 1;
  while ((await small(b)).status === 200) passed += 1;
  // The other one knows those that were stored before the kill.
  const known = kEarlier + passed;
  assert.ok(known >= 10 && known <= 11 + kEarlier, `${known} requests of a tenth of the budget each`);
  const again = await world.restart(a);
  assert.equal((await small(again)).status, 429, 'it knows its own and the other’s');
  await until(async () => (await small(b)).status === 429, 'and so does the other one');
});
