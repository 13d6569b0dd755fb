// The JSON API as clients and dashboards see it, and what traces hold.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { chatAnswer, get, json, kCompletions, post, reply, unique } from '../lib/http.js';
import { head } from '../lib/peer.js';
import { scenario } from '../lib/world.js';
import { until } from '../lib/wait.js';

async function setUp(world, options = {}) {
  const { upstream, routes } = await world.routed();
  routes.on('/v1/chat/completions', (request, peer) =>
    peer.write(reply(chatAnswer(), [['Content-Type', 'application/json']])),
  );
  const gateway = await world.gateway({ openai: upstream.url, anthropic: upstream.url, ...options });
  return { upstream, routes, gateway };
}
const kCors = {
  'access-control-allow-origin': '*',
  'access-control-allow-methods': 'GET, POST, PUT, DELETE, OPTIONS',
  'access-control-allow-headers': 'Content-Type, Authorization, X-API-Key, X-OngoingAI-Gateway-Key',
};
function expectCors(answer, what) {
  for (const [name, value] of Object.entries(kCors)) assert.equal(answer.headers[name], value, `${what}: ${name}`);
}

scenario('/ and /api/health describe the gateway', async (world) => {
  const { gateway } = await setUp(world);
  const root = await gateway.api('/');
  assert.equal(root.status, 200);
  assert.deepEqual(Object.keys(root.json), ['name', 'status', 'version']);
  assert.equal(root.json.name, 'ongoingai gateway');
  assert.equal(root.json.status, 'ok');
  assert.ok(root.text.endsWith('\n'), 'one trailing newline');
  const health = await gateway.api('/api/health');
  assert.equal(health.headers['content-type'], 'application/json');
  assert.deepEqual(
    Object.keys(health.json).filter((k) => k !== 'db_size_bytes'),
    ['status', 'version', 'uptime_sec', 'storage_driver', 'trace_count'],
  );
  assert.equal(health.json.storage_driver, 'sqlite');
  assert.equal(health.json.trace_count, 0);
  assert.ok(health.json.db_size_bytes > 0);
  assert.equal(health.json.version, root.json.version);
  assert.match(root.json.version, /^\S+ \(\S+, \S+\)$/);
});

scenario('/api/ready is 200 once storage answers', async (world) => {
  const { gateway } = await setUp(world);
  const ready = await gateway.api('/api/ready');
  assert.equal(ready.status, 200);
  assert.equal(ready.headers['content-type'], 'application/json');
});

scenario('every API answer carries CORS headers and a correlation id, proxied ones no CORS', async (world) => {
  const { gateway } = await setUp(world);
  for (const path of [
    '/',
    '/api/health',
    '/api/ready',
    '/api/traces',
    '/api/traces/nope',
    '/nowhere',
    '/api/nowhere',
    '/api/traces?limit=x',
  ]) {
    const answer = await gateway.api(path);
    expectCors(answer, path);
    assert.match(answer.headers['x-ongoingai-correlation-id'], /^corr-[0-9a-f]{32}$/, path);
    assert.equal(answer.headers['x-ongoingai-trace-id'], undefined, `${path}: no trace`);
  }
  const proxied = await gateway.api(kCompletions, { method: 'POST', body: '{}' });
  assert.equal(proxied.headers['access-control-allow-origin'], undefined);
  const renamed = await setUp(world, { config: { auth: { header: 'X-Team-Key' } } });
  assert.equal(
    (await renamed.gateway.api('/')).headers['access-control-allow-headers'],
    `${kCors['access-control-allow-headers']}, X-Team-Key`,
  );
});

scenario('OPTIONS is answered 204 by the API and proxied on provider prefixes', async (world) => {
  const { gateway, routes } = await setUp(world);
  routes.on('/v1/chat/completions', (request, peer) =>
    peer.write(reply('from upstream', [['Access-Control-Allow-Origin', 'https://up']])),
  );
  for (const path of ['/', '/api/traces', '/api/nowhere', '/nowhere']) {
    const answer = await gateway.api(path, { method: 'OPTIONS' });
    assert.equal(answer.status, 204, path);
    assert.equal(answer.text, '', path);
    expectCors(answer, path);
  }
  const proxied = await gateway.api(kCompletions, { method: 'OPTIONS' });
  assert.equal(proxied.text, 'from upstream');
  const client = await world.client(gateway);
  await client.write(get('*', [], { method: 'OPTIONS' }));
  assert.equal((await client.readResponse()).status, 200, 'OPTIONS *');
});

