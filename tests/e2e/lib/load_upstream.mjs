// A small fast provider in a process of its own, so that load does not compete with the test for one JavaScript
// thread. Prints its port. GET or POST anything: a chat completion. Paths that end in /idle-stream: the head of an
// event stream and one event, then silence.
import http from 'node:http';

const answer = Buffer.from(
  JSON.stringify({
    id: 'chatcmpl-1',
    object: 'chat.completion',
    model: 'gpt-4o-mini',
    choices: [{ index: 0, message: { role: 'assistant', content: 'word '.repeat(40) }, finish_reason: 'stop' }],
    usage: { prompt_tokens: 42, completion_tokens: 88, total_tokens: 130 },
  }),
);
const server = http.createServer((request, response) => {
  request.resume();
  if (request.url.endsWith('/idle-stream')) {
    response.writeHead(200, { 'Content-Type': 'text/event-stream' });
    response.write('data: {"choices":[{"delta":{"content":"a"}}]}\n\n');
    return;
  }
  request.on('end', () => {
    response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': answer.length });
    response.end(answer);
  });
});
server.keepAliveTimeout = 600000;
server.requestTimeout = 0;
server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => console.log(server.address().port));
process.on('disconnect', () => process.exit(0));
