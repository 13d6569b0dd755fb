// `ongoingai export`: stored traces as lines, in the order in which they came.
#include <algorithm>
#include <memory>
#include <ostream>

#include "api/export_cursor.h"
#include "api/export_format.h"
#include "base/strings.h"
#include "cli/command.h"
#include "cli/output_file.h"
#include "cli/progress.h"
#include "cli/signals.h"

namespace gw::cli {
namespace {

/// Rows of one snapshot: a reader that holds one for long makes the writer's log grow.
constexpr std::int64_t kBatchRows = 20'000;
constexpr std::size_t kBufferBytes = 1 << 20;

struct ExportFlags : CommandFlags {
  std::string format = "ndjson", fields, output = "-", after, from, to;
  std::string provider, model, session, path_filter, gateway_key_id, api_key_hash, group, thread, run, outcome;
  std::int64_t status = 0, limit = 0;
  bool bodies = false;

  ExportFlags() : CommandFlags("export") {
    flags.add("format", format, "ndjson or csv");
    flags.add("fields", fields, "names separated by commas; default stands for those of an export without --fields");
    flags.add("bodies", bodies, "the stored bodies too");
    flags.add("output", output, "file that is there once it is complete; - for stdout");
    flags.add("after", after, "go on behind this cursor, which an earlier export ended with");
    flags.add("limit", limit, "at most this many traces; 0 for all");
    flags.add("from", from, "first time of the traces, RFC3339 or YYYY-MM-DD");
    flags.add("to", to, "last time of the traces, RFC3339 or YYYY-MM-DD");
    flags.add("provider", provider, "only this provider");
    flags.add("model", model, "only this model");
    flags.add("session", session, "only this session");
    flags.add("status", status, "only this response status");
    flags.add("path", path_filter, "only this request path");
    flags.add("gateway-key-id", gateway_key_id, "only this gateway key");
    flags.add("api-key-hash", api_key_hash, "only this provider key, by its hash");
    flags.add("trace-group-id", group, "only this lineage group");
    flags.add("thread-id", thread, "only this lineage thread");
    flags.add("run-id", run, "only this lineage run");
    flags.add("outcome", outcome,
              "only traces that ended like this: complete, client_aborted, upstream_aborted, "
              "upstream_error or refused_by_guard");
    flags.offer_words("format", "ndjson csv");
    flags.offer_words("outcome", "complete client_aborted upstream_aborted upstream_error refused_by_guard");
    flags.offer_files("output");
  }
};

std::optional<TraceFacts::Outcome> outcome_of(std::string_view name) {
  using O = TraceFacts::Outcome;
  if (name.empty()) return O::unknown;
  if (name == "complete") return O::complete;
  if (name == "client_aborted") return O::client_aborted;
  if (name == "upstream_aborted") return O::upstream_aborted;
  if (name == "upstream_error") return O::upstream_error;
  if (name == "refused_by_guard") return O::refused_by_guard;
  return std::nullopt;
}

/// What the flags ask for, checked.
struct Order {
  bool csv = false;
  api::ExportFields fields;
  store::TraceFilter filter;
  std::optional<api::ExportCursor> after;
  std::int64_t limit = INT64_MAX;
};

Result<Order> order_of(const ExportFlags& f) {
  Order o;
  const std::string format = lowercase(trim(f.format));
  if (format == "parquet")
    return fail(
        "export format \"parquet\" is not available: there is no Parquet library to build with; use ndjson or csv");
  if (!format.empty() && format != "ndjson" && format != "csv")
    return fail("invalid export format " + in_quotes(f.format) + ": expected ndjson or csv");
  o.csv = format == "csv";
  auto fields = api::ExportFields::parse(f.fields);
  if (!fields) return tl::make_unexpected(fields.error());
  o.fields = *fields;
  if (f.bodies) {
    o.fields.add(api::ExportField::request_body);
    o.fields.add(api::ExportField::response_body);
  }
  const auto range = parse_range(f.from, f.to);
  if (!range) return tl::make_unexpected(range.error());
  const auto outcome = outcome_of(trim(f.outcome));
  if (!outcome) return fail("invalid outcome " + in_quotes(f.outcome));
  if (f.status != 0 && (f.status < 100 || f.status > 599)) return fail("status must be between 100 and 599");
  if (f.limit < 0) return fail("limit must be 0 or more");
  const auto text = [](const std::string& s) { return std::string(trim(s)); };
  store::TraceFilter& t = o.filter;
  t.from_ns = range->from_ns;
  t.to_ns = range->to_ns;
  t.provider = text(f.provider);
  t.model = text(f.model);
  t.session_id = text(f.session);
  t.status = static_cast<int>(f.status);
  t.path = text(f.path_filter);
  t.gateway_key_id = text(f.gateway_key_id);
  t.api_key_hash = text(f.api_key_hash);
  t.trace_group_id = text(f.group);
  t.thread_id = text(f.thread);
  t.run_id = text(f.run);
  t.outcome = *outcome;
  if (!trim(f.after).empty()) {
    const auto cursor = api::decode_export_cursor(trim(f.after));
    if (!cursor) return fail("invalid --after: " + cursor.error().message);
    o.after = *cursor;
  }
  if (f.limit > 0) o.limit = f.limit;
  return o;
}

/// Where reading begins; an error when the cursor says nothing here, or its place is gone.
Result<std::int64_t> start_of(const Order& o, const store::SequenceState& state) {
  if (!o.after) return std::min(state.before_first, state.last);
  if (o.after->epoch != state.epoch) return fail("invalid --after: the cursor is of another database");
  if (o.after->seq > state.last) return fail("invalid --after: the cursor is ahead of this database");
  if (state.removed_up_to > std::max(o.after->seq, o.after->removed))
    return fail("traces behind the cursor have been removed; the first ones that are left follow --after " +
                api::encode_export_cursor({state.epoch, state.before_first, state.removed_up_to}));
  return o.after->seq;
}

class Exporter {
 public:
  Exporter(store::TraceReader& reader, const Order& order, OutputFile& out, Progress& progress)
      : reader_(reader), order_(order), out_(out), progress_(progress) {}

