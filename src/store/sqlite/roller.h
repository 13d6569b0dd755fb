#pragma once
// The roller of a SQLite database (store/block_roller.h). Dies before its connection.
#include "store/block_roller.h"
#include "store/sqlite/block_store.h"
#include "store/sqlite/connection.h"
#include "store/sqlite/row_table.h"

namespace gw::store::sqlite {

struct RollerParts {
  explicit RollerParts(Connection& db) : blocks(db), rows(db, plain_columns()) {}
  BlockStore blocks;
  RowTable rows;
};

class Roller : public RollerParts, public BlockRoller {
 public:
  explicit Roller(Connection& db) : RollerParts(db), BlockRoller(blocks, rows) {}
};

}  // namespace gw::store::sqlite
