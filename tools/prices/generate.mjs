// Turns the data of @pydantic/genai-prices (MIT) into the table that the gateway embeds:
//
//   cd tools/prices && npm ci --ignore-scripts && node generate.mjs
//
// writes src/provider/prices/genai_prices.json, one model per line, and the licence beside it. To move to a newer package: change the
// version in package.json and in tests/prices/package.json, `npm install --ignore-scripts`, run this, read the diff, run tests/prices/run.sh.
// Whatever this script does not understand (a rule, a price, a regular expression) makes it fail rather than guess.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));
const packageFolder = path.join(here, 'node_modules/@pydantic/genai-prices');
const target = path.join(here, '../../src/provider/prices');
const { version } = JSON.parse(fs.readFileSync(path.join(packageFolder, 'package.json'), 'utf8'));

// The package exports no data, so a copy of its module does.
async function packageData() {
  const source = fs.readFileSync(path.join(packageFolder, 'dist/index.js'), 'utf8');
  const found = source.match(/const (\w+) = \[\s*\{\s*id: "anthropic"/);
  if (!found) throw new Error('the list of providers is not where it was: adapt packageData()');
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'prices-'));
  try {
    const copy = path.join(folder, 'data.mjs');
    fs.writeFileSync(copy, `${source}\nexport { ${found[1]} as data };\n`);
    return (await import(pathToFileURL(copy))).data;
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
}

const priceKeys = new Set([
  'input_mtok', 'cache_read_mtok', 'cache_audio_read_mtok', 'cache_image_read_mtok', 'cache_write_mtok', 'cache_write_1h_mtok',
  'input_audio_mtok', 'input_image_mtok', 'output_mtok', 'output_reasoning_mtok', 'output_audio_mtok', 'output_image_mtok',
  'web_searches_kcount', 'storage_searches_kcount', 'requests_kcount', 'audio_hours', 'input_audio_hours',
  // sold by what the gateway does not count
  'input_video_mtok', 'output_video_mtok', 'output_citation_mtok', 'input_document_kpages', 'input_annotated_document_kpages',
  'input_text_messages_kcount',
]);

function only(object, keys, where) {
  for (const key of Object.keys(object)) if (!keys.includes(key)) throw new Error(`${where}: ${key} is not known`);
}

// The shortest decimal that reads back as the same double is what stands in the package's source.
function money(value, where) {
  if (typeof value !== 'number' || !Number.isFinite(value) || value < 0) throw new Error(`${where}: ${value} is no price`);
  return String(value);
}

function price(value, where) {
  if (typeof value === 'number') return money(value, where);
  only(value, ['base', 'tiers'], where);
  const tiers = value.tiers.map((t) => {
    only(t, ['start', 'price'], where);
    if (!Number.isSafeInteger(t.start) || t.start < 0) throw new Error(`${where}: tier start ${t.start}`);
    return { start: t.start, price: money(t.price, where) };
  });
  return { base: money(value.base, where), tiers: tiers.sort((a, b) => a.start - b.start) };
}

function prices(object, where) {
  const out = {};
  for (const [key, value] of Object.entries(object)) {
    if (!priceKeys.has(key)) throw new Error(`${where}: price ${key} is not known`);
    if (value !== undefined) out[key] = price(value, `${where}.${key}`);
  }
  return out;
}

function period(entry, where) {
  only(entry, ['constraint', 'prices'], where);
  const own = { prices: prices(entry.prices, where) };
  const c = entry.constraint;
  if (c === undefined) return own;
  if (c.type === 'start_date' && /^\d{4}-\d{2}-\d{2}$/.test(c.start_date)) return { start_date: c.start_date, ...own };
  const time = /^\d{2}:\d{2}:\d{2}Z$/;
  if (c.type === 'time_of_date' && time.test(c.start_time) && time.test(c.end_time))
    return { start_time: c.start_time, end_time: c.end_time, ...own };
  throw new Error(`${where}: constraint ${JSON.stringify(c)} is not known`);
}

// The few regular expressions become rules that need no engine. Names are lowercase when they are compared.
function regexRule(regex, where) {
  if (regex === '^(?!.*-[tT][tT][sS](?:$|-))') return { not: { or: [{ ends_with: '-tts' }, { contains: '-tts-' }] } };
  let rest = regex;
  if (!rest.startsWith('^')) throw new Error(`${where}: regex ${regex}`);
  rest = rest.slice(1);
  const whole = rest.endsWith('$');
  if (whole) rest = rest.slice(0, -1);
  let text = '';
  let digits = false;
  while (rest !== '') {
    const part = /^(?:([A-Za-z0-9\/=-])|\\([.[\]])|\\d(?:\{(\d+)\})?)/.exec(rest);
    if (!part) throw new Error(`${where}: regex ${regex}`);
    if (part[1] ?? part[2]) text += part[1] ?? part[2];
    else [text, digits] = [text + '#'.repeat(Number(part[3] ?? 1)), true];
    rest = rest.slice(part[0].length);
  }
  if (text !== text.toLowerCase()) throw new Error(`${where}: regex ${regex} can match no lowercase name`);
  if (digits) return whole ? { digits: text } : { digits_start: text };
  return whole ? { equals: text } : { starts_with: text };
}

function rule(match, where) {
  const [[key, value], ...more] = Object.entries(match);
  if (more.length > 0) throw new Error(`${where}: rule ${JSON.stringify(match)}`);
  if (key === 'or' || key === 'and') return { [key]: value.map((m) => rule(m, where)) };
  if (key === 'regex') return regexRule(value, where);
  if (!['equals', 'starts_with', 'ends_with', 'contains'].includes(key)) throw new Error(`${where}: rule ${key} is not known`);
  if (!/^[\x20-\x7e]*$/.test(value)) throw new Error(`${where}: ${value} is not ASCII`);
  return { [key]: value.toLowerCase() };
}

function model(m, provider) {
  const where = `${provider.id}/${m.id}`;
  only(m, ['id', 'name', 'description', 'match', 'context_window', 'prices', 'price_comments', 'deprecated'], where);
  const out = { id: m.id, match: rule(m.match, where) };
  if (Array.isArray(m.prices)) out.periods = m.prices.map((p) => period(p, where));
  else out.prices = prices(m.prices, where);
  // The package knows this minimum in code, not in its data.
  if (provider.id === 'groq' && ['whisper-large-v3', 'whisper-large-v3-turbo'].includes(m.id)) out.min_audio_seconds = 10;
  return out;
}

function provider(p) {
  only(p, ['id', 'name', 'description', 'pricing_urls', 'api_pattern', 'model_match', 'provider_match', 'fallback_model_providers',
    'extractors', 'price_comments', 'models'], p.id);
  const out = { id: p.id, api_pattern: p.api_pattern };
  if (p.provider_match) out.names = rule(p.provider_match, p.id);
  if (p.fallback_model_providers) out.fallback = p.fallback_model_providers;
  return { head: out, models: p.models.map((m) => model(m, p)) };
}

function text(data) {
  const lines = ['{', '"format": "ongoingai-prices/1",', `"version": "genai-prices-${version}",`, '"providers": ['];
  data.map(provider).forEach(({ head, models }, i, all) => {
    lines.push(`${JSON.stringify(head).slice(0, -1)}, "models": [`);
    models.forEach((m, k) => lines.push(`  ${JSON.stringify(m)}${k + 1 < models.length ? ',' : ''}`));
    lines.push(`]}${i + 1 < all.length ? ',' : ''}`);
  });
  return `${[...lines, ']', '}'].join('\n')}\n`;
}

const out = text(await packageData());
const parsed = JSON.parse(out);
fs.mkdirSync(target, { recursive: true });
fs.writeFileSync(path.join(target, 'genai_prices.json'), out);
fs.copyFileSync(path.join(packageFolder, 'LICENSE'), path.join(target, 'LICENSE'));
const models = parsed.providers.reduce((n, p) => n + p.models.length, 0);
console.log(`genai-prices ${version}: ${parsed.providers.length} providers, ${models} models, ${out.length} bytes`);
