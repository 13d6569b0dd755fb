#pragma once
// The demo's texts, in 80 columns of plain ASCII.
#include <cstdint>
#include <iosfwd>
#include <string>
#include <string_view>
#include <vector>

#include "app/demo_traffic.h"

namespace gw::app {

struct DemoPlace {
  std::uint16_t gateway_port = 0;
  std::uint16_t provider_port = 0;
  std::string folder;
  bool usual_port_taken = false;
};

void print_welcome(std::ostream& out, const DemoPlace& place);
/// One line per request, `number` from 1.
void print_sent(std::ostream& out, std::size_t number, const Sent& sent);
/// Oldest first.
void print_traces(std::ostream& out, const std::vector<TraceRow>& traces);
void print_verdict(std::ostream& out, const std::vector<Sent>& sent, const std::vector<TraceRow>& traces,
                   const std::vector<std::string>& differences);
/// Commands to try; `trace_id` is one of the stored ones.
void print_invitation(std::ostream& out, const DemoPlace& place, std::string_view trace_id);

}  // namespace gw::app
