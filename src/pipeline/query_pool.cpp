#include "pipeline/query_pool.h"

#include <pthread.h>

#include <string>

namespace gw::pipeline {

QueryPool::QueryPool(std::vector<Handler> handlers) : handlers_(std::move(handlers)) {
  for (std::size_t i = 0; i < handlers_.size(); ++i) {
    threads_.emplace_back([this, i] { work(handlers_[i]); });
    ::pthread_setname_np(threads_.back().native_handle(), ("query-" + std::to_string(i)).c_str());
  }
}

QueryPool::~QueryPool() { stop(); }

void QueryPool::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wanted_.notify_all();
  for (std::thread& t : threads_)
    if (t.joinable()) t.join();
}

std::shared_ptr<QueryPool::Question> QueryPool::ask(api::ApiRequest request, net::Wakeable& waiter) {
  auto q = std::make_shared<Question>();
  q->waiter = &waiter;
  q->request = std::move(request);
  {
    const std::lock_guard lock(mutex_);
    if (stopping_ || jobs_.size() >= kMaxWaiting) return nullptr;
    jobs_.push_back({.loop = &waiter.loop(), .question = q});
  }
  wanted_.notify_one();
  return q;
}

bool QueryPool::pull(const std::shared_ptr<Question>& question) {
  question->answered = false;
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return false;
    jobs_.push_back({.loop = &question->waiter->loop(), .question = question, .pull = true});
  }
  wanted_.notify_one();
  return true;
}

void QueryPool::work(const Handler& handler) {
  for (;;) {
    Job job;
    {
      std::unique_lock lock(mutex_);
      wanted_.wait(lock, [&] { return stopping_ || !jobs_.empty(); });
      if (jobs_.empty()) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
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
