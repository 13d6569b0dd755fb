// Canaries in configurations: keys in wrong places, and the password of a database. No message has them; those of
// ongoingai_unscrubbed do.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { Canaries, described, findAll, forms } from '../lib/canary.js';
import { run, unscrubbed } from '../lib/gateway.js';
import { scenario } from '../lib/world.js';

const kLong = { timeout: 240000 };
const all = Object.keys(forms);

/** Where people put keys by mistake. Each of these stops at another stage. */
const mistakes = [
  (secret) => ({
    [secret('unknown key')]: 1,
    server: { port: secret('number', []) },
    auth: { enabled: secret('truth', []), keys: secret('list', []) },
  }),
  (secret, env) => {
    env.OTEL_TRACES_EXPORTER = secret('variable');
    env.ONGOINGAI_PORT = secret('variable with a number');
    return {};
  },
  (secret) => ({
    storage: { driver: secret('storage.driver') },
    providers: {
      openai: { prefix: secret('prefix') },
      mine: { kind: secret('kind'), upstream: 'http://mine.test' },
    },
    log: { level: secret('log.level'), format: secret('log.format') },
    auth: { header: `no name ${secret('auth.header', ofServe)}` },
    pii: { response: secret('pii.response'), patterns: [{ name: 'x', regex: 'x', validator: secret('validator') }] },
    accounting: { include_usage: secret('accounting.include_usage') },
    observability: { otel: { enabled: true, prometheus_enabled: true, prometheus_path: secret('prometheus_path') } },
  }),
];

const ofServe = ['config validate', 'doctor', 'doctor --format json', 'serve'];
const commands = [...ofServe, 'report', 'keys list'];
/** What the commands say of configurations with such mistakes: {canaries, outputs: {command: texts}}. */
async function makeMistakes(world, program) {
  const canaries = new Canaries();
  const outputs = {};
  const told = [];
  const file = path.join(world.folder('mistakes'), 'ongoingai.yaml');
  for (let turn = 0; turn < all.length; turn += 4) // each place gets five of the forms
    for (const mistake of mistakes) {
      let next = turn;
      const env = {};
      const secret = (where, outputsOfIt = commands) => {
        const form = all[next++ % all.length];
        for (const output of outputsOfIt) told.push([`${where}: ${form}`, output]);
        return canaries.plant(`${where}: ${form}`, forms[form]);
      };
      fs.writeFileSync(file, JSON.stringify(mistake(secret, env)));
      for (const command of commands) {
        const ended = await run([...command.split(' '), '--config', file], { program, env, cwd: path.dirname(file) });
        assert.equal(ended.code, 1, `${command}: ${ended.stdout}${ended.stderr}`);
        (outputs[command] ??= []).push(ended.stdout, ended.stderr);
      }
    }
  return { canaries, outputs, told };
}

scenario('keys in the wrong places of a configuration are in no message about it', kLong, async (world) => {
  const { canaries, outputs } = await makeMistakes(world);
  assert.deepEqual(described(findAll(canaries, outputs)), []);
});

scenario('with nothing taken out the messages about a configuration have the keys', kLong, async (world) => {
  const { canaries, outputs, told } = await makeMistakes(world, unscrubbed);
  const found = findAll(canaries, outputs);
  assert.deepEqual(told.filter(([name, output]) => !found.get(name)?.has(output)).map(String), []);
});

/** A Postgres that refuses every password and repeats it. */
async function echoingPostgres(world) {
  const said = [];
  const message = (kind, body) => {
    const head = Buffer.from([kind.charCodeAt(0), 0, 0, 0, 0]);
    head.writeUInt32BE(body.length + 4, 1);
    return Buffer.concat([head, body]);
  };
  const server = net.createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', (data) => {
      const code = data[0] === 0 ? data.readUInt32BE(4) : 0;
      if (code === 80877103 || code === 80877104) return socket.write('N'); // neither TLS nor GSSAPI
      if (code !== 0) return socket.write(message('R', Buffer.from([0, 0, 0, 3]))); // asks for the password
      const password = data.subarray(5, data.length - 1).toString();
      said.push(password);
      return socket.end(message('E', Buffer.from(`SFATAL\0C28P01\0Mno such password: ${password}\0\0`)));
    });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  world.later(() => server.close());
  return { port: server.address().port, said };
}

scenario('the password of a database is in no message, not even when the database repeats it', kLong, async (world) => {
  const canaries = new Canaries();
  const database = await echoingPostgres(world);
  const file = path.join(world.folder('postgres'), 'ongoingai.yaml');
  const outputs = {};
  for (const command of ['serve', 'doctor', 'report', 'keys list', 'export']) {
    const dsn = `postgres://app:${canaries.plant(command)}@127.0.0.1:${database.port}/app`;
    fs.writeFileSync(file, JSON.stringify({ storage: { driver: 'postgres', dsn } }));
    const ended = await run([...command.split(' '), '--config', file], { cwd: path.dirname(file) });
    assert.equal(ended.code, 1, `${command}: ${ended.stdout}${ended.stderr}`);
    assert.ok(canaries.find(database.said.join(' ')).has(command), `${command} asked the database`);
    outputs[command] = [ended.stdout, ended.stderr];
  }
  assert.deepEqual(described(findAll(canaries, outputs)), []);
});
