#include "pipeline/query_pool.h"

#include <pthread.h>

#include <string>

namespace gw::pipeline {

QueryPool::QueryPool(std::vector<Handler> queries, Handler status, Handler keys) : handlers_(std::move(queries)) {
  const std::size_t count = handlers_.size();
  handlers_.push_back(std::move(status));
  handlers_.push_back(std::move(keys));
  for (std::size_t i = 0; i < count; ++i) start(handlers_[i], queries_, "query-" + std::to_string(i));
  start(handlers_[count], status_, "status");
  if (handlers_[count + 1].answer) start(handlers_[count + 1], keys_, "keys");
}

QueryPool::~QueryPool() { stop(); }

void QueryPool::start(const Handler& handler, Queue& queue, const std::string& name) {
  threads_.emplace_back([this, &handler, &queue] { work(handler, queue); });
  ::pthread_setname_np(threads_.back().native_handle(), name.c_str());
}

void QueryPool::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  queries_.wanted.notify_all();
  status_.wanted.notify_all();
  keys_.wanted.notify_all();
  for (std::thread& t : threads_)
    if (t.joinable()) t.join();
}

std::shared_ptr<QueryPool::Question> QueryPool::ask(api::ApiRequest request, net::Wakeable& waiter, Lane lane) {
  auto q = std::make_shared<Question>();
  q->waiter = &waiter;
  q->request = std::move(request);
  if (lane == Lane::keys && !handlers_.back().answer) return nullptr;
  Queue& queue = lane == Lane::status ? status_ : lane == Lane::keys ? keys_ : queries_;
  {
    const std::lock_guard lock(mutex_);
    if (stopping_ || queue.jobs.size() >= kMaxWaiting) return nullptr;
    queue.jobs.push_back({.loop = &waiter.loop(), .question = q});
  }
  queue.wanted.notify_one();
  return q;
}

bool QueryPool::pull(const std::shared_ptr<Question>& question) {
  question->answered = false;
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return false;
    queries_.jobs.push_back({.loop = &question->waiter->loop(), .question = question, .pull = true});
  }
  queries_.wanted.notify_one();
  return true;
}

void QueryPool::work(const Handler& handler, Queue& queue) {
  for (;;) {
    Job job;
    {
      std::unique_lock lock(mutex_);
      queue.wanted.wait(lock, [&] { return stopping_ || !queue.jobs.empty(); });
      if (queue.jobs.empty()) return;
      job = std::move(queue.jobs.front());
      queue.jobs.pop_front();
    }
    // The worker reads what is written here only after the message, so nothing is shared at the same time.
    Question& asked = *job.question;
    if (job.pull)
      asked.chunk = handler.next(*asked.response.source);
    else
      asked.response = handler.answer(asked.request);
    job.loop->post([q = job.question] {
      q->answered = true;
      if (q->waiter != nullptr) q->waiter->loop().ready(*q->waiter);
    });
  }
}

}  // namespace gw::pipeline
