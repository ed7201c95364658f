// dta::Error and the reading of problem documents. Any thread.
#include "dta/error.h"

#include "client/http_connection.h"
#include "client/problem.h"
#include "dta/json.h"

namespace dta {
namespace {

std::string sentence(const Problem& problem) {
  std::string text = problem.detail.empty() ? problem.title : problem.detail;
  for (const Fault& fault : problem.faults) text += "\n  " + fault.pointer + ": " + fault.message;
  return problem.code + ": " + text;
}

// What an answer means that is no problem document of ours: something else may stand between, or listen there.
Problem foreign_answer(unsigned status) {
  const bool absent = status == 404;
  return Problem{.code = absent ? "not_found" : "connection_failed",
                 .title = "The answer is not one of a DTA server",
                 .detail = "HTTP status " + std::to_string(status) + " without a problem document",
                 .advice = "Check that the address is that of a DTA server.",
                 .status = status};
}

}  // namespace

Error::Error(Problem problem) : std::runtime_error(sentence(problem)), problem_(std::move(problem)) {}

Error::Error(std::string_view code, std::string_view detail)
    : Error(Problem{.code = std::string(code), .title = {}, .detail = std::string(detail), .advice = {}}) {}

bool Error::may_retry() const {
  return dta::may_retry(problem_.code);
}

bool may_retry(std::string_view code) {
  return code == "connection_failed" || code == "request_timeout" || code == "overloaded" || code == "unavailable" ||
         code == "outcome_unknown";
}

namespace client {

std::vector<Fault> read_faults(const Json& list) {
  std::vector<Fault> faults;
  for (const Json& item : list.items()) faults.push_back({item["pointer"].string(), item["message"].string()});
  return faults;
}

Problem read_problem(const Json& document) {
  Problem problem{.code = document["code"].string(),
                  .title = document["title"].string(),
                  .detail = document["detail"].string(),
                  .advice = document["advice"].string(),
                  .status = static_cast<unsigned>(document["status"].natural()),
                  .faults = read_faults(document["faults"])};
  if (const Json at = document["current_sequence"]; at.kind() == Json::Kind::number)
    problem.current_sequence = at.natural();
  problem.json = document.raw();
  return problem;
}

Problem problem_of(const Reply& reply) {
  const auto document = Json::parse(reply.body);
  if (!document || (*document)["code"].kind() != Json::Kind::string) return foreign_answer(reply.status);
  Problem problem = read_problem(*document);
  problem.status = reply.status;
  problem.retry_after = reply.retry_after;
  return problem;
}

}  // namespace client
}  // namespace dta