scenario('wrong methods, unknown paths and HEAD', async (world) => {
  const { gateway } = await setUp(world);
  for (const path of ['/api/health', '/api/traces', '/api/diagnostics/trace-pipeline', '/api/traces/some-id']) {
    for (const method of ['POST', 'DELETE', 'PUT', 'get']) {
      const client = await world.client(gateway);
      await client.write(
        head(`${method} ${path} HTTP/1.1`, [
          ['Host', 'g'],
          ['Content-Length', '0'],
        ]),
      );
      const answer = await client.readResponse();
      assert.equal(answer.status, 405, `${method} ${path}`);
      assert.match(answer.get('allow'), /^GET, (HEAD, )?OPTIONS$/, `${method} ${path}`);
      assert.deepEqual(JSON.parse(answer.body), { error: 'method not allowed' });
    }
  }
  for (const path of [
    '/api/health/',
    '/api/traces/',
    '/api',
    '/api/',
    '/metrics',
    '/api/traces/a/b/c',
    '/api/traces/a/unknown',
  ]) {
    const answer = await gateway.api(path);
    assert.equal(answer.status, 404, path);
    assert.equal(answer.headers['content-type'], 'application/json', path);
    assert.equal(typeof answer.json.error, 'string', path);
  }
  for (const path of ['/', '/api/health', '/api/ready', '/api/traces']) {
    const client = await world.client(gateway);
    await client.write(get(path, [], { method: 'HEAD' }));
    const answer = await client.readResponse({ method: 'HEAD' });
    assert.equal(answer.status, 200, `HEAD ${path}`);
    await client.write(get('/api/health'));
    assert.equal((await client.readResponse()).status, 200, 'the connection is in step after HEAD');
  }
});

scenario('a path that is not clean is redirected by the API router', async (world) => {
  const { gateway } = await setUp(world);
  const answer = await gateway.api('/api//traces?limit=1');
  assert.equal(answer.status, 301);
  assert.equal(answer.headers.location, '/api/traces?limit=1');
});

scenario('correlation ids: candidates in order, unusable ones skipped, over 128 bytes unusable', async (world) => {
  const { gateway, upstream } = await setUp(world);
  const long = 'a'.repeat(129);
  const cases = [
    [
      [
        ['X-OngoingAI-Correlation-ID', 'one'],
        ['X-Request-ID', 'two'],
        ['X-Correlation-ID', 'three'],
      ],
      'one',
    ],
    [
      [
        ['X-Request-ID', 'two'],
        ['X-Correlation-ID', 'three'],
      ],
      'two',
    ],
    [[['X-Correlation-ID', '  three  ']], 'three'],
    [
      [
        ['X-OngoingAI-Correlation-ID', ''],
        ['X-Request-ID', 'two'],
      ],
      'two',
    ],
    [
      [
        ['X-OngoingAI-Correlation-ID', 'has space'],
        ['X-Request-ID', 'ok-1_2.3:4'],
      ],
      'ok-1_2.3:4',
    ],
    [
      [
        ['x-ongoingai-correlation-id', 'caf\u00e9'],
        ['x-correlation-id', 'z'],
      ],
      'z',
    ],
    [
      [
        ['X-OngoingAI-Correlation-ID', long],
        ['X-Request-ID', 'two'],
      ],
      'two',
    ],
    [[['X-Request-ID', 'a'.repeat(128)]], 'a'.repeat(128)],
    [
      [
        ['X-Request-ID', 'first'],
        ['X-Request-ID', 'second'],
      ],
      'first',
    ],
    [[['X-Request-ID', long]], /^corr-[0-9a-f]{32}$/],
    [[], /^corr-[0-9a-f]{32}$/],
  ];
  for (const [fields, expected] of cases) {
    for (const target of [kCompletions, '/api/health', '/nowhere']) {
      const client = await world.client(gateway);
      await client.write(get(target, fields));
      const response = await client.readResponse();
      const ids = response.all('x-ongoingai-correlation-id');
      assert.equal(ids.length, 1, `${target} ${JSON.stringify(fields)}`);
      if (expected instanceof RegExp) assert.match(ids[0], expected, target);
      else assert.equal(ids[0], expected, `${target} ${JSON.stringify(fields)}`);
      client.destroy();
    }
    const sentUpstream = upstream.requests.at(-1).all('x-ongoingai-correlation-id');
    assert.equal(sentUpstream.length, 1);
    if (!(expected instanceof RegExp)) assert.equal(sentUpstream[0], expected);
  }
});

