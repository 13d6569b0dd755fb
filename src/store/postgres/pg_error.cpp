#include "store/postgres/pg_error.h"

#include <algorithm>
#include <optional>

#include "base/strings.h"

namespace gw::store::postgres {
namespace {

ErrorClass class_of(std::string_view state) {
  if (state == "57014" || state == "25P03" || state == "57P05") return ErrorClass::timeout;
  if (state == "55P03" || state == "40001" || state == "40P01") return ErrorClass::contention;
  // A standby that takes no writes, a server that is full, ending or starting: another try may meet another.
  for (const std::string_view away : {"08", "28", "3D", "57P", "533", "25006"})
    if (state.starts_with(away)) return ErrorClass::connection;
  if (state.starts_with("23")) return ErrorClass::constraint;
  return ErrorClass::unknown;
}

/// A foreign key or a unique one may be satisfied the next time; a value that the type refuses never is.
bool is_invalid_data(std::string_view state) {
  return state.starts_with("22") || state == "23502" || state == "23514" || state.starts_with("54");
}

/// What to do about it; empty: the server's words say it.
std::string advice_on(std::string_view state, std::string_view setting) {
  const std::string in(setting);
  if (state == "28P01" || state == "28000")
    return "the server refuses the user or the password of " + in + ": check both, and the server's pg_hba.conf";
  if (state == "3D000") return "the database of " + in + " does not exist: create it, or correct its name";
  if (state == "42501")
    return "the role of " + in + " lacks a privilege: it must own the database, or have been granted what it needs";
  if (state.starts_with("533"))
    return "the server has no connection left for " + in +
           ": raise its max_connections, run fewer gateways, or put pgbouncer between";
  if (state == "53100") return "the disk of the server is full: make room there";
  if (state == "53200") return "the server is out of memory";
  if (state == "57P03") return "the server is starting up or going down: it is asked again";
  if (state == "57P01" || state == "57P02") return "the server was stopped: it is asked again";
  if (state == "25006") return "the server takes no writes (a standby?): " + in + " must name the primary";
  if (state == "57014") return "the statement took longer than it may";
  if (state == "55P03" || state == "40P01") return "others hold locks on what is needed";
  return {};
}

bool looks_like_a_name(std::string_view s) {
  return !s.empty() && s.size() <= 253 && std::all_of(s.begin(), s.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-' || c == ':' || c == '/';
  });
}

/// `FATAL:  28P01` as libpq writes it where it is told to name the state only; the last one counts.
std::string state_in(std::string_view text) {
  std::string found;
  for (std::size_t at = text.find(":  "); at != std::string_view::npos; at = text.find(":  ", at + 1)) {
    const std::string_view state = text.substr(at + 3, 5);
    if (state.size() == 5 && std::all_of(state.begin(), state.end(),
                                         [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z'); }))
      found = state;
  }
  return found;
}

/// What libpq itself has to say, without the names that it puts before it.
std::string reason_in(std::string_view text) {
  std::string_view reason;
  for (const std::string_view before : {"failed: ", "to address: ", "authentication method "})
    if (const auto at = text.rfind(before); at != std::string_view::npos)
      reason = before.starts_with("auth") ? text.substr(at) : text.substr(at + before.size());
  reason = reason.substr(0, reason.find('\n'));
  return std::string(trim(reason.substr(0, 200)));
}

std::string where(const PGconn* c) {
  const char* const host = c != nullptr ? PQhost(c) : nullptr;
  const char* const port = c != nullptr ? PQport(c) : nullptr;
  if (host == nullptr || !looks_like_a_name(host)) return "the server";
  std::string out = "the server at " + std::string(host);
  if (host[0] != '/' && port != nullptr && looks_like_a_name(port)) out += ", port " + std::string(port);
  return out;
}

std::string named(std::string_view what, const char* name) {
  return name != nullptr && looks_like_a_name(name) ? " (" + std::string(what) + " " + in_quotes(name) + ")" : "";
}

}  // namespace

PgError error_of(std::string_view state, std::string_view server_text, std::string_view setting) {
  PgError e{.cls = class_of(state), .invalid_data = is_invalid_data(state), .sqlstate = std::string(state)};
  e.lost = state.starts_with("57P") || state.starts_with("08") || state == "25P03";
  const std::string advice = advice_on(state, setting);
  e.message = server_text;
  if (!advice.empty()) e.message += (e.message.empty() ? "" : "; ") + advice;
  if (e.message.empty()) e.message = "the server gives no reason";
  if (!state.empty()) e.message += " (SQLSTATE " + std::string(state) + ")";
  return e;
}

PgError error_of(const PGresult* result, std::string_view setting) {
  const auto field = [&](int which) {
    const char* const text = PQresultErrorField(result, which);
    return std::string_view(text != nullptr ? text : "");
  };
  return error_of(field(PG_DIAG_SQLSTATE), field(PG_DIAG_MESSAGE_PRIMARY), setting);
}

PgError connect_error(const PGconn* c, std::string_view setting) {
  const std::string_view text = c != nullptr ? PQerrorMessage(c) : "";
  const std::string state = state_in(text);
  PgError e = state.empty() ? PgError{} : error_of(state, {}, setting);
  if (state.starts_with("28")) e.message += named("user", PQuser(c));
  if (state == "3D000") e.message += named("database", PQdb(c));
  if (state.empty()) {
    std::string reason = reason_in(text);
    const char* const password = c != nullptr ? PQpass(c) : nullptr;
    if (password != nullptr && *password != 0 && reason.find(password) != std::string::npos) reason.clear();
    e.message = where(c) + " cannot be reached" + (reason.empty() ? "" : ": " + reason) + "; check host and port in " +
                std::string(setting) + ", and that the server runs";
    if (reason.find("password") != std::string::npos)
      e.message = where(c) + " asks for a password: put one into " + std::string(setting);
    else if (reason.find("SSL") != std::string::npos || reason.find("certificate") != std::string::npos)
      e.message = "no secure connection to " + where(c) + ": " + reason + "; check sslmode and sslrootcert in " +
                  std::string(setting);
  }
  e.cls = ErrorClass::connection;
  e.invalid_data = false;
  e.lost = true;
  return e;
}

PgError lost_connection(std::string_view what, std::string_view setting) {
  return {.cls = ErrorClass::connection,
          .lost = true,
          .message = std::string(what) + ": the connection to the server of " + std::string(setting) +
                     " was lost; it is opened again"};
}

PgError time_is_up(std::string_view what, bool lost) {
  return {
      .cls = ErrorClass::timeout, .lost = lost, .message = std::string(what) + ": the server did not answer in time"};
}

}  // namespace gw::store::postgres
