// Writing of problem documents (problem.h). Pure.
#include "server/problem.h"

#include "schema/json.h"

namespace dta::server {
namespace {

void append_common(std::string& out, const schema::Error& error) {
  const schema::ErrorInfo& info = schema::info(error.code);
  out += "\"code\":\"";
  out += info.name;
  out += "\",\"detail\":";
  schema::append_quoted(out, error.message);
  out += ",\"advice\":";
  schema::append_quoted(out, info.advice);
  if (error.current_sequence) {
    out += ",\"current_sequence\":";
    out += std::to_string(*error.current_sequence);
  }
}

}  // namespace

std::string problem_json(const schema::Error& error) {
  const schema::ErrorInfo& info = schema::info(error.code);
  std::string out = "{\"type\":\"urn:dta:error:";
  out += info.name;
  out += "\",\"title\":";
  schema::append_quoted(out, info.title);
  out += ",\"status\":";
  out += std::to_string(info.http_status);
  out += ',';
  append_common(out, error);
  if (!error.faults.empty()) {
    out += ",\"faults\":[";
    for (std::size_t i = 0; i < error.faults.size(); ++i) {
      if (i != 0) out += ',';
      out += "{\"pointer\":";
      schema::append_quoted(out, error.faults[i].pointer);
      out += ",\"message\":";
      schema::append_quoted(out, error.faults[i].message);
      out += '}';
    }
    out += ']';
  }
  out += '}';
  return out;
}

void append_item_problem(std::string& out, const schema::Error& error) {
  out += "{\"title\":";
  schema::append_quoted(out, schema::info(error.code).title);
  out += ',';
  append_common(out, error);
  out += '}';
}

int retry_after_seconds(schema::ErrorCode code) {
  using enum schema::ErrorCode;
  return code == overloaded || code == unavailable || code == outcome_unknown || code == storage_fault ? 1 : 0;
}

}  // namespace dta::server
