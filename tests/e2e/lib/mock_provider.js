// A simulated OpenAI and Anthropic provider for real SDKs: text, streams and a tool call, with token counts that
// differ for every kind of answer, so that a trace with another exchange's numbers is noticed. Not for load: see
// load_upstream.js.
import http from 'node:http';

export const kText = 'Hello from the simulated provider.';
export const kToolText = 'It is 21 degrees in Paris.';

/**
 * What a trace must show for each kind of answer. Anthropic's cached tokens are part of the input (contract deviation
 * 8).
 */
export const usage = {
  openai: {
    plain: { input: 42, output: 88 },
    stream: { input: 43, output: 71 },
    toolCall: { input: 97, output: 19 },
    toolAnswer: { input: 131, output: 11 },
    responses: { input: 36, output: 9 },
  },
  anthropic: {
    plain: {
      input: 25,
      output: 61,
      parts: {
        input_tokens: 12,
        cache_read_input_tokens: 8,
        cache_creation_input_tokens: 5,
        cache_creation: { ephemeral_5m_input_tokens: 5, ephemeral_1h_input_tokens: 0 },
      },
    },
    stream: { input: 31, output: 57, parts: { input_tokens: 31 } },
    toolCall: { input: 210, output: 44, parts: { input_tokens: 210 } },
    toolAnswer: { input: 290, output: 17, parts: { input_tokens: 290 } },
  },
};

export class MockProvider {
  requests = [];

  static async start(world) {
    const self = new MockProvider();
    self.server = http.createServer((request, response) => self.#serve(request, response));
    await new Promise((resolve) => self.server.listen(0, '127.0.0.1', resolve));
    self.url = `http://127.0.0.1:${self.server.address().port}`;
    world.later(() => {
      self.server.closeAllConnections();
      return new Promise((resolve) => self.server.close(resolve));
    });
    return self;
  }

  async #serve(request, response) {
    const parts = [];
    for await (const part of request) parts.push(part);
    const text = Buffer.concat(parts).toString('utf8');
    const seen = {
      method: request.method,
      url: request.url,
      headers: request.headers,
      rawHeaders: request.rawHeaders,
      text,
    };
    this.requests.push(seen);
    const form = request.headers['content-type']?.startsWith('multipart/');
    const body = text && !form ? JSON.parse(text) : {};
    const route = request.url.split('?')[0];
    if (route === '/v1/chat/completions') return openaiChat(body, response);
    if (route === '/v1/responses') return openaiResponses(body, response);
    if (route === '/v1/messages') return anthropicMessages(body, response);
    if (route === '/v1/embeddings') return sendJson(response, 200, embeddings(body));
    if (route === '/v1/files')
      return sendJson(response, 200, { id: 'file-mock', object: 'file', bytes: text.length, purpose: 'batch' });
    if (route === '/v1/models')
      return sendJson(response, 200, { object: 'list', data: [{ id: 'gpt-4o-mini', object: 'model' }] });
    return sendJson(response, 404, { error: { message: `no route ${route}`, type: 'invalid_request_error' } });
  }
}

function sendJson(response, status, value, headers = {}) {
  const text = JSON.stringify(value);
  response.writeHead(status, {
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(text),
    'X-Request-Id': 'req_mock',
    ...headers,
  });
  response.end(text);
}
async function sendEvents(response, events) {
  response.writeHead(200, { 'Content-Type': 'text/event-stream; charset=utf-8', 'X-Request-Id': 'req_mock' });
  for (const event of events) {
    response.write(event);
    await new Promise((resolve) => setImmediate(resolve));
  }
  response.end();
}

function kindOf(body, isToolResult) {
  if (isToolResult) return 'toolAnswer';
  if (body.tools?.length) return 'toolCall';
  return body.stream ? 'stream' : 'plain';
}
function refusal(body) {
  if (body.model === 'rate-limited') return [429, 'rate_limit_error', 'slow down'];
  if (body.model === 'overloaded') return [529, 'overloaded_error', 'overloaded'];
  return null;
}

