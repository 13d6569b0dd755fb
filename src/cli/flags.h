#pragma once
// Command-line flags by the rules of the CLI contract §2 (those of Go's flag package): one or two dashes, `-flag value`
// or `-flag=value`, parsing stops at the first argument that is no flag or behind `--`.
#include <cstdint>
#include <iosfwd>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gw::cli {

/// The flags of one command. Targets are the caller's variables; they hold the defaults when they are registered and
/// must outlive parse().
class FlagSet {
 public:
  explicit FlagSet(std::string name) : name_(std::move(name)) {}

  void add(std::string name, std::string& target, std::string help);
  void add(std::string name, std::int64_t& target, std::string help);
  void add(std::string name, bool& target, std::string help);
  /// Nanoseconds; values need a unit (500ms, 1m30s) unless they are 0.
  void add_duration(std::string name, std::int64_t& target, std::string help);

  enum class Outcome { ok, failed };  ///< failed: everything was said on `err`, the exit code is 2
  Outcome parse(std::span<const std::string> args, std::ostream& err);
  /// For commands that take a path: flags may stand before or behind it. `--` ends them all the same.
  Outcome parse_mixed(std::span<const std::string> args, std::ostream& err);

  /// What stood behind the flags, or between them.
  const std::vector<std::string>& positional() const { return positional_; }
  /// True when the flag was on the command line.
  bool given(std::string_view name) const;

  void print_help(std::ostream& out) const;

  /// What shells offer for the value of a flag that was added.
  void offer_files(std::string_view name);
  void offer_words(std::string_view name, std::string words);  ///< separated by blanks

  struct Described {
    std::string name, help;
    bool takes_value = false;
    bool files = false;
    std::string words;
  };
  /// By name.
  std::vector<Described> described() const;

 private:
  enum class Kind { text, integer, boolean, duration };
  struct Flag {
    std::string name;
    Kind kind;
    void* target;
    std::string help;
    std::string default_text;  ///< empty: the zero value, not shown
    bool given = false;
    bool files = false;
    std::string words{};
  };

  void add(Flag flag);
  Flag* find(std::string_view name);
  /// Takes one flag off the front of `args`; a message when it is wrong.
  struct Step {
    enum class What { flag, word, end, help, wrong } what;  ///< word, end: nothing was taken, or only `--`
    std::string message{};
  };
  Step take_one(std::span<const std::string>& args);
  Outcome stop(const Step& step, std::ostream& err) const;
  static std::string set(Flag& flag, std::string_view value);

  std::string name_;
  std::vector<Flag> flags_;  ///< sorted by name
  std::vector<std::string> positional_;
};

/// A duration as Go writes it: 5s, 1m30s, 1.5s, 500ms, 0s.
std::string format_duration(std::int64_t ns);

}  // namespace gw::cli
