// The commands that the documentation shows, run as they stand against a live gateway and its database.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { repository } from '../lib/gateway.js';
import { MockProvider } from '../lib/mock_provider.js';
import { startShell } from '../lib/shell.js';
import { within } from '../lib/wait.js';
import { scenario } from '../lib/world.js';

const docs = path.join(repository, 'docs');
const pages = fs.readdirSync(docs).filter((name) => name.endsWith('.md'));

/** The lines of the fenced blocks of a page that begin with the program's name. */
function commandsOf(page, program) {
  const text = fs.readFileSync(path.join(docs, page), 'utf8');
  return [...text.matchAll(/^```\w*\n([\s\S]*?)^```$/gm)]
    .flatMap(([, block]) => block.replace(/\\\n\s*/g, ' ').split('\n'))
    .filter((line) => line.startsWith(`${program} `));
}

/**
 * Runs a line of shell in `folder`, where curl finds its settings: {code, stdout, stderr}. One that listens for ever
 * (`curl -sN`) has succeeded when the first event came.
 */
async function shell(command, folder) {
  const run = startShell(command, folder, { CURL_HOME: folder, KEY: 'any' });
  const heard = new Promise((resolve) => {
    if (command.startsWith('curl -sN '))
      run.child.stdout.on('data', () => /^id: \S+\n/m.test(run.stdout) && resolve(0));
  });
  const code = await within(60000, Promise.race([run.ended, heard]), `${command} ends`).finally(run.end);
  return { code, stdout: run.stdout, stderr: run.stderr };
}

async function succeed(page, command, folder, places) {
  const ready = Object.entries(places).reduce((text, [place, value]) => text.replaceAll(place, value), command);
  const { code, stdout, stderr } = await shell(ready, folder);
  assert.equal(code, 0, `docs/${page}: ${command}\n${stderr}${stdout.slice(0, 1000)}`);
}

/** A gateway with a few traces of one run: {gateway, id}, the last one's. */
async function setUp(world) {
  const provider = await MockProvider.start(world);
  const otel = { enabled: true, traces_enabled: false, metrics_enabled: false, prometheus_enabled: true };
  const config = { tracing: { capture_bodies: true }, observability: { otel } };
  const gateway = await world.gateway({ openai: provider.url, config });
  let id;
  for (let i = 1; i <= 3; i++) {
    const answer = await gateway.api('/openai/v1/chat/completions', {
      method: 'POST',
      headers: {
        Authorization: 'Bearer sk-abcdef123456',
        'Content-Type': 'application/json',
        'X-OngoingAI-Trace-Group-ID': 'group',
        'X-OngoingAI-Thread-ID': 'thread',
        'X-OngoingAI-Run-ID': 'run',
        'X-OngoingAI-Checkpoint-Seq': String(i),
      },
      body: JSON.stringify({ model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'Hi' }] }),
    });
    id = answer.headers['x-ongoingai-trace-id'];
  }
  await gateway.trace(id);
  await gateway.settled();
  return { gateway, id };
}

scenario('the curl commands of the documentation succeed', async (world) => {
  const { gateway, id } = await setUp(world);
  const cursor = (await gateway.api('/api/export/traces?limit=1')).json.next_cursor;
  const places = { 'localhost:8080': `127.0.0.1:${gateway.port}`, TRACE_ID: id, CURSOR: cursor };
  for (const page of pages) {
    const folder = world.folder(page);
    // An answer that is an error fails, and says what it was.
    fs.writeFileSync(path.join(folder, '.curlrc'), 'fail-with-body\nshow-error\nnoproxy = "*"\n');
    for (const command of commandsOf(page, 'curl')) await succeed(page, command, folder, places);
  }
});

scenario('the ongoingai commands of the documentation succeed', async (world) => {
  const { gateway, id } = await setUp(world);
  const old = world.folder('old');
  await succeed('', `ongoingai backup ${old}/ongoingai.db`, gateway.dir, {});
  const places = {
    '--thread-id ID': '--thread-id thread',
    '--run-id ID': '--run-id run',
    '--trace-id ID': `--trace-id ${id}`,
    'https://gateway.example': gateway.url,
    'path/to/ongoingai.yaml': 'ongoingai.yaml',
    '/backups': world.folder('backups'),
    '/old': old,
    '| source': '> completion',
  };
  // A database is imported into one that nobody serves from.
  const elsewhere = world.folder('elsewhere');
  const storage = { driver: 'sqlite', path: path.join(elsewhere, 'ongoingai.db') };
  fs.writeFileSync(path.join(elsewhere, 'ongoingai.yaml'), JSON.stringify({ ...gateway.config(), storage }));
  for (const page of pages)
    for (const command of commandsOf(page, 'ongoingai').filter((line) => !/^ongoingai serve/.test(line)))
      await succeed(page, command, command.startsWith('ongoingai import') ? elsewhere : gateway.dir, places);
});

scenario('pages about the API and about commands have some to try', async () => {
  for (const page of ['api.md', 'export.md']) assert.ok(commandsOf(page, 'curl').length > 1, page);
  assert.ok(commandsOf('cli.md', 'ongoingai').length > 1);
});
