// The engine beside a slow and obvious model, over random policies, documents and slices: what comes out is equal byte
// for byte, no planted value is in it, and a second run changes nothing. A failure prints the seed and the body.
#include <gtest/gtest.h>
#include <re2/re2.h>

#include <algorithm>
#include <map>
#include <random>

#include "base/sha256.h"
#include "guard/body_redactor.h"
#include "guard/checksums.h"

namespace gw::guard {
namespace {

bool digit(char c) { return c >= '0' && c <= '9'; }
bool word(char c) { return digit(c) || c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool boundary(const std::string& t, std::size_t i) { return (i > 0 && word(t[i - 1])) != (i < t.size() && word(t[i])); }

/// The matches of a regular expression, or of a rule that tries every stretch of the text: longest first, leftmost
/// first.
using Spans = std::vector<std::pair<std::size_t, std::size_t>>;

Spans by_regex(const re2::RE2& re, const std::string& text) {
  Spans out;
  re2::StringPiece hit;
  for (std::size_t at = 0; at <= text.size() && re.Match(text, at, text.size(), re2::RE2::UNANCHORED, &hit, 1);) {
    const auto begin = static_cast<std::size_t>(hit.data() - text.data());
    out.emplace_back(begin, begin + hit.size());
    at = begin + hit.size();
  }
  return out;
}

template <class F>
Spans by_trying(const std::string& text, F&& is_one) {
  constexpr std::size_t kLongest = 48;
  Spans out;
  for (std::size_t begin = 0; begin < text.size(); ++begin)
    for (std::size_t end = std::min(text.size(), begin + kLongest); end > begin; --end)
      if (is_one(begin, end)) {
        out.emplace_back(begin, end);
        begin = end - 1;
        break;
      }
  return out;
}

bool is_card_text(const std::string& t, std::size_t b, std::size_t e) {
  static const re2::RE2 shape(
      R"([0-9]{13,19}|[0-9]{4} [0-9]{4} [0-9]{4} [0-9]{1,7}|[0-9]{4}-[0-9]{4}-[0-9]{4}-[0-9]{1,7}|)"
      R"([0-9]{4} [0-9]{6} [0-9]{4,5}|[0-9]{4}-[0-9]{6}-[0-9]{4,5})");
  static const re2::RE2 issuer(
      "4(?:[0-9]{12}|[0-9]{15}|[0-9]{18})|5[1-5][0-9]{14}|3[47][0-9]{13}|(?:50|5[678])[0-9]{11,17}|"
      "(?:30[0-5][0-9]|36[0-9]{2}|3[89][0-9]{2})[0-9]{10,15}|35(?:2[89]|[3-8][0-9])[0-9]{12,15}|6[0-9]{15,18}|6[37][0-"
      "9]{11,17}|"
      "2(?:22[1-9]|2[3-9][0-9]|[3-6][0-9]{2}|7[01][0-9]|720)[0-9]{12}|220[0-4][0-9]{12,15}");
  const std::string s = t.substr(b, e - b);
  if (!boundary(t, b) || !boundary(t, e) || !re2::RE2::FullMatch(s, shape)) return false;
  std::string digits;
  for (const char c : s)
    if (digit(c)) digits += c;
  int sum = 0;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    int d = digits[digits.size() - 1 - i] - '0';
    if (i % 2 == 1) d = 2 * d > 9 ? 2 * d - 9 : 2 * d;
    sum += d;
  }
  return sum % 10 == 0 && re2::RE2::FullMatch(digits, issuer);
}

bool is_iban_text(const std::string& t, std::size_t b, std::size_t e) {
  static const re2::RE2 shape("[A-Z]{2}[0-9]{2}(?:[A-Z0-9]+|(?: [A-Z0-9]{4})+(?: [A-Z0-9]{1,3})?)");
  static const std::map<std::string, std::size_t> lengths{{"DE", 22}, {"GB", 22}, {"NO", 15}, {"FR", 27}};
  const std::string s = t.substr(b, e - b);
  if (!boundary(t, b) || !boundary(t, e) || !re2::RE2::FullMatch(s, shape)) return false;
  std::string plain;
  for (const char c : s)
    if (c != ' ') plain += c;
  const auto country = lengths.find(plain.substr(0, 2));
  if (country == lengths.end() || country->second != plain.size()) return false;
  int rest = 0;  // digit by digit, as one learns it at school
  for (const char c : plain.substr(4) + plain.substr(0, 4))
    for (const char d : digit(c) ? std::string(1, c) : std::to_string(c - 'A' + 10))
      rest = (rest * 10 + (d - '0')) % 97;
  return rest == 1;
}

bool is_ip_text(const std::string& t, std::size_t b, std::size_t e) {
  static const re2::RE2 v4(R"((?:(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])(?:\.|$)){4})");
  static const re2::RE2 nobody(R"(0\.0\.0\.0|127\..*|255\.255\.255\.255)");
  const std::string s = t.substr(b, e - b);
  if (s.back() == '.' || !re2::RE2::FullMatch(s, v4) || re2::RE2::FullMatch(s, nobody)) return false;
  if (b > 0 && (word(t[b - 1]) || t[b - 1] == '.' || t[b - 1] == ':')) return false;
  return e == t.size() || (!word(t[e]) && !(t[e] == '.' && e + 1 < t.size() && digit(t[e + 1])));
}

bool is_international(const std::string& t, std::size_t b, std::size_t e) {
  static const re2::RE2 shape(R"(\+[1-9][0-9]*(?:\)?[ \t\n\f\r.\-]?\(?[0-9]+)*)");
  const std::string s = t.substr(b, e - b);
  const auto digits = std::count_if(s.begin(), s.end(), digit);
  return (b == 0 || !word(t[b - 1])) && boundary(t, e) && digits >= 8 && digits <= 15 && re2::RE2::FullMatch(s, shape);
}

/// One detector of the model: where it finds something in a text.
struct Rule {
  Kind kind;
  Spans (*find)(const std::string&, const DetectorOptions&);
};

const Rule kRules[] = {
    {Kind::token_like,
     [](const std::string& t, const DetectorOptions& o) {
       static const re2::RE2 keys(
           R"(\b(?:(?:sk-|sk-ant-|sk-proj-)[A-Za-z0-9_\-]{12,}|(?:sk-ant-|sk-proj-)[A-Za-z0-9_\-]{8,}|xoxb-[A-Za-z0-9\-]{8,}|)"
           R"(hf_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{16,}|A(?:K|S|B)IA[A-Z0-9]{16}\b|AIza[A-Za-z0-9_\-]{30,}))");
       return o.token_like && o.provider_keys ? by_regex(keys, t) : Spans{};
     }},
    {Kind::pattern,
     [](const std::string& t, const DetectorOptions& o) {
       static const re2::RE2 employee(R"(\bE-[0-9]{5}\b)");
       return o.patterns.empty() ? Spans{} : by_regex(employee, t);
     }},
    {Kind::payment_card,
     [](const std::string& t, const DetectorOptions& o) {
       return o.payment_card ? by_trying(t, [&](std::size_t b, std::size_t e) { return is_card_text(t, b, e); })
                             : Spans{};
     }},
    {Kind::iban,
     [](const std::string& t, const DetectorOptions& o) {
       return o.iban ? by_trying(t, [&](std::size_t b, std::size_t e) { return is_iban_text(t, b, e); }) : Spans{};
     }},
    {Kind::email,
     [](const std::string& t, const DetectorOptions& o) {
       static const re2::RE2 email(R"((?i)\b[A-Z0-9._%+\-]+@[A-Z0-9.\-]+\.[A-Z]{2,}\b)");
       return o.email ? by_regex(email, t) : Spans{};
     }},
    {Kind::phone,
     [](const std::string& t, const DetectorOptions& o) {
       static const re2::RE2 phone(R"(\b(?:\+?1[\s.\-]?)?\(?\d{3}\)?[\s.\-]?\d{3}[\s.\-]?\d{4}\b)");
       return o.phone ? by_regex(phone, t) : Spans{};
     }},
    {Kind::ssn,
     [](const std::string& t, const DetectorOptions& o) {
       static const re2::RE2 any(R"(\b\d{3}-\d{2}-\d{4}\b)");
       Spans out = o.ssn ? by_regex(any, t) : Spans{};
       static const re2::RE2 never(R"((?:000|666|9\d\d)-.*|\d{3}-00-.*|.*-0000)");
       if (o.ssn_ranges)
         std::erase_if(
             out, [&](const auto& s) { return re2::RE2::FullMatch(t.substr(s.first, s.second - s.first), never); });
       return out;
     }},
    {Kind::token_like,
     [](const std::string& t, const DetectorOptions& o) {
       static const re2::RE2 both(
           R"((?i)\b(?:sk|pk|rk|xox[baprs]|gh[pousr]|pat)_[A-Z0-9_\-]{8,}\b|eyj[A-Z0-9_\-]{8,}\.[A-Z0-9_\-]{8,}\.[A-Z0-9_\-]{8,})");
       return o.token_like ? by_regex(both, t) : Spans{};
     }},
    {Kind::ip_address,
     [](const std::string& t, const DetectorOptions& o) {
       return o.ip_address ? by_trying(t, [&](std::size_t b, std::size_t e) { return is_ip_text(t, b, e); }) : Spans{};
     }},
};

std::string mark(Kind kind, const std::string& value) {
  static const KindNames names({"employee"});
  return "[" + std::string(names.type(kind)) + "_REDACTED:" + sha256_hex("ws:salt:" + value).substr(0, 16) + "]";
}

/// A text as it stands in the document: each character and how it was written.
struct Written {
  std::string plain;
  std::vector<std::string> raw;  ///< of each byte of `plain`

