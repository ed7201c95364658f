// Transactions as people read them. Pure: the time is handed in.
#pragma once

#include <string>

#include "dta/client.h"

namespace dta::cli {

std::string one_line(const Transaction& transaction);         // after start, wait, cancel
std::string whole(const Transaction& transaction, Time now);  // tx show
std::string event_details(const Event& event);                // the fields of its kind as "name=value ..."

}  // namespace dta::cli
