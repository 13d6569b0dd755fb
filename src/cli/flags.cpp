#include "cli/flags.h"

#include <algorithm>
#include <ostream>

#include "base/strings.h"
#include "cli/values.h"

namespace gw::cli {
namespace {

/// `value` in units of `unit` with up to nine decimals, zeros trimmed: 1.5
std::string decimal(std::int64_t value, std::int64_t unit) {
  std::string out = std::to_string(value / unit);
  std::string rest = std::to_string(unit + value % unit).substr(1);
  while (!rest.empty() && rest.back() == '0') rest.pop_back();
  return rest.empty() ? out : out + "." + rest;
}

}  // namespace

std::string format_duration(std::int64_t ns) {
  if (ns == 0) return "0s";
  if (ns < 0) return "-" + format_duration(-ns);
  if (ns < 1'000) return std::to_string(ns) + "ns";
  if (ns < 1'000'000) return decimal(ns, 1'000) + "\xC2\xB5s";
  if (ns < 1'000'000'000) return decimal(ns, 1'000'000) + "ms";
  constexpr std::int64_t kMinute = 60'000'000'000;
  std::string out;
  if (ns >= 60 * kMinute) out += std::to_string(ns / (60 * kMinute)) + "h";
  if (ns >= kMinute) out += std::to_string(ns / kMinute % 60) + "m";
  return out + decimal(ns % kMinute, 1'000'000'000) + "s";
}

void FlagSet::add(Flag flag) {
  const auto at = std::lower_bound(flags_.begin(), flags_.end(), flag.name,
                                   [](const Flag& f, const std::string& name) { return f.name < name; });
  flags_.insert(at, std::move(flag));
}

void FlagSet::add(std::string name, std::string& target, std::string help) {
  add({std::move(name), Kind::text, &target, std::move(help), target.empty() ? "" : in_quotes(target)});
}
void FlagSet::add(std::string name, std::int64_t& target, std::string help) {
  add({std::move(name), Kind::integer, &target, std::move(help), target == 0 ? "" : std::to_string(target)});
}
void FlagSet::add(std::string name, bool& target, std::string help) {
  add({std::move(name), Kind::boolean, &target, std::move(help), target ? "true" : ""});
}
void FlagSet::add_duration(std::string name, std::int64_t& target, std::string help) {
  add({std::move(name), Kind::duration, &target, std::move(help), target == 0 ? "" : format_duration(target)});
}

FlagSet::Flag* FlagSet::find(std::string_view name) {
  const auto it = std::find_if(flags_.begin(), flags_.end(), [&](const Flag& f) { return f.name == name; });
  return it == flags_.end() ? nullptr : &*it;
}

bool FlagSet::given(std::string_view name) const {
  return std::any_of(flags_.begin(), flags_.end(), [&](const Flag& f) { return f.name == name && f.given; });
}

std::string FlagSet::set(Flag& flag, std::string_view value) {
  std::string_view problem;
  switch (flag.kind) {
    case Kind::text:
      static_cast<std::string*>(flag.target)->assign(value);
      break;
    case Kind::integer:
      problem = parse_int(value, *static_cast<std::int64_t*>(flag.target));
      break;
    case Kind::boolean:
      problem = parse_bool(value, *static_cast<bool*>(flag.target));
      break;
    case Kind::duration:
      problem = parse_duration(value, *static_cast<std::int64_t*>(flag.target));
      break;
  }
  if (problem.empty()) {
    flag.given = true;
    return {};
  }
  if (flag.kind == Kind::boolean)
    return "invalid boolean value " + in_quotes(value) + " for -" + flag.name + ": " + std::string(problem);
  return "invalid value " + in_quotes(value) + " for flag -" + flag.name + ": " + std::string(problem);
}

FlagSet::Step FlagSet::take_one(std::span<const std::string>& args) {
  using What = Step::What;
  if (args.empty()) return {What::end};
  const std::string_view arg = args[0];
  if (arg.size() < 2 || arg[0] != '-') return {What::word};
  std::string_view name = arg.substr(1);
  if (name[0] == '-') {
    name.remove_prefix(1);
    if (name.empty()) {  // `--` ends the flags and belongs to neither side
      args = args.subspan(1);
      return {What::end};
    }
  }
  if (name.empty() || name[0] == '-' || name[0] == '=') return {What::wrong, "bad flag syntax: " + std::string(arg)};
  args = args.subspan(1);

  const std::size_t equals = name.find('=');
  bool has_value = equals != std::string_view::npos;
  std::string_view value = has_value ? name.substr(equals + 1) : std::string_view();
  name = name.substr(0, equals);
  Flag* flag = find(name);
  if (flag == nullptr) {
    if (name == "h" || name == "help") return {What::help};
    return {What::wrong, "flag provided but not defined: -" + std::string(name)};
  }
  if (!has_value) {
    if (flag->kind == Kind::boolean) {
      value = "true";
    } else if (args.empty()) {
      return {What::wrong, "flag needs an argument: -" + std::string(name)};
    } else {
      value = args[0];
      args = args.subspan(1);
    }
  }
  std::string problem = set(*flag, value);
  return problem.empty() ? Step{What::flag} : Step{What::wrong, std::move(problem)};
}

FlagSet::Outcome FlagSet::parse(std::span<const std::string> args, std::ostream& err) {
  Step step{Step::What::flag};
  while (step.what == Step::What::flag) step = take_one(args);
  positional_.assign(args.begin(), args.end());
  return stop(step, err);
}

FlagSet::Outcome FlagSet::parse_mixed(std::span<const std::string> args, std::ostream& err) {
  positional_.clear();
  Step step{Step::What::flag};
  while (step.what == Step::What::flag || step.what == Step::What::word) {
    step = take_one(args);
    if (step.what != Step::What::word) continue;
    positional_.push_back(args[0]);
    args = args.subspan(1);
  }
  positional_.insert(positional_.end(), args.begin(), args.end());
  return stop(step, err);
}

FlagSet::Outcome FlagSet::stop(const Step& step, std::ostream& err) const {
  if (step.what == Step::What::word || step.what == Step::What::end) return Outcome::ok;
  if (step.what == Step::What::wrong) err << step.message << '\n';
  print_help(err);
  return Outcome::failed;
}

void FlagSet::print_help(std::ostream& out) const {
  out << "Usage of " << name_ << ":\n";
  for (const Flag& f : flags_) {
    out << "  -" << f.name;
    switch (f.kind) {
      case Kind::text:
        out << " string";
        break;
      case Kind::integer:
        out << " int";
        break;
      case Kind::duration:
        out << " duration";
        break;
      case Kind::boolean:
        break;
    }
    out << "\n    \t" << f.help;
    if (!f.default_text.empty()) out << " (default " << f.default_text << ')';
    out << '\n';
  }
}

void FlagSet::offer_files(std::string_view name) {
  if (Flag* flag = find(name)) flag->files = true;
}
void FlagSet::offer_words(std::string_view name, std::string words) {
  if (Flag* flag = find(name)) flag->words = std::move(words);
}

std::vector<FlagSet::Described> FlagSet::described() const {
  std::vector<Described> out;
  out.reserve(flags_.size());
  for (const Flag& f : flags_) out.push_back({f.name, f.help, f.kind != Kind::boolean, f.files, f.words});
  return out;
}

}  // namespace gw::cli
