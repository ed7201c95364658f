// Reading problem documents (RFC 9457), whole answers or items of a batch. Pure; any thread.
#pragma once

#include <vector>

#include "dta/error.h"
#include "dta/json.h"

namespace dta::client {

struct Reply;

std::vector<Fault> read_faults(const Json& list);
Problem read_problem(const Json& document);
// The problem of an answer whose status is not 2xx; an answer that is no problem document becomes one.
Problem problem_of(const Reply& reply);

}  // namespace dta::client
