// Proof of a whole log including its payloads: storage checks bytes, chains and positions; the words inside the records
// are checked here, because storage does not know them. Read only; the log must not be open in another process.
#pragma once

#include <functional>
#include <string>

#include "schema/error.h"
#include "schema/ids.h"
#include "storage/verify.h"

namespace dta::server {

// `progress` is called now and then with the position reached. Errors as open_leveldb_log; what is wrong with the log's
// content is a finding of the report.
schema::Result<storage::VerifyReport> verify_log(const std::string& directory,
                                                 const std::function<void(schema::Position)>& progress);

}  // namespace dta::server
