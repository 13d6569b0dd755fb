// What one test owns: a scratch folder, gateways, upstreams, clients. Everything is ended and removed when the test
// ends, and a failing test's message carries the last log lines of its gateways.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { Gateway, binary } from './gateway.js';
import { connect } from './peer.js';
import { Routes, Upstream } from './upstream.js';
import { within } from './wait.js';

export class World {
  #cleanups = [];
  gateways = [];
  upstreams = [];

  constructor() {
    this.dir = fs.mkdtempSync(path.join(os.tmpdir(), 'gw-e2e-'));
    this.#cleanups.push(() => fs.rmSync(this.dir, { recursive: true, force: true, maxRetries: 3 }));
  }

  /** Runs when the test ends, last registered first. */
  later(cleanup) {
    this.#cleanups.push(cleanup);
  }

  folder(name) {
    const folder = path.join(this.dir, name);
    fs.mkdirSync(folder, { recursive: true });
    return folder;
  }

  async gateway(options = {}) {
    const dir = options.dir ?? this.folder(`gateway${this.gateways.length}`);
    return this.adopt(await Gateway.start({ ...options, dir }));
  }
  /** Starts the same gateway again, after it ended. */
  async restart(gateway, changes) {
    return this.adopt(await gateway.restart(changes));
  }
  adopt(gateway) {
    this.gateways.push(gateway);
    this.later(() => gateway.exit ?? gateway.kill());
    return gateway;
  }

  /** An upstream that runs `handler` on each connection. */
  async upstream(handler, options) {
    const upstream = await Upstream.listen(handler, options);
    this.upstreams.push(upstream);
    this.later(() => upstream.close());
    return upstream;
  }
  /** An upstream that answers by path: {upstream, routes}. */
  async routed(options) {
    const routes = new Routes();
    const upstream = await this.upstream(routes.handler, options);
    return { upstream, routes };
  }

  async client(gatewayOrPort, options) {
    const peer = await connect(gatewayOrPort.port ?? gatewayOrPort, options);
    this.later(() => peer.destroy());
    return peer;
  }

  report() {
    const scripts = this.upstreams.flatMap((u) => u.failures).map((error) => `upstream script failed: ${error.stack}`);
    return [...this.gateways.slice(-2).map((gateway) => gateway.output()), ...scripts].join('\n');
  }

  async end() {
    for (const cleanup of this.#cleanups.reverse()) {
      try {
        await cleanup();
      } catch (error) {
        console.error(`cleanup: ${error.message}`);
      }
    }
  }
}

/**
 * node:test's test with a World. A failure's message ends with what the gateway logged and how to run the test again.
 */
export function scenario(name, ...rest) {
  const body = rest.pop();
  const options = { timeout: 120000, ...(rest[0] ?? {}) };
  const missing = !fs.existsSync(binary) && `no binary at ${binary}`;
  test(name, { ...options, skip: options.skip ?? false }, async (t) => {
    if (missing) throw new Error(missing);
    const world = new World();
    world.t = t;
    try {
      await within(options.timeout * 0.9, body(world), () => `the test's end`);
      const failed = world.upstreams.flatMap((u) => u.failures);
      if (failed.length > 0) throw failed[0];
    } catch (error) {
      const again = `tests/e2e/run.sh --only ${JSON.stringify(name)}`;
      error.stack = `${error.stack}\n\n${world.report()}\n\nrun it again: ${again}\n`; // reporters print the stack
      throw error;
    } finally {
      await world.end();
    }
  });
}
