#pragma once
// The tables of blocks and roll-ups (docs/adr/0002), and the triggers that note what others change.
//
//   trace_blocks           a block of rows: those behind the block before it, up to last_seq; header (trace_block.h)
//   trace_block_columns    id = column * 2^48 + last_seq, so that a column of many blocks lies together
//   trace_rollups          a page of cells (rollup.h), found by its unique index
//   trace_stale_blocks     up to which sequence a block is to be made anew; its rows are read one by one until then
//   trace_stale_hours      hours whose pages are to be made anew; they are answered from blocks until then
//
// Blobs of blocks and pages are sealed (store/sealed.h).
#include "store/sqlite/connection.h"

namespace gw::store::sqlite {

/// Creates tables, triggers and keys of store_meta, replacing the triggers of earlier versions; the tables are empty
/// then. Inside the caller's transaction; SQLITE_OK or the failure.
int create_analytics_schema(Connection& db);
/// Forgets blocks, pages and how far they go: they are made again from rows. Inside the caller's transaction.
int reset_analytics(Connection& db);

}  // namespace gw::store::sqlite