/** 30 traces that differ in everything a filter knows. */
async function variety(world) {
  const env = await setUp(world);
  env.routes.on('/v1/messages', (request, peer) =>
    peer.write(
      reply(
        json({
          model: 'claude-haiku-4-5-20251001',
          usage: { input_tokens: Number(request.get('x-tokens')), output_tokens: 10 },
        }),
      ),
    ),
  );
  env.routes.on('/v1/chat/completions', (request, peer) => {
    const status = request.get('x-status') ?? '200';
    return peer.write(
      reply(chatAnswer({ prompt_tokens: Number(request.get('x-tokens')), completion_tokens: 10 }), [], `${status} X`),
    );
  });
  const client = await world.client(env.gateway);
  const made = [];
  for (let i = 0; i < 30; i++) {
    const anthropic = i % 3 === 0;
    const fields = [
      ['X-Tokens', String(i * 10)],
      ['X-OngoingAI-Trace-Group-ID', `group-${i % 2}`],
      ['X-OngoingAI-Thread-ID', `thread-${i % 5}`],
      ['X-OngoingAI-Run-ID', `run-${i}`],
      ['Authorization', `Bearer key-${i % 4}`],
      ...(i % 7 === 1 && !anthropic ? [['X-Status', '503']] : []),
    ];
    const model = anthropic ? 'claude-haiku-4-5-20251001' : i % 2 ? 'gpt-4o' : 'gpt-4o-mini';
    await client.write(post(anthropic ? '/anthropic/v1/messages' : kCompletions, json({ model }), fields));
    const response = await client.readResponse();
    const id = response.get('x-ongoingai-trace-id');
    made.push({
      i,
      id,
      anthropic,
      model,
      status: response.status,
      tokens: i * 10 + 10,
      key: createHash('sha256')
        .update(`key-${i % 4}`)
        .digest('hex'),
    });
  }
  await until(async () => (await env.gateway.traceCount()) === 30, '30 traces');
  return { ...env, made };
}

scenario('/api/traces filters by every parameter', async (world) => {
  const { gateway, made } = await variety(world);
  const expectIds = async (query, predicate) => {
    const ids = (await gateway.list(query)).map((t) => t.id);
    const expected = made.filter(predicate).map((m) => m.id);
    assert.deepEqual([...ids].sort(), [...expected].sort(), JSON.stringify(query));
    assert.ok(expected.length > 0 && expected.length < 30, `the filter ${JSON.stringify(query)} tells traces apart`);
  };
  await expectIds({ provider: 'anthropic' }, (m) => m.anthropic);
  await expectIds({ model: 'gpt-4o' }, (m) => m.model === 'gpt-4o');
  await expectIds({ status: '503' }, (m) => m.status === 503);
  await expectIds({ trace_group_id: 'group-1' }, (m) => m.i % 2 === 1);
  await expectIds({ thread_id: 'thread-3' }, (m) => m.i % 5 === 3);
  await expectIds({ run_id: 'run-17' }, (m) => m.i === 17);
  await expectIds({ api_key_hash: made[2].key }, (m) => m.key === made[2].key);
  await expectIds({ min_tokens: '200' }, (m) => m.tokens >= 200);
  await expectIds({ max_tokens: '100' }, (m) => m.tokens <= 100);
  await expectIds(
    { min_tokens: '100', max_tokens: '200', provider: 'openai' },
    (m) => m.tokens >= 100 && m.tokens <= 200 && !m.anthropic,
  );
  const middle = (await gateway.trace(made[15].id)).timestamp;
  await expectIds({ from: middle }, (m) => m.i >= 15);
  await expectIds({ to: middle }, (m) => m.i <= 15);
  assert.deepEqual(await gateway.list({ model: 'GPT-4o' }), [], 'exact and case-sensitive');
  assert.equal((await gateway.list({ from: '2020-01-01', to: '2099-12-31' })).length, 30);
  assert.deepEqual(await gateway.list({ from: '2099-01-01' }), []);
});

