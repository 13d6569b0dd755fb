// What operators load: dashboards, rules and the table of metrics, beside a gateway with traffic and a real Prometheus.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { freePort, repository } from '../lib/gateway.js';
import { MockProvider } from '../lib/mock_provider.js';
import { Prometheus, samples, total } from '../lib/prometheus.js';
import { until } from '../lib/wait.js';
import { scenario } from '../lib/world.js';

const deploy = path.join(repository, 'deploy');
const filesIn = (folder, ending) =>
  fs
    .readdirSync(folder)
    .filter((name) => name.endsWith(ending))
    .map((name) => path.join(folder, name));
const ruleFiles = filesIn(path.join(deploy, 'prometheus/rules'), '.yml');
const dashboards = filesIn(path.join(deploy, 'grafana/dashboards'), '.json').map((file) => ({
  file: path.basename(file),
  ...JSON.parse(fs.readFileSync(file, 'utf8')),
}));
const panels = dashboards.flatMap((board) =>
  board.panels.filter(({ type }) => type !== 'row').map((panel) => ({ board, ...panel })),
);
const targets = panels.flatMap((panel) => panel.targets.map((target) => ({ panel, ...target })));

/** The metrics of a Prometheus expression, without the endings of a histogram's series. */
const metricsOf = (expression) => {
  const bare = expression.replace(/"(?:[^"\\]|\\.)*"/g, '""');
  const names = bare.match(/\b(?:ongoingai|http|target)_[a-z0-9_]+/g) ?? [];
  return [...new Set(names.filter((name) => !/^(http_|net_)?\w*(status_code|peer_name)$/.test(name)))];
};
const family = (name) => name.replace(/_(bucket|sum|count)$/, '');

/** The rows of docs/monitoring.md: {name, otel, type, labels, optional}. */
const documented = [
  ...fs
    .readFileSync(path.join(repository, 'docs/monitoring.md'), 'utf8')
    .matchAll(/^\| `([a-z0-9_]+)` \| `([a-z0-9_.]+)` \| (counter|gauge|histogram) \| (.*?) \| (.+) \|$/gm),
].map(([, name, otel, type, labels, meaning]) => {
  const all = [...labels.matchAll(/`(\w+\??)`/g)].map(([, label]) => label);
  return {
    name,
    otel,
    type,
    meaning,
    labels: all.map((l) => l.replace('?', '')),
    always: all.filter((l) => !l.endsWith('?')),
  };
});

const kKey = 'a-key-of-the-tests-with-32-letters';
const messages = [{ role: 'user', content: 'Hi' }];

/** A gateway that measures most of what can be measured, and `wave()`, which makes it so. */
async function setUp(world) {
  const provider = await MockProvider.start(world);
  const gateway = await world.gateway({
    openai: provider.url,
    anthropic: provider.url,
    config: {
      // Spans go nowhere; exemplars name them all the same.
      observability: {
        otel: {
          enabled: true,
          endpoint: '127.0.0.1:9',
          metrics_enabled: false,
          prometheus_enabled: true,
          semconv: ['ongoingai', 'genai'],
        },
      },
      // No connection is kept, so that every wave connects.
      providers: {
        openai: { pool_idle_timeout_ms: 0 },
        away: { kind: 'openai', upstream: `http://127.0.0.1:${await freePort()}` },
      },
      accounting: { include_usage: 'inject' },
      auth: {
        enabled: true,
        failure_delay_ms: 0,
        keys: [{ id: 'k', token: kKey, role: 'owner', org_id: 'acme', workspace_id: 'w' }],
      },
      limits: { per_model: { limited: { requests_per_minute: 1 } } },
    },
  });
  const ask = (prefix, model, more = {}, key = kKey) =>
    gateway.api(`/${prefix}/v1/chat/completions`, {
      method: 'POST',
      headers: { Authorization: 'Bearer sk', 'Content-Type': 'application/json', 'X-OngoingAI-Gateway-Key': key },
      body: JSON.stringify({ model, messages, ...more }),
    });
  const wave = async () => {
    for (let i = 0; i < 3; ++i) assert.equal((await ask('openai', 'gpt-4o-mini')).status, 200);
    assert.equal((await ask('openai', 'gpt-4o-mini', { stream: true })).status, 200);
    assert.equal((await ask('openai', 'nobody-has-a-price')).status, 200);
    assert.equal((await ask('openai', 'rate-limited')).status, 429);
    assert.equal((await ask('openai', 'overloaded')).status, 529);
    assert.equal((await ask('away', 'gpt-4o-mini')).status, 502);
    await ask('openai', 'limited');
    assert.equal((await ask('openai', 'limited')).status, 429);
    assert.equal((await ask('openai', 'gpt-4o-mini', {}, 'not-a-key-of-anybody-at-all')).status, 401);
    const stored = async () => {
      const page = (await gateway.api('/metrics')).text;
      return total(page, 'ongoingai_trace_written_total') === total(page, 'ongoingai_trace_enqueued_total');
    };
    await until(stored, 'all traces are stored');
  };
  await wave();
  const lag = async () => (await gateway.api('/metrics')).text.includes('ongoingai_worker_loop_lag_seconds_count');
  await until(lag, 'event loops were looked at');
  return { gateway, wave };
}

