// The official clients of OpenAI and Anthropic, Vercel's ai and LangChain, pointed at the gateway: right answers,
// right traces.
import assert from 'node:assert/strict';
import OpenAI from 'openai';
import Anthropic from '@anthropic-ai/sdk';
import AnthropicZero from 'anthropic-sdk-0';
import { generateText, isStepCount, stepCountIs, streamText, tool } from 'ai';
import { createOpenAI } from '@ai-sdk/openai';
import { createAnthropic } from '@ai-sdk/anthropic';
import { ChatOpenAI } from '@langchain/openai';
import { ChatAnthropic } from '@langchain/anthropic';
import { tool as langchainTool } from '@langchain/core/tools';
import { HumanMessage, ToolMessage } from '@langchain/core/messages';
import { z } from 'zod';
import { createHash } from 'node:crypto';
import { MockProvider, kText, kToolText, usage } from '../lib/mock_provider.js';
import { scenario } from '../lib/world.js';
import { unique } from '../lib/http.js';
import { until } from '../lib/wait.js';

const kKey = 'sk-test-0123456789abcdef';
const kKeyHash = createHash('sha256').update(kKey).digest('hex');
const kGpt = 'gpt-4o-mini';
const kClaude = 'claude-haiku-4-5-20251001';
const prices = { [kGpt]: [0.00015, 0.0006], [kClaude]: [0.001, 0.005] };

/** A gateway in front of the simulated provider, and a group id that marks this test's traces. */
async function setUp(world) {
  const provider = await MockProvider.start(world);
  const gateway = await world.gateway({ openai: provider.url, anthropic: provider.url });
  const group = unique('sdk');
  return { provider, gateway, group, headers: { 'X-OngoingAI-Trace-Group-ID': group } };
}

/** Asserts that the group's traces are, oldest first, what `expected` says: [{provider, kind, streaming}]. */
async function expectTraces({ gateway, group }, expected) {
  const items = await until(async () => {
    const found = await gateway.list({ trace_group_id: group });
    return found.length >= expected.length && found;
  }, `${expected.length} traces of group ${group}`);
  assert.equal(items.length, expected.length, `one trace per exchange: ${JSON.stringify(items)}`);
  const traces = await Promise.all(items.reverse().map((item) => gateway.trace(item.id)));
  traces.forEach((trace, i) => {
    const want = expected[i];
    const model = want.provider === 'openai' ? kGpt : kClaude;
    const counts = usage[want.provider][want.kind];
    const about = `trace ${i} (${want.kind}${want.streaming ? ', streamed' : ''})`;
    assert.equal(trace.provider, want.provider, about);
    assert.equal(trace.model, model, about);
    assert.equal(trace.response_status, 200, about);
    assert.deepEqual(
      { input: trace.input_tokens, output: trace.output_tokens, total: trace.total_tokens },
      { input: counts.input, output: counts.output, total: counts.input + counts.output },
      `${about}: tokens`,
    );
    assert.equal(trace.metadata.outcome, 'complete', about);
    assert.equal(trace.metadata.streaming, want.streaming, `${about}: metadata.streaming`);
    assert.equal(trace.metadata.cost_source, 'computed', about);
    assert.equal(trace.api_key_hash, kKeyHash, `${about}: key hash`);
    assert.equal(trace.metadata.api_key_last4, kKey.slice(-4), about);
    if (!counts.parts?.cache_read_input_tokens) {
      const [inRate, outRate] = prices[model];
      const cost = (counts.input / 1000) * inRate + (counts.output / 1000) * outRate;
      assert.ok(
        Math.abs(trace.estimated_cost_usd - cost) < 1e-9,
        `${about}: cost ${trace.estimated_cost_usd}, expected ${cost}`,
      );
    }
    if (want.streaming) {
      assert.ok(trace.metadata.stream_chunks > 0, `${about}: stream_chunks ${trace.metadata.stream_chunks}`);
      assert.ok(trace.time_to_first_token_us > 0, `${about}: time to first token ${trace.time_to_first_token_us} us`);
      assert.equal(trace.time_to_first_token_ms, Math.ceil(trace.time_to_first_token_us / 1000), about);
    } else {
      assert.equal(trace.metadata.stream_chunks, 0, about);
      assert.equal(trace.time_to_first_token_us, 0, about);
    }
    assert.ok(
      Date.parse(trace.timestamp) <= Date.parse(trace.created_at),
      `${about}: ${trace.timestamp} to ${trace.created_at}`,
    );
    for (const name of ['Authorization', 'X-Api-Key']) {
      if (trace.request_headers[name])
        assert.deepEqual(trace.request_headers[name], ['[REDACTED]'], `${about}: ${name}`);
    }
  });
  return traces;
}

