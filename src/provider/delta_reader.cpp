#include "provider/delta_reader.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "provider/json_cursor.h"

namespace gw::provider {
namespace {

enum Kind : std::uint32_t { kText, kReasoning, kRefusal, kTool };

std::uint32_t small_number(std::string_view digits) {
  std::uint32_t v = 0;
  for (const char c : digits.substr(0, 6))
    if (c >= '0' && c <= '9') v = v * 10 + static_cast<std::uint32_t>(c - '0');
  return v;
}

/// First byte that does not simply stand for itself inside a JSON string, or `end`.
const char* plain_end(const char* p, const char* end) {
#if defined(__SSE2__)
  for (; end - p >= 16; p += 16) {
    const __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    const __m128i quote = _mm_cmpeq_epi8(v, _mm_set1_epi8('"'));
    const __m128i backslash = _mm_cmpeq_epi8(v, _mm_set1_epi8('\\'));
    const __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(v, _mm_set1_epi8(0x1F)), v);
    const int hits = _mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quote, backslash), control));
    if (hits != 0) return p + __builtin_ctz(static_cast<unsigned>(hits));
  }
#endif
  while (p < end && *p != '"' && *p != '\\' && static_cast<unsigned char>(*p) > 0x1F) ++p;
  return p;
}

const char* digits_end(const char* p, const char* end) {
  while (p < end && *p >= '0' && *p <= '9') ++p;
  return p;
}

constexpr std::size_t kMaxLike = 4096;  // bytes of a line worth remembering

bool holds_text(std::string_view type) { return type.find("audio") == std::string_view::npos; }

}  // namespace

/// The texts of one event.
struct DeltaReader::Found {
  struct Text {
    Channel channel;
    std::string_view text;
  };
  static constexpr std::size_t kMax = 64;

  JsonCursor json;
  std::array<Text, kMax> texts;
  std::size_t count = 0;
  bool error = false;
  std::string_view sequence;  ///< a number that differs from event to event and says nothing
  std::string_view padding;   ///< likewise, a string

  explicit Found(std::string_view payload) : json(payload) {}

  void add(std::uint32_t index, Kind kind, std::uint32_t sub, std::string_view text) {
    if (!text.empty() && count < kMax) texts[count++] = {{index << 12 | sub << 4 | kind, kind == kReasoning}, text};
  }
  std::string_view string_or_skip() { return json.peek() == '"' ? json.string() : (json.value(), std::string_view()); }

  template <class Member>
  void members(Member member) {
    if (!json.open('{')) {
      json.value();
      return;
    }
    while (json.next('}')) member(json.key());
  }
  template <class Element>
  void elements(Element element) {
    if (!json.open('[')) {
      json.value();
      return;
    }
    while (json.next(']')) element();
  }

  void read() {
    std::string_view type;
    std::string_view delta;
    std::string_view name;
    std::uint32_t index = 0;
    std::uint32_t part = 0;
    bool thinking = false;
    members([&](std::string_view key) {
      if (key == "type") {
        type = string_or_skip();
      } else if (key == "choices") {
        elements([&] { choice(); });
      } else if (key == "delta") {
        delta = json.peek() == '"' ? json.string() : block_delta(thinking);
      } else if (key == "index" || key == "output_index") {
        index = small_number(json.value());
      } else if (key == "content_index" || key == "summary_index") {
        part = small_number(json.value());
      } else if (key == "item" || key == "content_block") {
        name = name_of();
      } else if (key == "sequence_number") {
        sequence = json.value();
      } else if (key == "obfuscation") {
        padding = string_or_skip();
      } else if (key == "error") {
        error = error || json.peek() == '{' || json.peek() == '"';
        json.value();
      } else {
        json.value();
      }
    });
    error = error || type == "error";
    if (type == "content_block_delta" || (type.ends_with(".delta") && holds_text(type)))
      add(index, thinking || type.find("reasoning") != std::string_view::npos ? kReasoning : kText, part & 0xFF, delta);
    if (type == "response.output_item.added" || type == "content_block_start") add(index, kTool, 0, name);
  }

  std::string_view name_of() {
    std::string_view name;
    members([&](std::string_view key) { key == "name" ? void(name = string_or_skip()) : void(json.value()); });
    return name;
  }

  std::string_view block_delta(bool& thinking) {  // Anthropic's
    std::string_view text;
    members([&](std::string_view key) {
      if (key == "text" || key == "thinking" || key == "partial_json") {
        thinking = key == "thinking";
        text = string_or_skip();
      } else {
        json.value();
      }
    });
    return text;
  }

  void choice() {
    const std::size_t from = count;
    std::uint32_t index = 0;
    members([&](std::string_view key) {
      if (key == "index") {
        index = small_number(json.value());
      } else if (key == "delta") {
        members([&](std::string_view k) { delta_member(k); });
      } else if (key == "text") {
        add(0, kText, 0, string_or_skip());
      } else {
        json.value();
      }
    });
    for (std::size_t i = from; i < count; ++i) texts[i].channel.id += index << 12;
  }

  void delta_member(std::string_view key) {
    if (key == "content") {
      add(0, kText, 0, string_or_skip());
    } else if (key == "reasoning_content" || key == "reasoning") {
      add(0, kReasoning, 0, string_or_skip());
    } else if (key == "refusal") {
      add(0, kRefusal, 0, string_or_skip());
    } else if (key == "function_call") {
      function(0);
    } else if (key == "tool_calls") {
      elements([&] { tool_call(); });
    } else {
      json.value();
    }
  }

