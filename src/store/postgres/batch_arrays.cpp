#include <algorithm>

#include "base/strings.h"
#include "store/postgres/batch_pieces.h"
#include "store/postgres/pg_json.h"
#include "store/postgres/trace_writer.h"
#include "store/trace_columns.h"

namespace gw::store::postgres {
namespace {

struct Kind {
  const char* array;
  PgArray (*make)();
};

Kind kind_of(Col c) {
  switch (c) {
    case Col::timestamp:
    case Col::created_at:
      return {"timestamptz[]", PgArray::times};
    case Col::estimated_cost_usd:
      return {"float8[]", PgArray::reals};
    case Col::metadata:
    case Col::request_headers:
    case Col::response_headers:
      return {"jsonb[]", PgArray::jsons};
    case Col::response_status:
      return {"integer[]", PgArray::small_integers};
    default: {
      Trace any;
      return text_of(c, any) != nullptr ? Kind{"text[]", PgArray::texts} : Kind{"bigint[]", PgArray::integers};
    }
  }
}

/// By Col.
const std::vector<Kind>& kinds() {
  static const std::vector<Kind> all = [] {
    std::vector<Kind> out;
    for (const Col c : all_columns()) out.push_back(kind_of(c));
    return out;
  }();
  return all;
}

bool null_when_empty(Col c) { return c == Col::trace_group_id || c == Col::session_id; }

}  // namespace

void BatchArrays::begin() {
  now_ns_ = clock_.wall_ns();
  take_spans();
  clear();
}

void BatchArrays::clear() {
  if (arrays_.empty())
    for (const Kind& kind : kinds()) arrays_.push_back(kind.make());
  for (PgArray& a : arrays_) a.clear();
  rows_ = bytes_ = 0;
  as_is_ = true;
}

void BatchArrays::note_spans(const Trace& t) {
  started_ns_ = unix_ns_of(pg_micros(t.timestamp_ns != 0 ? t.timestamp_ns : now_ns_));
  ended_ns_ = unix_ns_of(pg_micros(t.created_at_ns != 0 ? t.created_at_ns : now_ns_));
  least_span_ns_ = std::min(least_span_ns_, ended_ns_ - started_ns_);
  most_span_ns_ = std::max(most_span_ns_, ended_ns_ - started_ns_);
}

void BatchArrays::add(const Trace& t) {
  note_spans(t);
  for (std::size_t i = 0; i < arrays_.size(); ++i) {
    const Col c = static_cast<Col>(i);
    PgArray& to = arrays_[i];
    const std::size_t before = to.size();
    const Kind& kind = kinds()[i];
    if (c == Col::timestamp || c == Col::created_at) {
      to.add_time(c == Col::timestamp ? started_ns_ : ended_ns_);
    } else if (c == Col::estimated_cost_usd) {
      to.add(t.estimated_cost_usd);
    } else if (kind.make == PgArray::integers) {
      to.add(stored_number(c, t));
    } else if (kind.make == PgArray::small_integers) {
      to.add_small(static_cast<std::int32_t>(stored_number(c, t)));
    } else {
      std::string_view text = stored_text(c, t);
      if (!is_storable_text(text)) {
        text = scratch_ = storable_text(text);
        as_is_ = false;
      }
      const bool json = kind.make == PgArray::jsons;
      if (text.empty() && (json || null_when_empty(c)))
        to.add_null();
      else if (json)
        to.add_json(stored_json(text, json_));
      else
        to.add(text);
    }
    bytes_ += to.size() - before;
  }
  ++rows_;
}

AnalyticRow BatchArrays::analytic(const Trace& t, std::int64_t seq) {
  AnalyticRow row = analytic_row(t, facts_);
  row.seq = seq;
  row.timestamp_ns = started_ns_;
  row.numbers.created_at_ns = ended_ns_;
  return row;
}

void BatchArrays::put(PgParams& params) {
  for (PgArray& a : arrays_) a.put(params);
  params.integer(static_cast<std::int64_t>(rows_));
}

std::string BatchArrays::insert_sql(bool with_piece) {
  std::string names, unpacked;
  int n = 0;
  for (const Col c : all_columns()) {
    names += std::string(", ") + name_of(c);
    unpacked += ", unnest($" + std::to_string(++n) + "::" + kind_of(c).array + ")";
  }
  const std::string rows = "$" + std::to_string(n + 1);
  // Parameters are parsed, JSON too, before the statement begins: that holds nobody up. In the list of a SELECT such
  // functions advance together, and keep no copy each as they do in FROM. In that of the INSERT itself nothing else
  // does: a join with the counter would have its rows, or not, as the planner guesses how many counters there are.
  const std::string piece =
      ", p AS (INSERT INTO trace_block_columns(col, last_seq, data) SELECT " + std::to_string(BatchPieces::kColumn) +
      ", before + " + rows + ", int8send(coalesce((SELECT value FROM store_meta WHERE key = 'generation'), 0)) || $" +
      std::to_string(n + 2) + " FROM c ON CONFLICT (col, last_seq) DO UPDATE SET data = EXCLUDED.data)";
  return "WITH c AS (UPDATE trace_counter SET last_seq = last_seq + " + rows + ", traces = traces + " + rows +
         " RETURNING last_seq - " + rows + " AS before), i AS (INSERT INTO traces(seq" + names +
         ") SELECT generate_series(before + 1, before + " + rows + ")" + unpacked + " FROM c)" +
         (with_piece ? piece : "") +
         " SELECT before, (SELECT value FROM store_meta WHERE key = 'rolled_seq'), (SELECT value FROM "
         "store_meta WHERE key = 'generation') FROM c";
}

std::pair<std::int64_t, std::int64_t> BatchArrays::take_spans() {
  const std::pair out{least_span_ns_, most_span_ns_};
  least_span_ns_ = INT64_MAX;
  most_span_ns_ = INT64_MIN;
  return out;
}

}  // namespace gw::store::postgres
