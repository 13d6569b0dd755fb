// 300 usages over 100 models, priced by the package's own calcPrice() and by the gateway, equal to the nano-dollar.
//
// calcPrice() adds doubles. Where its figure lies so close to half a nano-dollar that the error of the doubles decides how it rounds, the
// sum is taken again in exact fractions from the prices that calcPrice() chose, and that decides; everywhere else the double does.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { test } from 'node:test';
import { calcPrice } from '@pydantic/genai-prices';

const seed = Number(process.env.GW_SEED || (Date.now() ^ (process.pid << 8)) >>> 0);
console.log(`# seed ${seed}: tests/prices/run.sh ${seed} draws the same usages again`);

const table = JSON.parse(fs.readFileSync(new URL('../../src/provider/prices/genai_prices.json', import.meta.url), 'utf8'));

// A small generator with a seed (mulberry32).
let state = seed >>> 0;
function random() {
  state = (state + 0x6d2b79f5) >>> 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
}
const below = (n) => Math.floor(random() * n);
const pick = (list) => list[below(list.length)];
const chance = (p) => random() < p;
// Sizes from one token to a few million, so that tiers are hit from both sides.
const size = () => Math.floor(10 ** (random() * 6.5));

const priceSets = (model) => (model.periods ? model.periods.map((p) => p.prices) : [model.prices]);
const has = (model, key) => priceSets(model).some((set) => key in set);

