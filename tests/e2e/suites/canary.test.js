// Canaries: a secret of each form in each thing that comes in, and none in anything that goes out. Then the same with
// ongoingai_unscrubbed, which takes nothing out of anything: there each is found where it is looked for.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Canaries, described, findAll, forms } from '../lib/canary.js';
import { merge, run, unscrubbed } from '../lib/gateway.js';
import { chatAnswer, json, kCompletions, post, reply } from '../lib/http.js';
import { OtlpReceiver } from '../lib/otlp_receiver.js';
import { until } from '../lib/wait.js';
import { scenario } from '../lib/world.js';

const kLong = { timeout: 240000 };
const kKeyHeader = 'X-OngoingAI-Gateway-Key';
const kJson = ['Content-Type', 'application/json'];

// Which forms fit where.
const all = Object.keys(forms);
const lines = all.filter((form) => form !== 'pem');
const words = lines.filter((form) => !/\s/.test(forms[form]('')));
// Bodies are the guard's, which finds what was issued, not what is called a secret (contract of pii).
const issued = all.filter((form) => !['bearer', 'password', 'token', 'apiKey', 'userinfo'].includes(form));
const issuedWords = issued.filter((form) => form !== 'pem');
const ids = words.filter((form) => /^[\w.:-]*$/.test(forms[form]('')));
const percent = (text) => Buffer.from(text).toString('hex').replace(/../g, '%$&');

// Where things go.
const stored = ['ring', 'database', 'api', 'cli', 'bundle'];
const spans = ['traces'];
const logs = ['stdout'];
const labels = ['metrics', 'exposition'];

/** A gateway in whose configuration, environment and surroundings secrets stand, and the canaries of one run. */
class Run {
  canaries = new Canaries();
  expected = new Map(); // name → the outputs that have it when nothing is taken out
  groups = [];
  answers = []; // of the gateway itself
  #answer;

  secret(where, form, outputs) {
    const name = form ? `${where}: ${form}` : where;
    this.expected.set(name, outputs);
    return this.canaries.plant(name, forms[form]);
  }

  async start(world, { program, config }) {
    this.world = world;
    this.program = program;
    this.receiver = await OtlpReceiver.start(world);
    const redis = await echoingRedis(world);
    const { upstream, routes } = await world.routed();
    routes.on('*', async (request, peer) => {
      const answer = await this.#answer(request);
      await peer.write(answer);
      if (!answer.subarray(0, 9).equals(Buffer.from('HTTP/1.1 '))) peer.destroy();
    });
    this.key = this.secret('gateway key', 'gateway', []);
    const otel = {
      enabled: true,
      endpoint: this.receiver.endpoint,
      prometheus_enabled: true,
      metric_export_interval_ms: 100,
    };
    const query = this.secret('query of an upstream', 'google', stored);
    const quiet = this.secret('query of an upstream that says nothing of it', undefined, []);
    this.config = merge(
      {
        server: { workers: 1 },
        trace: { ring_bytes: 4194304 },
        tracing: { capture_bodies: true },
        auth: {
          enabled: true,
          failure_delay_ms: 0,
          keys: [{ id: 'owner', token: this.key, role: 'owner', org_id: 'acme', workspace_id: 'w' }],
        },
        limits: {
          redis_url: `redis://:${this.secret('password of Redis', 'openai', logs)}@127.0.0.1:${redis.port}`,
          per_model: { shared: { requests_per_minute: 1 } },
        },
        providers: {
          openai: {
            credential_env: 'HELD',
            headers: { 'X-Team': this.secret('header of a provider', 'aws', stored) },
          },
          quiet: { kind: 'openai', upstream: `${upstream.url}?sig=${quiet}` },
          echo: { kind: 'openai', upstream: `${upstream.url}/base?key=${query}`, credential_env: 'HELD' },
        },
        pii: {
          headers: { denylist: ['X-Denied'] },
          replacement: { hash_salt: this.secret('salt', undefined, []) },
        },
        observability: { otel },
      },
      config,
    );
    // Whatever else can be exported is, where the gateway knows how.
    for (const more of [{ logs_enabled: true }, { semconv: ['ongoingai', 'genai'] }])
      if (await this.#accepts({ observability: { otel: more } })) Object.assign(this.config.observability.otel, more);
    const stdout = fs.openSync(path.join(world.folder('log'), 'stdout'), 'w');
    world.later(() => fs.closeSync(stdout));
    const gateway = await world.gateway({
      program,
      openai: `http://user:${this.secret('userinfo of an upstream', undefined, [])}@127.0.0.1:${upstream.port}`,
      config: this.config,
      stdout,
      env: {
        HELD: this.secret('credential of a provider', 'anthropic', stored),
        OTEL_BSP_SCHEDULE_DELAY: '20',
        OTEL_EXPORTER_OTLP_HEADERS: `authorization=${percent(this.secret('header of OTLP', 'bearer', []))}`,
      },
    });
    const api = gateway.api.bind(gateway);
    gateway.api = (target, o = {}) =>
      api(target, { ...o, headers: { ...(target.startsWith('/api') && { [kKeyHeader]: this.key }), ...o.headers } });
    this.gateway = gateway;
  }

  async #accepts(more) {
    const file = path.join(this.world.folder('try'), 'ongoingai.yaml');
    fs.writeFileSync(file, JSON.stringify(more));
    return (await run(['config', 'validate', '--config', file], { program: this.program })).code === 0;
  }

