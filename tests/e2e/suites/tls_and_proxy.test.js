// TLS on both legs and forward proxies.
import assert from 'node:assert/strict';
import https from 'node:https';
import { WebSocket, WebSocketServer } from 'ws';
import { sameBytes } from '../lib/compare.js';
import { ForwardProxy } from '../lib/forward_proxy.js';
import { run } from '../lib/gateway.js';
import { chatAnswer, get, json, kCompletions, post, randomBytes, reply, unique } from '../lib/http.js';
import { chunked, head } from '../lib/peer.js';
import { Authority } from '../lib/pki.js';
import { scenario } from '../lib/world.js';
import { until, within } from '../lib/wait.js';

async function secureUpstream(world, authority, ...names) {
  const servernames = [];
  const leaf = authority.issue(...names);
  const { upstream, routes } = await world.routed({
    tls: {
      cert: leaf.cert,
      key: leaf.key,
      ALPNProtocols: ['http/1.1'],
      SNICallback: (name, done) => (servernames.push(name), done(null)),
    },
  });
  return { upstream, routes, servernames };
}
async function one(world, gateway, bytes) {
  const client = await world.client(gateway);
  await client.write(bytes);
  return client.readResponse();
}

scenario('an HTTPS upstream is verified against SSL_CERT_FILE and told its name', async (world) => {
  const authority = new Authority(world.dir);
  const { upstream, routes, servernames } = await secureUpstream(world, authority, 'DNS:localhost');
  const answer = randomBytes(300000, 2);
  const uploads = [];
  routes.on('/v1/chat/completions', async (request, peer) => {
    uploads.push(request.body);
    await peer.write(reply(answer, [['Content-Type', 'application/octet-stream']]));
  });
  const gateway = await world.gateway({
    openai: `https://localhost:${upstream.port}`,
    env: { SSL_CERT_FILE: authority.file },
    config: { server: { workers: 1 } },
  });
  const client = await world.client(gateway);
  const body = randomBytes(200000, 3);
  for (let i = 0; i < 5; i++) {
    await client.write(post(kCompletions, body));
    const response = await client.readResponse();
    assert.equal(response.status, 200, response.body.toString().slice(0, 200));
    sameBytes(response.body, answer, 'answer over TLS');
    sameBytes(uploads[i], body, 'upload over TLS');
  }
  assert.deepEqual([...new Set(servernames)], ['localhost'], 'SNI');
  assert.equal(upstream.connections.length, 1, 'the TLS connection is reused');
  assert.equal(upstream.requests[0].get('host'), `localhost:${upstream.port}`);
});

scenario('an HTTPS upstream streams events at once', async (world) => {
  const authority = new Authority(world.dir);
  const { upstream, routes } = await secureUpstream(world, authority, 'IP:127.0.0.1');
  let next;
  routes.on('/v1/chat/completions', async (request, peer) => {
    await peer.write(
      head('HTTP/1.1 200 OK', [
        ['Content-Type', 'text/event-stream'],
        ['Transfer-Encoding', 'chunked'],
      ]),
    );
    for (let i = 0; i < 20; i++) {
      const event = `data: ${i}\n\n`;
      const read = new Promise((resolve) => (next = resolve));
      await peer.write(Buffer.from(`${event.length.toString(16)}\r\n${event}\r\n`));
      await read;
    }
    await peer.write(chunked(Buffer.alloc(0)));
  });
  const gateway = await world.gateway({ openai: upstream.url, env: { SSL_CERT_FILE: authority.file } });
  const client = await world.client(gateway);
  await client.write(post(kCompletions, '{}'));
  await client.readResponseHead();
  for (let i = 0; i < 20; i++) {
    await client.readUntil(`data: ${i}\n\n`, `event ${i}`, 5000);
    next();
  }
});