  void add(const std::string& text, std::mt19937& random) {
    static constexpr char kHex[] = "0123456789abcdef";
    for (const char c : text) {
      plain += c;
      const auto u = static_cast<unsigned char>(c);
      if (c == '"' || c == '\\' || u < 0x20 || (u < 0x80 && random() % 9 == 0))
        raw.push_back(std::string("\\u00") + kHex[u >> 4] + kHex[u & 15]);
      else
        raw.push_back(std::string(1, c));
    }
  }
  std::string body() const {
    std::string out;
    for (const std::string& r : raw) out += r;
    return out;
  }
};

/// Rule by rule, over what the rules before have left, until nothing is found.
std::string model_text(const Written& in, const DetectorOptions& options, Counts& counts) {
  std::string left = in.plain;
  std::map<std::size_t, std::pair<std::size_t, std::string>> replaced;  // begin: end, by what
  for (bool any = true; std::exchange(any, false);)
    for (const Rule& rule : kRules)
      for (const auto& [begin, end] : rule.find(left, options)) {
        replaced[begin] = {end, mark(rule.kind, in.plain.substr(begin, end - begin))};
        ++counts[static_cast<std::size_t>(rule.kind)];
        std::fill(left.begin() + static_cast<std::ptrdiff_t>(begin), left.begin() + static_cast<std::ptrdiff_t>(end),
                  '\x01');
        any = true;
      }
  std::string out;
  for (std::size_t i = 0; i < in.raw.size();) {
    const auto hit = replaced.find(i);
    if (hit == replaced.end()) {
      out += in.raw[i++];
    } else {
      out += hit->second.second;
      i = hit->second.first;
    }
  }
  return out;
}

const std::string kValues[] = {"jane.doe+x@mail.example.org",
                               "415-555-1212",
                               "1 (415) 555.1212",
                               "4155551212",
                               "078-05-1120",
                               "987-65-4320",
                               "sk-ant-api03-Abc_def-12",
                               "sk_live_abcdef123456",
                               "xoxb-123456789012-abcdef",
                               "AKIAIOSFODNN7EXAMPLE",
                               "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.SflKxwRJSMeKKF",
                               "4111 1111 1111 1111",
                               "378282246310005",
                               "3782-822463-10005",
                               "5555555555554444",
                               "4111 1111 1111 1112",
                               "DE89 3704 0044 0532 0130 00",
                               "GB29NWBK60161331926819",
                               "GB29NWBK60161331926818",
                               "192.0.2.17",
                               "127.0.0.1",
                               "E-12345"};
const std::string kFiller[] = {" ",   " ",  ", ",  "-",     ".",   "_",    "@",       "+",          "(",
                               ")",   "x",  "7",   "42",    "a",   "id",   ":",       "\n",         "\"",
                               "\\",  "é",  "/",   "total", "1",   "1.2.", "3.14",    "2026-11-26", "sk",
                               "eyJ", "co", "#5 ", "is",    "DE8", "0x1F", "+49 30 ", "123456",     "v1.2.3.4.5"};

class Document {
 public:
  explicit Document(unsigned seed) : random_(seed) {
    DetectorOptions& o = options;
    o.email = below(4) > 0;
    o.phone = below(4) > 0;
    o.ssn = below(4) > 0;
    o.ssn_ranges = below(2) == 0;
    o.token_like = below(4) > 0;
    o.provider_keys = true;
    o.private_keys = below(2) == 0;
    o.payment_card = below(3) > 0;
    o.iban = below(3) > 0;
    o.ip_address = below(3) > 0;
    if (below(2) == 0) o.patterns = {{.name = "employee", .regex = R"(\bE-\d{5}\b)"}};
    value(0);
  }

