#include "telemetry/otlp_access.h"

#include <cstring>

#include "base/copy_bytes.h"
#include "base/strings.h"

namespace gw::telemetry::otlp {
namespace {

// A line as LogLane::access() writes it. The last two fields are on lines of recorded exchanges only.
constexpr std::string_view kLineTime = R"({"time":")";
constexpr std::string_view kLineId = R"(","level":"INFO","msg":"request complete","correlation_id":")";
constexpr std::string_view kLineMethod = R"(","method":")";
constexpr std::string_view kLinePath = R"(","path":")";
constexpr std::string_view kLineStatus = R"(","status":)";
constexpr std::string_view kLineLatency = R"(,"latency_ms":)";
constexpr std::string_view kLineTrace = R"(,"trace_id":")";
constexpr std::string_view kLineSpan = R"(","span_id":")";
constexpr std::string_view kLineEnd = R"("})";
constexpr std::size_t kContext = kLineTrace.size() + 32 + kLineSpan.size() + 16 + kLineEnd.size();
constexpr std::size_t kLeastMiddle =
    kLineMethod.size() + kLinePath.size() + kLineStatus.size() + 1 + kLineLatency.size();

bool starts_with(const char* p, const char* end, std::string_view text) {
  return static_cast<std::size_t>(end - p) >= text.size() && std::memcmp(p, text.data(), text.size()) == 0;
}

/// The number whose last digit stands before `end`; its first one is where `end` is afterwards. False: there is none as
/// JSON has it.
bool number_before(const char* begin, const char*& end, std::uint64_t& value) {
  constexpr std::uint64_t kMost = 1'000'000'000'000'000;  // times ten and more fits
  value = 0;
  const char* p = end;
  for (std::uint64_t scale = 1; p > begin && is_digit(p[-1]) && scale <= kMost; scale *= 10)
    value += static_cast<std::uint64_t>(*--p - '0') * scale;
  if (p == end || (p > begin && is_digit(p[-1])) || (*p == '0' && end - p > 1)) return false;
  end = p;
  return true;
}

/// As the gateway makes them: `corr-` and 32 digits, in which no credential can hide.
bool is_own_id(std::string_view id) {
  constexpr std::string_view kBegin = "corr-";
  constexpr std::size_t kSize = kBegin.size() + 32;
  return id.size() == kSize && std::memcmp(id.data(), kBegin.data(), kBegin.size()) == 0 &&
         is_hex_32(id.data() + kBegin.size());
}

template <class Value>
void put_at(char* record, std::size_t at, const Value& value) {
  std::memcpy(record + at, &value, sizeof value);
}

}  // namespace

bool AccessRecords::add(std::string_view line, WireBuffer& out) {
  Line l;
  if (!split(line, l) || !is_clean(l.correlation_id)) return false;
  Image& image = images_[slot_of(l)];
  if (!is_of(image, l) && !make(l, image)) return false;
  char* const record = out.extend(image.record.size());
  copy_bytes(record, image.record.data(), image.record.size());
  patch(record, image, l);
  return true;
}

/// False when it is no such line. True says nothing of what is in its middle.
bool AccessRecords::split(std::string_view line, Line& to) {
  if (line.size() > kMostLine || !line.starts_with(kLineTime)) return false;
  const char* p = line.data() + kLineTime.size();
  const char* end = line.data() + line.size();
  if (!time_.read(p, end, to.at_ns) || !starts_with(p, end, kLineId)) return false;
  p += kLineId.size();
  const auto* const quote = static_cast<const char*>(std::memchr(p, '"', static_cast<std::size_t>(end - p)));
  if (quote == nullptr) return false;
  to.correlation_id = {p, static_cast<std::size_t>(quote - p)};
  to.traced = line.ends_with(kLineEnd);
  if (to.traced) {
    if (static_cast<std::size_t>(end - quote) < kContext) return false;
    end -= kContext;
    const char* const trace_id = end + kLineTrace.size();
    const char* const span_id = trace_id + 32 + kLineSpan.size();
    if (!starts_with(end, trace_id, kLineTrace) || !starts_with(trace_id + 32, span_id, kLineSpan) ||
        !read_hex(trace_id, to.trace_id) || !read_hex(span_id, to.span_id))
      return false;
  } else if (*--end != '}') {
    return false;
  }
  if (!number_before(quote, end, to.latency_ms)) return false;
  to.middle = {quote, static_cast<std::size_t>(end - quote)};
  return to.middle.size() >= kLeastMiddle && to.middle.ends_with(kLineLatency);
}

/// Nothing has to be taken out of it, and it is as the line shows it.
bool AccessRecords::is_clean(std::string_view id) {
  if (id.size() > most_value_bytes_) return false;
  if (is_own_id(id)) return true;
  if (!is_plain_json(id)) return false;
  const std::string_view clean = scrub_(id, scrubbed_);
  return clean.data() == id.data() && clean.size() == id.size();
}