  /** The traces of one planter are a group, whose name tells them from others. */
  async in(planter) {
    this.groups.push((this.group = planter.name));
    return planter(this);
  }
  /**
   * One exchange on a connection of its own. `answer`: bytes, or what makes them of the request. What the gateway answers
   * by itself is an output.
   */
  async exchange(request, answer = reply(chatAnswer(), [kJson])) {
    let asked = false;
    this.#answer = (seen) => {
      asked = true;
      return typeof answer === 'function' ? answer(seen) : answer;
    };
    const client = await this.world.client(this.gateway);
    await client.write(request);
    const response = await client.readResponse();
    client.destroy();
    if (!asked || response.status === 502) this.answers.push(response.raw, response.body);
    return response;
  }
  /** What the API says to that. */
  async ask(target, options) {
    const answer = await this.gateway.api(target, options);
    this.answers.push(answer.text, answer.rawHeaders.join('\n'));
    return answer;
  }
  /** A chat request of whoever may. */
  chat({ fields = [], target = kCompletions, body = { model: 'gpt-4o-mini' }, method = 'POST' } = {}, answer) {
    const own = [
      [kKeyHeader, this.key],
      ['X-OngoingAI-Trace-Group-ID', this.group],
    ].filter(([name]) => !fields.some(([other]) => other === name));
    const bytes = post(target, Buffer.isBuffer(body) ? body : json(body), [...own, ...fields]);
    return this.exchange(Buffer.concat([Buffer.from(method), bytes.subarray('POST'.length)]), answer);
  }

  /** What waits to be stored, and what did. */
  ringFiles() {
    return filesIn(`${this.gateway.databasePath}.rings`);
  }
  /** Everything that left, by name: texts and bytes. */
  async outputs() {
    const { gateway, receiver } = this;
    await gateway.settled();
    const exported = receiver.requests.length;
    const metrics = () => receiver.requests.slice(exported).some(({ url }) => url === '/v1/metrics');
    await until(metrics, 'the next export of metrics');
    const of = (url) => receiver.requests.filter((r) => r.url === url).map((r) => r.body);
    const out = {
      answers: this.answers,
      ring: this.ringFiles(),
      api: await this.#api(),
      exposition: await this.#expositions(),
      cli: await this.#commands(),
      bundle: filesIn(path.join(gateway.dir, 'bundle')),
      traces: of('/v1/traces'),
      metrics: of('/v1/metrics'),
      logs: of('/v1/logs'),
    };
    out.overflow = await this.in(plantInOverflow);
    await gateway.stop();
    out.stderr = [gateway.stderrText];
    const database = filesIn(path.dirname(gateway.databasePath)).filter((f) => !f.name.includes('.rings/'));
    return { ...out, database, stdout: filesIn(this.world.folder('log')) };
  }
  async #api() {
    const { gateway } = this;
    const answers = [];
    const get = async (target) => answers.push((await gateway.api(target)).text);
    const traces = await gateway.list();
    for (const { id } of traces) await get(`/api/traces/${id}`);
    answers.push(JSON.stringify(traces));
    await get(`/api/traces/${traces[0].id}/replay`);
    for (const what of ['usage', 'cost', 'models', 'keys', 'latency', 'errors', 'summary'])
      await get(`/api/analytics/${what}?group_by=model`);
    for (const format of ['ndjson', 'csv']) await get(`/api/export/traces?format=${format}&bodies=true`);
    for (const rest of ['health', 'diagnostics/trace-pipeline', 'gateway-keys']) await get(`/api/${rest}`);
    return answers;
  }
  async #expositions() {
    const types = ['text/plain;version=0.0.4', 'application/openmetrics-text;version=1.0.0'];
    const pages = await Promise.all(types.map((Accept) => this.gateway.api('/metrics', { headers: { Accept } })));
    pages.forEach((page) => assert.equal(page.status, 200));
    return pages.map((page) => page.text);
  }
  async #commands() {
    const config = ['--config', 'ongoingai.yaml'];
    const everything = ['--limit', '500', '--include-headers', '--include-bodies'];
    const commands = [
      ...this.groups.flatMap((group) => [
        ['debug', ...config, ...everything, '--trace-group-id', group],
        ['debug', ...config, ...everything, '--trace-group-id', group, '--bundle-out', path.join('bundle', group)],
      ]),
      ['report', ...config, '--limit', '200'],
      ['export', ...config, '--bodies'],
      ['doctor', ...config],
      ['doctor', ...config, '--format', 'json'],
      ['config', 'validate', ...config],
      ['keys', 'list', ...config],
      ['shell-init', ...config],
      ['diagnostics', ...config, '--gateway-key', this.key],
    ];
    const texts = [];
    for (const words of commands) {
      const ended = await run(words, { program: this.program, cwd: this.gateway.dir, env: { HELD: 'sk-set' } });
      texts.push(ended.stdout + ended.stderr);
    }
    return texts;
  }
}

