// Tables, times and transactions as text; reading of arguments; exit codes. No process, no socket.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/session.h"
#include "cli/table.h"
#include "cli/transaction_view.h"

namespace dta::cli {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;
using testing::Not;

TEST(Table, AlignsByCharactersAndEndsLinesWithoutBlanks) {
  Table table({"ID", "STATUS", "X"});
  EXPECT_TRUE(table.empty());
  table.add({"größe", "running", ""});
  table.add({"a", "b", "c"});
  EXPECT_EQ(table.text(),
            "ID     STATUS   X\n"
            "größe  running\n"
            "a      b        c\n");
}

TEST(Table, LetsNoTextSteerTheTerminal) {
  Table table({"a\x1b[2Jb\nc"});
  EXPECT_EQ(table.text(), "a?[2Jb?c\n");
}

TEST(Relative, SaysHowLongAgoOrAhead) {
  const Time now(milliseconds(1'000'000'000));
  const auto at = [&](std::int64_t seconds) { return relative(now + std::chrono::seconds(seconds), now); };
  EXPECT_EQ(at(0), "just now");
  EXPECT_EQ(at(-5), "5s ago");
  EXPECT_EQ(at(20), "in 20s");
  EXPECT_EQ(at(-180), "3m ago");
  EXPECT_EQ(at(-3 * 3600), "3h ago");
  EXPECT_EQ(at(5 * 86400), "in 5d");
  EXPECT_EQ(relative(std::nullopt, now), "-");
}

TEST(Shortened, CutsAtCharacters) {
  EXPECT_EQ(shortened("äöü", 3), "äöü");
  EXPECT_EQ(shortened("äöüß", 3), "äö…");
}

TEST(Arguments, AreReadOrRefused) {
  EXPECT_EQ(pairs({"a=b", "c=d=e", "f="}), (std::map<std::string, std::string>{{"a", "b"}, {"c", "d=e"}, {"f", ""}}));
  EXPECT_THROW(pairs({"=b"}), Error);
  EXPECT_THROW(pairs({"b"}), Error);
  EXPECT_EQ(length_of_time("1.5s"), milliseconds(1500));
  EXPECT_THROW(length_of_time("soon"), Error);
  EXPECT_EQ(point_in_time("1970-01-01T00:00:01Z"), Time(milliseconds(1000)));
  EXPECT_THROW(point_in_time("yesterday"), Error);
  EXPECT_EQ(text_or_file("{}"), "{}");
  EXPECT_THROW(text_or_file("@/nonexistent/file"), Error);
}

TEST(ExitCode, IsThatOfTheErrorTable) {
  for (std::size_t i = 0; i < schema::kErrorCodeCount; ++i) {
    const auto& row = schema::info(static_cast<schema::ErrorCode>(i));
    EXPECT_EQ(exit_code_of({.code = std::string(row.name)}), row.exit_code) << row.name;
  }
  EXPECT_EQ(exit_code_of({.code = "of_a_newer_server", .status = 409}), 5);
  EXPECT_EQ(exit_code_of({.code = "of_a_newer_server", .status = 422}), 3);
}

TEST(TransactionView, ShowsStepsTasksUndosAndIncidents) {
  const Time now(milliseconds(1'000'000'000));
  Transaction t;
  t.id = "o-17";
  t.definition = "order";
  t.version = 3;
  t.status = "attention";
  t.phase = "compensating";
  t.sequence = 19;
  t.started_at = now - std::chrono::minutes(3);
  t.error = TransactionError{"card_refused", "no money", "reserve", "credit"};
  TaskState task{.name = "stock", .queue = "inventory", .worker = "w1", .status = "done", .attempt = 2, .undo = {}};
  task.undo = {
      .queue = "inventory.release", .status = "backoff", .attempt = 1, .retry_at = now + std::chrono::seconds(20)};
  t.steps.push_back({.name = "reserve", .state = "failed", .tasks = {task}});
  t.incidents.push_back(
      {.number = 1, .step = "reserve", .task = "stock", .kind = "undo_failed", .code = "c", .open = true});
  t.not_undone = {"reserve/stock"};
  const std::string text = whole(t, now);
  EXPECT_THAT(text, HasSubstr("o-17        attention (compensating)\n"));
  EXPECT_THAT(text, HasSubstr("started     1970-01-12 13:43:40.000Z (3m ago)\n"));
  EXPECT_THAT(text, HasSubstr("error       card_refused in reserve/credit: no money\n"));
  EXPECT_THAT(text, HasSubstr("not undone  reserve/stock\n"));
  EXPECT_THAT(text, HasSubstr("         stock   done     2        w1      inventory\n"));
  EXPECT_THAT(text, HasSubstr("           undo  backoff  1                inventory.release  again in 20s\n"));
  EXPECT_THAT(text, HasSubstr("1         open   reserve/stock  undo_failed  c\n"));
}

TEST(TransactionView, ShowsWhatAStepWaitsForAndWhatItHolds) {
  const Time now(milliseconds(1'000'000'000));
  Transaction t;
  t.id = "o-17";
  t.pivot_passed = true;
  t.cancel_requested = CancelRequested{"customer called", "anna"};
  t.steps.push_back({.name = "pack", .state = "entered", .held = true, .instances = 2});
  t.steps[0].tasks = {{.name = "label", .status = "done", .instance = 0, .undo = {}},
                      {.name = "label", .status = "waiting", .instance = 1, .undo = {}}};
  t.steps.push_back({.name = "approve",
                     .state = "entered",
                     .waits_for_signals = {"decision", "go"},
                     .waits_until = now + std::chrono::hours(2)});
  t.steps.push_back({.name = "later", .state = "entered", .waits_until = now + std::chrono::seconds(5)});
  t.signals.push_back({.name = "decision", .signal_id = "s-1", .payload = "{}", .step = "approve"});
  t.signals.push_back({.name = "go", .signal_id = "s-2"});
  const std::string text = whole(t, now);
  EXPECT_THAT(text, HasSubstr("pivot         passed\n"));
  EXPECT_THAT(text, HasSubstr("cancel asked  customer called\n"));
  EXPECT_THAT(text, HasSubstr("held: see its incident\n"));
  EXPECT_THAT(text, HasSubstr("label[0]  done"));
  EXPECT_THAT(text, HasSubstr("label[1]  waiting"));
  EXPECT_THAT(text, HasSubstr("waits for decision, go, gives up waiting in 2h\n"));
  EXPECT_THAT(text, HasSubstr("goes on in 5s\n"));
  EXPECT_THAT(text, HasSubstr("decision  s-1  approve   {}\n"));
  EXPECT_THAT(text, HasSubstr("go        s-2  -\n"));
}

TEST(TransactionView, ShowsTheStateOfATable) {
  Transaction t;
  t.form = "table";
  t.state = "Send Fine";
  t.visited = {"(start)", "Create Fine"};
  t.legal = {"Payment"};
  const std::string text = whole(t, Time());
  EXPECT_THAT(text, HasSubstr("Send Fine"));
  EXPECT_THAT(text, HasSubstr("(start), Create Fine"));
  EXPECT_THAT(text, Not(HasSubstr("STEP")));
}

TEST(EventDetails, LeavesOutWhatColumnsShow) {
  Event event;
  event.json =
      R"({"sequence":3,"position":118,"recorded_at":"x","kind":"task_leased","step":"s","task":"t","undo":false,"attempt":1,"worker":"w1","token":"z","retry_at":null,"output":{"a":1.0}})";
  EXPECT_EQ(event_details(event), R"(attempt=1 worker=w1 output={"a":1.0})");
}

}  // namespace
}  // namespace dta::cli