const plainTrace = (provider) => ({ provider, kind: 'plain', streaming: false });
const streamTrace = (provider) => ({ provider, kind: 'stream', streaming: true });
const toolTraces = (provider, streaming = false) => [
  { provider, kind: 'toolCall', streaming },
  { provider, kind: 'toolAnswer', streaming },
];

const weatherSchema = {
  type: 'object',
  properties: { city: { type: 'string' } },
  required: ['city'],
  additionalProperties: false,
};
const openaiTool = {
  type: 'function',
  function: { name: 'get_weather', description: 'Weather', parameters: weatherSchema },
};
const anthropicTool = { name: 'get_weather', description: 'Weather', input_schema: weatherSchema };
const hello = [{ role: 'user', content: 'Hello?' }];
const weather = [{ role: 'user', content: 'What is the weather in Paris?' }];

// ---- openai

const openaiClient = (env) =>
  new OpenAI({ baseURL: `${env.gateway.url}/openai/v1`, apiKey: kKey, defaultHeaders: env.headers, maxRetries: 0 });

scenario('openai: a plain completion', async (world) => {
  const env = await setUp(world);
  const { data, response } = await openaiClient(env)
    .chat.completions.create({ model: kGpt, messages: hello })
    .withResponse();
  assert.equal(data.choices[0].message.content, kText);
  const [trace] = await expectTraces(env, [plainTrace('openai')]);
  assert.equal(response.headers.get('x-ongoingai-trace-id'), trace.id);
  assert.equal(env.provider.requests[0].headers.authorization, `Bearer ${kKey}`);
});

scenario('openai: a streamed completion', async (world) => {
  const env = await setUp(world);
  const stream = await openaiClient(env).chat.completions.create({
    model: kGpt,
    messages: hello,
    stream: true,
    stream_options: { include_usage: true },
  });
  let text = '';
  let last;
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta?.content ?? '';
    last = chunk;
  }
  assert.equal(text, kText);
  assert.equal(last.usage.completion_tokens, usage.openai.stream.output);
  await expectTraces(env, [streamTrace('openai')]);
});

scenario('openai: a stream that reports no usage is counted by the tokenizer and marked as estimated', async (world) => {
  const env = await setUp(world);
  const stream = await openaiClient(env).chat.completions.create({ model: kGpt, messages: hello, stream: true });
  for await (const chunk of stream) assert.ok(!chunk.usage);
  const trace = await env.gateway.onlyTrace({ trace_group_id: env.group });
  assert.deepEqual([trace.input_tokens, trace.output_tokens, trace.total_tokens], [9, 6, 15]);
  assert.equal(trace.metadata.cost_source, 'estimated');
  assert.equal(trace.metadata.usage.estimated, true);
  assert.equal(trace.metadata.streaming, true);
  const upstreamBody = JSON.parse(env.provider.requests[0].text);
  assert.equal(upstreamBody.stream_options, undefined, 'the gateway does not alter the request');
});

scenario('openai: runTools makes two round trips', async (world) => {
  const env = await setUp(world);
  const runner = openaiClient(env).chat.completions.runTools({
    model: kGpt,
    messages: weather,
    tools: [
      {
        type: 'function',
        function: { ...openaiTool.function, parse: JSON.parse, function: async ({ city }) => `21 degrees in ${city}` },
      },
    ],
  });
  assert.equal(await runner.finalContent(), kToolText);
  assert.match(env.provider.requests[1].text, /21 degrees in Paris/);
  await expectTraces(env, toolTraces('openai'));
});

scenario('openai: runTools streamed', async (world) => {
  const env = await setUp(world);
  const runner = openaiClient(env).chat.completions.runTools({
    model: kGpt,
    messages: weather,
    stream: true,
    stream_options: { include_usage: true },
    tools: [
      {
        type: 'function',
        function: { ...openaiTool.function, parse: JSON.parse, function: async ({ city }) => `21 degrees in ${city}` },
      },
    ],
  });
  assert.equal(await runner.finalContent(), kToolText);
  await expectTraces(env, toolTraces('openai', true));
});