  unsigned below(unsigned n) { return static_cast<unsigned>(random_() % n); }

  DetectorOptions options;
  std::string body, want;
  Counts counts{};

 private:
  void both(const std::string& s) {
    body += s;
    want += s;
  }
  void text() {
    Written w;
    for (unsigned n = below(9); n > 0; --n)
      w.add(below(3) == 0 ? kValues[below(std::size(kValues))] : kFiller[below(std::size(kFiller))], random_);
    body += w.body();
    want += model_text(w, options, counts);
  }
  void value(unsigned depth) {
    switch (depth == 0 ? 3 + below(2) : below(6)) {
      case 0:
        return both("-1.50e+3");
      case 1:
        return both("true");
      case 3:
      case 4:
        if (depth < 4) return list(depth % 2 == 0, depth);
        [[fallthrough]];
      default:
        both("\"");
        text();
        both("\"");
    }
  }
  void list(bool object, unsigned depth) {
    both(object ? "{" : "[");
    for (unsigned n = 1 + below(4), i = 0; i < n; ++i) {
      if (i > 0) both(", ");
      if (object) both("\"k" + std::to_string(i) + "\" : ");
      value(depth + 1);
    }
    both(object ? "}" : "]");
  }

  std::mt19937 random_;
};

TEST(GuardModel, EngineAndModelAgreeWhateverThePolicyTheDocumentAndTheSlices) {
  int found = 0;
  for (unsigned seed = 0; seed < 4000; ++seed) {
    Document d(seed);
    BodyOptions options;
    options.detectors = d.options;
    options.key_denylist.clear();
    options.hash_salt = "salt";
    const BodyRedactor redactor(options);
    BodyRedactor::Job job(redactor, d.body, "ws", {});
    while (!job.step(1 + d.below(40))) {
    }
    const std::string out = job.outcome().changed ? job.out() : d.body;
    ASSERT_EQ(out, d.want) << "seed " << seed << "\n" << d.body;
    ASSERT_EQ(job.outcome().counts, d.counts) << "seed " << seed << "\n" << d.body;
    std::string again;
    ASSERT_FALSE(redactor.redact(out, "ws", again).changed) << "seed " << seed << "\n" << out << "\n" << again;
    found += job.outcome().changed;
  }
  EXPECT_GT(found, 1500) << "the documents hardly hold anything: the comparison says little";
}

TEST(GuardModel, LongTextsDoNotDependOnTheWindowsTheyAreSearchedIn) {
  DetectorOptions all;
  all.payment_card = all.iban = all.ip_address = all.phone_international = true;
  all.patterns = {{.name = "employee", .regex = R"(\bE-\d{5}\b)"}};
  const Detectors detectors(all);
  std::mt19937 random(3);
  for (int round = 0; round < 150; ++round) {
    std::string text;
    while (text.size() < 3000)
      text += random() % 4 == 0 ? kValues[random() % std::size(kValues)] : kFiller[random() % std::size(kFiller)];
    unsigned candidates = 0;
    const std::size_t window = 1 + random() % 300;
    for (std::size_t at = 0; at < text.size(); at += window)
      candidates |= detectors.candidates(text, at, std::min(at + window, text.size()));
    for (const Detector d : kDetectors) {
      std::vector<Match> whole, sliced;
      detectors.find(d, text, whole);
      Scan scan;
      while (!detectors.find(d, text, scan, scan.at + window, sliced)) {
      }
      ASSERT_EQ(whole.size(), sliced.size()) << static_cast<int>(d) << " window " << window << "\n" << text;
      for (std::size_t i = 0; i < whole.size(); ++i) {
        ASSERT_EQ(whole[i].begin, sliced[i].begin) << static_cast<int>(d);
        ASSERT_EQ(whole[i].end, sliced[i].end) << static_cast<int>(d);
      }
      ASSERT_TRUE(whole.empty() || (candidates & bit_of(d)) != 0) << static_cast<int>(d) << "\n" << text;
    }
  }
}

TEST(GuardModel, InternationalNumbersAreThoseOfTheModel) {
  DetectorOptions options;
  options.phone_international = true;
  const Detectors detectors(options);
  std::mt19937 random(8);
  static const std::string kPieces[] = {"+", "+4",  "49",   "1",  " ", "-", "(", ")",
                                        ".", "123", "4567", "89", "x", "_", "30"};
  int hits = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string text;
    for (auto n = 2 + random() % 9; n > 0; --n) text += kPieces[random() % std::size(kPieces)];
    std::vector<Match> matches;
    detectors.find(Detector::phone, text, matches);
    for (const auto& [begin, end] :
         by_trying(text, [&](std::size_t b, std::size_t e) { return is_international(text, b, e); })) {
      ++hits;
      const bool covered =
          std::any_of(matches.begin(), matches.end(), [&](const Match& m) { return m.begin <= begin && end <= m.end; });
      // One that begins inside a number of the contract's grammar is a part of that.
      const bool overlapped =
          std::any_of(matches.begin(), matches.end(), [&](const Match& m) { return m.begin < end && begin < m.end; });
      ASSERT_TRUE(covered || overlapped) << text << " from " << begin << " to " << end;
    }
    for (const Match& m : matches)
      if (text[m.begin] == '+' && (m.begin == 0 || !word(text[m.begin - 1]))) {
        ASSERT_TRUE(is_international(text, m.begin, m.end)) << text;
      }
  }
  EXPECT_GT(hits, 300);
}

}  // namespace
}  // namespace gw::guard