scenario('/api/traces pages through everything once, newest first', async (world) => {
  const { gateway, made } = await variety(world);
  const whole = await gateway.list();
  assert.deepEqual(
    whole.map((t) => t.id),
    made.map((m) => m.id).reverse(),
  );
  for (const limit of [1, 7, 10, 29, 30, 31]) {
    const ids = [];
    let cursor = '';
    do {
      const page = await gateway.api(`/api/traces?limit=${limit}${cursor && `&cursor=${cursor}`}`);
      assert.ok(page.json.items.length <= limit);
      ids.push(...page.json.items.map((t) => t.id));
      cursor = page.json.next_cursor ?? '';
      if (cursor) {
        const last = page.json.items.at(-1);
        assert.equal(
          Buffer.from(cursor, 'base64url').toString(),
          `${last.created_at}|${last.id}`,
          'the cursor of the contract',
        );
        assert.equal(page.json.items.length, limit);
      }
    } while (cursor);
    assert.deepEqual(
      ids,
      whole.map((t) => t.id),
      `limit ${limit}`,
    );
  }
  assert.equal(
    (await gateway.api('/api/traces?limit=30')).json.next_cursor,
    undefined,
    'no cursor when nothing follows',
  );
  assert.deepEqual((await gateway.api('/api/traces?provider=nobody')).json, { items: [] });
});

scenario('/api/traces refuses bad parameters with the contract texts', async (world) => {
  const { gateway } = await setUp(world);
  const cursor = (text) => Buffer.from(text).toString('base64url');
  for (const [query, message] of [
    ['limit=x', 'limit must be an integer'],
    ['limit=201', 'limit must be <= 200'],
    ['limit=-1', 'limit must be >= 0'],
    ['status=0', 'status must be >= 100'],
    ['status=1000', 'status must be <= 999'],
    ['min_tokens=-1', 'min_tokens must be >= 0'],
    ['max_tokens=10000001', 'max_tokens must be <= 10000000'],
    ['min_tokens=5&max_tokens=4', 'max_tokens must be greater than or equal to min_tokens'],
    ['from=yesterday', 'invalid from: expected RFC3339 or YYYY-MM-DD'],
    ['to=2026-13-01', 'invalid to: expected RFC3339 or YYYY-MM-DD'],
    ['from=2026-02-02&to=2026-02-01', 'to must be greater than or equal to from'],
    ['cursor=%25', 'trace cursor is invalid: decode base64 cursor'],
    [`cursor=${cursor('2026-02-12T01:00:03Z')}`, 'trace cursor is invalid: missing id'],
    [`cursor=${cursor('2026-02-12T01:00:03Z|')}`, 'trace cursor is invalid: missing id'],
    [`cursor=${cursor('yesterday|x')}`, 'trace cursor is invalid: parse created_at'],
  ]) {
    const answer = await gateway.api(`/api/traces?${query}`);
    assert.equal(answer.status, 400, query);
    assert.equal(
      answer.text,
      `${JSON.stringify({ error: message }).replace(/[<>&]/g, (c) => `\\u00${c.charCodeAt(0).toString(16)}`)}\n`,
      query,
    );
    expectCors(answer, query);
  }
  for (const query of [
    'limit=',
    'limit=0',
    'min_tokens=0&max_tokens=0',
    'limit=%205%20',
    'from=2026-02-02&to=2026-02-02',
    'limit=5&limit=x',
    'a=b;limit=x',
  ]) {
    assert.equal((await gateway.api(`/api/traces?${query}`)).status, 200, query);
  }
});

