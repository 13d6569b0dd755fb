// A provider at the byte level: every connection is handed to a script that reads and writes through a Peer.
import net from 'node:net';
import tls from 'node:tls';
import { Peer } from './peer.js';
import { until } from './wait.js';

export class Upstream {
  connections = [];
  failures = [];
  requests = []; // every request that the routed handler saw

  /**
   * handler(peer, upstream): runs once per connection; what it throws after the test ended is ignored, before that it
   * is kept.
   */
  static async listen(handler, { tls: tlsOptions } = {}) {
    const self = new Upstream();
    self.handler = handler;
    self.scheme = tlsOptions ? 'https' : 'http';
    const accept = (socket) => self.#accept(socket);
    self.server = tlsOptions
      ? tls.createServer(tlsOptions, accept)
      : net.createServer({ allowHalfOpen: true, noDelay: true }, accept);
    if (tlsOptions) self.server.on('tlsClientError', (error) => self.tlsErrors.push(error));
    await new Promise((resolve, reject) => {
      self.server.once('error', reject);
      self.server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, resolve);
    });
    self.port = self.server.address().port;
    return self;
  }
  tlsErrors = [];

  get url() {
    return `${this.scheme}://127.0.0.1:${this.port}`;
  }

  #accept(socket) {
    const peer = new Peer(socket);
    this.connections.push(peer);
    Promise.resolve()
      .then(() => this.handler(peer, this))
      .catch((error) => {
        if (!this.stopped) this.failures.push(error);
        peer.destroy();
      });
  }

  connection(index) {
    return until(() => this.connections[index], `upstream connection number ${index}`);
  }

  close() {
    this.stopped = true;
    for (const peer of this.connections) peer.destroy();
    return new Promise((resolve) => this.server.close(resolve));
  }
}

/**
 * A handler that serves request after request of each connection by the script registered for the target's path
 * (without query). Script: async (request, peer) => void, `request` with its whole body unless registered with
 * {stream: true} (then only the head).
 */
export class Routes {
  #scripts = new Map();

  on(path, script, options = {}) {
    this.#scripts.set(path, { script, ...options });
    return this;
  }

  get handler() {
    return async (peer, upstream) => {
      for (;;) {
        if (peer.buffered === 0 && (await idleEnd(peer))) return;
        let entry;
        const headOnly = new Error('head only');
        let request;
        try {
          request = await peer.readRequest({
            deadline: 120000,
            beforeBody: async (head) => {
              entry = this.#scripts.get(head.target.split('?')[0]) ?? this.#scripts.get('*');
              upstream.requests.push(head);
              if (!entry) throw new Error(`no script for ${head.startLine}`);
              if (entry.stream) {
                request = head;
                throw headOnly;
              }
            },
          });
        } catch (error) {
          if (error !== headOnly) {
            if (entry?.mayAbort || (!entry && peer.ended)) return;
            throw error;
          }
        }
        await entry.script(request, peer);
        if (peer.closed || peer.socket.writableEnded || request.get('connection')?.toLowerCase() === 'close') return;
      }
    };
  }
}

/** Waits for the first byte of a next request; true when the peer left instead. */
async function idleEnd(peer) {
  await Promise.race([peer.gone, new Promise((resolve) => peer.socket.once('data', resolve))]);
  if (peer.buffered > 0) return false;
  peer.destroy();
  return true;
}
