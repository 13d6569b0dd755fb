#pragma once
// For tests: a real PostgreSQL server in a scratch folder, one per test program, started when it is first asked for.
// Nothing of it outlives the test program, however that ends: a shell that waits for the end of a pipe stops it and
// removes the folder.
//
// Through the socket everybody is who he says he is; through TCP he needs his password.
#include <arpa/inet.h>
#include <fcntl.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <libpq-fe.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/unique_fd.h"

namespace gw::store::postgres {

/// Starts a program as the user that a server may run as: `postgres` for root, else oneself. Its output goes into
/// `log`.
inline pid_t start_as_server_user(const std::vector<std::string>& command, const std::string& log) {
  std::vector<char*> argv;
  for (const std::string& word : command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  const passwd* const user = ::getuid() == 0 ? ::getpwnam("postgres") : nullptr;
  const uid_t uid = user != nullptr ? user->pw_uid : ::getuid();
  const gid_t gid = user != nullptr ? user->pw_gid : ::getgid();
  const pid_t pid = ::fork();
  if (pid != 0) return pid;
  ::setsid();
  if (user != nullptr && (::setgroups(0, nullptr) != 0 || ::setgid(gid) != 0 || ::setuid(uid) != 0)) ::_exit(126);
  const int in = ::open("/dev/null", O_RDONLY), out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  ::dup2(in, 0);
  ::dup2(out, 1);
  ::dup2(out, 2);
  ::execvp(argv[0], argv.data());
  ::_exit(127);
}

inline int wait_for_end(pid_t pid) {
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

/// A port of the loopback interface that nobody has at this moment.
inline int free_port() {
  const UniqueFd s(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in a{};
  a.sin_family = AF_INET;
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof a;
  if (::bind(s.get(), reinterpret_cast<const sockaddr*>(&a), size) != 0) return 0;
  ::getsockname(s.get(), reinterpret_cast<sockaddr*>(&a), &size);
  return ntohs(a.sin_port);
}

/// A folder of the server's user, gone when the test program is, whose processes (`*.pid` in it) end before.
class ServerFolder {
 public:
  ServerFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "gw_pg_XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
    if (const passwd* const user = ::getuid() == 0 ? ::getpwnam("postgres") : nullptr) {
      EXPECT_EQ(::chown(path_.c_str(), user->pw_uid, user->pw_gid), 0);
    }
    int ends[2] = {-1, -1};
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    held_.reset(ends[1]);
    // At the end of input: a server gets SIGQUIT, on which it ends at once with its children.
    static constexpr const char* kCleanUp =
        "cat >/dev/null; for f in \"$1\"/*.pid \"$1\"/data/postmaster.pid; do [ -e \"$f\" ] && pid=$(head -n 1 \"$f\") "
        "&& "
        "kill -QUIT \"$pid\" && n=0 && while kill -0 \"$pid\" && [ $n -lt 200 ]; do n=$((n+1)); read -r _ _ state _ "
        "<\"/proc/$pid/stat\"; [ \"$state\" = Z ] && break; sleep 0.02; done; done 2>/dev/null; rm -rf \"$1\"";
    cleaner_ = ::fork();
    if (cleaner_ == 0) {
      ::setsid();
      ::dup2(ends[0], 0);
      const int null = ::open("/dev/null", O_WRONLY);
      ::dup2(null, 1);
      ::dup2(null, 2);
      ::execl("/bin/sh", "sh", "-c", kCleanUp, "sh", path_.c_str(), nullptr);
      ::_exit(127);
    }
    ::close(ends[0]);
  }
  ServerFolder(const ServerFolder&) = delete;
  ServerFolder& operator=(const ServerFolder&) = delete;
  ~ServerFolder() {
    held_.reset();
    wait_for_end(cleaner_);
  }
  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
  UniqueFd held_;
  pid_t cleaner_ = -1;
};

/// Another program at a database.
class PlainPg {
 public:
  explicit PlainPg(const std::string& dsn) : c_(PQconnectdb(dsn.c_str())) {
    EXPECT_EQ(PQstatus(c_), CONNECTION_OK) << PQerrorMessage(c_);
    PQsetNoticeReceiver(c_, [](void*, const PGresult*) {}, nullptr);
  }
  PlainPg(const PlainPg&) = delete;
  PlainPg& operator=(const PlainPg&) = delete;
  ~PlainPg() { PQfinish(c_); }

  /// Columns of the last statement's result with | between, rows with newlines.
  std::string ask(const std::string& sql) {
    const std::unique_ptr<PGresult, decltype(&PQclear)> r(PQexec(c_, sql.c_str()), PQclear);
    const ExecStatusType status = PQresultStatus(r.get());
    EXPECT_TRUE(status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK) << sql << ": " << PQerrorMessage(c_);
    std::string out;
    for (int i = 0; i < PQntuples(r.get()); ++i)
      for (int k = 0; k < PQnfields(r.get()); ++k)
        out += (k > 0 ? "|" : i > 0 ? "\n" : "") + std::string(PQgetvalue(r.get(), i, k));
    return out;
  }
  void run(const std::string& sql) { ask(sql); }
  /// The state of the failure; empty: it went well.
  std::string failure(const std::string& sql) {
    const std::unique_ptr<PGresult, decltype(&PQclear)> r(PQexec(c_, sql.c_str()), PQclear);
    const char* const state = PQresultErrorField(r.get(), PG_DIAG_SQLSTATE);
    return state != nullptr ? state : "";
  }

 private:
  PGconn* c_;
};

class TestServer {
 public:
  static constexpr const char* kRole = "gateway";     ///< owns the databases; no superuser
  static constexpr const char* kPassword = "geheim";  ///< of every role, through TCP
  static constexpr const char* kPrograms = "/usr/lib/postgresql/15/bin/";

  /// From the main thread, running. The first call says how much memory it shares; tests need little.
  static TestServer& get(const char* shared_buffers = "32MB") {
    static TestServer server(shared_buffers);
    if (server.pid_ <= 0) server.start();
    return server;
  }
  TestServer(const TestServer&) = delete;
  TestServer& operator=(const TestServer&) = delete;
  ~TestServer() { end(SIGINT); }

  /// The name of an empty one.
  std::string fresh_database() {
    static std::atomic<int> count{0};
    const std::string name = "t" + std::to_string(++count);
    PlainPg(dsn("postgres", "postgres")).run("CREATE DATABASE " + name + " OWNER " + kRole);
    return name;
  }
  std::string dsn(const std::string& database, const std::string& user = kRole) const {
    return "host=" + folder_.path() + " port=" + std::to_string(port_) + " dbname=" + database + " user=" + user;
  }
  std::string tcp_dsn(const std::string& database, const std::string& user = kRole,
                      const std::string& password = kPassword) const {
    return "postgres://" + user + ":" + password + "@127.0.0.1:" + std::to_string(port_) + "/" + database;
  }
  int port() const { return port_; }
  const std::string& socket_folder() const { return folder_.path(); }
  pid_t pid() const { return pid_; }

  /// Ends sessions and rolls back what they were at; start() goes on.
  void stop() { end(SIGINT); }
  /// As a crash: nobody is told.
  void kill() { end(SIGKILL); }
  void restart() {
    stop();
    start();
  }
  /// Unless it runs.
  void start() {
    if (pid_ > 0) return;
    const std::int64_t give_up = mono_now_ns() + std::int64_t{60'000'000'000};
    for (;;) {
      pid_ = start_as_server_user(
          {std::string(kPrograms) + "postgres", "-D", folder_ / "data", "-p", std::to_string(port_), "-k",
           folder_.path(), "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "max_connections=60", "-c",
           "shared_buffers=" + shared_buffers_, "-c", "lc_messages=C", "-c", "restart_after_crash=on"},
          folder_ / "log");
      while (mono_now_ns() < give_up) {
        const std::string dsn_of_it = dsn("postgres", "postgres");
        if (PQping(dsn_of_it.c_str()) == PQPING_OK) return;
        int status = 0;
        if (::waitpid(pid_, &status, WNOHANG) == pid_) break;  // children of a killed one are still there: again
        ::poll(nullptr, 0, 10);
      }
      if (mono_now_ns() < give_up) continue;
      ADD_FAILURE() << "PostgreSQL does not start: " << log();
      return;
    }
  }
  /// What the server has said so far.
  std::string log() const {
    std::ifstream in(folder_ / "log");
    return {std::istreambuf_iterator<char>(in), {}};
  }

 private:
  explicit TestServer(const char* shared_buffers) : port_(free_port()), shared_buffers_(shared_buffers) {
    const std::string password_file = folder_ / "password";
    std::ofstream(password_file) << kPassword << '\n';
    EXPECT_EQ(::chmod(password_file.c_str(), 0644), 0);
    const int made = wait_for_end(start_as_server_user(
        {std::string(kPrograms) + "initdb", "-D", folder_ / "data", "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8",
         "--no-sync", "--auth-local=trust", "--auth-host=scram-sha-256", "--pwfile=" + password_file},
        folder_ / "log"));
    EXPECT_EQ(made, 0) << log();
    start();
    PlainPg(dsn("postgres", "postgres"))
        .run(std::string("CREATE ROLE ") + kRole + " LOGIN NOSUPERUSER NOBYPASSRLS PASSWORD '" + kPassword +
             "'; CREATE ROLE reporter LOGIN NOSUPERUSER NOBYPASSRLS PASSWORD '" + kPassword + "'");
  }
  void end(int signal) {
    if (pid_ <= 0) return;
    ::kill(pid_, signal);
    wait_for_end(pid_);
    pid_ = -1;
  }

  ServerFolder folder_;
  int port_ = 0;
  const std::string shared_buffers_;
  pid_t pid_ = -1;
};

}  // namespace gw::store::postgres