scenario('/api/traces/{id} shows the whole trace', async (world) => {
  const { gateway } = await setUp(world);
  const client = await world.client(gateway);
  const group = unique('g');
  await client.write(
    post(`${kCompletions}?secret=query`, json({ model: 'gpt-4o-mini' }), [
      ['Authorization', 'Bearer sk-abcdef123456'],
      ['X-OngoingAI-Trace-Group-ID', ` ${group} `],
      ['X-OngoingAI-Thread-ID', 'thread'],
      ['X-OngoingAI-Run-ID', 'run'],
      ['X-OngoingAI-Parent-Checkpoint-ID', 'parent'],
      ['X-OngoingAI-Checkpoint-Seq', '7'],
      ['X-Request-ID', 'req-1'],
    ]),
  );
  const response = await client.readResponse();
  const id = response.get('x-ongoingai-trace-id');
  const trace = await gateway.trace(id);
  assert.equal(trace.id, id);
  assert.equal(trace.trace_group_id, group);
  assert.deepEqual(trace.lineage, {
    group_id: group,
    thread_id: 'thread',
    run_id: 'run',
    checkpoint_id: id,
    parent_checkpoint_id: 'parent',
    checkpoint_seq: 7,
    immutable: true,
  });
  assert.equal(trace.request_path, kCompletions, 'without query');
  assert.equal(trace.request_method, 'POST');
  assert.equal(trace.request_body, undefined, 'bodies are not captured by default');
  assert.equal(trace.response_body, undefined);
  assert.deepEqual(
    Object.keys(trace).filter((k) => !['request_body', 'response_body'].includes(k)),
    [
      'id',
      'trace_group_id',
      'lineage',
      'timestamp',
      'provider',
      'model',
      'request_method',
      'request_path',
      'request_headers',
      'response_status',
      'response_headers',
      'input_tokens',
      'output_tokens',
      'total_tokens',
      'latency_ms',
      'time_to_first_token_ms',
      'time_to_first_token_us',
      'api_key_hash',
      'estimated_cost_usd',
      'metadata',
      'created_at',
      'session_id', // ours, behind the contract's, like the next
      'usage',
    ],
    'the fields of the contract in their order',
  );
  const m = trace.metadata;
  assert.equal(m.correlation_id, 'req-1');
  assert.equal(m.lineage_checkpoint_id, id);
  assert.equal(m.lineage_checkpoint_seq, 7);
  assert.equal(m.api_key_last4, '3456');
  assert.equal(m.redaction_mode, 'off');
  assert.equal(m.redaction_policy_id, 'default/v1');
  assert.deepEqual(m.redaction_counts, { header: 1 });
  assert.equal(m.price_version?.length > 0, true);
  assert.deepEqual(Object.keys(m), Object.keys(m).toSorted(), 'metadata keys are sorted');
  assert.equal(trace.api_key_hash, createHash('sha256').update('sk-abcdef123456').digest('hex'));
  assert.equal(trace.request_headers['X-Ongoingai-Correlation-Id'][0], 'req-1');
  assert.match(trace.timestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{0,8}[1-9])?Z$/);
  assert.equal((await gateway.api(`/api/traces/${id}/`)).status, 200, 'a trailing slash is trimmed');
  const missing = await gateway.api('/api/traces/0123456789abcdef0123456789abcdef');
  assert.equal(missing.status, 404);
  assert.deepEqual(missing.json, { error: 'trace not found' });
});

