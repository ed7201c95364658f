// Problem documents (RFC 9457): how every refusal and fault is written. Pure.
#pragma once

#include <string>

#include "schema/error.h"

namespace dta::server {

inline constexpr std::string_view kProblemType = "application/problem+json";

// {"type","title","status","code","detail","advice"[,"current_sequence"][,"faults"]}
std::string problem_json(const schema::Error& error);
// The same for one item of a batch, where no status applies: {"code","title","detail","advice"[,"current_sequence"]}
void append_item_problem(std::string& out, const schema::Error& error);
// Seconds for a Retry-After header; 0: none.
int retry_after_seconds(schema::ErrorCode code);

}  // namespace dta::server
