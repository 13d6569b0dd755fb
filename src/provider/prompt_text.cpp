#include "provider/prompt_text.h"

#include <algorithm>
#include <cstring>
#include <initializer_list>
#include <string_view>

#include "provider/json_cursor.h"

namespace gw::provider {
namespace {

constexpr int kMaxDepth = 32;

bool one_of(std::string_view key, std::initializer_list<std::string_view> keys) {
  return std::find(keys.begin(), keys.end(), key) != keys.end();
}

/// Writes behind what the cursor has read, never beyond it: a text is shorter than itself with its quotes.
class Extractor {
 public:
  explicit Extractor(std::string& body) : body_(body), json_(body), out_(body.data()) {}

  std::int64_t request() {
    request_members(true);
    return done();
  }

  std::int64_t answer() {
    for_members([&](std::string_view key) {
      if (one_of(key, {"choices", "output", "content"})) {
        content(0);
      } else {
        json_.value();
      }
    });
    return done();
  }

 private:
  void request_members(bool root) {
    for_members([&](std::string_view key) {
      if (root && key == "response" && json_.peek() == '{') {  // of a WebSocket's `response.create`
        request_members(false);
      } else if (key == "messages") {
        tokens_ += kPrimingTokens;
        messages();
      } else if (one_of(key, {"system", "instructions", "input", "prompt"})) {
        content(0);
      } else if (one_of(key, {"tools", "functions"})) {
        copy(json_.value());
      } else {
        json_.value();
      }
    });
  }

  template <class Member>
  void for_members(Member member) {
    if (!json_.open('{')) return;
    while (json_.next('}')) member(json_.key());
  }

  std::int64_t done() {
    body_.resize(static_cast<std::size_t>(out_ - body_.data()));
    return tokens_;
  }

  void end_text(char* from, char* end) {
    std::replace(from, end, kTextEnd, '?');  // not UTF-8 before either
    out_ = end;
    *out_++ = kTextEnd;
  }
  void text(std::string_view raw) {
    if (!raw.empty()) end_text(out_, unescape_json(raw, out_));
  }
  void copy(std::string_view raw) {
    std::memmove(out_, raw.data(), raw.size());
    end_text(out_, out_ + raw.size());
  }

  void messages() {
    if (!json_.open('[')) {
      json_.value();
      return;
    }
    while (json_.next(']')) {
      tokens_ += kMessageTokens;
      content(0);
    }
  }

  void content(int depth) {
    switch (depth > kMaxDepth ? '\0' : json_.peek()) {
      case '"':
        text(json_.string());
        break;
      case '[':
        json_.open('[');
        while (json_.next(']')) element(depth);
        break;
      case '{':
        for_members([&](std::string_view key) { member(key, depth); });
        break;
      default:
        json_.value();
    }
  }

  void element(int depth) {
    const char c = json_.peek();
    if (c >= '0' && c <= '9') ++tokens_;  // a token's id
    content(depth + 1);
  }

  void member(std::string_view key, int depth) {
    if (one_of(key, {"content", "text", "thinking", "arguments", "output", "refusal", "summary", "reasoning_content",
                     "reasoning", "tool_calls", "function_call", "function", "message", "custom"})) {
      content(depth + 1);
    } else if (one_of(key, {"role", "name"})) {
      tokens_ += key == "name" && depth == 0 ? kNameTokens : 0;
      content(kMaxDepth);  // a string or nothing
    } else if (key == "input") {
      json_.peek() == '"' ? text(json_.string()) : copy(json_.value());
    } else if (one_of(key, {"image_url", "source", "input_audio", "audio", "file", "file_data", "file_url"})) {
      const std::string_view value = json_.value();
      tokens_ += piece(key, value);
    } else {
      json_.value();
    }
  }

  static std::int64_t piece(std::string_view key, std::string_view value) {
    if (one_of(key, {"input_audio", "audio"})) return value.starts_with('{') ? kAudioTokens : 0;
    if (key.starts_with("file")) return kDocumentTokens;
    if (value.substr(0, 256).find("application/pdf") != std::string_view::npos) return kDocumentTokens;
    if (!value.starts_with('{') && !value.starts_with('"')) return 0;
    const std::string_view tail = value.substr(value.size() - std::min<std::size_t>(value.size(), 40));
    const bool low =
        tail.find("\"low\"") != std::string_view::npos || value.substr(0, 40).find("\"low\"") != std::string_view::npos;
    return low ? kLowImageTokens : kImageTokens;
  }

  std::string& body_;
  JsonCursor json_;
  char* out_;
  std::int64_t tokens_ = 0;
};

}  // namespace

std::int64_t keep_prompt_text(std::string& body) { return Extractor(body).request(); }

std::int64_t keep_answer_text(std::string& body) { return Extractor(body).answer(); }

}  // namespace gw::provider
