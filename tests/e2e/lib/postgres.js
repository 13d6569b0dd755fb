// A real PostgreSQL server, and pgbouncer before it, in a scratch folder that goes when the test does, however it ends.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { smallDisk } from './disk.js';
import { freePort } from './gateway.js';
import { until, within } from './wait.js';

const programs = '/usr/lib/postgresql/15/bin';
export const kPassword = 'geheim';

/** A server may not run as root: then it is the user postgres. */
const root = process.getuid() === 0;
const idOf = (flag) => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }));
const identity = root ? { uid: idOf('-u'), gid: idOf('-g') } : {};

// At the end of its input, which comes when this process ends: servers are ended at once and the folder removed.
const kCleanUp = `cat >/dev/null
for f in "$1"/*.pid "$1"/data/postmaster.pid; do
  [ -e "$f" ] && pid=$(head -n 1 "$f") && kill -QUIT "$pid" && n=0 &&
    while kill -0 "$pid" && [ $n -lt 200 ]; do n=$((n + 1)); sleep 0.02; done
done 2>/dev/null
rm -rf "$1"`;

function folderOf(world) {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'gw-pg-'));
  if (root) fs.chownSync(dir, identity.uid, identity.gid);
  const cleaner = spawn('sh', ['-c', kCleanUp, 'sh', dir], { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
  const gone = new Promise((resolve) => cleaner.once('close', resolve));
  world.later(() => {
    cleaner.stdin.end();
    return within(20000, gone, 'the folder of the server is removed');
  });
  return dir;
}

function startServer(command, args, log) {
  const out = fs.openSync(log, 'a', 0o600);
  const child = spawn(command, args, { ...identity, stdio: ['ignore', out, out], detached: true, cwd: '/' });
  fs.closeSync(out);
  child.ended = new Promise((resolve) => child.once('close', resolve));
  return child;
}

export class Postgres {
  static async start(world) {
    const self = new Postgres();
    self.dir = folderOf(world);
    self.port = await freePort();
    const password = path.join(self.dir, 'password');
    fs.writeFileSync(password, `${kPassword}\n`);
    const made = spawnSync(
      path.join(programs, 'initdb'),
      ['-D', path.join(self.dir, 'data'), '-U', 'postgres', '-E', 'UTF8', '--locale=C.UTF-8', '--no-sync'].concat(
        ['--auth-local=trust', '--auth-host=scram-sha-256', `--pwfile=${password}`],
      ),
      { ...identity, encoding: 'utf8', cwd: '/' },
    );
    if (made.status !== 0) throw new Error(`initdb failed: ${made.stderr}`);
    await self.run();
    self.ask(
      'postgres',
      `CREATE ROLE gateway LOGIN NOSUPERUSER NOBYPASSRLS PASSWORD '${kPassword}';
       CREATE ROLE reporter LOGIN NOSUPERUSER NOBYPASSRLS PASSWORD '${kPassword}'`,
    );
    self.databases = 0;
    return self;
  }
  async run() {
    this.child = startServer(
      path.join(programs, 'postgres'),
      ['-D', path.join(this.dir, 'data'), '-p', String(this.port), '-k', this.dir].concat(
        ...['listen_addresses=127.0.0.1', 'fsync=off', 'shared_buffers=64MB'].map((setting) => ['-c', setting]),
      ),
      path.join(this.dir, 'log'),
    );
    await until(() => this.ask('postgres', 'SELECT 1') === '1', () => `PostgreSQL starts: ${this.log()}`, 60000);
  }
  /** Sessions are ended, and what they were at is undone. */
  async stop(signal = 'SIGINT') {
    this.child.kill(signal);
    await within(60000, this.child.ended, 'PostgreSQL ends');
  }
  log() {
    return fs.readFileSync(path.join(this.dir, 'log'), 'utf8').slice(-3000);
  }

  /** An empty database of the role gateway; its tables on a disk of their own, if one is given. */
  database(disk) {
    const name = `e${++this.databases}`;
    if (disk) this.ask('postgres', `CREATE TABLESPACE ${name} LOCATION '${disk.folder}'`);
    this.ask('postgres', `CREATE DATABASE ${name} OWNER gateway ${disk ? `TABLESPACE ${name}` : ''}`);
    return name;
  }
  /** Null where mounting is not allowed. */
  disk(world, size) {
    const folder = path.join(this.dir, 'disk');
    fs.mkdirSync(folder);
    const owner = root ? `,uid=${identity.uid},gid=${identity.gid},mode=700` : '';
    const disk = smallDisk(world, folder, size, owner);
    if (disk) world.later(() => this.stop()); // before it is unmounted
    return disk;
  }
  dsn(database, { user = 'gateway', password = kPassword, port = this.port } = {}) {
    return `postgres://${user}:${password}@127.0.0.1:${port}/${database}`;
  }
  /** What the last statement gives, columns with |, as somebody whom row-level security does not bind by default. */
  ask(database, sql, user = 'postgres') {
    const done = spawnSync(
      path.join(programs, 'psql'),
      ['-XqtA', '-v', 'ON_ERROR_STOP=1', '-h', this.dir, '-p', String(this.port), '-U', user, '-d', database, '-c', sql],
      { encoding: 'utf8', timeout: 30000 },
    );
    if (done.status !== 0) throw new Error(`${sql}: ${done.stderr}`);
    return done.stdout.trim();
  }

  /** pgbouncer in transaction mode: the port that it listens on. */
  async pooled(world) {
    const dir = folderOf(world);
    const port = await freePort();
    const file = (name, text) => fs.writeFileSync(path.join(dir, name), text, { mode: 0o644 });
    file('users', `"gateway" "${kPassword}"\n`);
    file(
      'pgbouncer.ini',
      `[databases]
* = host=${this.dir} port=${this.port}
[pgbouncer]
pool_mode = transaction
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = plain
auth_file = ${dir}/users
pidfile = ${dir}/pgbouncer.pid
default_pool_size = 3
`,
    );
    const log = path.join(dir, 'log');
    startServer('/usr/sbin/pgbouncer', [path.join(dir, 'pgbouncer.ini')], log);
    await until(() => fs.readFileSync(log, 'utf8').includes('process up'), 'pgbouncer starts', 20000);
    return port;
  }
}