/** Files below a folder as {name, content}, those whose path fits. */
function filesIn(folder, pattern = /./) {
  return fs
    .readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name))
    .filter((file) => pattern.test(file))
    .map((name) => ({ name, content: fs.readFileSync(name) }));
}

/** A Redis that repeats what it is told when it refuses it. */
async function echoingRedis(world) {
  const server = net.createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', (data) => {
      const error = `-ERR not understood: ${data.toString().replace(/\s+/g, ' ')}\r\n`;
      socket.write(error.repeat(data.toString().split('*').length - 1)); // to each command
    });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  world.later(() => server.close());
  return server.address();
}

// ---- what comes in ----

async function plantInHeaders(run) {
  const header = async (name, form, outputs, text = (secret) => secret) => {
    const value = text(run.secret(name, form, outputs));
    await run.chat({ fields: [[name, value]] });
  };
  for (const form of lines) {
    await header('X-Debug', form, stored);
    await header('User-Agent', form, [...stored, ...spans]);
    await header('Referer', form, stored, (secret) => `https://page.test/?a=%20&b=${percent(secret)}`);
  }
  for (const form of words) {
    await header('X-Forwarded-For', form, [...stored, ...spans]);
    for (const name of ['X-OngoingAI-Thread-ID', 'X-OngoingAI-Run-ID', 'X-OngoingAI-Parent-Checkpoint-ID'])
      await header(name, form, stored);
    for (const name of ['X-Claude-Code-Session-ID', 'session_id']) await header(name, form, stored);
    const inNoBundle = stored.filter((output) => output !== 'bundle'); // those are asked for by group
    await header('X-OngoingAI-Trace-Group-ID', form, inNoBundle);
  }
  for (const form of ids) await header('X-OngoingAI-Correlation-ID', form, [...stored, ...logs, ...spans]);
  for (const form of ids) {
    const state = `vendor=${run.secret('tracestate', form, [...stored, ...spans])}`;
    const traceparent = `00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01`;
    await run.chat({ fields: [['traceparent', traceparent], ['tracestate', state]] });
  }
  for (const form of ids) {
    const host = run.secret('Host', form, [...spans, ...labels]);
    await run.exchange(post(kCompletions, json({}), [[kKeyHeader, run.key]], { host }));
  }
}

/** The headers that are there to carry secrets, of no form. */
async function plantInCredentialHeaders(run) {
  const names = ['Authorization', 'Cookie', 'X-API-Key', 'Proxy-Authorization', 'api-key', 'x-goog-api-key'];
  for (const name of [...names, 'Sec-WebSocket-Protocol', 'X-Denied'])
    await run.chat({ fields: [[name, run.secret(name, undefined, name === 'Proxy-Authorization' ? [] : stored)]] });
  const basic = Buffer.from(`user:${run.secret('Basic', undefined, stored)}`).toString('base64');
  await run.chat({ fields: [['Authorization', `Basic ${basic}`]] });
  const wrong = run.secret('gateway key that is none', 'gateway', []);
  const refused = await run.exchange(post(kCompletions, json({}), [[kKeyHeader, wrong]]));
  assert.equal(refused.status, 401);
}

