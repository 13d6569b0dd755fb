// The OpenAPI document beside live answers. Every operation, status and media type that it has is asked for, and every
// answer must be as it says: drift in either direction fails.
import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { get, post, reply } from '../lib/http.js';
import { MockProvider } from '../lib/mock_provider.js';
import { OpenApi } from '../lib/openapi.js';
import { head } from '../lib/peer.js';
import { until } from '../lib/wait.js';
import { scenario } from '../lib/world.js';

const kKeyHeader = 'X-OngoingAI-Gateway-Key';
const kLineage = {
  'X-OngoingAI-Trace-Group-ID': 'group',
  'X-OngoingAI-Thread-ID': 'thread',
  'X-OngoingAI-Run-ID': 'run',
  'X-OngoingAI-Checkpoint-Seq': '4',
  'X-OngoingAI-Parent-Checkpoint-ID': 'parent',
};
const kAllFields = 'fields=default,metadata,request_headers,request_body,response_headers,response_body,cursor';

/** Answers whose usage has every part that providers report. */
const kRichAnswers = {
  '/v1/chat/completions': {
    model: 'gpt-4o-audio-preview',
    service_tier: 'default',
    usage: {
      prompt_tokens: 1000,
      completion_tokens: 500,
      total_tokens: 1500,
      cost: 0.0123,
      prompt_tokens_details: { cached_tokens: 100, audio_tokens: 30, image_tokens: 40 },
      completion_tokens_details: { reasoning_tokens: 200, audio_tokens: 50, image_tokens: 60 },
    },
  },
  '/v1/realtime/like': {
    model: 'gpt-4o-realtime-preview',
    usage: {
      input_tokens: 100,
      output_tokens: 50,
      total_tokens: 150,
      input_token_details: {
        cached_tokens: 40,
        text_tokens: 50,
        audio_tokens: 30,
        image_tokens: 20,
        cached_tokens_details: { text_tokens: 10, audio_tokens: 10, image_tokens: 20 },
      },
    },
  },
  '/v1/responses': {
    model: 'gpt-4o',
    output: [{ type: 'web_search_call' }, { type: 'file_search_call' }, { type: 'code_interpreter_call' }],
    usage: { input_tokens: 10, output_tokens: 5, total_tokens: 15 },
  },
  '/v1/audio/transcriptions': { text: 'Hi', usage: { type: 'duration', seconds: 7 } },
  '/v1/messages': {
    model: 'claude-sonnet-4-5',
    usage: {
      input_tokens: 10,
      output_tokens: 20,
      cache_read_input_tokens: 5,
      cache_creation_input_tokens: 9,
      cache_creation: { ephemeral_5m_input_tokens: 4, ephemeral_1h_input_tokens: 5 },
      server_tool_use: { web_search_requests: 1, code_execution_requests: 1 },
      service_tier: 'standard',
      inference_geo: 'us',
    },
  },
  '/v1/odd': {
    model: 'gpt-4o',
    usage: { prompt_tokens: 1, completion_tokens: 2, prompt_tokens_details: { cached_tokens: 5 } },
  },
};

