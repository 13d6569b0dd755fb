// Our head parser beside Boost.Beast's on the same requests: the figure behind ADR 0001.
#include <benchmark/benchmark.h>

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <string>
#include <vector>

#include "http/chunked.h"
#include "http/parser.h"

namespace {

namespace beast = boost::beast;

const std::string kRequest =
    "POST /openai/v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nAccept: application/json\r\nContent-Type: "
    "application/json\r\n"
    "User-Agent: OpenAI/JS 7.57.0\r\nX-Stainless-Lang: js\r\nX-Stainless-Package-Version: 7.57.0\r\nX-Stainless-OS: "
    "Linux\r\n"
    "X-Stainless-Arch: x64\r\nX-Stainless-Runtime: node\r\nX-Stainless-Runtime-Version: "
    "v20.20.2\r\nX-Stainless-Retry-Count: 0\r\n"
    "Authorization: Bearer sk-test-0123456789abcdef0123456789abcdef\r\nAccept-Encoding: gzip, deflate\r\nConnection: "
    "keep-alive\r\n"
    "Content-Length: 417\r\n\r\n";

/// The least that a Beast parser can do and still know the fields.
class FlatParser : public beast::http::basic_parser<true> {
 public:
  std::vector<std::pair<beast::string_view, beast::string_view>> fields;

 private:
  void on_request_impl(beast::http::verb, beast::string_view, beast::string_view, int, beast::error_code& ec) override {
    ec = {};
  }
  void on_response_impl(int, beast::string_view, int, beast::error_code& ec) override { ec = {}; }
  void on_field_impl(beast::http::field, beast::string_view name, beast::string_view value,
                     beast::error_code& ec) override {
    fields.emplace_back(name, value);
    ec = {};
  }
  void on_header_impl(beast::error_code& ec) override { ec = {}; }
  void on_body_init_impl(boost::optional<std::uint64_t> const&, beast::error_code& ec) override { ec = {}; }
  std::size_t on_body_impl(beast::string_view body, beast::error_code& ec) override {
    ec = {};
    return body.size();
  }
  void on_chunk_header_impl(std::uint64_t, beast::string_view, beast::error_code& ec) override { ec = {}; }
  std::size_t on_chunk_body_impl(std::uint64_t, beast::string_view body, beast::error_code& ec) override {
    ec = {};
    return body.size();
  }
  void on_finish_impl(beast::error_code& ec) override { ec = {}; }
};

void BM_RequestHead(benchmark::State& state) {
  gw::http::RequestHead head;
  gw::http::ParseError error;
  for (auto _ : state) benchmark::DoNotOptimize(gw::http::parse_request(kRequest, head, error));
  state.counters["fields"] = static_cast<double>(head.fields.size());
}
BENCHMARK(BM_RequestHead);

void BM_RequestHeadBeast(benchmark::State& state) {
  std::vector<std::pair<beast::string_view, beast::string_view>> kept;
  for (auto _ : state) {
    FlatParser parser;
    parser.fields = std::move(kept);
    parser.fields.clear();
    beast::error_code ec;
    parser.eager(false);
    benchmark::DoNotOptimize(parser.put(boost::asio::buffer(kRequest), ec));
    if (ec) state.SkipWithError(ec.message().c_str());
    kept = std::move(parser.fields);
  }
  state.counters["fields"] = static_cast<double>(kept.size());
}
BENCHMARK(BM_RequestHeadBeast);

void BM_ChunkOfAnEvent(benchmark::State& state) {
  const std::string event = "fa\r\n" + std::string(250, 'x') + "\r\n";
  gw::http::ChunkScanner scanner;
  std::size_t bytes = 0;
  for (auto _ : state) {
    const auto step = scanner.scan(
        event, true, [&](std::string_view v) { bytes += v.size(); }, [&](std::string_view v) { bytes += v.size(); });
    benchmark::DoNotOptimize(step);
  }
  state.counters["bytes"] = static_cast<double>(bytes > 0);
}
BENCHMARK(BM_ChunkOfAnEvent);

}  // namespace
