#include "provider/scan.h"

namespace gw::provider::scan {
namespace {

const char* find_usage(const char* p, const char* end) {
  while (p < end) {
    const void* quote = std::memchr(p, '"', static_cast<std::size_t>(end - p));
    if (quote == nullptr) return end;
    p = static_cast<const char*>(quote);
    if (is_usage_object(p, end)) return p;
    ++p;
  }
  return end;
}

const char* find_usage_or_item_done(const char* p, const char* end) {
  for (; p < end; ++p)
    if ((*p == '"' || *p == '_') && is_usage_or_item_done(p, end)) return p;
  return end;
}

const char* skip_nested(const char* p, const char* end, Nesting& n) {
  for (; p < end; ++p) {
    const char c = *p;
    if (n.in_string) {
      if (n.escaped) {
        n.escaped = false;
      } else if (c == '\\') {
        n.escaped = true;
      } else if (c == '"') {
        n.in_string = false;
      }
    } else if (n.escaped) {  // a backslash outside a string is no JSON; every form must treat it alike
      n.escaped = false;
      if (c == '{' || c == '[') ++n.depth;
      if ((c == '}' || c == ']') && --n.depth == 0) return n = Nesting{}, p + 1;
    } else if (c == '\\') {
      n.escaped = true;
    } else if (c == '"') {
      n.in_string = true;
    } else if (c == '{' || c == '[') {
      ++n.depth;
    } else if ((c == '}' || c == ']') && --n.depth == 0) {
      n = Nesting{};
      return p + 1;
    }
  }
  return end;
}

}  // namespace

const Kernel kPortable = {"portable", find_usage, find_usage_or_item_done, skip_nested};

}  // namespace gw::provider::scan
