#pragma once
// Failures of Postgres: what they mean for the caller, in words that name the setting and hold no secret.
#include <libpq-fe.h>

#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

#include "base/result.h"
#include "store/trace_store.h"

namespace gw::store::postgres {

struct PgError {
  ErrorClass cls = ErrorClass::unknown;
  /// These values can never be stored, whenever it is tried again.
  bool invalid_data = false;
  /// The connection is gone; the next call opens another.
  bool lost = false;
  std::string sqlstate{};  ///< empty: the server said nothing
  std::string message{};

  Error error() const { return {message}; }
  WriteError write_error() const { return {.cls = cls, .invalid_data = invalid_data, .message = message}; }
};

template <class T>
using PgExpected = tl::expected<T, PgError>;

/// Class and words of an answer's error. `setting` is what the DSN came from.
PgError error_of(const PGresult* result, std::string_view setting);

/// The same from a SQLSTATE and the server's own text, which may be empty.
PgError error_of(std::string_view sqlstate, std::string_view server_text, std::string_view setting);

/// Why a connection could not be made. `connection` may be null. Shows neither password nor DSN: host, user and
/// database only where they look like names, since a DSN with a badly escaped password is cut in the wrong places.
PgError connect_error(const PGconn* connection, std::string_view setting);

PgError lost_connection(std::string_view what, std::string_view setting);
PgError time_is_up(std::string_view what, bool lost);

}  // namespace gw::store::postgres
