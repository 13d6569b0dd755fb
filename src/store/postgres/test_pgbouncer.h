#pragma once
// For tests: pgbouncer in transaction mode before the test server, one per test program.
#include <fstream>
#include <string>

#include "store/postgres/test_server.h"

namespace gw::store::postgres {

class TestPgbouncer {
 public:
  static TestPgbouncer& get() {
    static TestPgbouncer pooler;
    return pooler;
  }
  TestPgbouncer(const TestPgbouncer&) = delete;
  TestPgbouncer& operator=(const TestPgbouncer&) = delete;
  ~TestPgbouncer() {
    ::kill(pid_, SIGTERM);
    wait_for_end(pid_);
  }
  std::string dsn(const std::string& database) const {
    return "postgresql://" + std::string(TestServer::kRole) + "@127.0.0.1:" + std::to_string(port_) + "/" + database;
  }

 private:
  TestPgbouncer() : port_(free_port()) {
    const TestServer& server = TestServer::get();
    std::ofstream(folder_ / "users") << '"' << TestServer::kRole << "\" \"\"\n";
    std::ofstream(folder_ / "pgbouncer.ini")
        << "[databases]\n* = host=" << server.socket_folder() << " port=" << server.port()
        << "\n[pgbouncer]\npool_mode = transaction\nlisten_addr = 127.0.0.1\nlisten_port = " << port_
        << "\nunix_socket_dir =\nauth_type = trust\nauth_file = " << (folder_ / "users") << "\npidfile = "
        << (folder_ / "pgbouncer.pid")
        // Sessions must share: two clients of one database find one server connection.
        << "\ndefault_pool_size = 1\nserver_idle_timeout = 1\nquery_wait_timeout = 20\nmax_client_conn = 100\n";
    for (const char* name : {"users", "pgbouncer.ini"}) EXPECT_EQ(::chmod((folder_ / name).c_str(), 0644), 0);
    pid_ = start_as_server_user({"/usr/sbin/pgbouncer", folder_ / "pgbouncer.ini"}, folder_ / "log");
    const std::int64_t give_up = mono_now_ns() + std::int64_t{30'000'000'000};
    const std::string through = dsn("postgres");
    while (PQping(through.c_str()) != PQPING_OK && mono_now_ns() < give_up) ::poll(nullptr, 0, 10);
    EXPECT_LT(mono_now_ns(), give_up) << std::ifstream(folder_ / "log").rdbuf();
  }

  ServerFolder folder_;
  int port_ = 0;
  pid_t pid_ = -1;
};

}  // namespace gw::store::postgres
