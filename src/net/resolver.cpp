#include "net/resolver.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>

#include <cstring>
#include <string_view>
#include <utility>

#include "base/clock.h"

namespace gw::net {
namespace {

ResolutionPtr literal(const std::string& host, int port) {
  auto r = std::make_shared<Resolution>();
  Address a;
  auto& four = reinterpret_cast<sockaddr_in&>(a.storage);
  auto& six = reinterpret_cast<sockaddr_in6&>(a.storage);
  if (::inet_pton(AF_INET, host.c_str(), &four.sin_addr) == 1) {
    four.sin_family = AF_INET;
    four.sin_port = htons(static_cast<std::uint16_t>(port));
    a.size = sizeof four;
  } else if (::inet_pton(AF_INET6, host.c_str(), &six.sin6_addr) == 1) {
    six.sin6_family = AF_INET6;
    six.sin6_port = htons(static_cast<std::uint16_t>(port));
    a.size = sizeof six;
  } else {
    return nullptr;
  }
  r->addresses.push_back(a);
  return r;
}

/// RFC 6761: these names mean this machine, also where no hosts file says so, as in a minimal container.
bool is_localhost(std::string_view host) { return host == "localhost" || host.ends_with(".localhost"); }

ResolutionPtr resolve(const std::string& host, int port) {
  auto r = std::make_shared<Resolution>();
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int rc = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (rc != 0 && is_localhost(host)) {
    for (const char* loopback : {"127.0.0.1", "::1"})
      r->addresses.push_back(literal(loopback, port)->addresses.front());
  } else if (rc != 0) {
    r->error = "lookup " + host + ": " + ::gai_strerror(rc);
  } else {
    for (const addrinfo* a = found; a != nullptr; a = a->ai_next) {
      Address address;
      std::memcpy(&address.storage, a->ai_addr, a->ai_addrlen);
      address.size = a->ai_addrlen;
      r->addresses.push_back(address);
    }
    ::freeaddrinfo(found);
  }
  r->at_ns = mono_now_ns();
  return r;
}

}  // namespace

bool operator==(const Address& a, const Address& b) {
  return a.size == b.size && std::memcmp(&a.storage, &b.storage, a.size) == 0;
}

Resolver::Resolver(LookUp look_up) {
  state_->look_up = look_up ? std::move(look_up) : resolve;
  std::thread thread([state = state_] { work(state); });
  ::pthread_setname_np(thread.native_handle(), "resolver");
  thread.detach();
}

Resolver::~Resolver() { stop(); }

void Resolver::stop() {
  const std::lock_guard lock(state_->mutex);
  state_->stopping = true;
  state_->wanted.notify_all();
}

ResolutionPtr Resolver::cached(const std::string& host, int port, std::int64_t now_ns) {
  if (auto r = literal(host, port)) return r;
  const std::lock_guard lock(state_->mutex);
  const auto it = state_->cache.find({host, port});
  if (it == state_->cache.end()) return nullptr;
  const std::int64_t age = now_ns - it->second->at_ns;
  if (age > kFreshNs) {
    if (auto& busy = state_->refreshing[it->first]; !busy) {
      busy = true;
      state_->jobs.push_back({host, port, nullptr, nullptr});
      state_->wanted.notify_one();
    }
    if (age > kStaleNs) return nullptr;
  }
  return it->second;
}

std::shared_ptr<Resolver::Question> Resolver::request(const std::string& host, int port, Wakeable& waiter) {
  auto q = std::make_shared<Question>();
  q->waiter = &waiter;
  const std::lock_guard lock(state_->mutex);
  state_->jobs.push_back({host, port, &waiter.loop(), q});
  state_->wanted.notify_one();
  return q;
}

void Resolver::answer_job(const Job& job, const ResolutionPtr& answer) {
  if (!job.question) return;
  job.loop->post([q = job.question, answer] {
    q->answer = answer;
    if (q->waiter != nullptr) q->waiter->loop().ready(*q->waiter);
  });
}

void Resolver::work(const std::shared_ptr<State>& state) {
  std::unique_lock lock(state->mutex);
  for (;;) {
    state->wanted.wait(lock, [&] { return state->stopping || !state->jobs.empty(); });
    if (state->stopping) return;
    const Job job = std::move(state->jobs.front());
    state->jobs.pop_front();
    if (job.question && job.question.use_count() == 1) continue;  // nobody waits any more
    const auto key = std::make_pair(job.host, job.port);
    ResolutionPtr answer;
    // Many connections ask at once after an idle time: one lookup serves them all.
    if (const auto it = state->cache.find(key);
        job.question && it != state->cache.end() && mono_now_ns() - it->second->at_ns < kFreshNs / 10)
      answer = it->second;
    if (!answer) {
      lock.unlock();
      answer = state->look_up(job.host, job.port);
      lock.lock();
      if (state->stopping) return;
      if (answer->error.empty()) state->cache[key] = answer;
      state->refreshing.erase(key);
    }
    answer_job(job, answer);
    // Whoever asked for the same name meanwhile gets the same answer, also a failure: one slow name must not hold up
    // the others.
    std::erase_if(state->jobs, [&](const Job& other) {
      if (other.host != job.host || other.port != job.port) return false;
      answer_job(other, answer);
      return true;
    });
  }
}

}  // namespace gw::net
