// The parser, the scanner for heads that come in pieces, and the meaning of what was taken, against each other. Input:
// 1 byte (bit 0: response, bit 1: answer to HEAD), then the head.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "http/parser.h"
#include "http/token.h"

namespace {

using namespace gw::http;

void require(bool ok) {
  if (!ok) std::abort();
}

bool inside(std::string_view part, std::string_view whole) {
  return part.empty() || (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

void check_fields(const Fields& fields, std::string_view head, bool has_body_length) {
  int lengths = 0;
  int encodings = 0;
  for (const Field& f : fields) {
    require(!f.name.empty() && inside(f.name, head) && inside(f.value, head));
    for (char c : f.name) require(is_token_char(c));
    for (char c : f.value) require(c != '\r' && c != '\n' && c != '\0');
    lengths += f.id == FieldId::content_length;
    encodings += f.id == FieldId::transfer_encoding;
  }
  require(lengths + encodings <= 1 || !has_body_length);
  // No line of an accepted head ends in a bare LF: what follows a hop would read it differently.
  for (std::size_t i = 0; i < head.size(); ++i) require(head[i] != '\n' || (i > 0 && head[i - 1] == '\r'));
}

void check_scanner(std::string_view in, std::size_t size) {
  HeadScanner scanner;
  for (std::size_t n = 0; n < size; ++n) require(scanner.scan(in.substr(0, n)) == ParseStatus::incomplete);
  require(scanner.scan(in.substr(0, size)) == ParseStatus::complete);
}

/// With the lines of the heads before at hand, and with its own.
template <class Head, class Parse>
void check_memo(const Head& head, ParseStatus status, LineMemo& memo, Parse parse) {
  for (int i = 0; i < 2; ++i) {
    Head again;
    require(parse(again, &memo) == status && again.fields.size() == head.fields.size());
    require(again.size == head.size && again.body == head.body && again.content_length == head.content_length &&
            again.keep_alive == head.keep_alive);
    for (std::size_t f = 0; f < head.fields.size(); ++f) {
      const Field& a = head.fields[f];
      const Field& b = again.fields[f];
      require(a.name.data() == b.name.data() && a.name.size() == b.name.size() && a.value.data() == b.value.data() &&
              a.value.size() == b.value.size() && a.id == b.id);
    }
  }
}

void fuzz_request(std::string_view in) {
  static LineMemo memo;
  RequestHead head;
  ParseError error;
  const auto status = parse_request(in, head, error);
  check_memo(head, status, memo,
             [&](RequestHead& again, LineMemo* lines) { return parse_request(in, again, error, lines); });
  if (status == ParseStatus::bad) require(error.status >= 400 && error.status < 600 && error.reason != nullptr);
  if (status != ParseStatus::complete) return;
  require(head.size <= in.size() && inside(head.method, in) && inside(head.target, in) && !head.target.empty());
  check_fields(head.fields, in.substr(0, head.size), true);
  check_scanner(in, head.size);
  RequestHead again;  // every shorter prefix is unfinished, and what follows the head changes nothing
  for (std::size_t n = 0; n < head.size; ++n)
    require(parse_request(in.substr(0, n), again, error) == ParseStatus::incomplete);
  require(parse_request(in.substr(0, head.size), again, error) == ParseStatus::complete && again.size == head.size);
}

void fuzz_response(std::string_view in, bool head_request) {
  static LineMemo memo;
  ResponseHead head;
  ParseError error;
  const auto status = parse_response(in, head_request, head, error);
  check_memo(head, status, memo, [&](ResponseHead& again, LineMemo* lines) {
    return parse_response(in, head_request, again, error, lines);
  });
  if (status != ParseStatus::complete) return;
  require(head.size <= in.size() && head.status >= 100 && head.status <= 999);
  check_fields(head.fields, in.substr(0, head.size), true);
  ResponseHead again;
  for (std::size_t n = 0; n < head.size; ++n)
    require(parse_response(in.substr(0, n), head_request, again, error) == ParseStatus::incomplete);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1 || size > 4096) return 0;
  const std::string text(reinterpret_cast<const char*>(data + 1), size - 1);
  if ((data[0] & 1) != 0)
    fuzz_response(text, (data[0] & 2) != 0);
  else
    fuzz_request(text);
  return 0;
}
