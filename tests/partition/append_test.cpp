// Appends to a table: ids first, then the expected sequence, then the machine. Conformance: G3 G4 G5 G6 G8.
#include "tests/partition/definitions.h"
#include "tests/partition/driver.h"

namespace dta::partition {
namespace {

using server::AppendReply;
using server::AppendRequest;
using server::Expect;

AppendRequest expecting(AppendRequest request, std::uint64_t sequence) {
  request.expect = Expect::exactly;
  request.expected_sequence = sequence;
  return request;
}

void begin(Driver& d) {
  publish(d, kTable);
  start(d, "f", "fine");
}

void expect_same(const AppendReply& first, const AppendReply& again) {
  EXPECT_EQ(first.first_sequence, again.first_sequence);
  EXPECT_EQ(first.sequence, again.sequence);
  EXPECT_EQ(first.state, again.state);
  EXPECT_EQ(first.status, again.status);
  EXPECT_EQ(first.phase, again.phase);
  EXPECT_TRUE(again.repeated);
}

// G3.
TEST(Partition, RefusesAnAppendAtAnotherSequenceAndTellsTheCurrentOne) {
  Driver d;
  begin(d);
  ASSERT_TRUE(d.ask<AppendReply>(append_of("f", {{"", "send", ""}})).ok());
  const auto refused = d.ask<AppendReply>(expecting(append_of("f", {{"", "pay", ""}}), 1));
  ASSERT_EQ(refused.code(), ErrorCode::wrong_sequence);
  EXPECT_EQ(refused.error().current_sequence, 2u);
  auto none = append_of("f", {{"", "pay", ""}});
  none.expect = Expect::none;
  EXPECT_EQ(d.ask<AppendReply>(none).code(), ErrorCode::wrong_sequence);
  EXPECT_TRUE(d.ask<AppendReply>(expecting(append_of("f", {{"", "pay", ""}}), 2)).ok());
  EXPECT_EQ(d.ask<AppendReply>(append_of("nobody", {{"", "pay", ""}})).code(), ErrorCode::transaction_not_found);
}

// G4: whatever the expected sequence, before and after it is durable, and after a restart.
TEST(Partition, AnswersAKnownAppendAsTheFirstTime) {
  Driver d;
  begin(d);
  const auto request = append_of("f", {{"e1", "send", "{\"to\":1.0}"}, {"e2", "appeal", ""}});
  const auto first = d.submit<AppendReply>(request);
  const auto built = d.submit<AppendReply>(expecting(request, 1));
  ASSERT_TRUE(d.begin_write());
  const auto away = d.submit<AppendReply>(expecting(request, 77));
  EXPECT_FALSE(first.given() || built.given() || away.given());
  EXPECT_FALSE(d.partition().has_batch());
  d.finish_write();
  ASSERT_TRUE(first.ok() && built.ok() && away.ok());
  EXPECT_FALSE(first->repeated);
  EXPECT_EQ(first->state, "appealed");
  expect_same(*first, *built);
  expect_same(*first, *away);
  // The state as it was then, though the transaction moved on and ended.
  const auto last = d.ask<AppendReply>(append_of("f", {{"e3", "pay", ""}}));
  ASSERT_TRUE(last.ok());
  EXPECT_EQ(last->status, "completed");
  d.crash(Fate::lost);
  const auto later = d.ask<AppendReply>(request);
  ASSERT_TRUE(later.ok());
  expect_same(*first, *later);
  EXPECT_EQ(d.history("f").size(), 5u);
}

TEST(Partition, AnswersAKnownAppendThatEndedTheTransactionWithItsEnd) {
  Driver d;
  begin(d);
  const auto request = append_of("f", {{"e1", "send", ""}, {"e2", "pay", ""}});
  const auto first = d.ask<AppendReply>(request);
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(first->status, "completed");
  const auto again = d.ask<AppendReply>(request);
  ASSERT_TRUE(again.ok());
  expect_same(*first, *again);
  d.crash(Fate::lost);
  const auto later = d.ask<AppendReply>(request);
  ASSERT_TRUE(later.ok());
  expect_same(*first, *later);
}

TEST(Partition, AnswersAKnownAppendInAnyOrderOfItsEvents) {
  Driver d;
  begin(d);
  const auto first = d.ask<AppendReply>(append_of("f", {{"e1", "send", ""}, {"e2", "appeal", ""}}));
  ASSERT_TRUE(first.ok());
  const auto turned = d.ask<AppendReply>(append_of("f", {{"e2", "appeal", ""}, {"e1", "send", ""}}));
  ASSERT_TRUE(turned.ok());
  expect_same(*first, *turned);
}

TEST(Partition, TellsEventIdsOfOtherContentApart) {
  Driver d;
  begin(d);
  ASSERT_TRUE(d.ask<AppendReply>(append_of("f", {{"e1", "send", "{\"amount\":1}"}})).ok());
  EXPECT_TRUE(d.ask<AppendReply>(append_of("f", {{"e1", "send", "{ \"amount\" : 1.0 }"}})).ok())
      << "the same value, spelled otherwise";
  EXPECT_EQ(d.ask<AppendReply>(append_of("f", {{"e1", "send", "{\"amount\":2}"}})).code(), ErrorCode::id_reused);
  EXPECT_EQ(d.ask<AppendReply>(append_of("f", {{"e1", "send", ""}})).code(), ErrorCode::id_reused);
  EXPECT_EQ(d.ask<AppendReply>(append_of("f", {{"e1", "pay", "{\"amount\":1}"}})).code(), ErrorCode::id_reused);
  EXPECT_EQ(d.ask<AppendReply>(append_of("f", {{"e1", "send", "{\"amount\":1}"}, {"e2", "pay", ""}})).code(),
            ErrorCode::id_reused)
      << "only some are known";
  EXPECT_EQ(d.ask<AppendReply>(append_of("f", {{"e1", "send", "{\"amount\":1}"}, {"", "pay", ""}})).code(),
            ErrorCode::id_reused);
  EXPECT_EQ(d.ask<AppendReply>(append_of("f", {{"e5", "appeal", ""}, {"e5", "appeal", ""}})).code(),
            ErrorCode::id_reused)
      << "one id twice";
  EXPECT_EQ(d.ask<server::TransactionSummary>(cancel_of("f", "e1")).code(), ErrorCode::id_reused)
      << "requests share their ids with events";
  EXPECT_EQ(d.history("f").size(), 2u);
  d.expect_consistent();
}

// G6: the second event is illegal, so the first did not happen and its id is still free.
TEST(Partition, StoresAnAppendWholeOrNotAtAll) {
  Driver d;
  begin(d);
  const auto refused = d.ask<AppendReply>(append_of("f", {{"e1", "send", ""}, {"e2", "send", ""}}));
  ASSERT_EQ(refused.code(), ErrorCode::illegal_event);
  EXPECT_EQ(refused.error().current_sequence, 1u);
  EXPECT_EQ(d.history("f").size(), 1u);
  EXPECT_TRUE(d.ask<AppendReply>(append_of("f", {{"e1", "send", "{}"}})).ok());
  EXPECT_EQ(d.record_sizes("f"), (std::vector<std::size_t>{1, 1}));
}

// G5.
TEST(Partition, ChangesNothingByAnEmptyAppend) {
  Driver d;
  begin(d);
  const auto empty = d.ask<AppendReply>(append_of("f", {}));
  ASSERT_TRUE(empty.ok());
  EXPECT_EQ(empty->sequence, 1u);
  EXPECT_EQ(empty->state, "open");
  EXPECT_FALSE(empty->repeated);
  EXPECT_EQ(d.ask<AppendReply>(expecting(append_of("f", {}), 9)).code(), ErrorCode::wrong_sequence);
  EXPECT_EQ(d.history("f").size(), 1u);
}

// G8.
TEST(Partition, KeepsTheSequenceOverARestart) {
  Driver d;
  begin(d);
  ASSERT_TRUE(d.ask<AppendReply>(append_of("f", {{"e1", "send", ""}})).ok());
  d.submit<AppendReply>(append_of("f", {{"e2", "appeal", ""}}));
  ASSERT_TRUE(d.begin_write());
  d.crash(Fate::lost);
  EXPECT_EQ(d.ask<AppendReply>(expecting(append_of("f", {{"e2", "appeal", ""}}), 3)).code(), ErrorCode::wrong_sequence);
  const auto appended = d.ask<AppendReply>(expecting(append_of("f", {{"e2", "appeal", ""}}), 2));
  ASSERT_TRUE(appended.ok());
  EXPECT_EQ(appended->sequence, 3u);
  EXPECT_FALSE(appended->repeated);
}

TEST(Partition, TakesNoAppendAfterTheEndAndNoneInStepsForm) {
  Driver d;
  begin(d);
  ASSERT_TRUE(d.ask<AppendReply>(append_of("f", {{"", "send", ""}, {"", "pay", ""}})).ok());
  EXPECT_EQ(d.ask<AppendReply>(append_of("f", {{"", "appeal", ""}})).code(), ErrorCode::closed);
  publish(d, kOne);
  start(d, "t", "one");
  EXPECT_EQ(d.ask<AppendReply>(append_of("t", {{"", "send", ""}})).code(), ErrorCode::reserved_kind);
  EXPECT_EQ(d.history("f").size(), 4u);
}

}  // namespace
}  // namespace dta::partition
