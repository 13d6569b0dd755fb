#pragma once
// What is done about an answer's body on its way to the client (pii.response). Belongs to its exchange.
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "guard/body_redactor.h"
#include "guard/json_document.h"
#include "http/body_filter.h"

namespace gw::guard {

enum class AnswerMode : std::uint8_t {
  off,
  observe,  ///< what is found is counted
  redact,   ///< and replaced
  block,    ///< the answer is refused or, in a stream, ended
};

inline constexpr std::size_t kAnswerModes = 4;

std::string_view to_string(AnswerMode mode);
/// Exactly the four names.
std::optional<AnswerMode> parse_answer_mode(std::string_view name);

/// Server-sent events are let go as soon as nothing in their texts could be the beginning of something; other bodies
/// are held to their end. Memory: what is held, at most the limit, and where its texts stand in it; a stream whose
/// events are longer cannot be judged.
class AnswerGuard final : public http::BodyFilter {
 public:
  AnswerGuard(const BodyRedactor& redactor, AnswerMode mode, std::string_view workspace_id, std::size_t max_body);
  AnswerGuard(AnswerGuard&&) noexcept;  ///< of one that was not pushed to
  ~AnswerGuard() override;

  /// The answer's head is there. `encoded`: the body has a content coding, and cannot be read. Nothing is looked at
  /// that is neither JSON nor text (`is_text`).
  void begin(bool is_text, bool events, bool encoded);

  bool active() const override { return active_; }
  void push(std::string_view bytes, std::string& out) override;
  void finish(std::string& out) override;
  bool holds_all() const override { return active_ && !events_ && mode_ != AnswerMode::observe; }
  int refusal() const override;

  const Counts& counts() const { return counts_; }
  bool found() const { return found_; }
  bool refused() const { return state_ == State::refused; }
  bool unsure() const { return state_ == State::unsure; }
  const std::string& error() const { return error_; }

 private:
  enum class State : std::uint8_t { open, refused, unsure };

  void push_on(std::string_view bytes, std::string& out);
  void hold(std::string_view bytes, std::string& out);
  void cannot_hold(std::string& out);
  void hold_small();
  bool more_events();
  void look(bool ended, std::string& out);
  void take(const BodyRedactor::Outcome& outcome);
  void give_up(std::string why, std::string& out);
  void end_stream(std::string_view message, std::string& out);

  const BodyRedactor& redactor_;
  const AnswerMode mode_;
  std::string workspace_id_;
  const std::size_t max_body_;
  bool active_ = false, events_ = false, found_ = false;
  bool unlooked_ = false;  ///< there are events that were not looked at
  State state_ = State::open;
  std::string error_;
  Counts counts_{};
  std::string held_;
  /// What goes behind it: small pieces without an end of a line, so many bytes.
  std::array<char, 64> small_{};
  std::size_t small_size_ = 0;
  std::size_t small_room_ = 0;  ///< for more of them; none when something else has to be seen to
  std::size_t whole_ = 0;       ///< of what is held: the events that are there to their ends
  std::size_t scanned_ = 0;     ///< where the end of the next was not found
  std::size_t look_at_ = 0;     ///< how much has to be held before it is looked at again
  EventWindow window_;
  std::unique_ptr<BodyRun> run_;  ///< over the window; its memory is used again for the next events
};

}  // namespace gw::guard