/// Lines of different methods, paths or statuses are seldom of one slot.
std::size_t AccessRecords::slot_of(const Line& l) {
  constexpr std::size_t kPathEnd = kLineStatus.size() + 3 + kLineLatency.size() + 8;
  constexpr std::size_t kStatusEnd = kLineLatency.size() + 8;
  static_assert(kLeastMiddle > kPathEnd);
  const auto word = [&](const char* at) {
    std::uint64_t w;
    std::memcpy(&w, at, sizeof w);
    return w;
  };
  const char* const end = l.middle.data() + l.middle.size();
  const std::uint64_t mixed = word(l.middle.data() + kLineMethod.size()) ^ word(end - kPathEnd) * 31 ^
                              word(end - kStatusEnd) * 17 ^
                              (l.middle.size() << 8 | varint_size(l.latency_ms) << 1 | l.traced);
  return mixed * 0x9e3779b97f4a7c15U >> 60;
}

bool AccessRecords::is_of(const Image& image, const Line& l) {
  return image.correlation_bytes == l.correlation_id.size() && image.latency_bytes == varint_size(l.latency_ms) &&
         image.traced == l.traced && image.middle == l.middle;
}

void AccessRecords::patch(char* record, const Image& image, const Line& l) {
  put_at(record, image.times, l.at_ns);
  put_at(record, image.times + sizeof l.at_ns + 1, l.at_ns);
  copy_bytes(record + image.correlation, l.correlation_id.data(), image.correlation_bytes);
  put_varint(record + image.latency, l.latency_ms);
  if (!image.traced) return;
  put_at(record, image.trace_id, l.trace_id);
  put_at(record, image.span_id, l.span_id);
}

std::string_view AccessRecords::clean(std::string_view text) {
  return cut_at_character(scrub_(text, scrubbed_), most_value_bytes_);
}

/// False when a text of the line is escaped: only then a middle is not what it seems.
bool AccessRecords::read_middle(std::string_view middle, Middle& to) {
  const auto text_behind = [&middle](std::string_view begin, std::string_view& text) {
    if (!middle.starts_with(begin)) return false;
    middle.remove_prefix(begin.size());
    text = middle.substr(0, middle.find('"'));
    middle.remove_prefix(text.size());
    return is_plain_json(text);
  };
  if (!text_behind(kLineMethod, to.method) || !text_behind(kLinePath, to.path)) return false;
  if (!middle.starts_with(kLineStatus) || middle.size() < kLineStatus.size() + kLineLatency.size()) return false;
  const char* const begin = middle.data() + kLineStatus.size();
  const char* end = middle.data() + middle.size() - kLineLatency.size();
  return number_before(begin, end, to.status) && end == begin;
}

/// False, and the image is of nothing, when the line has to be read as JSON. What each record has of its own comes with
/// patch().
bool AccessRecords::make(const Line& l, Image& image) {
  image = {};
  Middle middle;
  if (!read_middle(l.middle, middle)) return false;
  std::string& r = image.record;
  protozero::pbf_writer to(r);
  to.add_fixed64(log_record::kTime, 0);
  image.times = r.size() - sizeof l.at_ns;
  to.add_fixed64(log_record::kObserved, 0);
  to.add_enum(log_record::kSeverityNumber, log_record::kInfo);
  to.add_string(log_record::kSeverityText, "INFO");
  std::string body;
  const std::string_view message = clean("request complete");
  protozero::pbf_writer(body).add_string(1, message.data(), message.size());
  to.add_message(log_record::kBody, body);
  add_attribute(r, log_record::kAttributes, "correlation_id", l.correlation_id);
  image.correlation = r.size() - l.correlation_id.size();
  add_attribute(r, log_record::kAttributes, "method", clean(middle.method));
  add_attribute(r, log_record::kAttributes, "path", clean(middle.path));
  add_attribute(r, log_record::kAttributes, "status", static_cast<std::int64_t>(middle.status));
  add_attribute(r, log_record::kAttributes, "latency_ms", static_cast<std::int64_t>(l.latency_ms));
  image.latency_bytes = varint_size(l.latency_ms);
  image.latency = r.size() - image.latency_bytes;
  if (l.traced) {
    to.add_fixed32(log_record::kFlags, kSampled);  // ids stand on lines of recorded exchanges only
    to.add_bytes(log_record::kTraceId, std::string(l.trace_id.size(), '\0'));
    image.trace_id = r.size() - l.trace_id.size();
    to.add_bytes(log_record::kSpanId, std::string(l.span_id.size(), '\0'));
    image.span_id = r.size() - l.span_id.size();
  }
  std::string head;
  put_head(head, 2, r.size());
  r.insert(0, head);
  for (std::size_t* at : {&image.times, &image.correlation, &image.latency, &image.trace_id, &image.span_id})
    *at += head.size();
  image.correlation_bytes = l.correlation_id.size();
  image.traced = l.traced;
  image.middle = l.middle;
  return true;
}

}  // namespace gw::telemetry::otlp