  /// Reads what was stored when it began; the rest is for the next export.
  Result<void> run() {
    const auto state = reader_.sequence();
    if (!state) return tl::make_unexpected(state.error());
    const auto start = start_of(order_, *state);
    if (!start) return tl::make_unexpected(start.error());
    position_ = {state->epoch, *start, std::max(state->removed_up_to, order_.after ? order_.after->removed : 0)};
    if (order_.csv) api::append_csv_header(buffer_, order_.fields);
    for (bool more = true; more && rows_ < order_.limit && position_.seq < state->last;) {
      const auto end = read_batch(*state, *start);
      if (!end) return tl::make_unexpected(end.error());
      if (!failure_) return failure_;
      if (InterruptRequests::asked()) return fail("interrupted");
      if (auto ok = look_for_gaps(); !ok) return ok;
      more = end->more;
      position_.seq = std::min(end->last_seq, state->last);
    }
    return flush();
  }

  std::int64_t rows() const { return rows_; }
  const api::ExportCursor& position() const { return position_; }

 private:
  Result<store::ExportEnd> read_batch(const store::SequenceState& state, std::int64_t start) {
    const std::int64_t wanted = std::min(kBatchRows, order_.limit - rows_);
    return reader_.export_rows(
        store::TenantScope::all(), order_.filter, position_.seq, wanted, order_.fields.columns(), [&](const Trace& t) {
          if (t.seq > state.last || InterruptRequests::asked()) return false;
          append(t);
          if (rows_ % 256 == 0)
            progress_.show("exporting", t.seq - start, state.last - start, grouped(rows_) + " traces");
          return static_cast<bool>(failure_);
        });
  }

  /// Asked behind the rows: what retention removed in between may be missing in them.
  Result<void> look_for_gaps() {
    const auto now = reader_.sequence();
    if (!now) return tl::make_unexpected(now.error());
    if (now->removed_up_to > std::max(position_.seq, position_.removed))
      return fail("retention removed traces before they were exported");
    position_.removed = std::max(position_.removed, now->removed_up_to);
    return {};
  }

  void append(const Trace& t) {
    const api::ExportCursor at{position_.epoch, t.seq, position_.removed};
    if (order_.csv)
      api::append_csv_row(buffer_, t, order_.fields, &at);
    else
      api::append_ndjson(buffer_, t, order_.fields, &at);
    ++rows_;
    if (buffer_.size() >= kBufferBytes) failure_ = flush();
  }

  Result<void> flush() {
    auto written = out_.write(buffer_);
    buffer_.clear();
    return written;
  }

  store::TraceReader& reader_;
  const Order& order_;
  OutputFile& out_;
  Progress& progress_;
  std::string buffer_;
  std::int64_t rows_ = 0;
  api::ExportCursor position_;
  Result<void> failure_;
};

int run_export(const Context& c, Args args) {
  ExportFlags f;
  if (f.flags.parse(args, c.err) != FlagSet::Outcome::ok) return kExitUsage;
  if (!f.flags.positional().empty()) return c.wrong_usage("export does not accept positional arguments");
  const auto order = order_of(f);
  if (!order) return c.wrong_usage(order.error().message);
  const auto config = f.load_valid(c);
  if (!config) return c.fail(config.error().message);
  const auto reader = c.handlers.open_store(*config, kReadDeadlineMs);
  if (!reader) return c.fail("failed to initialize trace store: " + reader.error().message);

  const PipeSignalIgnored no_signal;
  const InterruptRequests interrupts;
  auto out = OutputFile::open(trim(f.output).empty() ? "-" : f.output, c.handlers.out_fd);
  if (!out) return c.fail("failed to export: " + out.error().message);
  Progress progress(c.err, c.err_terminal, c.handlers.clock);
  Exporter exporter(**reader, *order, *out, progress);
  Result<void> done = exporter.run();
  if (done) done = out->complete();
  progress.clear();
  if (!done) return out->reader_gone() ? kExitFailure : c.fail("failed to export: " + done.error().message);
  c.err << grouped(exporter.rows()) << " traces exported; later ones follow --after "
        << api::encode_export_cursor(exporter.position()) << '\n';
  return kExitOk;
}

}  // namespace

Command export_command() {
  return {"export",
          "export [--config path/to/ongoingai.yaml] [--format ndjson|csv] [--output PATH|-] [--fields A,B] [--bodies] "
          "[--after CURSOR] [--limit N] [--from RFC3339|YYYY-MM-DD] [--to RFC3339|YYYY-MM-DD] [--provider NAME] "
          "[--model NAME] [--session ID] [--status CODE] [--path PATH] [--outcome NAME] [--gateway-key-id ID] "
          "[--api-key-hash HASH] [--trace-group-id ID] [--thread-id ID] [--run-id ID]",
          "stored traces as NDJSON or CSV", run_export, described<ExportFlags>};
}

}  // namespace gw::cli
