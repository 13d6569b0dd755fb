#include "http/chunked.h"

#include "base/strings.h"
#include "http/token.h"

namespace gw::http {
namespace {

bool is_control(char c) {
  const auto u = static_cast<unsigned char>(c);
  return (u < 0x20 && u != '\t') || u == 0x7f;
}

}  // namespace

bool ChunkScanner::drops(char c, bool keep_trailers) const {
  switch (state_) {
    case State::size:
      return c == ';' || c == ' ' || c == '\t';
#ifdef GW_PLANT_BUG
    case State::extension:
      return c != '\r' && c != '=';
#else
    case State::extension:
      return c != '\r';
#endif
    case State::trailer_start:
      return !keep_trailers && c != '\r';
    case State::trailer_name:
    case State::trailer_value:
    case State::trailer_lf:
      return !keep_trailers;
    default:
      return false;
  }
}

bool ChunkScanner::step_size(char c) {
  if (++line_ > kMaxSizeLine) return false;
  const int h = hex_value(c);
  if (h >= 0) {
    if (remaining_ >> 58 != 0) return false;
    remaining_ = remaining_ * 16 + static_cast<std::uint64_t>(h);
    state_ = State::size;
    return true;
  }
  if (state_ == State::size_first) return false;
  if (c == '\r') {
    state_ = State::size_lf;
    return true;
  }
  state_ = State::extension;
  return c == ';' || c == ' ' || c == '\t';
}

bool ChunkScanner::step_trailer(char c) {
  if (++line_ > kMaxTrailers) return false;
  switch (state_) {
    case State::trailer_start:
      state_ = c == '\r' ? State::end_lf : State::trailer_name;
      return c == '\r' || is_token_char(c);
    case State::trailer_name:
      if (c == ':') state_ = State::trailer_value;
      return c == ':' || is_token_char(c);
    case State::trailer_value:
      if (c == '\r') state_ = State::trailer_lf;
      return c == '\r' || !is_control(c);
    default:  // trailer_lf
      state_ = State::trailer_start;
      return c == '\n';
  }
}

bool ChunkScanner::step(char c) {
  switch (state_) {
    case State::size_first:
    case State::size:
      return step_size(c);
    case State::extension:
      if (c == '\r') state_ = State::size_lf;
      return c == '\r' || (++line_ <= kMaxSizeLine && !is_control(c));
    case State::size_lf:
      line_ = 0;
      state_ = remaining_ > 0 ? State::data : State::trailer_start;
      return c == '\n';
    case State::data_cr:
      state_ = State::data_lf;
      return c == '\r';
    case State::data_lf:
      state_ = State::size_first;
      return c == '\n';
    case State::end_lf:
      state_ = State::done;
      return c == '\n';
    case State::data:
    case State::done:
      return false;
    default:
      return step_trailer(c);
  }
}

}  // namespace gw::http
