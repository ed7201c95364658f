// Calls about the service itself: health, readiness, metrics. io thread.
#include "schema/json.h"
#include "server/http_routes.h"

namespace dta::server {

void get_health(Call& call) {
  if (auto known = check_query(call.query, {}); !known) return call.refuse(known.error());
  call.server.answer(call.ticket, Answer{200, "application/json", "{\"status\":\"ok\"}"});
}

void get_readiness(Call& call) {
  if (auto known = check_query(call.query, {}); !known) return call.refuse(known.error());
  const auto reason = call.server.port().not_ready();
  if (!reason) return call.server.answer(call.ticket, Answer{200, "application/json", "{\"ready\":true}"});
  call.server.answer(call.ticket,
                     Answer{503, "application/json", "{\"ready\":false,\"reason\":" + schema::quote(*reason) + "}"});
}

void get_metrics(Call& call) {
  if (auto known = check_query(call.query, {}); !known) return call.refuse(known.error());
  call.server.answer(call.ticket,
                     Answer{200, "text/plain; version=0.0.4; charset=utf-8", call.server.metrics().text()});
}

}  // namespace dta::server