scenario('a certificate for another host is refused and nothing is sent to it', async (world) => {
  const authority = new Authority(world.dir);
  const { upstream } = await secureUpstream(world, authority, 'DNS:other.test');
  for (const host of ['localhost', '127.0.0.1']) {
    const gateway = await world.gateway({
      openai: `https://${host}:${upstream.port}`,
      env: { SSL_CERT_FILE: authority.file },
    });
    const group = unique('tls');
    const response = await one(world, gateway, post(kCompletions, '{}', [['X-OngoingAI-Trace-Group-ID', group]]));
    assert.equal(response.status, 502, host);
    assert.equal((await gateway.onlyTrace({ trace_group_id: group })).metadata.outcome, 'upstream_error');
    const line = await gateway.waitLog((l) => l.msg === 'proxy request failed', 'proxy request failed');
    assert.match(line.error, /certificate|verif|host/i, 'the log says why');
  }
  assert.equal(upstream.requests.length, 0);
});

scenario('a certificate of an unknown authority is refused', async (world) => {
  const authority = new Authority(world.dir);
  const other = new Authority(world.dir, 'Other CA');
  const { upstream } = await secureUpstream(world, authority, 'DNS:localhost');
  const gateway = await world.gateway({
    openai: `https://localhost:${upstream.port}`,
    env: { SSL_CERT_FILE: other.file },
  });
  assert.equal((await one(world, gateway, post(kCompletions, '{}'))).status, 502);
  assert.equal(upstream.requests.length, 0);
});

scenario('a plain upstream behind an https URL is a 502', async (world) => {
  const upstream = await world.upstream(async (peer) => {
    await peer.readSome();
    await peer.write(Buffer.from('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n'));
    await peer.finish();
  });
  const gateway = await world.gateway({ openai: `https://localhost:${upstream.port}` });
  assert.equal((await one(world, gateway, post(kCompletions, '{}'))).status, 502);
});

scenario('the listener speaks TLS when it has a certificate', async (world) => {
  const authority = new Authority(world.dir);
  const leaf = authority.issue('IP:127.0.0.1', 'DNS:localhost');
  const { upstream, routes } = await world.routed();
  const answer = randomBytes(2000000, 5);
  let upload;
  routes.on('/v1/chat/completions', async (request, peer) => {
    upload = request.body;
    await peer.write(reply(answer));
  });
  const config = { server: { tls: { cert: leaf.certFile, key: leaf.keyFile }, header_timeout_ms: 1000 } };
  const gateway = await world.gateway({ openai: upstream.url, config, ready: false });
  const ask = (path) =>
    new Promise((resolve, reject) => {
      https
        .get({ host: '127.0.0.1', port: gateway.port, path, ca: authority.pem, agent: false }, (response) => {
          let text = '';
          response
            .on('data', (part) => (text += part))
            .on('end', () => resolve({ status: response.statusCode, text, headers: response.headers }));
        })
        .on('error', reject);
    });
  await until(async () => (await ask('/api/ready')).status === 200, 'readiness over TLS');
  const secure = await world.client(gateway, { tls: { ca: authority.pem, servername: 'localhost' } });
  const body = randomBytes(1500000, 6);
  for (let i = 0; i < 3; i++) {
    const [response] = await Promise.all([secure.readResponse(), secure.write(post(kCompletions, body))]);
    sameBytes(response.body, answer, 'answer over the TLS listener');
    sameBytes(upload, body, 'upload over the TLS listener');
  }
  // What is not TLS is cut, and others go on being served.
  const plain = await world.client(gateway);
  await plain.write(get('/api/health'));
  await within(5000, plain.gone, 'a plain request is cut');
  const silent = await world.client(gateway);
  await within(8000, silent.gone, 'a handshake that never comes is cut after the header timeout');
  assert.equal((await ask('/api/health')).status, 200);
  assert.equal((await gateway.stop()).code, 0);
});

scenario('a client that leaves in a stream over TLS cancels the upstream within a second', async (world) => {
  const authority = new Authority(world.dir);
  const leaf = authority.issue('IP:127.0.0.1');
  const secured = await secureUpstream(world, authority, 'DNS:localhost');
  secured.routes.on('/v1/chat/completions', async (request, peer) => {
    await peer.write(
      Buffer.concat([
        head('HTTP/1.1 200 OK', [
          ['Content-Type', 'text/event-stream'],
          ['Transfer-Encoding', 'chunked'],
        ]),
        Buffer.from('9\r\ndata: 1\n\n\r\n'),
      ]),
    );
    await peer.gone;
    peer.destroy();
  });
  const gateway = await world.gateway({
    openai: `https://localhost:${secured.upstream.port}`,
    env: { SSL_CERT_FILE: authority.file },
    config: { server: { tls: { cert: leaf.certFile, key: leaf.keyFile } } },
    ready: false,
  });
  const connectSecure = () => world.client(gateway, { tls: { ca: authority.pem } });
  const client = await until(connectSecure, 'the TLS listener');
  await client.write(post(kCompletions, '{}'));
  await client.readUntil('data: 1', 'the first event');
  const peer = secured.upstream.connections.at(-1);
  client.destroy();
  await within(1000, peer.gone, 'the upstream connection is closed after the client left');
});

