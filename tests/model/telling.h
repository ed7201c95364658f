// What an event says beyond its kind, as a short text that the model can put together too, so that the two are compared
// word for word: which task, which way, which failure. Payloads, times of retries, people and leases are compared
// elsewhere. Pure.
#pragma once

#include <string>

#include "schema/event.h"

namespace dta::model {

std::string tell(const schema::Event& event);

std::string tell(const schema::TaskRef& task);
std::string tell(const schema::Route& route);
std::string tell(const char* name, const std::optional<schema::Duration>& length);
std::string tell_failure(std::size_t step, const std::optional<schema::TaskRef>& task, const std::string& code,
                         const schema::Route& route);
std::string tell_incident(schema::IncidentKind kind, const schema::TaskRef& task, const std::string& code);

}  // namespace dta::model
