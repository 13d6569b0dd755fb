#pragma once
// Reads our exports in tests: as JSON by the mapping under test, which protobuf definitions of others check end to end.
#include <simdjson.h>

#include <string>
#include <vector>

#include "telemetry/otlp_wire.h"

namespace gw::telemetry::otlp {

/// A value of a document by a path such as `/resourceSpans/0/scopeSpans`; the text of it, or `absent`.
inline std::string at(const std::string& json, const std::string& path) {
  simdjson::dom::parser parser;
  simdjson::dom::element document, found;
  if (parser.parse(json).get(document) != simdjson::SUCCESS) return "not JSON: " + json;
  if (document.at_pointer(path).get(found) != simdjson::SUCCESS) return "absent";
  std::string_view text;
  return found.get(text) == simdjson::SUCCESS ? std::string(text) : simdjson::to_string(found);
}

/// What an encoder has for a request, in one piece.
template <class Encoder>
std::string taken(Encoder& encoder) {
  Body body;
  encoder.take(body);
  return body.text();
}

struct Span {
  std::string json;

  std::string get(const std::string& path) const { return at(json, "/" + path); }
  /// An attribute's value as text, `absent` without one.
  std::string attribute(const std::string& key) const {
    for (int i = 0;; ++i) {
      const std::string base = "/attributes/" + std::to_string(i);
      const std::string name = at(json, base + "/key");
      if (name == "absent") return name;
      if (name != key) continue;
      const std::string text = at(json, base + "/value/stringValue");
      return text != "absent" ? text : at(json, base + "/value/intValue");
    }
  }
};

/// Every span of a request, of both scopes.
inline std::vector<Span> spans_of(const std::string& json) {
  std::vector<Span> out;
  for (int scope = 0; scope < 2; ++scope) {
    for (int i = 0;; ++i) {
      std::string span =
          at(json, "/resourceSpans/0/scopeSpans/" + std::to_string(scope) + "/spans/" + std::to_string(i));
      if (span == "absent") break;
      out.push_back({std::move(span)});
    }
  }
  return out;
}

}  // namespace gw::telemetry::otlp
