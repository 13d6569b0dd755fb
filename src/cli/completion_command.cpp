// `ongoingai completion`: scripts for shells, made from the table that also dispatches and the flags that also parse.
#include <algorithm>

#include "base/strings.h"
#include "cli/command.h"

namespace gw::cli {
namespace {

constexpr std::string_view kCompletionUsage = "completion bash|zsh|fish";

struct CompletionFlags {
  FlagSet flags{"completion"};
};

/// `s` in single quotes; `quote` stands for one inside of them.
std::string single_quoted(std::string_view s, std::string_view quote) {
  std::string out = "'";
  for (const char c : s) out += c == '\'' ? std::string(quote) : std::string(1, c);
  return out + "'";
}

std::string_view first_word(const Command& c) { return c.name.substr(0, c.name.find(' ')); }
std::string_view second_word(const Command& c) {
  const std::size_t blank = c.name.find(' ');
  return blank == std::string_view::npos ? std::string_view() : c.name.substr(blank + 1);
}

std::vector<FlagSet::Described> flags_of(const Command& c) {
  return c.flags != nullptr ? c.flags() : std::vector<FlagSet::Described>();
}

// ---- bash

/// The words of a command and of its flags' values, as the arms of two case statements.
struct BashArms {
  std::string values, words;
};

void add_bash(BashArms& arms, const Command& c) {
  const std::string name(c.name);
  std::vector<std::string> words;
  for (const FlagSet::Described& f : flags_of(c)) {
    words.push_back("--" + f.name);
    if (!f.takes_value) continue;
    const std::string pattern = single_quoted(name + " --" + f.name, "");
    if (f.files)
      arms.values += "    " + pattern + ") _ongoingai_files; return ;;\n";
    else
      arms.values += "    " + pattern + ") _ongoingai_words " + single_quoted(f.words, "") + "; return ;;\n";
  }
  for (std::string_view rest = c.words; !rest.empty();) {
    const std::size_t blank = rest.find(' ');
    words.emplace_back(rest.substr(0, blank));
    rest = blank == std::string_view::npos ? std::string_view() : rest.substr(blank + 1);
  }
  arms.words += "    " + single_quoted(name, "") + ") _ongoingai_words " + single_quoted(joined(words, " "), "") +
                (c.files ? "; [[ $cur == -* ]] || _ongoingai_files" : "") + " ;;\n";
}

std::string bash_script() {
  std::vector<std::string> names;
  BashArms arms;
  std::string seconds;
  for (const Command& c : all_commands()) {
    names.emplace_back(first_word(c));
    if (!second_word(c).empty()) {
      const std::string first(first_word(c)), second(second_word(c));
      seconds += "  if [[ $command == " + first + " ]]; then\n    if ((COMP_CWORD == 2)); then _ongoingai_words '" +
                 second + "'; return; fi\n    command+=\" ${COMP_WORDS[2]}\"\n  fi\n";
    }
    add_bash(arms, c);
  }
  return R"(# bash completion of ongoingai. Load it with: source <(ongoingai completion bash)
_ongoingai_words() { mapfile -t COMPREPLY < <(compgen -W "$1" -- "$cur"); }
_ongoingai_files() {
  local -a found
  mapfile -t found < <(compgen -f -- "$cur")
  COMPREPLY+=("${found[@]}")
  compopt -o filenames 2>/dev/null
}
_ongoingai() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]} i
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then _ongoingai_words ')" +
         joined(names, " ") + R"('; return; fi
)" + seconds +
         R"(  # bash takes --flag=value apart at the equals sign.
  if [[ $cur == = ]]; then
    cur=
  elif [[ $prev == = ]]; then
    prev=${COMP_WORDS[COMP_CWORD - 2]}
  fi
  # Behind two dashes the words are another command's.
  for ((i = 2; i < COMP_CWORD; i++)); do
    if [[ ${COMP_WORDS[i]} == -- ]]; then compopt -o default 2>/dev/null; return; fi
  done
  [[ $prev == -[!-]* ]] && prev=-$prev
  case "$command $prev" in
)" + arms.values +
         R"(  esac
  case "$command" in
)" + arms.words +
         R"(  esac
}
complete -F _ongoingai ongoingai
)";
}

