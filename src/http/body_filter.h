#pragma once
#include <string>
#include <string_view>

namespace gw::http {

/// Decides what of a body goes on. Owner: the exchange. Thread: the worker's.
class BodyFilter {
 public:
  virtual ~BodyFilter() = default;
  /// Asked once, when the body's head is known: false leaves the body alone.
  virtual bool active() const = 0;
  /// Appends to `out` what may go on.
  virtual void push(std::string_view bytes, std::string& out) = 0;
  /// The body has ended, well or not.
  virtual void finish(std::string& out) = 0;
  /// Nothing goes on before the end: the head is not sent before that either, and the body goes on with its length.
  virtual bool holds_all() const { return false; }
  /// After finish() of a body that was held: the status of the answer that takes its place, 0: none does. `out` of
  /// finish() is that answer's body then, in JSON.
  virtual int refusal() const { return 0; }
};

/// One behind the other. Neither is owned.
class BodyFilterPair final : public BodyFilter {
 public:
  void set(BodyFilter* first, BodyFilter* second) {
    first_ = first;
    second_ = second;
  }
  bool active() const override { return first_->active() || second_->active(); }
  void push(std::string_view bytes, std::string& out) override {
    if (!first_->active()) return second_->push(bytes, out);
    if (!second_->active()) return first_->push(bytes, out);
    between_.clear();
    first_->push(bytes, between_);
    second_->push(between_, out);
  }
  void finish(std::string& out) override {
    between_.clear();
    if (first_->active()) first_->finish(between_);
    if (!second_->active()) {
      out.append(between_);
      return;
    }
    if (!between_.empty()) second_->push(between_, out);
    second_->finish(out);
  }
  bool holds_all() const override { return second_->holds_all(); }
  int refusal() const override { return second_->refusal(); }

 private:
  BodyFilter* first_ = nullptr;
  BodyFilter* second_ = nullptr;
  std::string between_;
};

}  // namespace gw::http
