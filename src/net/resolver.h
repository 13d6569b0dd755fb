#pragma once
// Names to addresses on a thread of its own ("resolver"): getaddrinfo blocks. Answers are cached for a short time and
// asked again in the background, since getaddrinfo tells no TTL.
#include <sys/socket.h>

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "net/loop.h"

namespace gw::net {

struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;
  friend bool operator==(const Address& a, const Address& b);
};

struct Resolution {
  std::vector<Address> addresses;
  std::string error;  ///< why there are none
  std::int64_t at_ns = 0;
};
using ResolutionPtr = std::shared_ptr<const Resolution>;

class Resolver {
 public:
  static constexpr std::int64_t kFreshNs = 30'000'000'000;   ///< older answers are asked again
  static constexpr std::int64_t kStaleNs = 300'000'000'000;  ///< how long an old answer serves while asking fails

  /// Looks one name up, however long that takes; never null. For tests; empty: getaddrinfo.
  using LookUp = std::function<ResolutionPtr(const std::string& host, int port)>;

  explicit Resolver(LookUp look_up = {});
  ~Resolver();

  /// No loop is touched any more once this returns; a lookup under way is left to end by itself. Before the loops go.
  void stop();

  /// Any thread. An IP literal is answered at once; a cached answer too. Null: ask by request().
  ResolutionPtr cached(const std::string& host, int port, std::int64_t now_ns);

  /// One question under way. `waiter` is woken on its loop when `answer` is there; set it to null to lose interest.
  struct Question {
    Wakeable* waiter = nullptr;
    ResolutionPtr answer;
  };
  /// From the loop's thread.
  std::shared_ptr<Question> request(const std::string& host, int port, Wakeable& waiter);

 private:
  struct Job {
    std::string host;
    int port;
    Loop* loop;
    std::shared_ptr<Question> question;  ///< null: a refresh
  };
  /// Shared with the thread: getaddrinfo may block for long after we are gone.
  struct State {
    LookUp look_up;
    std::mutex mutex;
    std::condition_variable wanted;
    std::deque<Job> jobs;
    std::map<std::pair<std::string, int>, ResolutionPtr> cache;
    std::map<std::pair<std::string, int>, bool> refreshing;
    bool stopping = false;
  };
  static void answer_job(const Job& job, const ResolutionPtr& answer);
  static void work(const std::shared_ptr<State>& state);

  std::shared_ptr<State> state_ = std::make_shared<State>();
};

}  // namespace gw::net