scenario('the key hash: Authorization before X-API-Key, bearer stripped, other schemes whole', async (world) => {
  const { gateway } = await setUp(world);
  const sha = (text) => createHash('sha256').update(text).digest('hex');
  for (const [fields, key] of [
    [[['Authorization', 'Bearer  sk-1 ']], 'sk-1'],
    [[['authorization', 'BEARER sk-2']], 'sk-2'],
    [[['Authorization', 'Basic dXNlcjpw']], 'Basic dXNlcjpw'],
    [[['X-API-Key', ' sk-ant-3 ']], 'sk-ant-3'],
    [
      [
        ['X-API-Key', 'second'],
        ['Authorization', 'Bearer first'],
      ],
      'first',
    ],
    [[], null],
  ]) {
    const client = await world.client(gateway);
    await client.write(post(kCompletions, '{}', fields));
    const trace = await gateway.trace((await client.readResponse()).get('x-ongoingai-trace-id'));
    assert.equal(trace.api_key_hash, key === null ? undefined : sha(key), JSON.stringify(fields));
    assert.equal(trace.metadata.api_key_last4, key === null ? undefined : key.slice(-4));
    assert.ok(!key || !JSON.stringify(trace.request_headers).includes(key), 'the key itself is nowhere');
  }
});

scenario(
  'captured bodies are stored and cut at body_max_size; X-OngoingAI-No-Capture keeps them out',
  async (world) => {
    const { gateway, routes } = await setUp(world, {
      config: { tracing: { capture_bodies: true, body_max_size: 300 }, pii: { mode: 'off' } },
    });
    const answer = chatAnswer();
    routes.on('/v1/chat/completions', (request, peer) =>
      peer.write(reply(answer, [['Content-Type', 'application/json']])),
    );
    const client = await world.client(gateway);
    const small = json({ model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'caf\u00e9 \u{1f600}' }] });
    await client.write(post(kCompletions, small));
    let trace = await gateway.trace((await client.readResponse()).get('x-ongoingai-trace-id'));
    assert.equal(trace.request_body, small.toString());
    assert.equal(trace.response_body, answer.toString().slice(0, 300));
    const large = json({ model: 'gpt-4o-mini', text: 'y'.repeat(5000) });
    await client.write(post(kCompletions, large));
    trace = await gateway.trace((await client.readResponse()).get('x-ongoingai-trace-id'));
    assert.equal(trace.request_body, large.toString().slice(0, 300));
    assert.equal(trace.model, 'gpt-4o-mini');
    await client.write(post(kCompletions, small, [['X-OngoingAI-No-Capture', 'true']]));
    const quiet = await client.readResponse();
    trace = await gateway.trace(quiet.get('x-ongoingai-trace-id'));
    assert.equal(trace.request_body, undefined);
    assert.equal(trace.response_body, undefined);
    assert.deepEqual([trace.model, trace.input_tokens], ['gpt-4o-mini', 3], 'model and tokens are still read');
    assert.ok(!JSON.stringify(gateway.rows('SELECT * FROM traces WHERE id = ?', trace.id)).includes('caf\u00e9'));
  },
);

scenario('captured bodies that are not text are made storable', async (world) => {
  const { gateway, routes } = await setUp(world, {
    config: { tracing: { capture_bodies: true }, pii: { mode: 'off' } },
  });
  routes.on('/v1/chat/completions', (request, peer) => peer.write(reply(Buffer.from([0x61, 0x00, 0xff, 0x62]))));
  const client = await world.client(gateway);
  await client.write(post(kCompletions, Buffer.from([0x61, 0x00, 0xff, 0xfe, 0xc3, 0xa9])));
  const trace = await gateway.trace((await client.readResponse()).get('x-ongoingai-trace-id'));
  assert.equal(trace.request_body, 'a\ufffd\ufffd\u00e9');
  assert.equal(trace.response_body, 'a\ufffdb');
});

scenario('the decoded path is stored, also with odd bytes', async (world) => {
  const { gateway, routes } = await setUp(world);
  routes.on('*', (request, peer) => peer.write(reply('{}')));
  const client = await world.client(gateway);
  for (const [target, stored] of [
    ['/openai/v1/a%20b%2Fc', '/openai/v1/a b/c'],
    ['/openai/v1/%C3%A9', '/openai/v1/\u00e9'],
    ['/openai/v1/%FF', '/openai/v1/\ufffd'],
    ['/openai', '/openai'],
  ]) {
    await client.write(get(target));
    const response = await client.readResponse();
    assert.equal((await gateway.trace(response.get('x-ongoingai-trace-id'))).request_path, stored, target);
  }
});

