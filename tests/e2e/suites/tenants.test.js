// Tenants on one gateway: whatever one of them asks, it gets nothing of another. Beside the property test of all routes
// (src/app/tenant_isolation_contract.h) this goes the whole way, from the header of a request to the bytes of the answer.
import assert from 'node:assert/strict';
import { random } from '../lib/http.js';
import { chatAnswer, get, kCompletions, json, reply } from '../lib/http.js';
import { until } from '../lib/wait.js';
import { scenario } from '../lib/world.js';

const kHeader = 'X-OngoingAI-Gateway-Key';
const kTenants = [
  ['acme', 'core'],
  ['acme', 'edge'],
  ['globex', 'core'],
];
const kRoles = ['owner', 'developer', 'viewer'];
const mark = (tenant) => `mark${tenant}x`;
const token = (tenant, role) => `token-of-${mark(tenant)}-${role}`;

scenario('no answer to a tenant holds anything of another one', { timeout: 180000 }, async (world) => {
  const seed = Number(process.env.GW_SEED ?? (Date.now() ^ process.pid) >>> 0);
  console.log(`tenants: seed ${seed}; again with GW_SEED=${seed}`);
  const r = random(seed);
  const { upstream, routes } = await world.routed();
  routes.on('/v1/chat/completions', (request, peer) => {
    const { model } = JSON.parse(request.body);
    peer.write(reply(chatAnswer({ prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 }, model), [['Content-Type', 'application/json']]));
  });
  const keys = kTenants.flatMap(([org_id, workspace_id], tenant) =>
    kRoles.map((role) => ({ id: `key-${mark(tenant)}-${role}`, token: token(tenant, role), org_id, workspace_id, role })),
  );
  const gateway = await world.gateway({
    openai: upstream.url,
    config: { auth: { enabled: true, keys }, tracing: { capture_bodies: true }, pii: { mode: 'off' } },
  });
  const as = (tenant, target, options = {}) =>
    gateway.api(target, { ...options, headers: { [kHeader]: token(tenant, r.pick(kRoles)), ...options.headers } });
  const shown = (text, tenant) => kTenants.filter((_, other) => other !== tenant && text.includes(mark(other)));

  // A live stream of each, open before anything is stored.
  const streams = [];
  for (const tenant of kTenants.keys()) {
    const client = await world.client(gateway);
    await client.write(get('/api/traces/stream', [[kHeader, token(tenant, 'viewer')]]));
    await client.readHead();
    streams.push(client);
  }
  // What they send overlaps wherever it may.
  const sent = [];
  for (let n = 0; n < 60; n++) {
    const tenant = r.integer(0, kTenants.length - 1);
    const own = (name) => (r.next() < 0.5 ? `${name}-shared` : `${name}-${mark(tenant)}`);
    const answer = await gateway.api(kCompletions, {
      method: 'POST',
      headers: {
        [kHeader]: token(tenant, r.pick(['owner', 'developer'])),
        Authorization: 'Bearer sk-shared-by-all-of-them',
        'X-OngoingAI-Trace-Group-ID': own('group'),
        'X-OngoingAI-Thread-ID': own('thread'),
        'X-OngoingAI-Run-ID': own('run'),
        'X-Correlation-ID': `${mark(tenant)}-${n}`,
      },
      body: json({ model: own('model'), messages: [{ role: 'user', content: `needle ${mark(tenant)}` }] }),
    });
    assert.equal(answer.status, 200, answer.text);
    sent.push({ tenant, id: answer.headers['x-ongoingai-trace-id'] });
  }
  for (const { tenant, id } of sent)
    await until(async () => (await as(tenant, `/api/traces/${id}`)).status === 200, `trace ${id} is stored`);

  for (const tenant of kTenants.keys()) {
    const mine = sent.filter((s) => s.tenant === tenant).map((s) => s.id);
    const about = `tenant ${tenant} of seed ${seed}`;
    for (const { id, tenant: owner } of sent)
      for (const [method, target] of [['GET', ''], ['GET', '/replay'], ['POST', '/fork']]) {
        const answer = await as(tenant, `/api/traces/${id}${target}`, { method, body: method === 'POST' ? '{}' : undefined });
        assert.equal(answer.status, owner === tenant ? 200 : 404, `${method} ${id}${target}: ${about}`);
        assert.deepEqual(shown(answer.text, tenant), [], `${id}${target}: ${about}: ${answer.text}`);
      }
    const stolen = sent.find((s) => s.tenant !== tenant)?.id;
    if (mine.length > 0 && stolen) {
      const fork = await as(tenant, `/api/traces/${mine[0]}/fork`, { method: 'POST', body: JSON.stringify({ checkpoint_id: stolen }) });
      assert.equal(fork.status, 404, about);
      assert.equal((await as(tenant, `/api/traces/${mine[0]}/replay?checkpoint_id=${stolen}`)).status, 404, about);
    }
    const lines = (await as(tenant, '/api/export/traces?format=ndjson&fields=id,model,metadata,request_body,request_headers')).text;
    const exported = lines.trimEnd().split('\n').filter(Boolean).map((line) => JSON.parse(line).id);
    assert.deepEqual(exported.sort(), [...mine].sort(), about);
    const usage = (await as(tenant, '/api/analytics/usage')).json;
    assert.equal(usage.total_tokens, 5 * mine.length, about);

    const foreign = mark((tenant + 1) % kTenants.length);
    for (const target of [
      '/api/traces?limit=200',
      `/api/traces?q=${foreign}`,
      `/api/traces?model=model-${foreign}`,
      '/api/traces?trace_group_id=group-shared',
      `/api/traces?trace_group_id=group-${foreign}`,
      '/api/export/traces?limit=1000&fields=id,model,metadata,request_body,response_body,request_headers',
      '/api/export/traces?format=csv',
      ...['usage', 'cost', 'models', 'keys', 'latency', 'errors', 'summary'].map((name) => `/api/analytics/${name}?group_by=model`),
      '/api/analytics/keys',
      '/api/diagnostics/trace-pipeline',
      '/api/health',
      '/api/gateway-keys',
    ]) {
      const answer = await as(tenant, target);
      assert.ok([200, 400, 403].includes(answer.status), `${target}: ${answer.status} ${answer.text}`);
      assert.deepEqual(shown(answer.text, tenant), [], `${target}: ${about}: ${answer.text}`);
    }
    // The stream has exactly the tenant's own.
    const seen = await streams[tenant].readUntil(mine.at(-1) ?? 'id: ', `the last trace of ${about}`);
    assert.deepEqual(shown(String(seen), tenant), [], `stream: ${about}`);
    for (const id of mine) assert.ok(String(seen).includes(id), `stream: ${id} of ${about}`);
  }
});