/** A gateway in front of simulated providers, and traces of all kinds in it: {gateway, ids}. */
async function setUp(world, config = {}, headers = {}) {
  const provider = await MockProvider.start(world);
  const { upstream, routes } = await world.routed();
  const silent = 'data: {"choices":[{"delta":{"content":"Hi"}}]}\n\ndata: [DONE]\n\n'; // says nothing of its usage
  for (const [path, answer] of Object.entries(kRichAnswers))
    routes.on(path, (request, peer) =>
      String(request.body).includes('"stream":true')
        ? peer.write(reply(silent, [['Content-Type', 'text/event-stream']]))
        : peer.write(reply(JSON.stringify(answer), [['Content-Type', 'application/json']])),
    );
  const gateway = await world.gateway({
    openai: provider.url,
    anthropic: upstream.url,
    config: {
      tracing: { capture_bodies: true },
      accounting: { include_usage: 'inject' },
      pii: { mode: 'observe' },
      providers: { rich: { kind: 'openai', upstream: upstream.url, prefix: '/rich' } },
      ...config,
    },
  });
  const messages = [{ role: 'user', content: 'Hi, "you"' }];
  const requests = [
    ['/openai/v1/chat/completions', { model: 'gpt-4o-mini', messages }, kLineage],
    [
      '/openai/v1/chat/completions',
      { model: 'gpt-4o-mini', messages, stream: true },
      { ...kLineage, 'X-OngoingAI-Checkpoint-Seq': '5' },
    ],
    ['/openai/v1/responses', { model: 'gpt-4o', input: 'Hi' }, { 'X-Request-ID': 'req-1' }],
    ['/openai/v1/chat/completions', { model: 'rate-limited', messages }, {}],
    ['/openai/v1/chat/completions', { model: 'no-such-model', messages }, {}],
    ['/openai/v1/chat/completions', { model: 'overloaded', messages }, { Authorization: 'Bearer sk-another' }],
    ['/anthropic/v1/messages', { model: 'claude-sonnet-4-5', max_tokens: 9, messages, service_tier: 'auto' }, {}],
    ...Object.keys(kRichAnswers)
      .filter((path) => path !== '/v1/messages')
      .map((path) => [`/rich${path}`, { model: kRichAnswers[path].model, messages }, {}]),
    ['/rich/v1/chat/completions', { model: 'gpt-4o', messages, stream: true }, {}],
    ['/openai/v1/nowhere', {}, {}],
  ];
  const ids = [];
  for (const [path, body, more] of requests) {
    const answer = await gateway.api(path, {
      method: 'POST',
      headers: { Authorization: 'Bearer sk-abcdef123456', 'Content-Type': 'application/json', ...headers, ...more },
      body: JSON.stringify(body),
    });
    ids.push(answer.headers['x-ongoingai-trace-id']);
  }
  await until(async () => (await gateway.traceCount()) === ids.length, 'all traces are stored');
  return { gateway, ids };
}

/**
 * It takes limits that were spoilt in the database (keys.test.js), a key that the gateway holds (credentials.test.js),
 * full rings, and seconds of searching (unit tests).
 */
const kOnlyElsewhere = [
  'GatewayKey.limits_unreadable',
  'GatewayKeyWithToken.limits_unreadable',
  'Metadata.credential',
  'PipelineFigures.last_enqueue_drop_at',
  'TraceList.partial',
];

const target = (operation, id, query = '') => operation.path.replace('{id}', id) + (query && `?${query}`);

const aboutKeys = (operation) => operation.path.startsWith('/api/gateway-keys');

/** A response of a raw connection as gateway.api() gives it. */
const asAnswer = (response) => ({
  status: response.status,
  headers: Object.fromEntries(response.fields.map(([name, value]) => [name.toLowerCase(), value])),
  text: response.body?.toString() ?? '',
});

/** Asks an operation. Of a stream that does not end by itself the answer's head and what `readUntil` waits for. */
async function ask(world, gateway, operation, { id, query = '', headers = {}, readUntil = 'id: ' }) {
  if (operation.id !== 'streamTraces')
    return gateway.api(target(operation, id, query), { method: operation.method, headers });
  const client = await world.client(gateway);
  await client.write(get(target(operation, id, query), Object.entries(headers)));
  const start = await client.readHead();
  const status = Number(start.startLine.split(' ')[1]);
  const length = Number(start.get('content-length') ?? 0);
  const body = status === 200 ? await client.readUntil(readUntil, 'an event') : await client.readExactly(length);
  client.destroy();
  return asAnswer({ status, fields: start.fields, body });
}

/** Queries whose answers are 200, by operation; every media type is among them. */
function goodQueries(cursor, ids) {
  const tables = (...queries) => queries.flatMap((query) => [query, `${query}${query && '&'}format=csv`]);
  const series = tables(
    '',
    'bucket=hour',
    'group_by=model',
    'group_by=session&bucket=week&tz=Europe/Berlin',
    'group_by=model&limit=1',
  );
  const grouped = tables('', 'group_by=route', 'group_by=key', 'group_by=status&limit=1');
  return {
    listTraces: tables('', 'limit=1', 'provider=nobody'),
    replayTrace: ['', `checkpoint_id=${ids[0]}`, 'limit=1', 'thread_id=another'],
    exportTraces: [
      ...['', 'format=ndjson', 'format=csv'].flatMap((form) =>
        ['', kAllFields, 'limit=1', 'fields=id'].map((q) => `${form}&${q}`),
      ),
      `after=${cursor}`,
      `after=${cursor}&format=ndjson&wait=1`,
    ],
    streamTraces: [`last_event_id=${cursor}`, `last_event_id=${cursor}&${kAllFields}`],
    getUsage: series,
    getCost: series,
    getModels: tables('', 'limit=1', 'provider=nobody'),
    getKeys: tables('', 'limit=1'),
    getLatency: grouped,
    getErrors: grouped,
    getSummary: tables('', 'provider=nobody'),
  };
}

