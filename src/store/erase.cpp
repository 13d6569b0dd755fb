#include "store/erase.h"

#include <algorithm>
#include <set>

#include "store/metadata_text.h"
#include "store/trace_block.h"

namespace gw::store {
namespace {

constexpr std::size_t kMaxRows = 1'000;

class Erasure {
 public:
  Erasure(std::unique_ptr<TraceReader> reader, const EraseSelector& selector, Eraser* eraser)
      : reader_(std::move(reader)), selector_(selector), eraser_(eraser) {
    users_ = forms_of(selector.user);
    TraceFilter all;
    all.gateway_key_id = selector.gateway_key_id;
    all.api_key_hash = selector.api_key_hash;
    if (selector.before_ns) all.to_ns = *selector.before_ns - 1;
    filters_.push_back(std::move(all));
    add_forms(&TraceFilter::session_id, selector.session_id);
    add_forms(&TraceFilter::trace_group_id, selector.trace_group_id);
    add_forms(&TraceFilter::thread_id, selector.thread_id);
    add_forms(&TraceFilter::run_id, selector.run_id);
  }

  Result<EraseReport> run() {
    for (const TraceFilter& filter : filters_) {
      after_ = 0;
      for (bool more = true; more;) {
        const auto end = select(filter);
        if (!end) return failed(end.error());
        more = *end;
        if (eraser_ != nullptr && !rows_.empty())
          if (auto done = eraser_->remove(rows_); !done) return failed(done.error());
        for (const ErasedRow& r : rows_) count(r);
      }
    }
    reader_.reset();
    if (eraser_ == nullptr) return report_;
    const auto emptied = eraser_->finish();
    if (!emptied) return failed(emptied.error());
    report_.log_emptied = *emptied;
    return report_;
  }

 private:
  std::vector<std::string> forms_of(const std::string& id) const {
    std::vector<std::string> out;
    if (id.empty()) return out;
    out.push_back(id);
    if (!selector_.stored_form) return out;
    std::string stored = selector_.stored_form(id);
    if (!stored.empty() && stored != id) out.push_back(std::move(stored));
    return out;
  }
  /// A filter for each combination of forms: no trace matches two of them.
  void add_forms(std::string TraceFilter::* field, const std::string& id) {
    std::vector<TraceFilter> out;
    for (const std::string& form : forms_of(id)) {
      for (const TraceFilter& f : filters_) {
        out.push_back(f);
        out.back().*field = form;
      }
    }
    if (!out.empty()) filters_ = std::move(out);
  }

  bool is_of_user(const Trace& t) const {
    return users_.empty() || std::any_of(users_.begin(), users_.end(), [&](const std::string& user) {
             return t.session_id == user || request_names_user(t.request_body, user);
           });
  }

  /// The next rows into rows_; whether there may be more.
  Result<bool> select(const TraceFilter& filter) {
    rows_.clear();
    blocks_.clear();
    const auto row = [&](const Trace& t) {
      if (!is_of_user(t)) return true;
      rows_.push_back({t.seq, t.timestamp_ns});
      blocks_.insert(t.seq / static_cast<std::int64_t>(kBlockRows));
      return rows_.size() < kMaxRows && (eraser_ == nullptr || blocks_.size() < kMostErasedBlocks);
    };
    auto end = reader_->export_rows(selector_.scope, filter, after_, eraser_ == nullptr ? kLookAtOnce : INT64_MAX,
                                    {.bodies = !users_.empty()}, row);
    if (!end) return tl::make_unexpected(end.error());
    after_ = end->last_seq;
    return end->more;
  }

  void count(const ErasedRow& r) {
    const bool first = report_.traces++ == 0;
    report_.first_ns = first ? r.timestamp_ns : std::min(report_.first_ns, r.timestamp_ns);
    report_.last_ns = first ? r.timestamp_ns : std::max(report_.last_ns, r.timestamp_ns);
  }

  tl::unexpected<Error> failed(const Error& e) const {
    if (eraser_ == nullptr || report_.traces == 0) return tl::make_unexpected(e);
    return fail(e.message + "; " + std::to_string(report_.traces) + " traces are erased, run it again for the rest");
  }

  static constexpr std::int64_t kLookAtOnce = 100'000;

  std::unique_ptr<TraceReader> reader_;
  const EraseSelector& selector_;
  Eraser* const eraser_;
  std::vector<TraceFilter> filters_;
  std::vector<std::string> users_;  ///< the forms of one; empty: any
  std::int64_t after_ = 0;
  std::vector<ErasedRow> rows_;
  std::set<std::int64_t> blocks_;  ///< about
  EraseReport report_;
};

}  // namespace

Result<void> check_selector(const EraseSelector& s) {
  for (const std::string* text :
       {&s.session_id, &s.trace_group_id, &s.thread_id, &s.run_id, &s.gateway_key_id, &s.api_key_hash, &s.user})
    if (!text->empty()) return {};
  if (s.before_ns) return {};
  return fail("nothing says which traces to erase");
}

Result<EraseReport> erase_traces(std::unique_ptr<TraceReader> reader, const EraseSelector& selector, Eraser* eraser) {
  return Erasure(std::move(reader), selector, eraser).run();
}

bool request_names_user(std::string_view request_body, std::string_view user) {
  const auto members = json_members(request_body);
  if (!members) return false;
  const auto is = [&](std::string_view value) { return !value.empty() && json_text(value) == user; };
  if (is(find_member(*members, "user")) || is(find_member(*members, "safety_identifier"))) return true;
  const auto metadata = json_members(find_member(*members, "metadata"));
  return metadata && is(find_member(*metadata, "user_id"));
}

}  // namespace gw::store
