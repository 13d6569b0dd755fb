#pragma once
// What is known of the place where text is shown, and text made fit for it. Values; any thread.
#include <cstddef>
#include <string>
#include <string_view>

#include "config/environment.h"

namespace gw::cli {

/// Of a file or a pipe everything is off: such text is the same wherever it is made.
struct Terminal {
  bool interactive = false;  ///< a terminal that can move its cursor
  int columns = 0;           ///< 0: unknown, nothing is cut
  bool colour = false;

  std::string bold(std::string_view s) const { return styled("1", s); }
  std::string green(std::string_view s) const { return styled("32", s); }
  std::string yellow(std::string_view s) const { return styled("33", s); }
  std::string red(std::string_view s) const { return styled("31", s); }

 private:
  std::string styled(std::string_view code, std::string_view s) const;
};

/// NO_COLOR and TERM=dumb switch colour off.
Terminal terminal_of(int fd, const config::EnvLookup& env);

/// Text that others chose, for one line of a terminal: what it would act on (control characters, changes of the writing
/// direction) and what is no UTF-8 becomes a question mark.
std::string printable(std::string_view s);
/// The same for text of several lines: line ends and tabs stay.
std::string printable_lines(std::string_view s);

/// Columns that UTF-8 text takes: most characters one, East Asian ones and emoji two, combining ones none.
std::size_t display_width(std::string_view s);
/// At most `columns` wide, with … at the end when something was cut off.
std::string cut_to_width(std::string_view s, std::size_t columns);

}  // namespace gw::cli