async function answersOfWorking(world, api) {
  const { gateway, ids } = await setUp(world);
  const cursor = (await gateway.api('/api/export/traces?limit=1')).json.next_cursor;
  const queries = goodQueries(cursor, ids);
  for (const operation of api.operations.filter((o) => !aboutKeys(o))) {
    for (const query of queries[operation.id] ?? [''])
      for (const id of operation.path.includes('{id}') && query === '' ? ids : ids.slice(0, 1)) {
        const answer = await ask(world, gateway, operation, { id, query, readUntil: '}\n\n' });
        assert.equal(answer.status, 200, `${operation.id} ${query}: ${answer.text}`);
        api.check(operation, answer, query);
      }
    if (operation.responses[404])
      api.check(operation, await ask(world, gateway, operation, { id: 'nobody' }), 'no such trace');
    if (!operation.responses[400] || operation.id === 'forkTrace') continue;
    const answer = await ask(world, gateway, operation, {
      id: ids[0],
      query: operation.id === 'replayTrace' ? 'limit=x' : 'from=x',
    });
    assert.equal(answer.status, 400, operation.id);
    api.check(operation, answer, 'a bad parameter');
  }
  const coded = await gateway.api('/api/export/traces?format=ndjson&limit=0', {
    headers: { 'Accept-Encoding': 'gzip' },
  });
  api.check(api.operation('exportTraces'), { ...coded, text: '' }, 'gzip');
  assert.equal(coded.headers['content-encoding'], 'gzip');
  await bodiesOfForks(world, api, gateway, ids);
}

async function bodiesOfForks(world, api, gateway, ids) {
  const fork = api.operation('forkTrace');
  const start = (field) => head(`POST ${target(fork, ids[0])} HTTP/1.1`, [['Host', 'g'], field]);
  for (const [status, bytes] of [
    [200, post(target(fork, ids[0]), '')],
    [200, post(target(fork, ids[0]), `{"run_id":"again","thread_id":null,"checkpoint_id":"${ids[1]}"}`)],
    [400, post(target(fork, ids[0]), '{"what":"this"}')],
    [400, Buffer.concat([start(['Transfer-Encoding', 'chunked']), Buffer.from('2\r\n{}x')])],
    [413, post(target(fork, ids[0]), ' '.repeat(16385))],
  ]) {
    const client = await world.client(gateway);
    await client.write(bytes);
    const answer = asAnswer(await client.readResponse());
    assert.equal(answer.status, status, answer.text);
    api.check(fork, answer, 'a body');
  }
}

/** Writes to a key's route on a connection of its own. */
async function send(world, gateway, operation, status, bytes) {
  const client = await world.client(gateway);
  await client.write(bytes);
  const answer = asAnswer(await client.readResponse());
  assert.equal(answer.status, status, `${operation.id}: ${answer.text}`);
  return answer;
}

const large = (method, path, fields) =>
  Buffer.concat([
    head(`${method} ${path} HTTP/1.1`, [['Host', 'g'], ...fields, ['Content-Length', '65537']]),
    Buffer.from(' '.repeat(65537)),
  ]);

const kOwner = { id: 'owner', token: 'token-of-the-owner', role: 'owner' };
const kOwned = { enabled: true, keys: [kOwner] };

/** Bodies that do not arrive. Only here the time is short: everywhere else a slow machine could not keep to it. */
async function answersToSlowBodies(world, api) {
  const gateway = await world.gateway({ config: { server: { header_timeout_ms: 500 }, auth: kOwned } });
  const fields = [['Host', 'g'], [kKeyHeader, kOwner.token], ['Content-Length', '10']];
  for (const operation of api.operations.filter(({ responses }) => responses[408])) {
    const start = head(`${operation.method} ${target(operation, 'some')} HTTP/1.1`, fields);
    const answer = await send(world, gateway, operation, 408, Buffer.concat([start, Buffer.from('{')]));
    api.check(operation, answer, 'slow');
  }
}

