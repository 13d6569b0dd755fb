// What deploy/ has for running the gateway: the systemd unit, the Debian package, the image, the Compose file, the
// collector. There is no Docker here: what a container would run is run beside it, with servers of this machine.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import yaml from '@stoplight/yaml'; // comes with spectral-cli
import { binary, freePort, repository, run, sanitized } from '../lib/gateway.js';
import { MockProvider } from '../lib/mock_provider.js';
import { Postgres } from '../lib/postgres.js';
import { Prometheus, total } from '../lib/prometheus.js';
import { until, within } from '../lib/wait.js';
import { scenario } from '../lib/world.js';

const deploy = path.join(repository, 'deploy');
const text = (...parts) => fs.readFileSync(path.join(deploy, ...parts), 'utf8');
function parsed(...parts) {
  const { data, diagnostics } = yaml.parseWithPointers(text(...parts), { ignoreDuplicateKeys: false });
  assert.deepEqual(diagnostics, [], parts.join('/'));
  return data;
}
/** Runs a program to its end, which has to be a good one: its stdout. */
function succeed(program, words, options = {}) {
  const { status, stdout, stderr, error } = spawnSync(program, words, { encoding: 'utf8', timeout: 60000, ...options });
  if (error) throw error;
  assert.equal(status, 0, `${program} ${words.join(' ')}\n${stdout}${stderr}`);
  return stdout;
}
const ask = (gateway, headers = {}) =>
  gateway.api('/openai/v1/chat/completions', {
    method: 'POST',
    headers: { Authorization: 'Bearer sk', 'Content-Type': 'application/json', ...headers },
    body: JSON.stringify({ model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'Hi' }] }),
  });

// ---- systemd --------------------------------------------------------------------------------------------------------

const unit = text('systemd/ongoingai.service');
const setting = (name) => [...unit.matchAll(new RegExp(`^${name}=(.*)$`, 'gm'))].map(([, value]) => value);

scenario('systemd accepts the unit and finds little exposed', async (world) => {
  const file = path.join(world.folder('unit'), 'ongoingai.service');
  fs.writeFileSync(file, unit.replace('/usr/bin/ongoingai', binary).replace(/^Documentation=.*\n/m, ''));
  succeed('systemd-analyze', ['verify', '--man=no', file]);
  succeed('systemd-analyze', ['security', '--offline=true', '--threshold=15', '--no-pager', file]); // 1.5 of 10
});

scenario('the unit gives a shutdown the time that it takes, and reloads by SIGHUP', async () => {
  const documented = fs.readFileSync(path.join(repository, 'docs/configuration.md'), 'utf8');
  const drainMs = Number(/`server.drain_timeout_ms` \| `(\d+)`/.exec(documented)[1]);
  assert.ok(Number(setting('TimeoutStopSec')[0]) * 1000 >= drainMs + 30000);
  assert.deepEqual(setting('ExecReload'), ['/bin/kill -HUP $MAINPID']);
  assert.ok(Number(setting('LimitNOFILE')[0]) > 2 * 10000, 'two descriptors a connection, 10000 connections');
});

/** The system calls of a set of systemd's. */
function systemCalls(set) {
  const lines = succeed('systemd-analyze', ['syscall-filter', set])
    .split('\n')
    .map((line) => line.trim());
  const names = lines.filter((line) => line && !line.startsWith('#') && line !== set);
  return new Set(names.flatMap((name) => (name.startsWith('@') ? [...systemCalls(name)] : [name])));
}