scenario('a WebSocket is relayed over TLS on both legs', async (world) => {
  const authority = new Authority(world.dir);
  const [front, back] = [authority.issue('IP:127.0.0.1'), authority.issue('DNS:localhost')];
  const server = https.createServer({ cert: back.cert, key: back.key });
  const sockets = new WebSocketServer({ server });
  sockets.on('connection', (socket) => socket.on('message', (data, binary) => socket.send(data, { binary })));
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  world.later(() => {
    for (const socket of sockets.clients) socket.terminate();
    server.close();
  });
  const gateway = await world.gateway({
    openai: `https://localhost:${server.address().port}`,
    env: { SSL_CERT_FILE: authority.file },
    config: { server: { tls: { cert: front.certFile, key: front.keyFile } } },
    ready: false,
  });
  (await until(() => world.client(gateway, { tls: { ca: authority.pem } }), 'the TLS listener')).destroy();
  const client = new WebSocket(`wss://127.0.0.1:${gateway.port}/openai/v1/realtime`, { ca: authority.pem });
  world.later(() => client.terminate());
  await within(
    5000,
    new Promise((resolve, reject) => client.once('open', resolve).once('error', reject)),
    'the WebSocket opens',
  );
  for (const size of [1, 20000, 300000]) {
    const message = randomBytes(size, size);
    const echo = new Promise((resolve) => client.once('message', resolve));
    client.send(message);
    sameBytes(await within(10000, echo, `the echo of ${size} bytes`), message, 'echo');
  }
});

scenario('a missing or broken certificate stops the start and names the setting', async (world) => {
  const authority = new Authority(world.dir);
  const leaf = authority.issue('IP:127.0.0.1');
  const other = authority.issue('IP:127.0.0.1');
  for (const [tls, about] of [
    [{ cert: '/nowhere/cert.pem', key: leaf.keyFile }, /server\.tls\.cert/],
    [{ cert: leaf.certFile, key: '/nowhere/key.pem' }, /server\.tls\.key/],
    [{ cert: leaf.certFile }, /server\.tls/],
    [{ cert: leaf.certFile, key: other.keyFile }, /server\.tls/],
  ]) {
    const gateway = await world.gateway({ config: { server: { tls } }, ready: false });
    const exit = await within(10000, gateway.ended, 'the gateway refuses to start');
    assert.equal(exit.code, 1, gateway.output());
    assert.match(gateway.stderrText + gateway.stdoutTail, about);
    const validated = await run(['config', 'validate', '--config', `${gateway.dir}/ongoingai.yaml`], {
      cwd: gateway.dir,
    });
    assert.equal(validated.code, 1, 'config validate finds it too');
    assert.match(validated.stderr, about);
  }
});

scenario('HTTP_PROXY: requests to an http upstream go to the proxy in absolute form', async (world) => {
  const proxy = await ForwardProxy.start(world);
  const gateway = await world.gateway({ openai: 'http://provider.test/base', env: { HTTP_PROXY: proxy.url } });
  const client = await world.client(gateway);
  for (let i = 0; i < 2; i++) {
    await client.write(post('/openai/v1/chat/completions?x=1', '{}', [['Authorization', 'Bearer sk-1']]));
    const response = await client.readResponse();
    assert.equal(response.body.toString(), 'by proxy');
  }
  assert.equal(proxy.asked[0], 'POST http://provider.test/base/v1/chat/completions?x=1 HTTP/1.1');
  assert.equal(proxy.heads[0].get('host'), 'provider.test');
  assert.equal(proxy.heads[0].get('authorization'), 'Bearer sk-1');
});

