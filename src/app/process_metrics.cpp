#include "app/process_metrics.h"

#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <string>

namespace gw::app {

using metrics::Kind;

namespace {

void append(metrics::Snapshot& to, std::string_view name, Kind kind, std::string_view unit, std::string_view help,
            double value, bool integer = true) {
  to.families.push_back({.name = name,
                         .kind = kind,
                         .unit = unit,
                         .help = help,
                         .integer = integer,
                         .samples = {{.labels = {}, .value = value}}});
}

/// The number behind `name` in /proc/self/status, or -1.
double status_number(const std::string& text, std::string_view name) {
  const std::size_t at = text.find("\n" + std::string(name) + ":");
  if (at == std::string::npos) return -1;
  const std::size_t from = text.find_first_of("0123456789", at);
  if (from == std::string::npos) return -1;
  std::int64_t n = -1;
  std::from_chars(text.data() + from, text.data() + text.size(), n);
  return static_cast<double>(n);
}

double seconds_of(const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6; }

}  // namespace

void append_process_metrics(metrics::Snapshot& to) {
  std::ifstream file("/proc/self/status");
  const std::string status((std::istreambuf_iterator<char>(file)), {});
  if (const double kib = status_number(status, "VmRSS"); kib >= 0)
    append(to, "ongoingai.process.resident_memory", Kind::gauge, "By", "Memory of the process that is in RAM.",
           kib * 1024);
  if (const double kib = status_number(status, "VmSize"); kib >= 0)
    append(to, "ongoingai.process.virtual_memory", Kind::gauge, "By", "Address space of the process.", kib * 1024);
  if (const double n = status_number(status, "Threads"); n >= 0)
    append(to, "ongoingai.process.threads", Kind::gauge, "", "Threads of the process.", n);
  rusage usage{};
  if (::getrusage(RUSAGE_SELF, &usage) == 0)
    append(to, "ongoingai.process.cpu_seconds_total", Kind::counter, "s",
           "CPU time of the process, of user and kernel.", seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime),
           false);
  std::error_code ignored;
  std::int64_t open = -1;  // the folder's own
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd", ignored)) {
    (void)entry;
    ++open;
  }
  if (!ignored && open >= 0)
    append(to, "ongoingai.process.open_fds", Kind::gauge, "", "Open file descriptors.", static_cast<double>(open));
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0)
    append(to, "ongoingai.process.max_fds", Kind::gauge, "", "File descriptors that may be open.",
           static_cast<double>(limit.rlim_cur));
  const struct mallinfo2 heap = ::mallinfo2();
  append(to, "ongoingai.process.allocator_allocated", Kind::gauge, "By", "Bytes that the allocator has handed out.",
         static_cast<double>(heap.uordblks + heap.hblkhd));
  append(to, "ongoingai.process.allocator_held", Kind::gauge, "By", "Bytes that the allocator has from the kernel.",
         static_cast<double>(heap.arena + heap.hblkhd));
}

}  // namespace gw::app