/** What a gateway does from its start to its end, a system call a line. */
async function traced(world) {
  const trace = path.join(world.folder('calls'), 'trace');
  const provider = await MockProvider.start(world);
  const gateway = await world.gateway({
    openai: provider.url.replace('127.0.0.1', 'localhost'), // a name that is looked up
    wrapper: ['strace', '-D', '-f', '-q', '-s0', '-o', trace], // -D: the gateway keeps its process id
    config: { observability: { otel: { enabled: true, prometheus_enabled: true } } },
  });
  const id = (await ask(gateway)).headers['x-ongoingai-trace-id'];
  await gateway.trace(id);
  assert.equal((await gateway.api('/metrics')).status, 200);
  assert.equal((await gateway.stop()).code, 0);
  const all = () => fs.readFileSync(trace, 'utf8');
  await until(() => new RegExp(`^${gateway.pid} +\\+\\+\\+ exited`, 'm').test(all()), 'strace has seen the end');
  return { gateway, lines: all().split('\n') };
}

if (!sanitized)
  scenario('the gateway does nothing that the unit forbids', async (world) => {
    const [base, taken] = setting('SystemCallFilter');
    const allowed = systemCalls(base);
    for (const name of systemCalls(taken.slice(1))) allowed.delete(name);
    if (process.getuid() === 0) allowed.add('fchown'); // SQLite, for root alone: files get the owner of the database
    const { gateway, lines } = await traced(world);
    const made = new Set(lines.map((line) => /^\d+ +([a-z]\w*)\(/.exec(line)?.[1]).filter(Boolean));
    assert.ok(made.size > 20, 'strace saw the gateway');
    assert.deepEqual(
      [...made].filter((name) => !allowed.has(name)),
      [],
    );

    const never = (why, pattern) =>
      assert.deepEqual(
        lines.filter((line) => pattern.test(line)),
        [],
        why,
      );
    never('MemoryDenyWriteExecute', /\b(mmap|mprotect|pkey_mprotect)\(.*PROT_WRITE\|PROT_EXEC|\bmprotect\(.*PROT_EXEC/);
    never('RestrictNamespaces, RestrictRealtime', /CLONE_NEW|SCHED_(FIFO|RR|DEADLINE)/);
    never('ProcSubset', /"\/proc\/(?!self\b|\d)/);
    const families = new Set(lines.map((line) => /\bsocket(?:pair)?\((AF_\w+)/.exec(line)?.[1]).filter(Boolean));
    const permitted = setting('RestrictAddressFamilies')[0].split(' ');
    assert.deepEqual(
      [...families].filter((name) => !permitted.includes(name)),
      [],
      'RestrictAddressFamilies',
    );
    // ProtectSystem and StateDirectory: what is opened for writing is the gateway's own.
    const written = lines
      .filter((line) => /\bopenat?\(.*O_(WRONLY|RDWR|CREAT)/.test(line))
      .map((line) => /"([^"]*)"/.exec(line)[1])
      .filter((name) => !name.startsWith('/dev/') && !name.startsWith('/proc/self/'));
    assert.ok(written.length > 3);
    assert.deepEqual(
      written.filter((name) => !path.resolve(gateway.dir, name).startsWith(`${gateway.dir}/`)),
      [],
    );
  });

// ---- the Debian package ---------------------------------------------------------------------------------------------

if (!sanitized)
  scenario(
    'the Debian package has what it needs, and what it has unpacked runs',
    { timeout: 180000 },
    async (world) => {
      const dir = world.folder('package');
      const configuration = path.join(path.dirname(binary), 'CPackConfig.cmake');
      succeed('cpack', ['-G', 'DEB', '--config', configuration, '-B', dir], { cwd: dir });
      const file = path.join(
        dir,
        fs.readdirSync(dir).find((name) => name.endsWith('.deb')),
      );
      assert.match(path.basename(file), /^ongoingai_[0-9][0-9a-z.~+]*_[a-z0-9]+\.deb$/);
      const field = (name) => succeed('dpkg-deb', ['-f', file, name]).trim();
      assert.equal(field('Package'), 'ongoingai');
      for (const dependency of ['adduser', 'ca-certificates', 'tzdata', 'libc6', 'libssl3', 'libpq5'])
        assert.ok(field('Depends').includes(dependency), `${dependency}: ${field('Depends')}`);

      const listed = new Map(
        succeed('dpkg-deb', ['-c', file])
          .split('\n')
          .filter(Boolean)
          .map((line) => line.split(/\s+/))
          .map(([mode, owner, , , , name]) => [name.replace(/^\.\//, '/'), `${mode} ${owner}`]),
      );
      const expected = {
        '/usr/bin/ongoingai': '-rwxr-xr-x root/root',
        '/usr/lib/systemd/system/ongoingai.service': '-rw-r--r-- root/root',
        '/etc/ongoingai/ongoingai.yaml': '-rw-r----- root/root',
        '/etc/default/ongoingai': '-rw------- root/root',
        '/usr/share/doc/ongoingai/copyright': '-rw-r--r-- root/root',
        '/usr/share/doc/ongoingai/docs/deploy.md': '-rw-r--r-- root/root',
        '/usr/share/doc/ongoingai/examples/prometheus/rules/alerts.yml': '-rw-r--r-- root/root',
      };
      for (const [name, what] of Object.entries(expected)) assert.equal(listed.get(name), what, name);
      for (const name of listed.keys()) assert.match(name, /^\/(etc|usr)?(\/|$)/, 'nothing lies elsewhere');

      const control = path.join(dir, 'control');
      succeed('dpkg-deb', ['-e', file, control]);
      const conffiles = fs.readFileSync(path.join(control, 'conffiles'), 'utf8').trim().split('\n').sort();
      assert.deepEqual(conffiles, [...listed.keys()].filter((name) => /^\/etc\/.*[^/]$/.test(name)).sort());
      for (const script of ['postinst', 'prerm', 'postrm']) succeed('sh', ['-n', path.join(control, script)]);

      // Installed nowhere: its own configuration, with a port and a folder that are free.
      const root = path.join(dir, 'root');
      succeed('dpkg-deb', ['-x', file, root]);
      const port = await freePort();
      const program = path.join(root, 'usr/bin/ongoingai');
      const words = ['--config', path.join(root, 'etc/ongoingai/ongoingai.yaml')];
      const env = {
        PATH: process.env.PATH,
        ONGOINGAI_PORT: String(port),
        ONGOINGAI_STORAGE_PATH: path.join(dir, 'state/ongoingai.db'),
      };
      succeed(program, ['config', 'validate', ...words], { env });
      const child = spawn(program, ['serve', ...words], { cwd: dir, env, stdio: ['ignore', 'ignore', 'inherit'] });
      const ended = new Promise((resolve) => child.once('close', resolve));
      world.later(() => child.exitCode ?? child.kill('SIGKILL'));
      const health = () => fetch(`http://127.0.0.1:${port}/api/health`).then((answer) => answer.json());
      await until(async () => (await health()).status === 'ok', 'the unpacked gateway serves');
      child.kill('SIGTERM');
      assert.equal(await within(40000, ended, 'it ends'), 0);
    },
  );

// ---- containers -----------------------------------------------------------------------------------------------------

scenario('the Dockerfile takes what is there, runs as nobody in particular and asks /api/ready', async () => {
  const lines = text('docker/Dockerfile')
    .replace(/\\\n\s*/g, ' ')
    .split('\n')
    .filter((line) => line && !line.startsWith('#'));
  const of = (word) => lines.filter((line) => line.startsWith(`${word} `)).map((line) => line.slice(word.length + 1));
  assert.equal(of('FROM').length, 2);
  for (const image of of('FROM')) assert.match(image, /^debian:\$\{DEBIAN\}/);
  assert.deepEqual(of('ARG'), ['DEBIAN=bookworm']);
  for (const copied of of('COPY').filter((line) => !line.startsWith('--from')))
    assert.ok(fs.existsSync(path.join(repository, copied.split(' ')[0])), copied);
  assert.deepEqual(of('USER'), ['10001:10001']);
  assert.deepEqual(of('STOPSIGNAL'), ['SIGTERM']);
  assert.match(of('HEALTHCHECK')[0], /\/api\/ready"$/);
  assert.deepEqual(JSON.parse(of('ENTRYPOINT')[0]), ['/usr/bin/ongoingai']);
  assert.deepEqual(JSON.parse(of('CMD')[0]), ['serve', '--config', '/etc/ongoingai/ongoingai.yaml']);
  const groups = /\$1 == "build" \|\| \$1 == "package"/;
  assert.match(text('docker/Dockerfile'), groups);
});

scenario('the Compose file refers to what is there', async () => {
  const { services, volumes } = parsed('compose/compose.yaml');
  assert.deepEqual(Object.keys(services).sort(), ['gateway', 'postgres', 'prometheus', 'redis']);
  const example = new Set([...text('compose/example.env').matchAll(/^(\w+)=/gm)].map(([, name]) => name));
  for (const [, name] of text('compose/compose.yaml').matchAll(/[^$]\$\{(\w+)/g))
    assert.ok(example.has(name), `${name} in example.env`);
  for (const [name, service] of Object.entries(services)) {
    for (const volume of service.volumes) {
      const [from] = volume.split(':');
      if (from.startsWith('.')) assert.ok(fs.existsSync(path.join(deploy, 'compose', from)), `${name}: ${from}`);
      else assert.ok(from in volumes, `${name}: ${from}`);
    }
    for (const port of service.ports ?? [])
      assert.match(port, /^127\.0\.0\.1:/, `${name} is reached from this machine only`);
    for (const needed of Object.keys(service.depends_on ?? {})) assert.ok(services[needed].healthcheck, needed);
  }
  const { context, dockerfile } = services.gateway.build;
  assert.ok(fs.existsSync(path.join(deploy, 'compose', context, dockerfile)));
  assert.ok(parseInt(services.gateway.stop_grace_period) >= 55);
});

scenario(
  'what the Compose file describes works, with servers of this machine in the place of containers',
  async (world) => {
    const { services } = parsed('compose/compose.yaml');
    const dir = world.folder('compose');
    const ports = { gateway: await freePort(), redis: await freePort() };
    // It takes some seconds to look for its first target: meanwhile the rest starts.
    const target = parsed('compose/prometheus.yml').scrape_configs[0];
    assert.deepEqual(target.static_configs[0].targets, ['gateway:8080']);
    const rules = parsed('compose/prometheus.yml').rule_files.map((file) => path.join(deploy, 'prometheus', file));
    for (const file of rules) assert.ok(fs.existsSync(file), file);
    const options = { metricsPath: target.metrics_path, job: target.job_name, rules };
    const scraping = Prometheus.start(world, [`127.0.0.1:${ports.gateway}`], options);
    scraping.catch(() => {}); // whoever waits for it is told

    const passwords = { POSTGRES_PASSWORD: 'p1', GATEWAY_DB_PASSWORD: 'p2', REDIS_PASSWORD: 'p3' };
    const filled = (value) => value.replace(/\$\{(\w+)[^}]*\}/g, (_, name) => passwords[name]).replaceAll('$$', '$');

    const postgres = await Postgres.start(world);
    const database = { ...process.env, PGHOST: postgres.dir, PGPORT: String(postgres.port) };
    succeed('sh', [path.join(deploy, 'compose/init-postgres.sh')], {
      env: { ...database, GATEWAY_DB_PASSWORD: passwords.GATEWAY_DB_PASSWORD },
    });

    const [shell, flag, command] = services.redis.command.map(filled);
    const redis = spawn(shell, [flag, `${command} --port ${ports.redis} --bind 127.0.0.1`], {
      cwd: dir,
      env: { PATH: process.env.PATH, REDIS_PASSWORD: passwords.REDIS_PASSWORD },
      stdio: 'ignore',
    });
    world.later(() => redis.kill('SIGKILL'));
    const redisAt = { ...process.env, REDIS_PASSWORD: passwords.REDIS_PASSWORD };
    const healthy = filled(services.redis.healthcheck.test[1]).replace('redis-cli', `redis-cli -p ${ports.redis}`);
    await until(
      () => spawnSync('sh', ['-c', healthy], { env: redisAt }).status === 0,
      'Redis is healthy, by its own check',
    );

    const env = Object.fromEntries(
      Object.entries(services.gateway.environment).map(([name, value]) => [
        name,
        filled(value)
          .replace('@postgres:5432', `@127.0.0.1:${postgres.port}`)
          .replace('@redis:6379', `@127.0.0.1:${ports.redis}`),
      ]),
    );
    assert.deepEqual(Object.keys(env).sort(), ['ONGOINGAI_LIMITS_REDIS_URL', 'ONGOINGAI_STORAGE_DSN']);
    const provider = await MockProvider.start(world);
    const rings = path.join(dir, 'rings');
    const configuration = text('compose/ongoingai.yaml').replace('/var/lib/ongoingai/rings', rings);
    assert.ok(configuration.includes(rings));
    const upstream = { ONGOINGAI_OPENAI_UPSTREAM: provider.url };
    const gateway = await world.gateway({ port: ports.gateway, yaml: configuration, env: { ...env, ...upstream } });
    const cli = { cwd: gateway.dir, env };
    assert.equal((await run(['config', 'validate'], cli)).code, 0);
    assert.equal((await ask(gateway)).status, 401);
    const made = await run(['keys', 'create', '--role', 'owner', '--format', 'json'], cli);
    assert.equal(made.code, 0, made.stderr);
    const key = { 'X-OngoingAI-Gateway-Key': /"token":\s*"([^"]+)"/.exec(made.stdout)[1] };
    await until(async () => (await gateway.api('/api/traces', { headers: key })).status === 200, 'the key is known');
    assert.equal((await ask(gateway, key)).status, 200);
    const stored = () => postgres.ask('ongoingai', 'SELECT count(*) FROM traces') === '1';
    await until(stored, 'the trace is in Postgres');
    const page = (await gateway.api('/metrics')).text;
    assert.equal(total(page, 'ongoingai_limits_shared_reachable'), 1, 'limits are counted in Redis');

    const prometheus = await scraping;
    await until(
      async () => (await prometheus.value('sum(ongoingai_proxy_request_total{job="ongoingai"})')) === 1,
      'Prometheus has the request',
    );
  },
);

scenario('the collector and the provisioning of Grafana are complete', async () => {
  const { receivers, processors, exporters, extensions, service } = parsed('otel-collector/config.yaml');
  const known = { receivers, processors, exporters };
  for (const [name, pipeline] of Object.entries(service.pipelines))
    for (const [kind, parts] of Object.entries(pipeline))
      for (const part of parts) assert.ok(part in known[kind], `${name}: ${kind} ${part}`);
  for (const extension of service.extensions) assert.ok(extension in extensions, extension);
  assert.deepEqual(service.pipelines.traces.exporters, ['otlp/traces']);
  assert.deepEqual(service.pipelines.metrics.exporters, ['prometheus']);
  assert.deepEqual(service.pipelines.logs.exporters, ['otlphttp/logs']);
  assert.match(receivers.otlp.protocols.http.endpoint, /:4318$/);
  const { datasources } = parsed('grafana/provisioning/datasources/ongoingai.yaml');
  const uids = datasources.map(({ uid }) => uid);
  const links = datasources.flatMap(({ jsonData }) => jsonData?.exemplarTraceIdDestinations ?? []);
  assert.deepEqual(
    links.map(({ name }) => name),
    ['trace_id'],
  );
  for (const { datasourceUid } of links) assert.ok(uids.includes(datasourceUid), datasourceUid);
  assert.equal(parsed('grafana/provisioning/dashboards/ongoingai.yaml').providers[0].type, 'file');
});
