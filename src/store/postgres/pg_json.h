#pragma once
// Texts of traces in columns of type jsonb. Postgres keeps a JSON value, not its text, and refuses some that are JSON
// (\u0000, half a surrogate pair, numbers out of its range). A text that is no JSON object or that it would refuse is
// stored as a JSON string of it, so that no trace is lost for it and every text comes back. Pure.
#include <string>
#include <string_view>

namespace gw::store::postgres {

/// What is sent for a text that is not empty; a view into `text` or `scratch`.
std::string_view stored_json(std::string_view text, std::string& scratch);

/// The text of what jsonb says: objects as the gateway writes them, compact and with their keys sorted bytewise.
std::string text_of_json(std::string_view jsonb);

}  // namespace gw::store::postgres
