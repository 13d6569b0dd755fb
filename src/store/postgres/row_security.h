#pragma once
// Row-level security: who may see which rows of a table of tenants.
//
// A session that has set nothing sees nothing, the tables' owner included (it is forced). With `ongoingai.org_id` it
// sees the rows of that organisation, with `ongoingai.workspace_id` beside it those of that workspace.
// `ongoingai.scope` = 'all' is for the gateway's own work on all of them. PgTransaction sets the three for its
// transaction. Superusers see everything, as always.
#include <span>
#include <string>
#include <string_view>

#include "store/postgres/pg_connection.h"

namespace gw::store::postgres {

struct TenantTable {
  std::string_view table;
  std::string_view policy;
  std::string_view org_column = "org_id";
  std::string_view workspace_column = "workspace_id";  ///< empty: rows belong to the organisation
};

/// Statements that drop the policy, make it anew and enable and force row-level security.
std::string policy_sql(const TenantTable& table);

/// At a start: tables whose policy was changed, by another program perhaps, get ours again; tables that are not there
/// are left out. Takes no lock when nothing is to be done. In a transaction of its own.
PgExpected<void> ensure_policies(PgConnection& connection, std::span<const TenantTable> tables);

}  // namespace gw::store::postgres