function openaiChat(body, response) {
  const refused = refusal(body);
  if (refused)
    return sendJson(response, refused[0], {
      error: { message: refused[2], type: refused[1], code: null, param: null },
    });
  const last = body.messages.at(-1);
  const kind = kindOf(body, last.role === 'tool');
  const counts = usage.openai[kind];
  const total = {
    prompt_tokens: counts.input,
    completion_tokens: counts.output,
    total_tokens: counts.input + counts.output,
  };
  const model = `${body.model}-2024-07-18`;
  const base = { id: 'chatcmpl-mock', created: 1760000000, model, system_fingerprint: 'fp_mock' };
  const call = {
    id: 'call_1',
    type: 'function',
    function: { name: body.tools?.[0]?.function?.name, arguments: '{"city":"Paris"}' },
  };
  const text = kind === 'toolAnswer' ? kToolText : kText;
  const finish = kind === 'toolCall' ? 'tool_calls' : 'stop';
  if (!body.stream) {
    const message = { role: 'assistant', content: kind === 'toolCall' ? null : text, refusal: null };
    if (kind === 'toolCall') message.tool_calls = [call];
    return sendJson(response, 200, {
      ...base,
      object: 'chat.completion',
      choices: [{ index: 0, message, logprobs: null, finish_reason: finish }],
      usage: total,
    });
  }
  const chunk = (delta, reason = null) => ({
    ...base,
    object: 'chat.completion.chunk',
    choices: [{ index: 0, delta, logprobs: null, finish_reason: reason }],
  });
  const events = [chunk({ role: 'assistant', content: '' })];
  if (kind === 'toolCall') {
    events.push(
      chunk({
        tool_calls: [
          { index: 0, id: call.id, type: 'function', function: { name: call.function.name, arguments: '' } },
        ],
      }),
    );
    for (const piece of ['{"ci', 'ty":"Pa', 'ris"}'])
      events.push(chunk({ tool_calls: [{ index: 0, function: { arguments: piece } }] }));
  } else {
    for (const word of text.split(/(?<= )/)) events.push(chunk({ content: word }));
  }
  events.push(chunk({}, finish));
  if (body.stream_options?.include_usage)
    events.push({ ...base, object: 'chat.completion.chunk', choices: [], usage: total });
  return sendEvents(response, [...events.map((e) => `data: ${JSON.stringify(e)}\n\n`), 'data: [DONE]\n\n']);
}

const embeddings = (body) => ({
  object: 'list',
  data: [{ object: 'embedding', index: 0, embedding: [0.25, -0.5] }],
  model: body.model,
  usage: { prompt_tokens: 4, total_tokens: 4 },
});

function openaiResponses(body, response) {
  const counts = usage.openai.responses;
  const answer = {
    id: 'resp_mock',
    object: 'response',
    created_at: 1760000000,
    status: 'completed',
    model: body.model,
    output: [
      {
        type: 'message',
        id: 'msg_1',
        status: 'completed',
        role: 'assistant',
        content: [{ type: 'output_text', text: kText, annotations: [] }],
      },
    ],
    usage: {
      input_tokens: counts.input,
      input_tokens_details: { cached_tokens: 0 },
      output_tokens: counts.output,
      output_tokens_details: { reasoning_tokens: 0 },
      total_tokens: counts.input + counts.output,
    },
  };
  return sendJson(response, 200, answer);
}

function anthropicMessages(body, response) {
  const refused = refusal(body);
  if (refused)
    return sendJson(response, refused[0], { type: 'error', error: { type: refused[1], message: refused[2] } });
  const content = body.messages.at(-1).content;
  const kind = kindOf(body, Array.isArray(content) && content.some((block) => block.type === 'tool_result'));
  const counts = usage.anthropic[kind];
  const text = kind === 'toolAnswer' ? kToolText : kText;
  const blocks =
    kind === 'toolCall'
      ? [{ type: 'tool_use', id: 'toolu_1', name: body.tools[0].name, input: { city: 'Paris' } }]
      : [{ type: 'text', text }];
  const stop = kind === 'toolCall' ? 'tool_use' : 'end_turn';
  const base = { id: 'msg_mock', type: 'message', role: 'assistant', model: body.model };
  if (!body.stream) {
    return sendJson(response, 200, {
      ...base,
      content: blocks,
      stop_reason: stop,
      stop_sequence: null,
      usage: {
        cache_creation_input_tokens: 0,
        cache_read_input_tokens: 0,
        ...counts.parts,
        output_tokens: counts.output,
      },
    });
  }
  const events = [
    {
      type: 'message_start',
      message: {
        ...base,
        content: [],
        stop_reason: null,
        stop_sequence: null,
        usage: { ...counts.parts, output_tokens: 1 },
      },
    },
  ];
  if (kind === 'toolCall') {
    events.push(
      { type: 'content_block_start', index: 0, content_block: { ...blocks[0], input: {} } },
      { type: 'ping' },
    );
    for (const piece of ['{"ci', 'ty":"Pa', 'ris"}']) {
      events.push({ type: 'content_block_delta', index: 0, delta: { type: 'input_json_delta', partial_json: piece } });
    }
  } else {
    events.push({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } }, { type: 'ping' });
    for (const word of text.split(/(?<= )/)) {
      events.push({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: word } });
    }
  }
  events.push(
    { type: 'content_block_stop', index: 0 },
    {
      type: 'message_delta',
      delta: { stop_reason: stop, stop_sequence: null },
      usage: { output_tokens: counts.output },
    },
    { type: 'message_stop' },
  );
  return sendEvents(
    response,
    events.map((e) => `event: ${e.type}\ndata: ${JSON.stringify(e)}\n\n`),
  );
}