scenario("Prometheus's own tools accept the example, the rules and their tests", async () => {
  const promtool = (...words) => {
    const { status, stdout, stderr } = spawnSync('promtool', words, {
      cwd: path.join(deploy, 'prometheus'),
      encoding: 'utf8',
    });
    assert.equal(status, 0, `promtool ${words.join(' ')}\n${stdout}${stderr}`);
  };
  promtool('check', 'config', 'prometheus.yml');
  const tests = filesIn(path.join(deploy, 'prometheus/tests'), '.yml');
  assert.ok(tests.length > 0);
  promtool('test', 'rules', ...tests);
  // Every alert is seen firing and seen silent, every record is asked for.
  const tested = tests.map((file) => fs.readFileSync(file, 'utf8')).join('\n');
  const rules = ruleFiles.map((file) => fs.readFileSync(file, 'utf8')).join('\n');
  const alerts = [...rules.matchAll(/- alert: (\w+)/g)].map(([, name]) => name);
  const docs = fs.readFileSync(path.join(repository, 'docs/monitoring.md'), 'utf8');
  assert.ok(alerts.length > 10);
  for (const alert of alerts) {
    const seen = (outcome) => new RegExp(`- alertname: ${alert}\\n +eval_time: \\S+\\n +exp_alerts:${outcome}`).test(tested);
    assert.ok(seen('\\n +- exp_labels'), `no test sees ${alert} fire`);
    assert.ok(seen(' \\[\\]'), `no test sees ${alert} silent`);
    assert.ok(docs.includes(`\`${alert}\``), `docs/monitoring.md does not name ${alert}`);
  }
  for (const [, record] of rules.matchAll(/- record: (\S+)/g))
    assert.ok(tested.includes(record), `no test of ${record}`);
  for (const [, named] of docs.matchAll(/`(OngoingAI\w+)`/g))
    assert.ok(alerts.includes(named), `there is no alert ${named}`);
});

