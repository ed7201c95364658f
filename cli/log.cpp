// dta log verify: proves a log directory that no server has open.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <memory>

#include "cli/session.h"
#include "dta/json.h"
#include "server/verify_log.h"
#include "storage/directory_check.h"
#include "storage/head.h"

namespace dta::cli {
namespace {

// Damage, or something that should not be there: the exit code of log_damaged.
int damage_exit_code() {
  return schema::info(schema::ErrorCode::log_damaged).exit_code;
}

// One line on a terminal that is written over and over; nothing elsewhere.
class ProgressBar {
 public:
  explicit ProgressBar(std::uint64_t end) : shown_(isatty(STDERR_FILENO) == 1), end_(end) {}
  ~ProgressBar() {
    if (shown_) std::fprintf(stderr, "\r\033[K");
  }
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  void at(std::uint64_t position) const {
    constexpr std::uint64_t kCells = 30;
    if (!shown_) return;
    const std::uint64_t end = std::max(end_, position);  // HEAD may be behind the log
    const auto cells = static_cast<int>(end == 0 ? 0 : position * kCells / end);
    std::fprintf(stderr, "\r[%.*s%.*s] record %llu of %llu", cells, "##############################",
                 static_cast<int>(kCells) - cells, "..............................",
                 static_cast<unsigned long long>(position), static_cast<unsigned long long>(end));
  }

 private:
  const bool shown_;
  const std::uint64_t end_;
};

// Where the log ends as HEAD says; only for the bar, so a missing or bad HEAD is for verify_log to name.
std::uint64_t expected_end(const std::string& directory) {
  std::ifstream file(directory + "/" + storage::kHeadFileName, std::ios::binary);
  const std::string bytes(std::istreambuf_iterator<char>(file), {});
  const auto newest = storage::read_head(bytes).newest;
  return newest ? newest->position.value : 0;
}

std::string report_json(const storage::VerifyReport& r) {
  JsonArray findings;
  for (const std::string& finding : r.findings) findings.add(finding);
  return JsonObject()
      .add("clean", r.findings.empty())
      .add("transactions", r.transactions)
      .add("records", r.records)
      .add("events", r.events)
      .add("payloads", r.payloads)
      .add("bytes", r.bytes)
      .add("end", r.end.value)
      .add("head", r.head.value)
      .raw("findings", findings.text())
      .text();
}

std::string report_text(const storage::VerifyReport& r) {
  const auto n = [](std::uint64_t number) { return std::to_string(number); };
  std::string text = n(r.transactions) + " transactions, " + n(r.records) + " records, " + n(r.events) + " events, " +
                     n(r.payloads) + " payloads, " + n(r.bytes) + " bytes; the log ends at position " + n(r.end.value) +
                     ", HEAD is at " + n(r.head.value) + "\n";
  for (const std::string& finding : r.findings) text += "  " + finding + "\n";
  return text + (r.findings.empty() ? "clean: every byte is what was written\n"
                                    : "DAMAGED: " + n(r.findings.size()) + " findings; keep a copy of the directory\n");
}

int verify(const Session& session, const std::string& directory) {
  const auto report = [&] {
    const ProgressBar bar(expected_end(directory));
    return server::verify_log(directory, [&](schema::Position position) { bar.at(position.value); });
  }();
  if (!report) throw as_client_error(report.error());
  print(session.json ? report_json(*report) + "\n" : report_text(*report));
  return report->findings.empty() ? 0 : damage_exit_code();
}

}  // namespace

void add_log(CLI::App& app, Session& session) {
  auto directory = std::make_shared<std::string>();
  CLI::App* log = app.add_subcommand("log", "The log on disk");
  log->require_subcommand(0, 1);
  CLI::App* verb = log->add_subcommand("verify", "Prove every record, payload, chain and position; changes nothing");
  verb->add_option("DIR", *directory, "Data directory of a server that is not running")->required();
  verb->footer("Exit code 0: clean; 7: damage was found.\nExample:\n  dta log verify ./dta-data");
  verb->callback(
      [&session, directory] { session.action = [&session, directory] { return verify(session, *directory); }; });
}

}  // namespace dta::cli
