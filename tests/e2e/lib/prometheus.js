// A real Prometheus that scrapes what a test starts, and what its own tools say of a page.
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { freePort } from './gateway.js';
import { until } from './wait.js';

/** What `promtool check metrics` says of a page in the text format; empty: nothing. */
export function lint(page) {
  const run = spawnSync('promtool', ['check', 'metrics'], { input: page, encoding: 'utf8' });
  if (run.error) throw new Error('promtool is not there (its package is prometheus)');
  return (run.stdout + run.stderr).split('\n').filter(Boolean);
}

/** The samples of a page: [{name, labels, value}]. */
export function samples(page) {
  const found = [];
  for (const line of page.split('\n')) {
    const parts = /^([a-z_:][a-z0-9_:]*)\{((?:[^"}]|"(?:[^"\\]|\\.)*")*)\} (\S+)/i.exec(line);
    if (!parts) continue;
    const labels = {};
    for (const [, name, value] of parts[2].matchAll(/([a-z_][a-z0-9_]*)="((?:[^"\\]|\\.)*)"/gi))
      labels[name] = value.replace(/\\(.)/g, (_, c) => (c === 'n' ? '\n' : c));
    found.push({ name: parts[1], labels, value: Number(parts[3]) });
  }
  return found;
}

/** The sum of the samples of a name that have these labels. */
export const total = (page, name, labels = {}) =>
  samples(page)
    .filter((s) => s.name === name && Object.entries(labels).every(([key, value]) => s.labels[key] === value))
    .reduce((sum, s) => sum + s.value, 0);

export class Prometheus {
  /** `targets`: host:port of whoever has /metrics. `rules`: rule files, evaluated as often as is scraped. */
  static async start(world, targets, { metricsPath = '/metrics', job = 'gateway', rules = [] } = {}) {
    const self = new Prometheus();
    const folder = world.folder('prometheus');
    self.url = `http://127.0.0.1:${await freePort()}`;
    const config = path.join(folder, 'prometheus.yml');
    fs.writeFileSync(
      config,
      JSON.stringify({
        global: { scrape_interval: '250ms', scrape_timeout: '200ms', evaluation_interval: '250ms' },
        rule_files: rules,
        scrape_configs: [{ job_name: job, metrics_path: metricsPath, static_configs: [{ targets }] }],
      }),
    );
    const words = [
      `--config.file=${config}`,
      `--storage.tsdb.path=${path.join(folder, 'data')}`,
      `--web.listen-address=${self.url.slice('http://'.length)}`,
      '--enable-feature=exemplar-storage',
    ];
    const log = fs.openSync(path.join(folder, 'log'), 'a');
    self.process = spawn('prometheus', words, { stdio: ['ignore', log, log], cwd: folder });
    fs.closeSync(log);
    const gone = new Promise((resolve) => self.process.once('close', resolve));
    self.process.once('error', () => {});
    world.later(async () => {
      self.process.kill('SIGKILL');
      await gone;
    });
    const says = () => fs.readFileSync(path.join(folder, 'log'), 'utf8').slice(-800);
    await until(() => self.#scraped(targets.length), () => `prometheus scrapes; it says ${says()}`, 30000);
    return self;
  }

  async #get(target) {
    const answer = await fetch(this.url + target);
    const { data, error } = await answer.json();
    if (!answer.ok) throw new Error(`Prometheus answers ${answer.status}: ${error}`);
    return data;
  }
  async #scraped(count) {
    const { activeTargets } = await this.#get('/api/v1/targets');
    return activeTargets.length === count && activeTargets.every(({ health }) => health === 'up');
  }
  /** What an expression gives: [{metric, value: [time, text]}]. */
  async query(query) {
    return (await this.#get(`/api/v1/query?query=${encodeURIComponent(query)}`)).result;
  }
  /** Its rules, in one list. */
  async rules() {
    return (await this.#get('/api/v1/rules')).groups.flatMap(({ rules }) => rules);
  }
  /** The value of an expression with one answer; undefined while there is none. */
  async value(query) {
    const result = await this.query(query);
    return result.length === 1 ? Number(result[0].value[1]) : undefined;
  }
  /** The exemplars of an expression's series: [{labels, value}]. */
  async exemplars(query) {
    const now = Date.now() / 1000;
    const found = await this.#get(
      `/api/v1/query_exemplars?query=${encodeURIComponent(query)}&start=${now - 3600}&end=${now + 60}`,
    );
    return found.flatMap(({ exemplars }) => exemplars);
  }
}