scenario('openai: a provider error reaches the client as that error and is traced', async (world) => {
  const env = await setUp(world);
  await assert.rejects(
    openaiClient(env).chat.completions.create({ model: 'rate-limited', messages: hello }),
    (error) => {
      assert.ok(error instanceof OpenAI.RateLimitError, error);
      assert.equal(error.status, 429);
      assert.match(error.message, /slow down/);
      return true;
    },
  );
  const trace = await env.gateway.onlyTrace({ trace_group_id: env.group });
  assert.equal(trace.response_status, 429);
  assert.equal(trace.metadata.outcome, 'complete');
  assert.equal(trace.model, 'rate-limited');
  assert.equal(trace.metadata.cost_source, 'unpriced');
});

scenario('openai: models and responses pass through', async (world) => {
  const env = await setUp(world);
  const client = openaiClient(env);
  assert.equal((await client.models.list()).data[0].id, kGpt);
  const answer = await client.responses.create({ model: kGpt, input: 'Hello?' });
  assert.equal(answer.output_text, kText);
  const items = await until(async () => {
    const found = await env.gateway.list({ trace_group_id: env.group });
    return found.length === 2 && found;
  }, 'two traces');
  const responses = items.find((item) => item.request_path === '/openai/v1/responses');
  assert.deepEqual(
    [responses.input_tokens, responses.output_tokens],
    [usage.openai.responses.input, usage.openai.responses.output],
  );
});

scenario('openai: many calls at once on one client keep their answers and traces apart', async (world) => {
  const env = await setUp(world);
  const client = openaiClient(env);
  const calls = Array.from({ length: 60 }, (_, i) =>
    client.chat.completions
      .create({ model: kGpt, messages: hello }, { headers: { 'X-OngoingAI-Correlation-ID': `${env.group}.${i}` } })
      .withResponse()
      .then(({ response }) => [
        response.headers.get('x-ongoingai-correlation-id'),
        response.headers.get('x-ongoingai-trace-id'),
      ]),
  );
  const answers = await Promise.all(calls);
  assert.deepEqual(
    answers.map(([id]) => id),
    Array.from({ length: 60 }, (_, i) => `${env.group}.${i}`),
  );
  for (const [correlation, id] of answers)
    assert.equal((await env.gateway.trace(id)).metadata.correlation_id, correlation);
  assert.equal((await env.gateway.list({ trace_group_id: env.group })).length, 60);
});

// ---- @anthropic-ai/sdk, the newest and a 0.x

for (const [name, Client] of [
  ['@anthropic-ai/sdk 1.x', Anthropic],
  ['@anthropic-ai/sdk 0.x', AnthropicZero],
]) {
  const client = (env) =>
    new Client({ baseURL: `${env.gateway.url}/anthropic`, apiKey: kKey, defaultHeaders: env.headers, maxRetries: 0 });
  const request = { model: kClaude, max_tokens: 256, messages: hello };

  scenario(`${name}: a plain message, cached tokens are part of the input`, async (world) => {
    const env = await setUp(world);
    const message = await client(env).messages.create(request);
    assert.equal(message.content[0].text, kText);
    await expectTraces(env, [plainTrace('anthropic')]);
  });

  scenario(`${name}: a streamed message`, async (world) => {
    const env = await setUp(world);
    const stream = client(env).messages.stream(request);
    let text = '';
    stream.on('text', (piece) => (text += piece));
    const message = await stream.finalMessage();
    assert.equal(text, kText);
    assert.equal(message.usage.output_tokens, usage.anthropic.stream.output);
    await expectTraces(env, [streamTrace('anthropic')]);
  });

  for (const streaming of [false, true]) {
    scenario(`${name}: a tool call and its answer${streaming ? ', streamed' : ''}`, async (world) => {
      const env = await setUp(world);
      const ask = (messages) => {
        const call = { ...request, messages, tools: [anthropicTool] };
        return streaming ? client(env).messages.stream(call).finalMessage() : client(env).messages.create(call);
      };
      const first = await ask(weather);
      const use = first.content.find((block) => block.type === 'tool_use');
      assert.deepEqual(use.input, { city: 'Paris' });
      assert.equal(first.stop_reason, 'tool_use');
      const result = { role: 'user', content: [{ type: 'tool_result', tool_use_id: use.id, content: '21 degrees' }] };
      const second = await ask([...weather, { role: 'assistant', content: first.content }, result]);
      assert.equal(second.content[0].text, kToolText);
      await expectTraces(env, toolTraces('anthropic', streaming));
    });
  }

  scenario(`${name}: an overloaded provider reaches the client as that error`, async (world) => {
    const env = await setUp(world);
    await assert.rejects(client(env).messages.create({ ...request, model: 'overloaded' }), (error) => {
      assert.equal(error.status, 529);
      assert.match(error.message, /overloaded/);
      return true;
    });
    assert.equal((await env.gateway.onlyTrace({ trace_group_id: env.group })).response_status, 529);
  });
}

