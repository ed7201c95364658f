// States to bytes and back: equal, and nothing else reads as a state.
#include "engine/state_codec.h"

#include <gtest/gtest.h>

#include "tests/engine/live.h"

namespace dta::engine {
namespace {

// Every field holds something other than its default.
State full_state() {
  State s;
  s.id = "o-1";
  s.definition = "order";
  s.version = 7;
  s.form = schema::Form::table;
  s.phase = Phase::compensating;
  s.paused = true;
  s.sequence = Sequence(99);
  s.epoch = 3;
  s.started_at = Time{11};
  s.ended_at = Time{12};
  s.expires_at = Time{13};
  s.attributes = {{"region", "eu"}, {"", std::string("\0x", 2)}};
  s.headers = {{"traceparent", "00"}};
  s.input = {Sequence(1), 2, 3};
  s.output = {Sequence(4), 5, 6};
  s.request_digest.fill(0xab);
  s.bits = BitSet(130);
  s.bits.set(129);
  s.step = 1;
  s.entered_at = {Time{1}, Time{2}};
  s.tasks.resize(2);
  TaskState& t = s.tasks[1];
  t.status = TaskStatus::leased;
  t.undo_status = UndoStatus::incident;
  t.undo_found = false;
  t.attempt = 4;
  t.undo_attempt = 5;
  t.generation = 6;
  t.order = 7;
  t.first_ready = Time{8};
  t.since = Time{81};
  t.at = Time{9};
  t.undo_since = Time{91};
  t.undo_at = Time::never();
  t.undo_again = true;
  t.input = {Sequence(1), 0, 1};
  t.output = {Sequence(2), 1, 2};
  t.details = {Sequence(7), 1, 2};
  t.heartbeat = {Sequence(3), 2, 3};
  t.error_code = "card_refused";
  s.clocks = {Duration{1}, Duration{2}, Duration{3}};
  s.route = {schema::GoKind::step, 4, 5};
  s.spreads = {{1, 2, 3, 4}};
  s.own_timeouts = {{{1, 2, 3}, Duration{1}, Duration{2}, Duration{3}, Duration{4}}};
  s.signals = {{"decision", "s-1", {Sequence(8), 0, 4}, 2}};
  s.pauses = {{Time{1}, Time{2}}, {Time{3}, Time::never()}};
  s.cancel = Asked{"enough", "anna"};
  s.handled = {{true, false, {1, 0, 0}, "code", "message", {Sequence(3), 0, 2}}};
  s.leases = {{{1, 2, 3}, Action::undo, 4, Sequence(5), Time{6}, Duration{7}, Duration{8}, true, "w1", "p1"}};
  s.failure = {true, true, {1, 2, 3}, "code", "message", {Sequence(5), 1, 9}};
  s.cause = schema::CompensationCause::expired;
  s.reason = "because";
  s.who = "anna";
  s.not_undone = {{{1, 2, 3}, schema::NotUndoneReason::given_up}};
  s.incidents = {{3, schema::IncidentKind::effect_after_undo, {1, 2, 3}, "c", "m", false}};
  s.table_state = 12;
  s.outcome_decided = true;
  return s;
}

TEST(StateCodec, GivesBackEveryField) {
  const State state = full_state();
  const auto back = decode_state(encode_state(state));
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(*back, state);
  EXPECT_EQ(encode_state(*back), encode_state(state));
}

TEST(StateCodec, GivesBackAnEmptyState) {
  EXPECT_EQ(decode_state(encode_state(State{})), State{});
}

TEST(StateCodec, ReadsNothingFromBytesThatAreCutOrLonger) {
  const std::string bytes = encode_state(full_state());
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(decode_state(std::string_view(bytes).substr(0, size))) << size;
  EXPECT_FALSE(decode_state(bytes + "x"));
}

TEST(StateCodec, ReadsNothingFromAnotherFormat) {
  std::string bytes = encode_state(full_state());
  bytes.front() = static_cast<char>(bytes.front() + 1);
  EXPECT_FALSE(decode_state(bytes));
}

TEST(StateCodec, SurvivesCountsThatAreNotTrue) {
  // Each byte in turn says the most it can: a count larger than what is left must not be believed.
  const std::string bytes = encode_state(full_state());
  std::size_t refused = 0;
  for (std::size_t i = 1; i < bytes.size(); ++i) {
    std::string bad = bytes;
    bad[i] = static_cast<char>(0xff);
    refused += !decode_state(bad).has_value();
  }
  EXPECT_GT(refused, 0u);
}

}  // namespace
}  // namespace dta::engine