async function plantInTargets(run) {
  const target = (rest) => `${kCompletions}${rest}`;
  for (const form of all) {
    const refused = form === 'pem'; // for its line ends
    const places = [...(refused ? [] : stored), ...logs, ...spans];
    await run.chat({ target: target(`/${percent(run.secret('path in escapes', form, places))}`) });
    await run.chat({ target: target(`?q=${percent(run.secret('query in escapes', form, spans))}`) });
  }
  for (const form of words) {
    await run.chat({ target: target(`/${run.secret('path', form, [...stored, ...logs, ...spans])}`) });
    await run.chat({ target: target(`?a=1&${run.secret('query', form, spans)}`) });
  }
  for (const form of ids) {
    await run.exchange(post(`/nowhere/${run.secret('path of nobody', form, [...logs, ...spans])}`, json({})));
    const method = run.secret('method', form, [...stored, ...logs, ...spans]);
    if (method.length <= 64) await run.chat({ method });
  }
}

async function plantInBodies(run) {
  const messages = (content) => [{ role: 'user', content }];
  for (const form of issued) {
    await run.chat({ body: { model: 'gpt-4o', messages: messages(`Here: ${run.secret('prompt', form, stored)}.`) } });
    await run.chat({ body: Buffer.from(`plain ${run.secret('text body', form, stored)}`) });
  }
  for (const form of issuedWords) {
    const model = run.secret('model', form, [...stored, ...spans, ...labels]);
    await run.chat({ body: { model, messages: messages('Hi') } });
  }
  for (const form of issuedWords) {
    const user = run.secret('session of the body', form, stored);
    await run.chat({ body: { model: 'gpt-4o', metadata: { session_id: user }, messages: messages('Hi') } });
    const tier = run.secret('service tier', form, stored);
    await run.chat({ body: { model: 'gpt-4o', service_tier: tier, messages: messages('Hi') } });
  }
  for (const name of ['password', 'api_key', 'user-token', 'secret'])
    await run.chat({ body: { model: 'gpt-4o', [name]: run.secret(`member ${name}`, undefined, stored) } });
}

/** What providers say, and what they say again of what they were told. */
async function plantInAnswers(run) {
  const chat = (answer) => run.chat({}, answer);
  const events = (data) => Buffer.from(`data: ${JSON.stringify(data)}\n\ndata: [DONE]\n\n`);
  const chunk = (content) => ({ model: 'gpt-4o', choices: [{ index: 0, delta: { content } }] });
  for (const form of lines) {
    await chat(reply(chatAnswer(), [kJson, ['X-Upstream-Debug', run.secret('header of an answer', form, stored)]]));
    await chat(reply(chatAnswer(), [kJson], `500 ${run.secret('reason', form, [])}`));
    await chat(Buffer.from(`NOT HTTP ${run.secret('broken head', form, [])}\r\n\r\n`));
    await chat(Buffer.from(`HTTP/1.1 200 OK\r\nX Bad ${run.secret('broken header', form, [])}: 1\r\n\r\n`));
  }
  for (const form of words) {
    const moved = ['Location', `https://files.test/a?x=1&${run.secret('Location', form, stored)}`];
    await chat(reply('', [moved], '302 Found'));
  }
  for (const form of issuedWords) {
    await chat(reply(json({ error: { message: `key ${run.secret('error', form, stored)}` } }), [kJson], '401 No'));
    const streamed = events(chunk(run.secret('event', form, stored)));
    await chat(reply(streamed, [['Content-Type', 'text/event-stream']]));
    await chat(reply(chatAnswer(undefined, run.secret('model of an answer', form, stored)), [kJson]));
  }
  await chat(reply(chatAnswer(), [kJson, ['Set-Cookie', run.secret('Set-Cookie', undefined, stored)]]));
  // The credential and the header of the configuration, and the query of the upstream.
  const echo = (request) => reply(json({ error: request.startLine }), [kJson, ['X-Echo', request.startLine]], '403 No');
  await run.chat({ target: '/echo/v1/chat/completions' }, echo);
  await run.chat({ target: '/quiet/v1/chat/completions', fields: [['Authorization', 'Bearer of-the-client']] });
  const told = (request) => [request.get('authorization'), request.get('x-team')].join(' and ');
  await run.chat({}, (request) => reply(json({ error: told(request) }), [kJson, ['X-Echo', told(request)]], '403 No'));
}