async function answersAboutKeys(world, api) {
  const provider = await MockProvider.start(world);
  const gateway = await world.gateway({ openai: provider.url, config: { auth: kOwned } });
  const [list, create, revoke, rotate, limit] = ['list', 'create', 'revoke', 'rotate', 'limit'].map((what) =>
    api.operation(`${what}GatewayKey${what === 'list' ? 's' : ''}`),
  );
  const headers = { [kKeyHeader]: kOwner.token };
  const fields = Object.entries(headers);
  const check = async (operation, status, id, body) => {
    const answer = await gateway.api(target(operation, id), {
      method: operation.method,
      headers,
      body: body && JSON.stringify(body),
    });
    assert.equal(answer.status, status, `${operation.id}: ${answer.text}`);
    api.check(operation, answer, `${id} ${JSON.stringify(body)}`);
    return answer.json;
  };
  await check(list, 200);
  const wanted = { id: 'all', name: 'All', description: 'everything', permissions: ['keys:manage'] };
  const made = await check(create, 201, '', { ...wanted, expires_at: '2199-01-01T00:00:00Z' });
  await check(create, 201);
  await gateway.api('/openai/v1/chat/completions', {
    method: 'POST',
    headers: { [kKeyHeader]: made.token, Authorization: 'Bearer sk' },
    body: JSON.stringify({ model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'Hi' }] }),
  });
  await until(async () => {
    const { items } = await check(list, 200);
    return items.find(({ id }) => id === 'all').last_used_at !== undefined;
  }, 'the time of the last use is there');
  await check(rotate, 200, 'all', { grace_seconds: 60 });
  const limits = {
    requests_per_minute: 1,
    tokens_per_minute: 2,
    max_tokens_per_day: 3,
    max_cost_usd_per_day: 0.5,
    max_cost_usd_per_month: 4,
    concurrent_requests: 0,
  };
  await check(limit, 200, 'all', limits);
  await check(create, 201, '', { limits });
  await check(list, 200);
  await check(limit, 404, 'nobody', {});
  for (const operation of [create, rotate, limit]) {
    const path = target(operation, 'all');
    await check(operation, 400, 'all', { token: 'short' });
    await check(operation, 400, 'all', { nothing: 1 });
    if (operation !== limit) await check(operation, 409, 'all', { id: undefined, token: made.token });
    api.check(operation, await send(world, gateway, operation, 413, large(operation.method, path, fields)), 'large');
  }
  await check(rotate, 404, 'nobody');
  await check(revoke, 404, 'nobody');
  await check(revoke, 204, 'all');
  await busyKeys(world, api, gateway, fields);
}

/** While another program writes, changes wait; beyond a bound they are refused. */
async function busyKeys(world, api, gateway, fields) {
  const operations = api.operations.filter(aboutKeys);
  const database = new DatabaseSync(gateway.databasePath, { timeout: 10000 });
  try {
    database.exec('BEGIN IMMEDIATE');
    const crowd = await Promise.all(Array.from({ length: 260 }, () => world.client(gateway)));
    await Promise.all(crowd.map((client) => client.write(post('/api/gateway-keys', '', fields))));
    const refused = await Promise.race(crowd.map((client) => client.readResponse({ deadline: 20000 })));
    assert.equal(refused.status, 503);
    for (const operation of operations) {
      const bytes = head(`${operation.method} ${target(operation, 'some')} HTTP/1.1`, [['Host', 'g'], ...fields]);
      // The first of the crowd may have been begun late, and left a place to one more.
      const tries = [1, 2].map(() => send(world, gateway, operation, 503, bytes));
      for (const one of tries) one.catch(() => {});
      api.check(operation, await Promise.any(tries), 'too many requests');
    }
    for (const client of crowd) client.destroy();
  } finally {
    database.close();
  }
}

