// The small words: error table, ids, time and lengths of time, hashes, names of event kinds.
#include <gtest/gtest.h>

#include <set>
#include <unordered_set>

#include "schema/error.h"
#include "schema/event.h"
#include "schema/hash.h"
#include "schema/ids.h"
#include "schema/time.h"
#include "tests/schema/samples.h"

namespace dta::schema {
namespace {

TEST(ErrorTable, EveryCodeHasItsOwnRowNameAndAdvice) {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < kErrorCodeCount; ++i) {
    const auto code = static_cast<ErrorCode>(i);
    const ErrorInfo& row = info(code);
    EXPECT_EQ(row.code, code);
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
    EXPECT_EQ(parse_error_code(row.name), code);
    EXPECT_EQ(to_string(code), row.name);
    EXPECT_TRUE(row.advice.ends_with('.')) << row.name;
    EXPECT_FALSE(row.title.empty());
    EXPECT_EQ(row.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz_"), std::string_view::npos) << row.name;
  }
  EXPECT_EQ(parse_error_code("no_such_code"), std::nullopt);
}

TEST(ErrorTable, FamiliesAgreeWithStatusAndExitCode) {
  for (std::size_t i = 0; i < kErrorCodeCount; ++i) {
    const ErrorInfo& row = info(static_cast<ErrorCode>(i));
    SCOPED_TRACE(row.name);
    EXPECT_GE(row.exit_code, 2);
    EXPECT_LE(row.exit_code, 8);
    EXPECT_EQ(row.family == ErrorFamily::bug, row.exit_code == 8);
    EXPECT_TRUE(row.family == ErrorFamily::refusal || row.http_status >= 500);
  }
}

TEST(Ids, AreStrongOrderedAndHashable) {
  static_assert(!std::is_convertible_v<Sequence, Position>);
  static_assert(!std::is_convertible_v<std::uint64_t, Sequence>);
  EXPECT_FALSE(Sequence());
  EXPECT_TRUE(Sequence(1));
  EXPECT_LT(Sequence(1), Sequence(2));
  EXPECT_EQ(Sequence(1).next(), Sequence(2));
  std::unordered_set<Position> set{Position(1), Position(1), Position(2)};
  EXPECT_EQ(set.size(), 2u);
}

TEST(Hash, IsSha256) {
  EXPECT_EQ(to_hex(sha256("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  const std::string_view parts[] = {"a", "", "bc"};
  EXPECT_EQ(sha256_of(parts), sha256("abc"));
}

TEST(Durations, AreReadInEveryUnit) {
  EXPECT_EQ(parse_duration("200ms"), Duration{200});
  EXPECT_EQ(parse_duration("1.5s"), Duration{1500});
  EXPECT_EQ(parse_duration("10m"), Duration{600'000});
  EXPECT_EQ(parse_duration("24h"), Duration{86'400'000});
  EXPECT_EQ(parse_duration("7d"), Duration{7 * 86'400'000LL});
  EXPECT_EQ(parse_duration("1500"), Duration{1500});
  EXPECT_EQ(parse_duration("0ms"), Duration{0});
  EXPECT_EQ(parse_duration(format_duration(kDurationMax)), kDurationMax);
}

TEST(Durations, AreNothingWhenTheyAreNone) {
  for (const char* text : {"",
                           "s",
                           "ms",
                           "-1s",
                           "+1s",
                           " 1s",
                           "1 s",
                           "1s ",
                           "1S",
                           "1e3s",
                           "0x1s",
                           "nan",
                           "inf",
                           "infs",
                           "1w",
                           "36601d",
                           "99999999999999999999h",
                           "1.s.",
                           "1,5s",
                           "1sm"})
    EXPECT_EQ(parse_duration(text), std::nullopt) << '"' << text << '"';
}

TEST(Durations, AreWrittenShortAndReadBack) {
  EXPECT_EQ(format_duration(Duration{0}), "0ms");
  EXPECT_EQ(format_duration(Duration{1500}), "1500ms");
  EXPECT_EQ(format_duration(Duration{2000}), "2s");
  EXPECT_EQ(format_duration(Duration{600'000}), "10m");
  EXPECT_EQ(format_duration(Duration{3'600'000 * 25}), "25h");
  EXPECT_EQ(format_duration(Duration{86'400'000}), "1d");
  for (std::int64_t ms = 1; ms < kDurationMax.ms; ms = ms * 3 + 1)
    EXPECT_EQ(parse_duration(format_duration(Duration{ms})), Duration{ms}) << ms;
}

TEST(Times, AreRfc3339InUtcWithMilliseconds) {
  EXPECT_EQ(format_time(Time{0}), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(format_time(Time{-1}), "1969-12-31T23:59:59.999Z");
  EXPECT_EQ(format_time(Time{951'827'696'789}), "2000-02-29T12:34:56.789Z");
  EXPECT_EQ(format_time(Time::never()), "never");
}

TEST(Times, AreReadWithAnyOffset) {
  EXPECT_EQ(parse_time("2000-02-29T12:34:56.789Z"), Time{951'827'696'789});
  EXPECT_EQ(parse_time("2000-02-29t12:34:56.789999z"), Time{951'827'696'789});
  EXPECT_EQ(parse_time("2000-02-29T14:34:56.789+02:00"), Time{951'827'696'789});
  EXPECT_EQ(parse_time("2000-02-29T07:04:56.789-05:30"), Time{951'827'696'789});
  EXPECT_EQ(parse_time("2000-02-29T12:34:56Z"), Time{951'827'696'000});
  EXPECT_EQ(parse_time("2000-02-29T12:34:56.7Z"), Time{951'827'696'700});
  for (std::int64_t ms = 1; ms < 4'000'000'000'000; ms = ms * 2 + 13)
    EXPECT_EQ(parse_time(format_time(Time{ms})), Time{ms}) << ms;
}

TEST(Times, AreNothingWhenTheyAreNone) {
  for (const char* text :
       {"", "never", "2000-02-29", "2000-02-30T00:00:00Z", "2001-02-29T00:00:00Z", "2000-13-01T00:00:00Z",
        "2000-01-01T24:00:00Z", "2000-01-01T00:60:00Z", "2000-01-01T00:00:61Z", "2000-01-01T00:00:00",
        "2000-01-01T00:00:00.Z", "2000-01-01T00:00:00+24:00", "2000-01-01T00:00:00Z ", "2000-1-01T00:00:00Z"})
    EXPECT_EQ(parse_time(text), std::nullopt) << '"' << text << '"';
}

TEST(Times, NeverStaysNeverWhateverIsAdded) {
  EXPECT_EQ(Time::never() + Duration{1000}, Time::never());
  EXPECT_EQ(Time{5} + Duration{3}, Time{8});
  EXPECT_EQ(Time{5} - Time{3}, Duration{2});
}

TEST(EventSamples, HoldsEveryKind) {
  std::set<EventKind> kinds;
  for (const Event& event : samples::every_kind()) kinds.insert(kind_of(event));
  EXPECT_EQ(kinds.size(), std::variant_size_v<Event>);
}

// Names and numbers are on disk, in histories and in metrics: written out here so that neither can change by accident.
TEST(EventKinds, KeepTheirNumbersAndNames) {
  const char* const names[] = {"transaction_started",
                               "step_entered",
                               "step_met",
                               "step_failed",
                               "task_leased",
                               "task_completed",
                               "task_failed",
                               "task_released",
                               "attempt_timed_out",
                               "task_timed_out",
                               "heartbeat_recorded",
                               "late_result",
                               "compensation_started",
                               "step_undone",
                               "transaction_completed",
                               "transaction_compensated",
                               "transaction_terminated",
                               "incident_raised",
                               "transitioned",
                               "definition_published",
                               "outcome_decided",
                               "incident_resolved",
                               "step_skipped",
                               "task_ready",
                               "task_skipped",
                               "signal_received",
                               "wait_ended",
                               "cancel_requested",
                               "transaction_paused",
                               "transaction_resumed",
                               "queue_changed",
                               "definition_changed",
                               "epoch_opened"};
  const auto events = samples::every_kind();
  ASSERT_EQ(events.size(), std::size(names));
  for (std::size_t i = 0; i < events.size(); ++i) {
    EXPECT_EQ(static_cast<std::size_t>(kind_of(events[i])), i + 1);
    EXPECT_EQ(to_string(kind_of(events[i])), names[i]);
  }
}

TEST(Resolutions, AreReadAsTheyAreWritten) {
  for (const auto resolution : {IncidentResolution::retry, IncidentResolution::force_done, IncidentResolution::give_up,
                                IncidentResolution::accept, IncidentResolution::force_failed})
    EXPECT_EQ(parse_resolution(to_string(resolution)), resolution);
  for (const char* word : {"", "Retry", "retry ", "force", "done", "failed"})
    EXPECT_EQ(parse_resolution(word), std::nullopt) << word;
}

TEST(IncidentKinds, HaveTheirNames) {
  const char* const names[] = {"undo_failed", "effect_after_undo", "pivot_unknown", "step_failed", "expired"};
  for (std::size_t i = 0; i < std::size(names); ++i) EXPECT_EQ(to_string(static_cast<IncidentKind>(i)), names[i]);
}

TEST(Events, NameTheirPayloads) {
  std::size_t found = 0;
  for (const Event& event : samples::every_kind_and_field())
    for_each_payload(event, [&](const PayloadRef& ref) {
      ++found;
      EXPECT_TRUE(ref.present());
    });
  // Started, three inputs of steps, completed, failed, heartbeat, late, two outputs, data, text, ready, signal.
  EXPECT_EQ(found, 14u);
}

}  // namespace
}  // namespace dta::schema