  void tool_call() {
    const std::size_t from = count;
    std::uint32_t index = 0;
    members([&](std::string_view key) {
      if (key == "index") {
        index = small_number(json.value()) & 0xFF;
      } else if (key == "function") {
        function(0);
      } else {
        json.value();
      }
    });
    for (std::size_t i = from; i < count; ++i) texts[i].channel.id += index << 4;
  }

  void function(std::uint32_t sub) {
    members([&](std::string_view key) {
      if (key == "name" || key == "arguments") {
        add(0, kTool, sub, string_or_skip());
      } else {
        json.value();
      }
    });
  }
};

void DeltaReader::reset() {
  held_.clear();
  event_.clear();
  like_.clear();
  literals_ = {};
  like_channel_ = {};
  skipping_ = error_seen_ = false;
}

void DeltaReader::push(std::string_view bytes, Sink sink) {
  if (!held_.empty() || skipping_) {
    const std::size_t newline = bytes.find('\n');
    hold(bytes.substr(0, newline));
    if (newline == std::string_view::npos) return;
    if (!skipping_) {
      held_ += '\n';
      lines(held_, sink);  // one whole line: nothing of it is held again
      held_.clear();
    }
    skipping_ = false;
    bytes.remove_prefix(newline + 1);
  }
  lines(bytes, sink);
}

void DeltaReader::hold(std::string_view part) {
  skipping_ = skipping_ || held_.size() + part.size() > kMaxEventBytes;
  if (skipping_) {
    held_.clear();
  } else {
    held_.append(part);
  }
}

void DeltaReader::lines(std::string_view bytes, Sink sink) {
  while (!bytes.empty()) {
    if (const std::size_t n = like_last(bytes, sink); n != 0) {
      bytes.remove_prefix(n);
      continue;
    }
    const std::size_t newline = bytes.find('\n');
    if (newline == std::string_view::npos) return hold(bytes);
    const std::string_view whole = bytes.substr(0, newline + 1);
    if (whole.front() == 'd' && newline <= kMaxEventBytes) line(whole, sink);
    if (whole.front() == 'e' && newline <= 128) event_.assign(whole);
    bytes.remove_prefix(newline + 1);
  }
}

// When all around the text is as it was, the text is all there is in this event, too. The lines before and behind it
// that say nothing are passed over with it.
std::size_t DeltaReader::like_last(std::string_view bytes, Sink sink) const {
  if (like_.empty()) return 0;
  const char* p = bytes.data();
  const char* const end = p + bytes.size();
  if (!event_.empty() && bytes.starts_with(event_)) p += event_.size();
  const char* const begin = p;
  const char* literal = like_.data();
  std::string_view text;
  for (const Literal& l : literals_) {
    if (end - p < l.size || std::memcmp(p, literal, l.size) != 0) return 0;
    p += l.size;
    literal += l.size;
    if (l.hole == Hole::none) break;
    const char* const from = p;
    p = l.hole == Hole::digits ? digits_end(p, end) : plain_end(p, end);
    if (l.hole == Hole::digits && p == from) return 0;
    if (l.hole == Hole::text) text = {from, static_cast<std::size_t>(p - from)};
  }
  if (p - begin > static_cast<std::ptrdiff_t>(kMaxEventBytes)) return 0;  // as if it had come in parts
  if (!text.empty()) sink.take(sink.to, like_channel_, text, false);
  if (p < end && *p == '\n') ++p;
  return static_cast<std::size_t>(p - bytes.data());
}

void DeltaReader::line(std::string_view line, Sink sink) {
  if (!line.starts_with("data:")) return;
  Found found(line.substr(5));
  found.read();
  error_seen_ = error_seen_ || found.error;
  for (std::size_t i = 0; i < found.count; ++i) sink.take(sink.to, found.texts[i].channel, found.texts[i].text, true);
  like_.clear();
  if (found.count == 1 && !found.error && line.size() <= kMaxLike) remember(line, found);
}

void DeltaReader::remember(std::string_view line, const Found& found) {
  struct Gap {
    std::string_view at;
    Hole hole;
  };
  std::array<Gap, 3> gaps{
      {{found.texts[0].text, Hole::text}, {found.sequence, Hole::digits}, {found.padding, Hole::string}}};
  std::sort(gaps.begin(), gaps.end(), [](const Gap& a, const Gap& b) { return a.at.data() < b.at.data(); });
  const char* from = line.data();
  std::size_t n = 0;
  const auto literal = [&](const char* to, Hole hole) {
    like_.append(from, to);
    literals_[n++] = {static_cast<std::uint16_t>(to - from), hole};
  };
  for (const Gap& gap : gaps) {
    if (gap.at.empty()) continue;
    // A string without its end would let a text end anywhere.
    const auto end = static_cast<std::size_t>(gap.at.data() - line.data()) + gap.at.size();
    if (end >= line.size() || (gap.hole != Hole::digits && line[end] != '"')) return like_.clear();
    literal(gap.at.data(), gap.hole);
    from = gap.at.data() + gap.at.size();
  }
  literal(line.data() + line.size(), Hole::none);
  like_channel_ = found.texts[0].channel;
}

}  // namespace gw::provider
