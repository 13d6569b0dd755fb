// A simulated provider of OpenAI's WebSocket APIs: each connection is handed to a script, which answers the client's
// messages with events.
import { WebSocket, WebSocketServer } from 'ws';
import { within } from './wait.js';

/** Usage as the Responses API writes it. */
export const responsesUsage = (input, cached, output, reasoning) => ({
  input_tokens: input,
  input_tokens_details: { cached_tokens: cached },
  output_tokens: output,
  output_tokens_details: { reasoning_tokens: reasoning },
  total_tokens: input + output,
});

export class SocketProvider {
  handshakes = [];
  sockets = [];

  /** `script(send, message, socket)` is called with each parsed message of the client. */
  static async start(world, script, { deflate = false, server } = {}) {
    const self = new SocketProvider();
    const place = server ? { server } : { port: 0, host: '127.0.0.1' };
    self.server = new WebSocketServer({
      ...place,
      perMessageDeflate: deflate && { threshold: 0, ...(deflate === true ? {} : deflate) },
    });
    self.server.on('connection', (socket, request) => {
      self.handshakes.push(request);
      self.sockets.push(socket);
      const send = (event) => socket.send(JSON.stringify(event));
      socket.on('message', (data) => script(send, JSON.parse(data.toString()), socket));
      socket.on('error', () => {});
    });
    if (!server) await new Promise((resolve) => self.server.once('listening', resolve));
    world.later(() => {
      for (const client of self.server.clients) client.terminate();
      self.server.close();
    });
    self.url = server ? undefined : `http://127.0.0.1:${self.server.address().port}`;
    return self;
  }
}

/** A client that keeps the events it got; `next(type)` resolves with the next one of that type. */
export class SocketClient {
  events = [];
  #waiting = [];

  static async open(world, url, options = {}) {
    const self = new SocketClient();
    self.socket = new WebSocket(url, { perMessageDeflate: false, ...options });
    world.later(() => self.socket.terminate());
    self.socket.on('upgrade', (answer) => (self.traceId = answer.headers['x-ongoingai-trace-id']));
    self.socket.on('message', (data) => {
      const event = JSON.parse(data.toString());
      self.events.push(event);
      self.#waiting = self.#waiting.filter((w) => !(w.type === event.type && (w.resolve(event), true)));
    });
    self.closed = new Promise((resolve) => self.socket.once('close', resolve));
    await within(
      5000,
      new Promise((resolve, reject) => self.socket.once('open', resolve).once('error', reject)),
      'the WebSocket opens',
    );
    return self;
  }
  send(event) {
    this.socket.send(JSON.stringify(event));
  }
  next(type) {
    return within(10000, new Promise((resolve) => this.#waiting.push({ type, resolve })), `an event ${type}`);
  }
  async ask(event, until) {
    const answer = this.next(until);
    this.send(event);
    return answer;
  }
}