scenario('start and end: timestamp, created_at and latency agree', async (world) => {
  const { gateway, routes } = await setUp(world);
  routes.on('/v1/chat/completions', async (request, peer) => {
    await new Promise((resolve) => setTimeout(resolve, 120)); // a provider that thinks
    await peer.write(reply(chatAnswer()));
  });
  const client = await world.client(gateway);
  const before = Date.now();
  await client.write(post(kCompletions, '{}'));
  const trace = await gateway.trace((await client.readResponse()).get('x-ongoingai-trace-id'));
  const [start, end] = [Date.parse(trace.timestamp), Date.parse(trace.created_at)];
  assert.ok(
    start >= before - 5 && end <= Date.now() + 5 && end - start >= 110,
    `${trace.timestamp} to ${trace.created_at}`,
  );
  assert.ok(
    Math.abs(end - start - trace.latency_ms) <= 5,
    `latency ${trace.latency_ms}, ${end - start} between the two times`,
  );
});

scenario('diagnostics have the fields of the contract and add up', async (world) => {
  const { gateway } = await setUp(world);
  const client = await world.client(gateway);
  for (let i = 0; i < 20; i++) {
    await client.write(post(kCompletions, '{}'));
    await client.readResponse();
  }
  await gateway.settled();
  const answer = await gateway.api('/api/diagnostics/trace-pipeline');
  assert.equal(answer.json.schema_version, 'trace-pipeline-diagnostics.v1');
  assert.ok(Math.abs(Date.parse(answer.json.generated_at) - Date.now()) < 60000);
  const d = answer.json.diagnostics;
  for (const name of [
    'queue_capacity',
    'queue_depth',
    'queue_depth_high_watermark',
    'queue_utilization_pct',
    'queue_high_watermark_utilization_pct',
    'enqueue_accepted_total',
    'enqueue_dropped_total',
    'write_dropped_total',
    'total_dropped_total',
  ]) {
    assert.equal(typeof d[name], 'number', name);
  }
  assert.equal(d.queue_pressure_state, 'ok');
  assert.equal(d.queue_high_watermark_pressure_state, 'ok');
  assert.equal(d.enqueue_accepted_total, 20);
  assert.equal(d.total_dropped_total, 0);
  assert.equal(d.store_driver, 'sqlite');
  assert.equal(d.last_enqueue_drop_at, undefined, 'times that never happened are omitted');
});

scenario('access log: one JSON line per request with its correlation id, status and latency', async (world) => {
  const { gateway } = await setUp(world);
  const client = await world.client(gateway);
  await client.write(post(`${kCompletions}?q=<x>&y`, '{}', [['X-Request-ID', 'log-1']]));
  await client.readResponse();
  await gateway.api('/nowhere', { headers: { 'X-Request-ID': 'log-2' } });
  const first = await gateway.waitLog(
    (l) => l.correlation_id === 'log-1' && l.msg === 'request complete',
    'the proxied request',
  );
  assert.equal(first.level, 'INFO');
  assert.deepEqual([first.method, first.path, first.status], ['POST', kCompletions, 200]);
  assert.equal(typeof first.latency_ms, 'number');
  assert.match(first.time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/);
  assert.deepEqual(Object.keys(first).slice(0, 3), ['time', 'level', 'msg']);
  const second = await gateway.waitLog((l) => l.correlation_id === 'log-2', 'the 404');
  assert.equal(second.status, 404);
  const banner = gateway.log('startup banner')[0];
  assert.equal(banner.port, gateway.port);
  assert.equal(banner.storage_driver, 'sqlite');
  assert.equal(banner.auth_enabled, false);
  assert.equal(banner.providers.length, 2);
  assert.match(banner.providers[0], /^openai:\/openai->http:/);
  assert.deepEqual(
    gateway.lines.filter((l) => l.unparsable),
    [],
  );
});
