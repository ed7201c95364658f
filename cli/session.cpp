// See session.h.
#include "cli/session.h"

#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>

#include "dta/json.h"
#include "schema/time.h"

namespace dta::cli {
namespace {

// For codes of a newer server: by the family that the HTTP status tells.
int exit_code_of_status(unsigned status) {
  if (status == 404 || status == 410) return 4;
  if (status == 409) return 5;
  if (status == 503) return 6;
  if (status >= 500) return 8;
  return status == 400 ? 2 : 3;
}

std::string problem_json(const Problem& problem) {
  if (!problem.json.empty()) return problem.json;
  JsonArray faults;
  for (const Fault& fault : problem.faults)
    faults.raw(JsonObject().add("pointer", fault.pointer).add("message", fault.message).text());
  JsonObject json;
  json.add("code", problem.code)
      .add("title", problem.title)
      .add("detail", problem.detail)
      .add("advice", problem.advice);
  if (!faults.empty()) json.raw("faults", faults.text());
  return json.text();
}

}  // namespace

Error as_client_error(const schema::Error& error) {
  const auto& info = schema::info(error.code);
  Problem problem{.code = std::string(info.name),
                  .title = std::string(info.title),
                  .detail = error.message,
                  .advice = std::string(info.advice),
                  .status = info.http_status};
  for (const schema::Fault& fault : error.faults) problem.faults.push_back({fault.pointer, fault.message});
  return Error(std::move(problem));
}

int exit_code_of(const Problem& problem) {
  if (const auto code = schema::parse_error_code(problem.code)) return schema::info(*code).exit_code;
  return exit_code_of_status(problem.status);
}

int report(const Session& session, const Error& error) {
  const Problem& problem = error.problem();
  const auto known = schema::parse_error_code(problem.code);
  if (session.json) {
    std::cerr << problem_json(problem) << '\n';
    return exit_code_of(problem);
  }
  const std::string title = problem.title.empty() && known ? std::string(schema::info(*known).title) : problem.title;
  const std::string advice =
      problem.advice.empty() && known ? std::string(schema::info(*known).advice) : problem.advice;
  std::cerr << "dta: " << title << " (" << problem.code << ")\n";
  // A detail that only repeats the first fault says nothing new.
  const bool repeats = !problem.faults.empty() && problem.detail.find(problem.faults[0].message) != std::string::npos;
  if (!problem.detail.empty() && !repeats) std::cerr << "  " << problem.detail << '\n';
  for (const Fault& fault : problem.faults)
    std::cerr << "  " << (fault.pointer.empty() ? "(whole document)" : fault.pointer) << ": " << fault.message << '\n';
  if (problem.current_sequence) std::cerr << "  the transaction is at sequence " << *problem.current_sequence << '\n';
  if (problem.retry_after) std::cerr << "  the server asks to wait " << problem.retry_after->count() << " s\n";
  if (!advice.empty()) std::cerr << "  -> " << advice << '\n';
  if (problem.code == "connection_failed")
    std::cerr << "     (asked " << session.server
              << "; 'dta server' starts one, --server or DTA_SERVER names another)\n";
  return exit_code_of(problem);
}

std::string read_file(const std::string& path) {
  if (path == "-") return std::string(std::istreambuf_iterator<char>(std::cin), {});
  std::ifstream file(path, std::ios::binary);
  if (!file) throw Error("invalid_argument", "the file '" + path + "' cannot be read");
  std::string text(std::istreambuf_iterator<char>(file), {});
  if (file.bad()) throw Error("invalid_argument", "the file '" + path + "' cannot be read to its end");
  return text;
}

std::string text_or_file(const std::string& argument) {
  if (argument == "-") return read_file("-");
  if (argument.starts_with('@')) return read_file(argument.substr(1));
  return argument;
}

std::map<std::string, std::string> pairs(const std::vector<std::string>& arguments) {
  std::map<std::string, std::string> all;
  for (const std::string& argument : arguments) {
    const std::size_t at = argument.find('=');
    if (at == 0 || at == std::string::npos)
      throw Error("invalid_argument", "'" + argument + "' is not of the form key=value");
    all[argument.substr(0, at)] = argument.substr(at + 1);
  }
  return all;
}

std::chrono::milliseconds length_of_time(const std::string& text) {
  const auto length = schema::parse_duration(text);
  if (!length) throw Error("invalid_argument", "'" + text + "' is no length of time; 500ms, 10s, 5m, 24h and 7d are");
  return std::chrono::milliseconds(length->ms);
}

Time point_in_time(const std::string& text) {
  if (const auto time = schema::parse_time(text)) return Time(std::chrono::milliseconds(time->ms));
  if (const auto ago = schema::parse_duration(text))
    return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now()) -
           std::chrono::milliseconds(ago->ms);
  throw Error("invalid_argument",
              "'" + text + "' is neither a time such as 2026-11-20T15:49:51Z nor a length such as 2h");
}

void print(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
}

void print_line(std::string_view text) {
  print(text);
  if (!text.ends_with('\n')) print("\n");
}

}  // namespace dta::cli
