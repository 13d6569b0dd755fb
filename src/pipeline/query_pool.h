#pragma once
// Threads "query-N" that answer API requests in plain blocking code, so that no database read ever runs on a worker.
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "api/router.h"
#include "net/loop.h"

namespace gw::pipeline {

class QueryPool {
 public:
  using Handler = std::function<api::ApiResponse(const api::ApiRequest&)>;
  static constexpr std::size_t kMaxWaiting = 256;

  /// One thread per handler; each handler belongs to its thread alone.
  explicit QueryPool(std::vector<Handler> handlers);
  ~QueryPool();

  struct Question {
    net::Wakeable* waiter = nullptr;  ///< null: nobody waits any more
    api::ApiRequest request;
    api::ApiResponse response;
    bool answered = false;
  };
  /// From `waiter`'s loop thread. Null when too many wait. The waiter is woken when `answered` is set (both on its
  /// loop's thread).
  std::shared_ptr<Question> ask(api::ApiRequest request, net::Wakeable& waiter);

  void stop();

 private:
  struct Job {
    net::Loop* loop;
    std::shared_ptr<Question> question;
  };
  void work(const Handler& handler);

  std::mutex mutex_;
  std::condition_variable wanted_;
  std::deque<Job> jobs_;
  bool stopping_ = false;
  std::vector<Handler> handlers_;
  std::vector<std::thread> threads_;
};

}  // namespace gw::pipeline
