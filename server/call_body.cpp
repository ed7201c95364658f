// See call_body.h.
#include "server/call_body.h"

namespace dta::server {

CallBody::CallBody(Call& call) : call_(call), fields(root(), "", faults) {}

schema::JsonValue CallBody::root() {
  const auto known = check_query(call_.query, {});
  const auto body = known ? parse_object(call_.body) : tl::unexpected(known.error());
  if (body) return *body;
  refused_ = true;
  call_.refuse(body.error());
  return schema::JsonValue{"{}"};  // nobody asks for its fields
}

bool CallBody::refused() {
  if (!refused_ && !faults.none()) {
    refused_ = true;
    call_.refuse(faults.error());
  }
  return refused_;
}

}  // namespace dta::server