scenario('dashboards are what Grafana reads', async () => {
  assert.ok(dashboards.length >= 5);
  assert.equal(new Set(dashboards.map(({ uid }) => uid)).size, dashboards.length);
  for (const board of dashboards) {
    const said = (what) => `${board.file}: ${what}`;
    assert.equal(`${board.uid}.json`, board.file);
    assert.ok(board.title && board.schemaVersion >= 30 && board.tags.includes('ongoingai'), said('its head'));
    const variables = new Set(board.templating.list.map(({ name }) => name));
    for (const name of ['datasource', 'job', 'instance', 'provider']) assert.ok(variables.has(name), said(name));
    if (!board.file.includes('pipeline'))
      for (const name of ['model', 'org', 'workspace', 'route']) assert.ok(variables.has(name), said(name));
    assert.equal(new Set(board.panels.map(({ id }) => id)).size, board.panels.length, said('ids of panels'));
    const taken = new Set();
    for (const { title, gridPos, datasource, type, targets: asked } of board.panels) {
      assert.ok(title, said('a panel without a title'));
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; ++x)
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; ++y) {
          assert.ok(x < 24 && !taken.has(`${x} ${y}`), said(`"${title}" lies on another panel`));
          taken.add(`${x} ${y}`);
        }
      if (type === 'row') continue;
      assert.equal(datasource.uid, '${datasource}', said(title));
      assert.equal(new Set(asked.map(({ refId }) => refId)).size, asked.length, said(title));
    }
    const used = JSON.stringify(board).matchAll(/\$\{?([a-z]\w*)/g);
    for (const [, name] of used) assert.ok(variables.has(name), said(`$${name} is no variable of it`));
  }
  // Percentiles and heat maps of what has exemplars show them.
  for (const { panel, expr, exemplar } of targets)
    if (/(request_duration_seconds|time_to_first_token_seconds)_bucket/.test(expr) && panel.type !== 'stat')
      assert.ok(exemplar, `${panel.board.file}: "${panel.title}" has no exemplars`);
});

/** An expression as Grafana would send it, everything chosen. */
const asAsked = (expression) =>
  expression
    .replaceAll('$__rate_interval', '1m')
    .replaceAll('$__range', '10m')
    .replace(/\$[a-z]+/g, '.*');

/** What this traffic makes nothing of: failures and settings that are not there. Panels of it stay empty. */
const kNothingToCount = [
  'ongoingai_auth_delayed_total',
  'ongoingai_limits_events_total',
  'ongoingai_limits_shared_instances',
  'ongoingai_limits_shared_reachable',
  'ongoingai_log_dropped_total',
  'ongoingai_metrics_label_overflow_total',
  'ongoingai_server_refused_connections_total',
  'ongoingai_trace_bodies_dropped_total',
  'ongoingai_trace_dropped_total',
  'ongoingai_trace_quarantined_total',
  'ongoingai_trace_queue_dropped_total',
  'ongoingai_trace_replayed_total',
  'ongoingai_trace_write_failed_total',
];

scenario('every question of the dashboards and rules has an answer where there was traffic', async (world) => {
  const { gateway, wave } = await setUp(world);
  const prometheus = await Prometheus.start(world, [`127.0.0.1:${gateway.port}`], {
    job: 'ongoingai',
    rules: ruleFiles,
  });
  await wave();
  const counted = total((await gateway.api('/metrics')).text, 'ongoingai_proxy_request_total');
  const seen = () => prometheus.value('sum(ongoingai_proxy_request_total)');
  await until(async () => (await seen()) === counted, 'Prometheus has both waves', 30000);
  await until(
    async () => (await prometheus.value('sum(rate(ongoingai_proxy_request_total[1m]))')) > 0,
    'it sees a rate',
  );

  const page = (await gateway.api('/metrics')).text;
  const there = new Set(samples(page).map(({ name }) => name));
  const known = new Set([...documented.map(({ name }) => name), 'target_info']);
  const absent = new Set();
  for (const { panel, expr } of targets) {
    const said = `${panel.board.file}: "${panel.title}": ${expr}`;
    const metrics = metricsOf(expr);
    assert.ok(metrics.length > 0, said);
    for (const metric of metrics) assert.ok(known.has(family(metric)), `${metric} is no metric: ${said}`);
    const answers = () => prometheus.query(asAsked(expr));
    await answers().catch((error) => assert.fail(`${error.message}: ${said}`));
    const lacking = metrics.filter((metric) => !there.has(metric));
    lacking.forEach((metric) => absent.add(metric));
    if (lacking.length > 0) continue; // the list below says which may
    const told = async () => (await answers()).some(({ value }) => !Number.isNaN(Number(value[1])));
    // What is looked at twice a second may take a while.
    await until(told, `something comes of ${asAsked(expr)}: ${said}`);
  }
  assert.deepEqual([...absent].filter((metric) => !kNothingToCount.includes(metric)), [], 'metrics of empty panels');
  for (const { panel, expr } of targets.filter(({ exemplar }) => exemplar)) {
    const found = await prometheus.exemplars(asAsked(expr));
    const said = `exemplars of ${panel.board.file}: "${panel.title}"`;
    assert.ok(found.length > 0 && found.every(({ labels }) => /^[0-9a-f]{32}$/.test(labels.trace_id)), said);
  }
  for (const board of dashboards)
    for (const { name, query } of board.templating.list.filter(({ type }) => type === 'query')) {
      const [, selector, label] = /^label_values\((.+), (\w+)\)$/.exec(query.query);
      const values = await prometheus.query(`group by (${label}) (${asAsked(selector)})`);
      assert.ok(values.length > 0 && values.every(({ metric }) => metric[label]), `${board.file}: $${name}`);
    }

  const rules = await until(async () => {
    const all = await prometheus.rules();
    return all.every(({ health }) => health !== 'unknown') && all;
  }, 'all rules were evaluated');
  assert.deepEqual(
    rules.filter(({ health }) => health !== 'ok').map(({ name, lastError }) => [name, lastError]),
    [],
  );
  for (const { name, query } of rules)
    for (const metric of metricsOf(query))
      assert.ok(
        known.has(family(metric)) || query.includes(`:${metric}`),
        `${name} asks for ${metric}, which is no metric`,
      );
  const state = (name) => rules.find((rule) => rule.name === name).state;
  for (const quiet of [
    'OngoingAITargetDown',
    'OngoingAITargetMissing',
    'OngoingAITracesDropped',
    'OngoingAIStoreUnavailable',
  ])
    assert.equal(state(quiet), 'inactive', quiet);
  assert.equal(state('OngoingAIUnpricedModels'), 'firing', 'the model without a price');
});

