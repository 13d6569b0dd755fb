// The metrics page, and a real Prometheus before it.
import assert from 'node:assert/strict';
import { gunzipSync } from 'node:zlib';
import { get } from '../lib/http.js';
import { MockProvider } from '../lib/mock_provider.js';
import { Prometheus, lint, samples, total } from '../lib/prometheus.js';
import { until } from '../lib/wait.js';
import { scenario } from '../lib/world.js';

const kScraped = { observability: { otel: { enabled: true, traces_enabled: false, prometheus_enabled: true } } };
const messages = [{ role: 'user', content: 'Hi' }];

async function setUp(world, config = {}) {
  const provider = await MockProvider.start(world);
  return world.gateway({
    openai: provider.url,
    anthropic: provider.url,
    config: { ...kScraped, ...config },
  });
}

const ask = (gateway, model, more = {}) =>
  gateway.api('/openai/v1/chat/completions', {
    method: 'POST',
    headers: { Authorization: 'Bearer sk', 'Content-Type': 'application/json', ...more.headers },
    body: JSON.stringify({ model, messages, ...more.body }),
  });

const scrape = async (gateway, headers = {}) => (await gateway.api('/metrics', { headers })).text;

scenario('the page has what was asked, how it ended and what it cost', async (world) => {
  const gateway = await setUp(world);
  for (let i = 0; i < 3; ++i) assert.equal((await ask(gateway, 'gpt-4o-mini')).status, 200);
  assert.equal((await ask(gateway, 'rate-limited')).status, 429);
  await until(async () => (await gateway.traceCount()) === 4, 'all traces are stored');
  const page = await scrape(gateway);
  const scope = { provider: 'openai', org_id: 'unknown', workspace_id: 'unknown', route: '/openai/*' };
  for (const kind of ['provider', 'proxy']) {
    const of = (name, labels) => total(page, `ongoingai_${kind}_${name}`, { ...scope, ...labels });
    assert.equal(of('request_total', { model: 'gpt-4o-mini', status_code: '200' }), 3, page);
    assert.equal(of('request_total', { model: 'rate-limited', status_code: '429' }), 1);
    assert.equal(of('request_duration_seconds_count', {}), 4);
    assert.equal(of('request_duration_seconds_bucket', { le: '+Inf' }), 4);
  }
  const traces = (await gateway.api('/api/traces?limit=10')).json.items;
  const sum = (field) => traces.reduce((all, trace) => all + trace[field], 0);
  assert.ok(sum('input_tokens') > 0);
  const tokens = (bucket) => total(page, 'ongoingai_provider_tokens_total', { bucket });
  assert.equal(tokens('input') + tokens('cache_read'), sum('input_tokens'));
  assert.equal(tokens('output') + tokens('reasoning'), sum('output_tokens'));
  const cost = total(page, 'ongoingai_provider_cost_usd_total');
  assert.ok(Math.abs(cost - sum('estimated_cost_usd')) < 1e-9, `${cost} is not ${sum('estimated_cost_usd')}`);
  assert.equal(total(page, 'ongoingai_trace_written_total'), 4);
  assert.equal(total(page, 'ongoingai_trace_enqueued_total'), 4);
  assert.ok(total(page, 'ongoingai_trace_flush_batch_size_sum') === 4);
  assert.equal(total(page, 'http_client_duration_milliseconds_count', { http_status_code: '200' }), 3);
  assert.equal(total(page, 'http_server_duration_milliseconds_count', { http_status_code: '429' }), 1);
  assert.ok(total(page, 'http_server_request_size_bytes_total', { http_method: 'POST' }) > 100);
  const bounds = samples(page)
    .filter((s) => s.name === 'ongoingai_proxy_request_duration_seconds_bucket' && s.labels.model === 'rate-limited')
    .map((s) => s.labels.le);
  assert.deepEqual(bounds, '0.005 0.01 0.025 0.05 0.1 0.25 0.5 1 2.5 5 10 +Inf'.split(' '));
});

scenario('a stream has its time to first token', async (world) => {
  const gateway = await setUp(world);
  const answer = await ask(gateway, 'gpt-4o-mini', { body: { stream: true } });
  assert.equal(answer.status, 200);
  await until(async () => (await gateway.traceCount()) === 1, 'the trace is stored');
  assert.equal(total(await scrape(gateway), 'ongoingai_provider_time_to_first_token_seconds_count'), 1);
});

