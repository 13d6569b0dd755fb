// src/api/openapi.json by the rules of two linters. Neither asks the network.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import path from 'node:path';
import { test } from 'node:test';
import { documentFile } from '../lib/openapi.js';
import { repository } from '../lib/gateway.js';
import { within } from '../lib/wait.js';

const folder = path.join(repository, 'tests/e2e');

/** Runs a program of an npm package to its end: {code, output}. */
function lint(program, args) {
  const child = spawn(process.execPath, [path.join(folder, 'node_modules', program), ...args, documentFile], {
    cwd: folder,
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME ?? folder,
      REDOCLY_TELEMETRY: 'off',
      REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true',
      NO_COLOR: '1',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (output += text));
  const ended = new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, output }));
  });
  return within(120000, ended, `${program} ends`).finally(() => child.kill());
}

test('redocly finds nothing wrong with the OpenAPI document', async () => {
  const { code, output } = await lint('@redocly/cli/bin/cli.js', ['lint', '--config=redocly.yaml', '--format=stylish']);
  assert.equal(code, 0, output);
  assert.match(output, /Your API description is valid/, output);
});

test('spectral finds nothing wrong with the OpenAPI document', async () => {
  const { code, output } = await lint('@stoplight/spectral-cli/dist/index.js', [
    'lint',
    '--ruleset=spectral.yaml',
    '--fail-severity=hint',
  ]);
  assert.equal(code, 0, output);
  assert.match(output, /No results/, output);
});