async function plantInApi(run) {
  for (const form of ids) {
    await run.ask(`/api/traces/${run.secret('id of a trace', form, [...logs, ...spans])}`);
    await run.ask(`/api/traces?cursor=${run.secret('cursor', form, [])}`);
    await run.ask(`/api/gateway-keys/${run.secret('id of a key', form, [...logs, ...spans])}`, { method: 'DELETE' });
  }
  const token = run.secret('token of a key', undefined, []);
  const made = await run.gateway.api('/api/gateway-keys', {
    method: 'POST',
    body: JSON.stringify({ id: 'second', token, org_id: 'acme', workspace_id: 'w', role: 'viewer' }),
  });
  assert.equal(made.status, 201);
}

/** With the database locked, until the ring is full: what overflow files then hold. */
async function plantInOverflow(run) {
  const database = new DatabaseSync(run.gateway.databasePath, { timeout: 1 });
  await until(() => database.exec('BEGIN IMMEDIATE') ?? true, 'the write lock');
  try {
    const fill = Array.from({ length: 64 * 1024 }, () => 'word ').join('');
    for (let i = 0; (await run.gateway.diagnostics()).spilled < 5; i++) {
      const form = lines[i % lines.length];
      const fields = [['X-Debug', run.secret(`header that overflows ${i}`, form, [])]];
      const content = `${run.secret(`prompt that overflows ${i}`, form, [])} ${fill}`;
      await run.chat({ fields, body: { model: 'gpt-4o', messages: [{ role: 'user', content }] } });
    }
    return run.ringFiles();
  } finally {
    database.exec('ROLLBACK');
    database.close();
  }
}

async function plantEverywhere(world, options) {
  const run = new Run();
  await run.start(world, options);
  for (const plant of [plantInHeaders, plantInCredentialHeaders, plantInTargets, plantInBodies, plantInAnswers, plantInApi])
    await run.in(plant);
  return { run, outputs: await run.outputs() };
}

scenario('no secret that comes in goes out in anything but what is passed on', kLong, async (world) => {
  const { run, outputs } = await plantEverywhere(world, { config: {} });
  assert.deepEqual(described(findAll(run.canaries, outputs)), []);
});

scenario('with nothing taken out each secret is found in each output that it gets into', kLong, async (world) => {
  const { run, outputs } = await plantEverywhere(world, { program: unscrubbed, config: { pii: { mode: 'off' } } });
  const found = findAll(run.canaries, outputs);
  const missing = [];
  for (const [name, places] of run.expected)
    for (const output of places) if (!found.get(name)?.has(output)) missing.push(`${name}: ${output}`);
  assert.deepEqual(missing, []);
  assert.ok(outputs.logs.length > 0 || !run.config.observability.otel.logs_enabled, 'logs were exported');
  const blind = new Set(Object.keys(outputs).filter((output) => outputs[output].length > 0));
  for (const places of found.values()) for (const output of places.keys()) blind.delete(output);
  // What the gateway says in answers of its own and on stderr repeats nothing that it was told.
  assert.deepEqual([...blind].sort(), ['answers', 'stderr'], 'outputs in which nothing was found');
  for (const said of ['invalid gateway key', 'page not found', 'control byte', 'upstream request failed'])
    assert.ok(outputs.answers.some((answer) => answer.toString().includes(said)), `nobody was answered "${said}"`);
});

scenario('a canary is known in every coding that it may come out in', async () => {
  const canaries = new Canaries();
  const bytes = (text, each) => [...Buffer.from(text)].map((byte) => each(byte.toString(16).padStart(2, '0'))).join('');
  const codings = [
    (text) => text.toLowerCase(),
    (text) => bytes(text, (hex) => `%${hex}`),
    (text) => bytes(text, (hex) => `\\u00${hex}`),
    (text) => bytes(text, (hex) => hex),
    ...['', 'a', 'ab'].flatMap((before) =>
      ['base64', 'base64url'].map((coding) => (text) => Buffer.from(before + text).toString(coding)),
    ),
  ];
  for (const form of [undefined, ...all]) {
    const secret = canaries.plant(form ?? 'formless', forms[form]);
    for (const coded of codings)
      assert.deepEqual([...canaries.find(`<${coded(secret)}>`).keys()], [form ?? 'formless'], coded(secret));
  }
});