// ---- zsh

/// Text inside [...] of _arguments.
std::string zsh_text(std::string_view s) {
  std::string out;
  for (const char c : s) {
    if (std::string_view("[]:\\").find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

std::string zsh_arguments(const Command& c) {
  std::string out = "_arguments";
  for (const FlagSet::Described& f : flags_of(c)) {
    std::string spec = "--" + f.name + (f.takes_value ? "=" : "") + "[" + zsh_text(f.help) + "]";
    if (f.takes_value) spec += ":value:" + (f.files ? "_files" : f.words.empty() ? " " : "(" + f.words + ")");
    out += " " + single_quoted(spec, "'\\''");
  }
  if (!c.words.empty()) out += " " + single_quoted("1::word:(" + std::string(c.words) + ")", "'\\''");
  if (c.files) out += " '1:path:_files'";
  if (first_word(c) == "wrap") out += " '*::command:_normal'";
  return out;
}

std::string zsh_script() {
  std::string names, arms;
  for (const Command& c : all_commands()) {
    names += "    " + single_quoted(std::string(first_word(c)) + ":" + zsh_text(c.about), "'\\''") + "\n";
    arms += "    " + std::string(first_word(c)) + ") ";
    if (!second_word(c).empty())
      arms += "if ((CURRENT == 2)); then compadd " + std::string(second_word(c)) +
              "; return; fi; shift words; ((CURRENT--)); ";
    arms += zsh_arguments(c) + " ;;\n";
  }
  return "#compdef ongoingai\n# zsh completion of ongoingai. Load it with: source <(ongoingai completion zsh)\n"
         "_ongoingai() {\n  local -a commands=(\n" +
         names +
         "  )\n  if ((CURRENT == 2)); then _describe command commands; return; fi\n"
         "  local command=$words[2]\n  shift words; ((CURRENT--))\n  case $command in\n" +
         arms + "  esac\n}\ncompdef _ongoingai ongoingai\n";
}

// ---- fish

std::string fish_script() {
  const auto quote = [](std::string_view s) { return single_quoted(s, "\\'"); };
  std::string out =
      "# fish completion of ongoingai. Load it with: ongoingai completion fish | source\ncomplete -c ongoingai -f\n";
  for (const Command& c : all_commands()) {
    const std::string first(first_word(c));
    const std::string here = "complete -c ongoingai -n '__fish_seen_subcommand_from " + first + "'";
    out += "complete -c ongoingai -n __fish_use_subcommand -a " + first + " -d " + quote(c.about) + "\n";
    if (!second_word(c).empty()) out += here + " -a " + std::string(second_word(c)) + "\n";
    for (const FlagSet::Described& f : flags_of(c)) {
      out += here + " -l " + f.name + " -d " + quote(f.help);
      if (f.takes_value) out += f.files ? " -r -F" : f.words.empty() ? " -x" : " -x -a " + quote(f.words);
      out += '\n';
    }
    if (!c.words.empty()) out += here + " -a " + quote(c.words) + "\n";
    if (c.files) out += here + " -F\n";
  }
  return out;
}

int completion(const Context& c, Args args) {
  CompletionFlags f;
  if (f.flags.parse(args, c.err) != FlagSet::Outcome::ok) return kExitUsage;
  const auto& shells = f.flags.positional();
  const std::string shell = shells.size() == 1 ? shells[0] : std::string();
  if (shell == "bash") return c.print(bash_script(), "completion");
  if (shell == "zsh") return c.print(zsh_script(), "completion");
  if (shell == "fish") return c.print(fish_script(), "completion");
  return c.wrong_usage("usage: ongoingai " + std::string(kCompletionUsage));
}

}  // namespace

Command completion_command() {
  return {"completion", kCompletionUsage,           "completion for a shell",
          completion,   described<CompletionFlags>, "bash zsh fish"};
}

}  // namespace gw::cli