scenario('docs/monitoring.md has every metric, as the page shows it', async (world) => {
  const { gateway } = await setUp(world);
  const page = (await gateway.api('/metrics')).text;
  const rows = new Map(documented.map((row) => [row.name, row]));
  assert.equal(rows.size, documented.length, 'a metric is there twice');
  const types = new Map([...page.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => [name, type]));
  types.delete('target_info');
  assert.ok(types.size > 40, page);
  for (const [name, type] of types) {
    assert.ok(rows.has(name), `docs/monitoring.md does not have ${name}`);
    assert.equal(rows.get(name).type, type, name);
  }
  for (const { name, labels } of samples(page)) {
    const row = rows.get(name) ?? rows.get(family(name));
    if (!row) continue; // target_info
    const own = Object.keys(labels).filter((label) => !label.startsWith('otel_scope_') && label !== 'le');
    for (const label of own)
      assert.ok(row.labels.includes(label), `docs/monitoring.md: ${name} has the label ${label}`);
    for (const label of row.always) assert.ok(own.includes(label), `docs/monitoring.md: ${name} has no label ${label}`);
  }
});

scenario('docs/monitoring.md has the metrics of the sources, and no others', async () => {
  const src = path.join(repository, 'src');
  const named = new Set();
  for (const entry of fs.readdirSync(src, { recursive: true })) {
    if (!/\.(cpp|h)$/.test(entry) || /_(test|bench|fuzz)\.cpp$/.test(entry)) continue;
    const text = fs.readFileSync(path.join(src, entry), 'utf8');
    for (const [, name] of text.matchAll(
      /"((?:ongoingai\.[a-z_]+|http\.(?:server|client)|gen_ai\.(?:server|client\.(?:token|operation(?!\.exception))))\.[a-z_.]+)"/g,
    ))
      named.add(name);
  }
  assert.deepEqual(documented.map(({ otel }) => otel).sort(), [...named].sort());
});

scenario('refusals by limits are told by their code, each once', async (world) => {
  const { gateway } = await setUp(world);
  const page = (await gateway.api('/metrics')).text;
  const codes = samples(page).filter(({ name }) => name === 'ongoingai_limits_refused_total');
  assert.deepEqual(
    codes.map(({ labels, value }) => [labels.code, value]),
    [['MODEL_RATE_LIMIT_EXCEEDED', 1]],
  );
});
