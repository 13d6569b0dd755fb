// A Redis server that a test owns, on a socket in its folder.
import net from 'node:net';
import path from 'node:path';
import { spawn } from 'node:child_process';
import { freePort } from './gateway.js';
import { until } from './wait.js';

export class Redis {
  /** With `tls`, a certificate's files, also at a port of localhost. */
  static async start(world, { tls } = {}) {
    const redis = new Redis(world.folder('redis'));
    if (tls) {
      redis.tlsPort = await freePort();
      redis.more = ['--tls-port', String(redis.tlsPort), '--tls-cert-file', tls.certFile, '--tls-key-file', tls.keyFile];
      redis.more.push('--tls-auth-clients', 'no');
    }
    world.later(() => redis.kill());
    await redis.start();
    return redis;
  }
  constructor(folder) {
    this.folder = folder;
    this.socket = path.join(folder, 'redis.sock');
  }
  get url() {
    return this.tlsPort ? `rediss://localhost:${this.tlsPort}` : `unix://${this.socket}`;
  }
  async start() {
    const words = ['--port', '0', '--unixsocket', this.socket, '--dir', this.folder, '--save', '', '--appendonly', 'no'];
    this.process = spawn('redis-server', words.concat(this.more ?? []), { stdio: 'ignore' });
    this.exit = new Promise((resolve) => this.process.on('exit', resolve));
    await until(() => this.answers(), 'redis-server answers (its package is redis-server)');
  }
  answers() {
    return new Promise((resolve) => {
      const client = net.connect(this.socket, () => client.write('PING\r\n'));
      client.on('data', (data) => {
        client.destroy();
        resolve(data.toString() === '+PONG\r\n');
      });
      client.on('error', () => resolve(false));
    });
  }
  /** All that it counted is lost. */
  async kill() {
    this.process.kill('SIGKILL');
    await this.exit;
  }
}
