#pragma once
// Threads "query-N" that answer API requests in plain blocking code, so that no database read ever runs on a worker,
// the thread "status" for requests that read no traces, which slow searches thus do not keep waiting, and the thread
// "keys" for gateway keys, whose changes wait for the store's other writers.
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "api/router.h"
#include "net/loop.h"

namespace gw::pipeline {

class QueryPool {
 public:
  struct Handler {
    std::function<api::ApiResponse(const api::ApiRequest&)> answer;
    std::function<api::Chunk(api::ChunkSource&)> next;
  };
  enum class Lane : std::uint8_t { query, status, keys };
  static constexpr std::size_t kMaxWaiting = 256;  ///< in each lane

  /// One thread per handler; each handler belongs to its thread alone. Without one for keys nothing is taken there.
  QueryPool(std::vector<Handler> queries, Handler status, Handler keys = {});
  ~QueryPool();

  /// Belongs to whoever asked except between asking and `answered`; then it may only set `waiter`.
  struct Question {
    net::Wakeable* waiter = nullptr;  ///< null: nobody waits any more
    api::ApiRequest request;
    api::ApiResponse response;
    api::Chunk chunk;  ///< the last one pulled from response.source
    bool answered = false;
  };
  /// From `waiter`'s loop thread. Null when too many wait. The waiter is woken when `answered` is set (both on its
  /// loop's thread).
  std::shared_ptr<Question> ask(api::ApiRequest request, net::Wakeable& waiter, Lane lane = Lane::query);
  /// The next piece of an answered question's streamed response, into `chunk`; told in the same way. It waits its turn
  /// behind all others, and is always taken: whoever streams bounds the number of streams. False: the pool stops.
  bool pull(const std::shared_ptr<Question>& question);

  void stop();

 private:
  struct Job {
    net::Loop* loop = nullptr;
    std::shared_ptr<Question> question;
    bool pull = false;
  };
  struct Queue {
    std::condition_variable wanted;
    std::deque<Job> jobs;
  };
  void start(const Handler& handler, Queue& queue, const std::string& name);
  void work(const Handler& handler, Queue& queue);

  std::mutex mutex_;
  Queue queries_, status_, keys_;
  bool stopping_ = false;
  std::vector<Handler> handlers_;  ///< the last two are those of status and keys
  std::vector<std::thread> threads_;
};

}  // namespace gw::pipeline