scenario('HTTPS_PROXY: an https upstream is reached through CONNECT and verified by its own name', async (world) => {
  const authority = new Authority(world.dir);
  const { upstream, routes, servernames } = await secureUpstream(world, authority, 'DNS:provider.test');
  routes.on('/v1/chat/completions', (request, peer) =>
    peer.write(reply(chatAnswer(), [['Content-Type', 'application/json']])),
  );
  const proxy = await ForwardProxy.start(world, { tunnelTo: upstream.port });
  const env = { https_proxy: proxy.url.replace('//', '//user:p%40ss@'), SSL_CERT_FILE: authority.file };
  const gateway = await world.gateway({ openai: 'https://provider.test', env, config: { server: { workers: 1 } } });
  const client = await world.client(gateway);
  for (let i = 0; i < 3; i++) {
    await client.write(post(kCompletions, json({ model: 'gpt-4o' }), [['Authorization', 'Bearer sk-1']]));
    assert.equal((await client.readResponse()).status, 200);
  }
  assert.deepEqual(proxy.asked, ['CONNECT provider.test:443 HTTP/1.1'], 'one tunnel, reused');
  assert.equal(proxy.heads[0].get('proxy-authorization'), `Basic ${Buffer.from('user:p@ss').toString('base64')}`);
  assert.equal(proxy.heads[0].get('authorization'), undefined, 'provider credentials do not go to the proxy');
  assert.deepEqual(servernames, ['provider.test']);
  assert.equal(upstream.requests[0].get('host'), 'provider.test');
  assert.equal(upstream.requests[0].get('proxy-authorization'), undefined);
});

scenario('a proxy that refuses CONNECT is a 502 and one trace', async (world) => {
  const proxy = await ForwardProxy.start(world, { refuse: '407 Proxy Authentication Required' });
  const gateway = await world.gateway({ openai: 'https://provider.test', env: { HTTPS_PROXY: proxy.url } });
  const group = unique('proxy');
  const response = await one(world, gateway, post(kCompletions, '{}', [['X-OngoingAI-Trace-Group-ID', group]]));
  assert.equal(response.status, 502);
  assert.equal(response.get('proxy-authenticate'), undefined, "the proxy's answer is not the provider's");
  assert.equal((await gateway.onlyTrace({ trace_group_id: group })).metadata.outcome, 'upstream_error');
});

scenario('NO_PROXY and loopback go direct', async (world) => {
  const proxy = await ForwardProxy.start(world);
  const { upstream, routes } = await world.routed();
  routes.on('/v1/models', (request, peer) => peer.write(reply('direct')));
  const loopback = await world.gateway({
    openai: upstream.url,
    env: { HTTP_PROXY: proxy.url, HTTPS_PROXY: proxy.url },
  });
  assert.equal((await loopback.api('/openai/v1/models')).text, 'direct');
  const named = await world.gateway({ openai: `http://localhost:${upstream.port}`, env: { HTTP_PROXY: proxy.url } });
  assert.equal((await named.api('/openai/v1/models')).text, 'direct');
  for (const list of ['provider.test', '.test', 'other.example, provider.test', '*']) {
    const excepted = await world.gateway({
      openai: 'http://provider.test',
      env: { HTTP_PROXY: proxy.url, NO_PROXY: list },
    });
    assert.equal(
      (await excepted.api('/openai/v1/models')).status,
      502,
      `NO_PROXY=${list}: direct, and the name does not resolve`,
    );
  }
  assert.deepEqual(proxy.asked, []);
  const proxied = await world.gateway({
    openai: 'http://provider.test',
    env: { HTTP_PROXY: proxy.url, NO_PROXY: 'ovider.test, example.com' },
  });
  assert.equal((await proxied.api('/openai/v1/models')).text, 'by proxy');
});

scenario(
  'an HTTPS upstream behind the system store only: without SSL_CERT_FILE our own authority is not trusted',
  async (world) => {
    const authority = new Authority(world.dir);
    const { upstream } = await secureUpstream(world, authority, 'DNS:localhost');
    const gateway = await world.gateway({ openai: `https://localhost:${upstream.port}` });
    assert.equal((await one(world, gateway, post(kCompletions, '{}'))).status, 502);
    assert.equal(upstream.requests.length, 0);
  },
);