async function answersWithAuth(world, api) {
  const key = (id, role) => ({ id, token: `token-of-${id}`, org_id: 'org', workspace_id: 'w', role });
  const config = {
    auth: { enabled: true, failure_delay_ms: 20, keys: [key('a', 'member'), key('b', 'nobody')] },
    limits: { per_key: { requests_per_minute: 1 } },
  };
  const provider = await MockProvider.start(world);
  const gateway = await world.gateway({ openai: provider.url, config });
  const body = JSON.stringify({ model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'Hi' }] });
  for (const status of [200, 429]) {
    const made = await gateway.api('/openai/v1/chat/completions', {
      method: 'POST',
      headers: { [kKeyHeader]: 'token-of-a', Authorization: 'Bearer sk' },
      body,
    });
    assert.equal(made.status, status);
  }
  await until(async () => (await gateway.traceCount()) === 1, 'the trace is stored');
  for (const operation of api.operations) {
    for (const [token, status] of [
      [undefined, operation.isPublic ? 200 : 401],
      ['unknown', operation.isPublic ? 200 : 401],
      ['token-of-b', operation.isPublic ? 200 : 403],
    ]) {
      const answer = await ask(world, gateway, operation, {
        id: 'some',
        headers: token ? { [kKeyHeader]: token } : {},
      });
      assert.equal(answer.status, status, `${operation.id} with the key ${token}`);
      api.check(operation, answer, `the key ${token}`);
    }
    const answer = await ask(world, gateway, operation, { id: 'some', headers: { [kKeyHeader]: 'token-of-a' } });
    const expected = aboutKeys(operation) ? 403 : operation.responses[404] ? 404 : 200;
    assert.equal(answer.status, expected, operation.id);
    api.check(operation, answer, 'a key');
  }
  const counted = await ask(world, gateway, api.operation('getTracePipelineDiagnostics'), {
    headers: { [kKeyHeader]: 'token-of-a' },
  });
  assert.ok(counted.json.diagnostics.auth.delayed_total > 0);
  api.check(api.operation('getTracePipelineDiagnostics'), counted, 'refused keys');
  api.check(api.otherRequests, await gateway.api('/api/traces', { method: 'PATCH' }), 'PATCH');
  api.check(api.otherRequests, await gateway.api('/api/nowhere'), 'no such path, with auth');
}

/** What another program does to the database file. */
function change(gateway, statements) {
  const database = new DatabaseSync(gateway.databasePath, { timeout: 10000 });
  try {
    for (const statement of statements(database)) database.exec(statement);
  } finally {
    database.close();
  }
}

async function answersOfGone(world, api) {
  const { gateway } = await setUp(world);
  const cursor = (await gateway.api('/api/export/traces?limit=1')).json.next_cursor;
  change(gateway, () => ["UPDATE store_meta SET value = 3 WHERE key = 'removed_up_to'"]);
  for (const [id, name] of [
    ['exportTraces', 'after'],
    ['streamTraces', 'last_event_id'],
  ]) {
    const answer = await ask(world, gateway, api.operation(id), { query: `${name}=${cursor}` });
    assert.equal(answer.status, 410, `${id}: ${answer.text}`);
    api.check(api.operation(id), answer, 'after retention');
  }
}

/** Rows of before are gone, as the database says: questions that only rows can answer are marked. */
async function answersAfterRetention(world, api) {
  const { gateway } = await setUp(world);
  const later = (BigInt(Math.floor(Date.now() / 3600000)) + 1n) * 3600000000000n;
  change(gateway, () => [`INSERT OR REPLACE INTO store_meta (key, value) VALUES ('rows_from_ns', ${later})`]);
  const queries = {
    getUsage: ['provider=openai&status=200', 'group_by=session'],
    getCost: ['provider=openai&status=200', 'group_by=session'],
    getModels: ['status=200'],
    getKeys: ['status=200'],
    getLatency: ['group_by=session'],
    getErrors: ['group_by=session'],
    getSummary: ['provider=openai'],
  };
  const time = new Date(Number(later / 1000000n)).toISOString().replace('.000Z', 'Z');
  for (const [id, list] of Object.entries(queries))
    for (const query of list) {
      const answer = await ask(world, gateway, api.operation(id), { query });
      assert.equal(answer.json?.partial_before, time, `${id} ${query}: ${answer.text}`);
      api.check(api.operation(id), answer, query);
      const csv = await ask(world, gateway, api.operation(id), { query: `${query}&format=csv` });
      assert.equal(csv.headers['x-ongoingai-partial-before'], time, `${id} ${query}`);
      api.check(api.operation(id), csv, `${query}, CSV`);
      const whole = await ask(world, gateway, api.operation(id), {});
      assert.equal(whole.json?.partial_before, undefined, `${id}: ${whole.text}`);
    }
}

/** What the diagnostics say when the database refuses a trace, and when it is no database any more. */
async function figuresOfFaults(world, api, gateway, field) {
  const operation = api.operation('getTracePipelineDiagnostics');
  const body = JSON.stringify({ model: 'poison', messages: [{ role: 'user', content: 'Hi' }] });
  await gateway.api('/openai/v1/chat/completions', { method: 'POST', body });
  const answer = await until(async () => {
    const look = await ask(world, gateway, operation, {});
    return look.json.diagnostics[field] !== undefined && look;
  }, `the diagnostics have ${field}`);
  api.check(operation, answer, field);
}