// ---- ai (Vercel)

const aiModels = {
  openai: (env) =>
    createOpenAI({ baseURL: `${env.gateway.url}/openai/v1`, apiKey: kKey, headers: env.headers }).chat(kGpt),
  anthropic: (env) =>
    createAnthropic({ baseURL: `${env.gateway.url}/anthropic/v1`, apiKey: kKey, headers: env.headers })(kClaude),
};
const stopAfter = isStepCount ?? stepCountIs;
const aiTools = {
  get_weather: tool({
    description: 'Weather',
    inputSchema: z.object({ city: z.string() }),
    execute: async ({ city }) => `21 degrees in ${city}`,
  }),
};

for (const provider of ['openai', 'anthropic']) {
  scenario(`ai with ${provider}: generateText`, async (world) => {
    const env = await setUp(world);
    const { text } = await generateText({ model: aiModels[provider](env), prompt: 'Hello?', maxRetries: 0 });
    assert.equal(text, kText);
    await expectTraces(env, [plainTrace(provider)]);
  });

  scenario(`ai with ${provider}: streamText`, async (world) => {
    const env = await setUp(world);
    const result = streamText({ model: aiModels[provider](env), prompt: 'Hello?', maxRetries: 0 });
    let text = '';
    for await (const piece of result.textStream) text += piece;
    assert.equal(text, kText);
    await expectTraces(env, [streamTrace(provider)]);
  });

  scenario(`ai with ${provider}: a two-step tool loop, plain and streamed`, async (world) => {
    const env = await setUp(world);
    const call = {
      model: aiModels[provider](env),
      prompt: 'Weather in Paris?',
      tools: aiTools,
      stopWhen: stopAfter(3),
      maxRetries: 0,
    };
    const plain = await generateText(call);
    assert.equal(plain.text, kToolText);
    assert.equal(plain.steps.length, 2);
    const streamed = streamText(call);
    let text = '';
    for await (const piece of streamed.textStream) text += piece;
    assert.equal(text, kToolText);
    await expectTraces(env, [...toolTraces(provider), ...toolTraces(provider, true)]);
  });
}

// ---- LangChain

const langchainModels = {
  openai: (env) =>
    new ChatOpenAI({
      model: kGpt,
      apiKey: kKey,
      maxRetries: 0,
      configuration: { baseURL: `${env.gateway.url}/openai/v1`, defaultHeaders: env.headers },
    }),
  anthropic: (env) =>
    new ChatAnthropic({
      model: kClaude,
      apiKey: kKey,
      maxRetries: 0,
      maxTokens: 256,
      anthropicApiUrl: `${env.gateway.url}/anthropic`,
      clientOptions: { defaultHeaders: env.headers },
    }),
};
const langchainWeather = langchainTool(async ({ city }) => `21 degrees in ${city}`, {
  name: 'get_weather',
  description: 'Weather',
  schema: z.object({ city: z.string() }),
});

for (const provider of ['openai', 'anthropic']) {
  scenario(`LangChain with ${provider}: invoke`, async (world) => {
    const env = await setUp(world);
    const answer = await langchainModels[provider](env).invoke('Hello?');
    assert.equal(answer.text, kText);
    await expectTraces(env, [plainTrace(provider)]);
  });

  scenario(`LangChain with ${provider}: stream`, async (world) => {
    const env = await setUp(world);
    let text = '';
    for await (const chunk of await langchainModels[provider](env).stream('Hello?')) text += chunk.text;
    assert.equal(text, kText);
    await expectTraces(env, [streamTrace(provider)]);
  });

  scenario(`LangChain with ${provider}: a tool call and its answer`, async (world) => {
    const env = await setUp(world);
    const model = langchainModels[provider](env).bindTools([langchainWeather]);
    const question = new HumanMessage('Weather in Paris?');
    const first = await model.invoke([question]);
    assert.deepEqual(
      first.tool_calls.map((c) => [c.name, c.args]),
      [['get_weather', { city: 'Paris' }]],
    );
    const result = await langchainWeather.invoke(first.tool_calls[0]);
    const second = await model.invoke([
      question,
      first,
      result instanceof ToolMessage
        ? result
        : new ToolMessage({ content: result, tool_call_id: first.tool_calls[0].id }),
    ]);
    assert.equal(second.text, kToolText);
    await expectTraces(env, toolTraces(provider));
  });
}
