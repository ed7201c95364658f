// What every call with a JSON body begins and ends with: no query parameter, one JSON object, and a refusal that names
// every fault of it. io thread, for the time of a handler.
#pragma once

#include "server/http_routes.h"
#include "server/request_body.h"

namespace dta::server {

class CallBody {
 public:
  explicit CallBody(Call& call);
  CallBody(const CallBody&) = delete;
  CallBody& operator=(const CallBody&) = delete;

  // True when the call has been refused, which this does once something is wrong: ask after construction, and again
  // when all fields were read.
  bool refused();

 private:
  schema::JsonValue root();

  Call& call_;
  bool refused_ = false;

 public:
  Faults faults;
  Fields fields;
};

}  // namespace dta::server
