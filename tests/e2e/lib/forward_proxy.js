// A forward proxy that tells what it was asked: absolute-form requests are answered by a script, CONNECT is tunnelled
// to a given port.
import net from 'node:net';
import { Peer } from './peer.js';
import { reply } from './http.js';

export class ForwardProxy {
  asked = []; // start lines
  heads = [];

  /**
   * tunnelTo: port that every CONNECT leads to; refuse: status line that CONNECT is answered with; answer: body of
   * absolute-form requests.
   */
  static async start(world, { tunnelTo, refuse, answer = 'by proxy' } = {}) {
    const self = new ForwardProxy();
    const upstream = await world.upstream(async (peer) => {
      for (;;) {
        let head;
        try {
          head = await peer.readHead('a request to the proxy', 120000);
        } catch {
          return;
        }
        self.asked.push(head.startLine);
        self.heads.push(head);
        if (head.startLine.startsWith('CONNECT ')) {
          if (refuse) {
            await peer.write(reply('no', [['Proxy-Authenticate', 'Basic']], refuse));
            return;
          }
          return self.#tunnel(peer, tunnelTo);
        }
        const length = Number(head.get('content-length') ?? 0);
        await peer.readExactly(length);
        await peer.write(reply(answer, [['Content-Type', 'text/plain']]));
      }
    });
    self.port = upstream.port;
    self.url = `http://127.0.0.1:${upstream.port}`;
    return self;
  }

  async #tunnel(peer, port) {
    const far = net.connect({ host: '127.0.0.1', port });
    await new Promise((resolve, reject) => far.once('connect', resolve).once('error', reject));
    await peer.write(Buffer.from('HTTP/1.1 200 Connection established\r\n\r\n'));
    const other = new Peer(far);
    const pump = async (from, to) => {
      try {
        for (;;) await to.write(await from.readSome('tunnel bytes', 600000));
      } catch {
        to.destroy();
      }
    };
    await Promise.all([pump(peer, other), pump(other, peer)]);
  }
}
