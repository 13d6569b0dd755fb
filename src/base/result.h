#pragma once
// Errors as values. Below `app` nothing throws for an expected failure.
#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace gw {

/// Something failed. `message` is for people: it names the setting or input and what to do, and holds no secret.
struct Error {
  std::string message;
};

template <class T>
using Result = tl::expected<T, Error>;

inline tl::unexpected<Error> fail(std::string message) { return tl::make_unexpected(Error{std::move(message)}); }

}  // namespace gw