scenario("Prometheus's own lint finds nothing but the two names that the contract gives", async (world) => {
  const gateway = await setUp(world);
  await ask(gateway, 'gpt-4o-mini');
  await until(async () => (await gateway.traceCount()) === 1, 'the trace is stored');
  assert.deepEqual(lint(await scrape(gateway)), [
    'http_client_duration_milliseconds use base unit "seconds" instead of "milliseconds"',
    'http_server_duration_milliseconds use base unit "seconds" instead of "milliseconds"',
  ]);
});

scenario('scrapers get the format and the coding that they like', async (world) => {
  const gateway = await setUp(world);
  const text = await gateway.api('/metrics');
  assert.equal(text.headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8; escaping=underscores');
  const open = await gateway.api('/metrics', { headers: { Accept: 'application/openmetrics-text; version=1.0.0' } });
  assert.equal(open.headers['content-type'], 'application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores');
  assert.ok(open.text.endsWith('# EOF\n'));
  const client = await world.client(gateway);
  await client.write(get('/metrics', [['Accept-Encoding', 'gzip']]));
  const coded = await client.readResponse();
  assert.equal(coded.get('content-encoding'), 'gzip');
  assert.match(gunzipSync(coded.body).toString(), /^# HELP /);
});

scenario('the page needs no key, has a path of its own, and is not there unless it is wanted', async (world) => {
  const auth = { enabled: true, keys: [] };
  const otel = { ...kScraped.observability.otel, prometheus_path: '/internal/figures' };
  const gateway = await setUp(world, { auth, observability: { otel } });
  for (const method of ['GET', 'POST', 'DELETE']) {
    const answer = await gateway.api('/internal/figures', { method });
    assert.equal(answer.status, 200, method);
    assert.match(answer.text, /^# HELP /);
  }
  assert.equal((await gateway.api('/internal/figures', { method: 'HEAD' })).text, '');
  assert.equal((await gateway.api('/metrics')).status, 404);
  assert.equal((await gateway.api('/internal/figures/')).status, 404);
  assert.equal((await gateway.api('/api/traces')).status, 401);
  const off = await setUp(world, { observability: { otel: { ...kScraped.observability.otel, enabled: false } } });
  assert.equal((await off.api('/metrics')).status, 404);
});

scenario('models and hosts that clients make up are bounded, and that is counted', { timeout: 120000 }, async (world) => {
  const gateway = await setUp(world);
  const kModels = 2300;
  const names = Array.from({ length: kModels }, (_, i) => `made-up-${i}`);
  const askAll = async () => {
    for (let name = names.pop(); name; name = names.pop())
      await ask(gateway, name, { headers: { Host: `host-${name}` } });
  };
  await Promise.all(Array.from({ length: 16 }, askAll));
  const page = await scrape(gateway);
  assert.equal(total(page, 'ongoingai_provider_request_total'), kModels, 'every request is counted');
  const models = new Set(
    samples(page)
      .filter(({ name }) => name === 'ongoingai_provider_request_total')
      .map(({ labels }) => labels.model),
  );
  assert.ok(models.has('other') && models.size <= 2001, `${models.size} models`);
  assert.ok(total(page, 'ongoingai_metrics_label_overflow_total', { table: 'exchange' }) >= kModels - 2000);
  assert.ok(total(page, 'ongoingai_metrics_label_overflow_total', { table: 'http_server' }) >= kModels - 2000);
});

scenario('hostile label values stay values', async (world) => {
  const gateway = await setUp(world);
  const model = 'a"} 1\nevil_total{x="\\';
  await ask(gateway, model);
  const page = await scrape(gateway);
  assert.equal(total(page, 'ongoingai_provider_request_total', { model }), 1, page);
  assert.equal(samples(page).filter(({ name }) => name.startsWith('evil')).length, 0);
  assert.deepEqual(lint(page).filter((line) => !line.includes('milliseconds')), []);
});

scenario('a real Prometheus scrapes the page and answers from it', { timeout: 120000 }, async (world) => {
  const gateway = await setUp(world);
  for (let i = 0; i < 5; ++i) await ask(gateway, 'gpt-4o-mini');
  const prometheus = await Prometheus.start(world, [`127.0.0.1:${gateway.port}`]);
  const query = 'sum(ongoingai_provider_request_total{model="gpt-4o-mini"})';
  await until(async () => (await prometheus.value(query)) === 5, 'Prometheus has the five requests', 30000);
  await ask(gateway, 'gpt-4o-mini');
  await until(async () => (await prometheus.value(query)) === 6, 'Prometheus has the sixth', 30000);
  const p50 = 'histogram_quantile(0.5, sum by (le) (ongoingai_proxy_request_duration_seconds_bucket))';
  assert.ok((await prometheus.value(p50)) > 0);
  assert.equal(await prometheus.value('count(target_info{service_name="ongoingai-gateway"})'), 1);
});