async function answersOfBroken(world, api) {
  const { gateway, ids } = await setUp(world);
  change(gateway, () => ["ALTER TABLE traces ADD COLUMN more INTEGER DEFAULT 1 CHECK (model <> 'poison')"]);
  await figuresOfFaults(world, api, gateway, 'dropped_by_reason');
  change(gateway, (database) => {
    const parts = database
      .prepare("SELECT type, name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' AND sql IS NOT NULL")
      .all();
    const drop = (type) => parts.filter((part) => part.type === type).map(({ name }) => `DROP ${type} "${name}"`);
    return [...drop('trigger'), ...drop('view'), ...drop('table')];
  });
  for (const operation of api.operations) {
    const answer = await ask(world, gateway, operation, { id: ids[0] });
    const expected = operation.responses[500] ? 500 : operation.id === 'getReady' ? 503 : 200;
    assert.equal(answer.status, expected, `${operation.id}: ${answer.text}`);
    api.check(operation, answer, 'a broken store');
  }
  await figuresOfFaults(world, api, gateway, 'store_error');
}

/** Questions about traces come faster than they are answered: beyond a bound they are refused. What needs no traces is
 * answered all the same. */
async function answersOfBusy(world, api) {
  const { gateway, ids } = await setUp(world);
  const crowd = await Promise.all(Array.from({ length: 400 }, () => world.client(gateway)));
  const slow = get(`/api/export/traces?limit=1000&${kAllFields}`);
  const [waiting, never] = [[], []];
  for (const operation of api.operations.filter((o) => !aboutKeys(o)))
    (operation.responses[503] && operation.id !== 'getReady' ? waiting : never).push(operation);
  assert.equal(never.length, 5);
  await Promise.all(crowd.map((client) => client.write(slow)));
  for (const operation of never) {
    const answer = await gateway.api(operation.path);
    assert.equal(answer.status, 200, `${operation.id}: ${answer.text}`);
    api.check(operation, answer, 'while others wait');
  }
  await Promise.all(crowd.map((client) => client.readResponse()));
  for (const operation of waiting) {
    const bytes = head(`${operation.method} ${target(operation, ids[0])} HTTP/1.1`, [['Host', 'g']]);
    await until(
      async () => {
        const clients = await Promise.all(Array.from({ length: 20 }, () => world.client(gateway)));
        // All requests are there before the gateway looks: it reads them faster than it answers them, whatever the machine.
        gateway.signal('SIGSTOP');
        await Promise.all(crowd.map((client) => client.write(slow)));
        await Promise.all(clients.map((client) => client.write(bytes)));
        gateway.signal('SIGCONT');
        const refused = await Promise.all(
          clients.map(async (client) => {
            const start = await client.readHead();
            if (!start.startLine.includes(' 503 ')) return null;
            const body = await client.readExactly(Number(start.get('content-length')));
            return asAnswer({ status: 503, fields: start.fields, body });
          }),
        );
        await Promise.all(crowd.map((client) => client.readResponse()));
        for (const client of clients) client.destroy();
        const answers = refused.filter(Boolean);
        for (const answer of answers) api.check(operation, answer, 'too many requests');
        return answers.length > 0;
      },
      `${operation.id} is refused while too many requests wait`,
      30000,
    );
  }
}

async function answersToOthers(world, api) {
  const { gateway } = await setUp(world);
  for (const { path } of api.operations) {
    const asked = path.replace('{id}', 'some');
    api.check(api.otherRequests, await gateway.api(asked, { method: 'OPTIONS' }), 'OPTIONS');
    if (path !== '/') api.check(api.otherRequests, await gateway.api(asked, { method: 'PATCH' }), 'PATCH');
    else api.check(api.operation('getRoot'), await gateway.api(asked, { method: 'PATCH' }), 'PATCH');
  }
  api.check(api.otherRequests, await gateway.api('/nowhere'), 'no such path');
  api.check(api.otherRequests, await gateway.api('//api/traces?limit=1'), 'an unclean path');
}

