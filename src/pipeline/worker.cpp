#include "pipeline/worker.h"

#include <algorithm>

#include "pipeline/connection.h"
#include "pipeline/local_answer.h"

namespace gw::pipeline {

Worker::Worker(Services& services, std::unique_ptr<net::Loop> loop, UniqueFd listener, trace::TraceRing& ring,
               telemetry::LogLane& log, std::size_t number, telemetry::SpanLane* spans, telemetry::GenAiLanes genai)
    : loop_(std::move(loop)),
      read_buffer_(new char[proxy::RelayScratch::kReadSize]),
      context_{.services = services,
               .loop = *loop_,
               .ring = ring,
               .log = log,
               .spans = spans,
               .genai = genai,
               .scratch = {.read = read_buffer_.get(), .head = {}},
               .current = {},
               .request_headers = {},
               .response_headers = {},
               .redaction_counts = {},
               .stored_texts = {},
               .spare = {},
               .keys = {},
               .commits = {services.commits, *loop_},
               .number = number,
               .auth_failures = {}},
      listener_(*loop_, std::move(listener),
                [this](UniqueFd fd, std::string peer) { accept(std::move(fd), std::move(peer)); }) {
  context_.current = open(services.snapshot());
  loop_->on_tick([this](std::int64_t now) { tick(now); });
}

Worker::~Worker() = default;

WorkerSnapshotPtr Worker::open(std::shared_ptr<const Snapshot> snapshot) {
  const WorkerSnapshotPtr made(new WorkerSnapshot);
  made->number = context_.current ? context_.current->number + 1 : 1;
  made->snapshot = std::move(snapshot);
  std::vector<std::shared_ptr<net::UpstreamPool>> before;
  if (context_.current) before = context_.current->pools;
  for (const ProviderLink& link : made->snapshot->providers) {
    const auto same = std::find_if(before.begin(), before.end(),
                                   [&](const auto& pool) { return pool && pool->target() == link.target; });
    if (same != before.end())
      made->pools.push_back(std::move(*same));
    else
      made->pools.push_back(
          std::make_shared<net::UpstreamPool>(*loop_, *context_.services.resolver, tls_, link.target));
  }
  for (const auto& pool : before)
    if (pool) pool->retire();
  return made;
}

void Worker::take_up(std::shared_ptr<const Snapshot> next, std::function<void()> taken) {
  loop_->post([this, next = std::move(next), taken = std::move(taken)]() mutable {
    context_.current = open(std::move(next));
    taken();
  });
}

void ExchangeBuffers::clear() {
  constexpr std::size_t kKeptCapacity =
      8 * 1024;  // what a usual chat request needs; larger ones give their memory back
  for (std::string* s : {&head_bytes, &first_body, &upstream_head, &correlation_id}) {
    s->clear();
    if (s->capacity() > kKeptCapacity) s->shrink_to_fit();
  }
  constexpr std::size_t kKeptFields = 128;
  if (head.fields.capacity() > kKeptFields) http::Fields().swap(head.fields);
  if (response.fields.capacity() > kKeptFields) http::Fields().swap(response.fields);
  head.clear();
  response.clear();
  rate_limits.clear();
  request_reader.reset();
  usage_reader.reset();
  estimator.drop();
}

ExchangeBuffersPtr WorkerContext::take_buffers() {
  if (spare.empty()) return std::make_unique<ExchangeBuffers>(services.tokenizers);
  ExchangeBuffersPtr b = std::move(spare.back());
  spare.pop_back();
  return b;
}

void WorkerContext::give_back(ExchangeBuffersPtr buffers) {
  constexpr std::size_t kKept = 256;
  if (spare.size() >= kKept) return;
  buffers->clear();
  spare.push_back(std::move(buffers));
}

void Worker::run() {
  if (listener_.start()) loop_->run();
}

void Worker::add(ClientConnection& connection) {
  connection.index = connections_.size();
  connections_.push_back(&connection);
}

void Worker::remove(ClientConnection& connection) {
  connections_[connection.index] = connections_.back();
  connections_[connection.index]->index = connection.index;
  connections_.pop_back();
  finish_if_drained();
}

void Worker::accept(UniqueFd fd, std::string peer) {
  Services& s = context_.services;
  const Snapshot& snapshot = context_.snapshot();
  if (s.connections.fetch_add(1, std::memory_order_relaxed) >= snapshot.limits.max_connections) {
    s.connections.fetch_sub(1, std::memory_order_relaxed);
    s.refused_connections.fetch_add(1, std::memory_order_relaxed);
    std::string out;
    if (!snapshot.tls) {
      const LocalAnswer answer = LocalAnswer::error(503, "too many connections");
      append_answer(out, {.answer = answer, .correlation_id = "", .trace_id = {}, .keep_alive = false});
      [[maybe_unused]] const auto n = ::write(fd.get(), out.data(), out.size());
    }
    return;
  }
  ClientConnection::start(*this, std::move(fd), std::move(peer));
}

void Worker::tick(std::int64_t now_ns) {
  listener_.tick();
  bool need = listener_.paused();
  for (auto& pool : context_.current->pools) {
    pool->expire(now_ns);
    need = need || pool->idle_count() > 0;
  }
  loop_->need_ticks(need);
}

void Worker::look() {
  if (looking_.exchange(true)) return;  // the last one is still on its way: the loop stands
  loop_->post([this, posted_ns = mono_now_ns()] {
    figures_.lag_seconds.observe(static_cast<double>(mono_now_ns() - posted_ns) / 1e9);
    figures_.connections.set(static_cast<std::int64_t>(connections_.size()));
    WorkerFigures::Pools pools;
    for (const route::Route& r : context_.snapshot().routes.routes())
      pools.emplace_back(r.name, context_.current->pools[r.index]->figures());
    figures_.set(std::move(pools));
    looking_ = false;
  });
}

void Worker::finish_if_drained() {
  if (context_.draining && connections_.empty()) loop_->stop();
}

void Worker::drain() {
  loop_->post([this] {
    if (context_.draining) return;
    listener_.stop();
    context_.draining = true;
    for (auto& pool : context_.current->pools) pool->close_idle();
    for (std::size_t i = 0; i < connections_.size(); ++i) connections_[i]->drain();
    context_.commits.wake_all();
    finish_if_drained();
  });
}

void Worker::stop() {
  loop_->post([this] {
    context_.draining = true;
    for (std::size_t i = 0; i < connections_.size(); ++i) connections_[i]->cut();
    finish_if_drained();
  });
}

}  // namespace gw::pipeline