// A name that the model's rule accepts, sometimes a made-up one of its family and in another case.
function nameFor(rule, id) {
  const [[op, value]] = Object.entries(rule);
  const digits = () => value.replace(/#/g, () => String(below(10)));
  const name = op === 'or' ? nameFor(pick(value), id)
    : op === 'equals' ? value
    : op === 'starts_with' ? value + pick(['', '-x', '-20250805', '-latest'])
    : op === 'ends_with' ? pick(['', 'x-']) + value
    : op === 'contains' ? pick(['', 'x-']) + value + pick(['', '-y'])
    : op === 'digits' ? digits()
    : op === 'digits_start' ? digits() + pick(['', '-z'])
    : id;
  return chance(0.1) ? name.toUpperCase() : name;
}

// 100 models: each special kind first, then any.
function drawModels() {
  const all = table.providers.flatMap((p) => p.models.map((model) => ({ provider: p.id, model })));
  const tiered = (m) => priceSets(m).some((set) => Object.values(set).some((v) => typeof v === 'object'));
  const kinds = [
    [18, (m) => m.periods],
    [20, tiered],
    [10, (m) => has(m, 'input_audio_mtok')],
    [6, (m) => has(m, 'input_image_mtok') || has(m, 'output_image_mtok')],
    [12, (m) => has(m, 'cache_write_mtok')],
    [4, (m) => has(m, 'audio_hours')],
    [3, (m) => has(m, 'requests_kcount') || has(m, 'output_reasoning_mtok')],
    [100, () => true],
  ];
  const drawn = [];
  for (const [count, wanted] of kinds) {
    const left = all.filter((x) => wanted(x.model) && !drawn.includes(x));
    for (let i = 0; i < count && drawn.length < 100 && left.length > 0; i++) drawn.push(...left.splice(below(left.length), 1));
  }
  return drawn;
}

// Disjoint parts, some of them empty; only parts that the model can have.
function drawUsage(model) {
  const part = (p) => (chance(p) ? size() : 0);
  const timed = has(model, 'audio_hours') && !has(model, 'input_mtok');
  const u = { plain: timed ? 0 : part(0.9), read: timed ? 0 : part(0.5), write: 0, write1h: 0, audioIn: 0, audioRead: 0, imageIn: 0, imageRead: 0 };
  if (has(model, 'cache_write_mtok')) u.write = part(0.5);
  if (has(model, 'cache_write_1h_mtok')) u.write1h = part(0.5);
  if (has(model, 'input_audio_mtok')) u.audioIn = part(0.6);
  if (has(model, 'input_audio_mtok')) u.audioRead = part(0.3);
  if (has(model, 'input_image_mtok')) u.imageIn = part(0.6);
  if (has(model, 'input_image_mtok')) u.imageRead = part(0.3);
  u.text = has(model, 'output_mtok') ? part(0.9) : 0;
  u.reasoning = has(model, 'output_mtok') ? part(0.3) : 0;
  u.audioOut = has(model, 'output_audio_mtok') ? part(0.6) : 0;
  u.imageOut = has(model, 'output_image_mtok') ? part(0.6) : 0;
  u.searches = has(model, 'web_searches_kcount') && chance(0.3) ? 1 + below(20) : 0;
  u.files = has(model, 'storage_searches_kcount') && chance(0.3) ? 1 + below(20) : 0;
  u.audioMs = has(model, 'audio_hours') ? size() : 0;
  return u;
}

const input = (u) => u.plain + u.read + u.write + u.write1h + u.audioIn + u.audioRead + u.imageIn + u.imageRead;
const output = (u) => u.text + u.reasoning + u.audioOut + u.imageOut;

const forGateway = (u) => ({
  input_tokens: input(u), output_tokens: output(u), cache_read_tokens: u.read, cache_read_audio_tokens: u.audioRead,
  cache_read_image_tokens: u.imageRead, cache_write_5m_tokens: u.write, cache_write_1h_tokens: u.write1h, input_audio_tokens: u.audioIn,
  input_image_tokens: u.imageIn, reasoning_tokens: u.reasoning, output_audio_tokens: u.audioOut, output_image_tokens: u.imageOut,
  web_searches: u.searches, file_searches: u.files, audio_ms: u.audioMs,
});

// The package counts each kind with its more special parts included.
const forPackage = (u) => ({
  input_tokens: input(u), output_tokens: output(u), cache_read_tokens: u.read + u.audioRead + u.imageRead,
  cache_audio_read_tokens: u.audioRead, cache_image_read_tokens: u.imageRead, cache_write_tokens: u.write + u.write1h,
  cache_write_1h_tokens: u.write1h, input_audio_tokens: u.audioIn + u.audioRead, input_image_tokens: u.imageIn + u.imageRead,
  output_reasoning_tokens: u.reasoning, output_audio_tokens: u.audioOut, output_image_tokens: u.imageOut,
  web_searches: u.searches, storage_searches: u.files, audio_seconds: u.audioMs / 1000, input_audio_seconds: u.audioMs / 1000,
});

// ---- exact fractions: the prices as decimals, the parts as in calcPrice ------------------------------------------------

function decimal(number) { // as a BigInt of 1e-24
  const [, whole, fraction = '', exponent = '0'] = /^(\d+)(?:\.(\d+))?(?:e(-?\d+))?$/.exec(String(number));
  return BigInt(whole + fraction) * 10n ** BigInt(24 - fraction.length + Number(exponent));
}

// Nano-dollars times 1e15, times 18 for the hours.
function exact(u, prices, groqMinimum) {
  const at = (key) => {
    const p = prices[key];
    if (p === undefined || typeof p === 'number') return p;
    let price = p.base;
    for (const t of [...p.tiers].sort((a, b) => a.start - b.start)) if (input(u) > t.start) price = t.price;
    return price;
  };
  const first = (...keys) => decimal(at(keys.find((k) => prices[k] !== undefined)) ?? 0);
  const sum = (parts) => parts.reduce((all, [count, price]) => all + BigInt(count) * price, 0n);
  const tokens = sum([
    [u.plain, first('input_mtok')],
    [u.read, first('cache_read_mtok', 'input_mtok')],
    [u.audioRead, first('cache_audio_read_mtok', 'cache_read_mtok', 'input_audio_mtok', 'input_mtok')],
    [u.imageRead, first('cache_image_read_mtok', 'cache_read_mtok', 'input_image_mtok', 'input_mtok')],
    [u.write, first('cache_write_mtok', 'input_mtok')],
    [u.write1h, first('cache_write_1h_mtok', 'cache_write_mtok', 'input_mtok')],
    [u.audioIn, first('input_audio_mtok', 'input_mtok')],
    [u.imageIn, first('input_image_mtok', 'input_mtok')],
    [u.text, first('output_mtok')],
    [u.reasoning, first('output_reasoning_mtok', 'output_mtok')],
    [u.audioOut, first('output_audio_mtok', 'output_mtok')],
    [u.imageOut, first('output_image_mtok', 'output_mtok')],
  ]);
  const pieces = sum([[u.searches, first('web_searches_kcount')], [u.files, first('storage_searches_kcount')], [1, first('requests_kcount')]]);
  const ms = u.audioMs > 0 && groqMinimum ? Math.max(u.audioMs, 10_000) : u.audioMs;
  const hours = BigInt(ms) * first('input_audio_hours', 'audio_hours');
  // 1e-24 USD a million -> 1e-30 USD a token; a thousand: times 1000; an hour: by 3.6 instead of by 1.
  return (tokens + pieces * 1000n) * 18n + hours * 5n;
}
const kPerNano = 18n * 10n ** 21n;
const roundHalfUp = (value) => (2n * value + kPerNano) / (2n * kPerNano);

// ---- the comparison ------------------------------------------------------------------------------------------------------

function drawCases() {
  const models = drawModels();
  assert.equal(models.length, 100);
  const cases = [];
  for (let i = 0; i < 300; i++) {
    const { provider, model } = models[i % 100];
    // 2024-07 to 2027-06, and every fifth at the very start of a day or on a full half hour
    let at = 1_720_000_000_000 + below(94_000_000) * 1000 + below(1000);
    if (i % 5 === 0) at -= at % pick([86_400_000, 1_800_000]);
    cases.push({ provider, model: nameFor(model.match ?? { equals: model.id }, model.id), at, usage: drawUsage(model) });
  }
  return cases;
}

function byGateway(cases) {
  const lines = cases.map((c) => JSON.stringify({ provider: c.provider, model: c.model, at_ms: c.at, usage: forGateway(c.usage) }));
  const run = spawnSync(process.env.GW_PRICE_ORACLE, { input: `${lines.join('\n')}\n`, encoding: 'utf8' });
  assert.equal(run.status, 0, `${process.env.GW_PRICE_ORACLE}: ${run.error ?? run.stderr}`);
  return run.stdout.trim().split('\n').map((line) => { const [source, nano] = line.split(' '); return { source, nano: BigInt(nano) }; });
}

// What the package gives, or null: it knows no price, or refuses the parts for want of one (the gateway then says unpriced).
function byPackage(c) {
  try {
    return calcPrice(forPackage(c.usage), c.model, { providerId: c.provider, timestamp: new Date(c.at) });
  } catch (error) {
    return { error };
  }
}

// A part that has no price at all is nothing to the package and unpriced to the gateway.
function missing(u, p) {
  const sold = (...keys) => keys.some((k) => p[k] !== undefined);
  const keys = Object.keys(p);
  const free = keys.length === 0;
  const uncounted = keys.every((k) => /_(kpages|messages_kcount)$|_(video|citation)_mtok$/.test(k));
  return !free && (uncounted || (input(u) > 0 && !sold('input_mtok')) || (output(u) > 0 && !sold('output_mtok')) ||
    (u.searches > 0 && !sold('web_searches_kcount')) || (u.files > 0 && !sold('storage_searches_kcount')));
}

// The gateway takes Claude's cache writes from the documented multiples where the package has no price for them.
const derived = (c, p) => c.usage.write1h > 0 && p.cache_write_1h_mtok === undefined;

test('the gateway prices as the package does, to the nano-dollar', () => {
  const cases = drawCases();
  const ours = byGateway(cases);
  let priced = 0, byFraction = 0, unpriced = 0;
  cases.forEach((c, i) => {
    const theirs = byPackage(c);
    const shown = () => `${JSON.stringify(c)}\n  gateway ${ours[i].source} ${ours[i].nano}\n  package ${JSON.stringify(theirs?.model_price)} ` +
      `${theirs?.total_price} ${theirs?.error ?? ''}\n  again: tests/prices/run.sh ${seed}`;
    if (theirs === null || missing(c.usage, theirs.model_price ?? {}) || derived(c, theirs.model_price ?? {})) {
      if (theirs === null || !derived(c, theirs.model_price)) assert.equal(ours[i].source, 'unpriced', shown());
      unpriced += 1;
      return;
    }
    assert.equal(theirs.error, undefined, shown());
    assert.equal(ours[i].source, 'computed', shown());
    const fraction = exact(c.usage, theirs.model_price, theirs.provider.id === 'groq' && /^whisper-large-v3(-turbo)?$/.test(theirs.model.id));
    const nano = theirs.total_price * 1e9;
    // Half a nano-dollar and the doubles' error (some roundings of 2^-53 each) apart: no tie.
    const tie = Math.abs(nano - Math.floor(nano) - 0.5) <= nano * 2 ** -48 + 1e-12;
    assert.equal(ours[i].nano, tie ? roundHalfUp(fraction) : BigInt(Math.round(nano)), shown());
    assert.equal(ours[i].nano, roundHalfUp(fraction), shown());
    priced += 1;
    byFraction += tie ? 1 : 0;
  });
  console.log(`# ${cases.length} usages over 100 models: ${priced} equal (${byFraction} by the exact fraction), ${unpriced} unpriced by both`);
  assert.ok(priced >= 250, `only ${priced} of 300 have a price; seed ${seed}`);
});

test('the table in the repository is what the generator makes of this version of the package', () => {
  const { version } = JSON.parse(fs.readFileSync(new URL('node_modules/@pydantic/genai-prices/package.json', import.meta.url), 'utf8'));
  assert.equal(table.version, `genai-prices-${version}`);
  assert.ok(table.providers.length >= 40);
});