scenario(
  'every operation, status and media type of the document is answered as it says, and nothing else is',
  { timeout: 300000 },
  async (world) => {
    const api = new OpenApi();
    await answersOfWorking(world, api);
    await answersAboutKeys(world, api);
    await answersToSlowBodies(world, api);
    await answersWithAuth(world, api);
    await answersOfGone(world, api);
    await answersAfterRetention(world, api);
    await answersOfBroken(world, api);
    await answersToOthers(world, api);
    await answersOfBusy(world, api);
    assert.deepEqual(api.unseen(), [], 'documented, but no answer here was of this kind');
    assert.deepEqual(api.unseenFields(), kOnlyElsewhere, 'documented, but no answer here had it');
  },
);

scenario('the document is served as it is in the repository, also with auth on, also to HEAD', async (world) => {
  const config = { auth: { enabled: true, keys: [] } };
  const gateway = await world.gateway({ config });
  const answer = await gateway.api('/api/openapi.json');
  assert.equal(answer.status, 200);
  assert.deepEqual(answer.json, new OpenApi().document);
  const headOnly = await gateway.api('/api/openapi.json', { method: 'HEAD' });
  assert.equal(headOnly.status, 200);
  assert.equal(headOnly.headers['content-length'], answer.headers['content-length']);
});

scenario('HEAD is answered like GET, without a body', async (world) => {
  const { gateway, ids } = await setUp(world);
  for (const operation of new OpenApi().operations.filter(({ method }) => method === 'GET')) {
    for (const query of ['', 'from=x&limit=x']) {
      const whole = await ask(world, gateway, operation, { id: ids[0], query });
      const answer = await gateway.api(target(operation, ids[0], query), { method: 'HEAD' });
      assert.deepEqual([answer.status, answer.text], [whole.status, ''], `${operation.id} ${query}`);
      const names = (headers) =>
        Object.keys(headers).filter((name) => !/^(content-length|transfer-encoding|connection|keep-alive)$/.test(name));
      assert.deepEqual(names(answer.headers), names(whole.headers), `${operation.id} ${query}`);
    }
  }
});

/** Values that a parameter's schema allows, and that it does not. */
function samples(api, { name, schema: reference }) {
  const schema = api.follow(reference);
  const values = schema.items ? api.follow(schema.items).enum : schema.enum;
  if (values) return { good: values, bad: ['nonsense'] };
  if (schema.type === 'integer' || schema.type === 'number') {
    const { minimum, maximum } = schema;
    const good = [minimum, ...(maximum === undefined ? [] : [maximum])];
    return { good, bad: [minimum - 1, ...(maximum === undefined ? [] : [maximum + 1]), 'x'] };
  }
  if (schema.anyOf)
    return {
      good: ['2020-02-03', '2020-02-03T04:05:06.7Z', '2020-02-03T04:05:06%2B02:00'],
      bad: ['yesterday', '2020-02-30'],
    };
  if (schema.maxLength) {
    const text = (length) => 'x'.repeat(length);
    return {
      good: [text(schema.minLength), text(schema.maxLength)],
      bad: [text(schema.minLength - 1), text(schema.maxLength + 1)],
    };
  }
  if (schema.pattern) return { good: [], bad: ['%25'] };
  if (name === 'tz') return { good: ['UTC', 'Europe/Berlin', '%2B02:00'], bad: ['nonsense'] };
  return { good: ['any', ''], bad: [] };
}

scenario('parameters take what the document allows and refuse the rest by name', async (world) => {
  const { gateway, ids } = await setUp(world);
  const api = new OpenApi();
  for (const operation of api.operations) {
    for (const parameter of operation.parameters.filter((p) => p.in === 'query')) {
      const { good, bad } = samples(api, parameter);
      const query = (value) => `${parameter.name}=${value}`;
      for (const value of good) {
        // HEAD: an endless stream has no end, and a checkpoint of another name is none.
        const { status } = await gateway.api(target(operation, ids[0], query(value)), { method: 'HEAD' });
        assert.notEqual(status, 400, `${operation.id} ${query(value)}`);
        assert.ok(operation.responses[status], `${operation.id} ${query(value)}: ${status}`);
      }
      for (const value of bad) {
        const answer = await ask(world, gateway, operation, { id: ids[0], query: query(value) });
        assert.equal(answer.status, 400, `${operation.id} ${query(value)}`);
        api.check(operation, answer, query(value));
        const named = /cursor|after|last_event_id/.test(parameter.name) ? 'cursor' : parameter.name;
        assert.ok(answer.text.includes(named), `${operation.id} ${query(value)}: ${answer.text}`);
      }
    }
  }
});
