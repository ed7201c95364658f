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
  s.tasks[1] = TaskState{TaskStatus::leased,
                         UndoStatus::incident,
                         false,
                         4,
                         5,
                         6,
                         7,
                         Time{8},
                         Time{9},
                         Time::never(),
                         {Sequence(1), 0, 1},
                         {Sequence(2), 1, 2},
                         {Sequence(3), 2, 3},
                         "card_refused"};
  s.leases = {{{1, 2, 3}, Action::undo, 4, Sequence(5), Time{6}, Duration{7}, Duration{8}, true, "w1", "p1"}};
  s.failure = {true, true, {1, 2, 3}, "code", "message"};
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
