// Definitions, starts, reads and cancels. Conformance: A6 A7 A8 A10 G7.
#include "tests/partition/definitions.h"
#include "tests/partition/driver.h"

namespace dta::partition {
namespace {

using server::PublishReply;
using server::PublishRequest;
using server::TransactionReply;
using server::TransactionSummary;

TEST(Partition, AnswersAPublishOnlyOnceItIsDurable) {
  Driver d;
  const auto first = d.submit<PublishReply>(PublishRequest{define(kOne), {}});
  EXPECT_FALSE(first.given());
  ASSERT_TRUE(d.begin_write());
  // Known, but by a write that may still be lost: the second publisher and a reader wait as well.
  const auto again = d.submit<PublishReply>(PublishRequest{define(kOne), {}});
  const auto read = d.submit<server::DefinitionsReply>(server::DefinitionsRequest{"one", 0, {}});
  const auto other = d.submit<PublishReply>(PublishRequest{define(std::string(kOne) + " "), {}});
  EXPECT_FALSE(again.given() || read.given() || other.given());
  d.finish_write();
  ASSERT_TRUE(first.ok() && again.ok() && read.ok());
  EXPECT_TRUE(first->created);
  EXPECT_FALSE(again->created);
  EXPECT_EQ(read->definitions.size(), 1u);
  EXPECT_EQ(other.code(), ErrorCode::definition_conflict);
  EXPECT_FALSE(d.partition().has_batch());
}

TEST(Partition, KeepsDefinitionsAndTheirTimesOverARestart) {
  Driver d;
  publish(d, kOne);
  const Time published_at = d.now;
  d.wait(Duration{5000});
  std::string second = kOne;
  second.replace(second.find("\"version\":1"), 11, "\"version\":2");
  publish(d, second);
  d.wait(Duration{5000});
  d.crash(Fate::lost);
  const auto all = d.ask<server::DefinitionsReply>(server::DefinitionsRequest{});
  ASSERT_TRUE(all.ok());
  ASSERT_EQ(all->definitions.size(), 2u);
  EXPECT_EQ(all->definitions[0].published_at, published_at);
  EXPECT_EQ(all->definitions[1].published_at, published_at + Duration{5000});
  EXPECT_EQ(all->definitions[1].definition->text, second);
  const auto again = d.ask<PublishReply>(PublishRequest{define(second), {}});
  ASSERT_TRUE(again.ok());
  EXPECT_FALSE(again->created);
  EXPECT_EQ(d.ask<PublishReply>(PublishRequest{define(second + "\n"), {}}).code(), ErrorCode::definition_conflict);
  EXPECT_EQ(d.ask<server::DefinitionsReply>(server::DefinitionsRequest{"one", 3, {}}).code(),
            ErrorCode::definition_not_found);
}

// A6, A8, G7: the second of two starts is told of the first one, and not before that one is durable.
TEST(Partition, LetsADuplicateStartWaitForTheFirstToBeDurable) {
  Driver d;
  publish(d, kPair);
  const auto first = d.submit<TransactionSummary>(start_of("t", "pair"));
  const auto built = d.submit<TransactionSummary>(start_of("t", "pair"));
  ASSERT_TRUE(d.begin_write());
  const auto away = d.submit<TransactionSummary>(start_of("t", "pair"));
  EXPECT_FALSE(first.given() || built.given() || away.given());
  EXPECT_FALSE(d.partition().has_batch()) << "a duplicate writes nothing";
  d.finish_write();
  ASSERT_TRUE(first.ok() && built.ok() && away.ok());
  EXPECT_TRUE(first->created);
  EXPECT_FALSE(built->created || away->created);
  EXPECT_EQ(away->sequence, first->sequence);
  d.crash(Fate::lost);
  const auto later = d.ask<TransactionSummary>(start_of("t", "pair"));
  ASSERT_TRUE(later.ok());
  EXPECT_FALSE(later->created);
  EXPECT_EQ(d.record_sizes("t").size(), 1u);
}

// A7.
TEST(Partition, RefusesAStartOfAKnownIdWithOtherContent) {
  Driver d;
  publish(d, kPair);
  const auto first = d.submit<TransactionSummary>(start_of("t", "pair"));
  const auto other = d.submit<TransactionSummary>(start_of("t", "pair", "{\"n\":2}"));
  EXPECT_FALSE(other.given()) << "a refusal tells of something that is not durable yet";
  d.write();
  EXPECT_TRUE(first.ok());
  EXPECT_EQ(other.code(), ErrorCode::id_reused);
  d.crash(Fate::lost);
  EXPECT_EQ(d.ask<TransactionSummary>(start_of("t", "pair", "{\"n\":2}")).code(), ErrorCode::id_reused);
}

TEST(Partition, MatchesARepeatedStartByTheVersionItGot) {
  Driver d;
  publish(d, kOne);
  start(d, "t", "one");
  std::string second = kOne;
  second.replace(second.find("\"version\":1"), 11, "\"version\":2");
  publish(d, second);
  const auto unnamed = d.ask<TransactionSummary>(start_of("t", "one"));
  ASSERT_TRUE(unnamed.ok()) << "a retry that names no version matches";
  EXPECT_EQ(unnamed->version, 1u);
  auto named = start_of("t", "one");
  named.version = 1;
  EXPECT_TRUE(d.ask<TransactionSummary>(named).ok());
  named.version = 2;
  EXPECT_EQ(d.ask<TransactionSummary>(named).code(), ErrorCode::id_reused);
  const auto newest = d.ask<TransactionSummary>(start_of("t2", "one"));
  ASSERT_TRUE(newest.ok());
  EXPECT_EQ(newest->version, 2u);
  auto missing = start_of("t3", "one");
  missing.version = 7;
  EXPECT_EQ(d.ask<TransactionSummary>(missing).code(), ErrorCode::definition_not_found);
  EXPECT_EQ(d.ask<TransactionReply>(get_of("t3")).code(), ErrorCode::transaction_not_found);
}

TEST(Partition, AnswersAWaitingCallerWithTheDurableOutcome) {
  Driver d;
  publish(d, kOne);
  const auto starter = d.submit<TransactionSummary>(start_of("t", "one", "{}", Duration{10'000}));
  d.write();
  EXPECT_FALSE(starter.given());
  const auto reader = d.submit<TransactionReply>(get_of("t", Duration{10'000}));
  const auto second = d.submit<TransactionSummary>(start_of("t", "one", "{}", Duration{10'000}));
  const server::HandOut task = take(d, "q");
  const auto result = d.submit<server::ResultsReply>(results_of({completed(task.token)}));
  ASSERT_TRUE(d.begin_write());
  EXPECT_FALSE(starter.given() || reader.given() || second.given()) << "the outcome is decided, but not durable";
  d.finish_write();
  ASSERT_TRUE(result.ok() && starter.ok() && reader.ok() && second.ok());
  EXPECT_TRUE(starter->created);
  EXPECT_FALSE(second->created);
  EXPECT_EQ(starter->status, "completed");
  EXPECT_EQ(starter->outcome, "completed");
  EXPECT_EQ(reader->state.phase, engine::Phase::completed);
  EXPECT_EQ(d.partition().next_due(), Time::never()) << "nobody waits any more";
}

// The last join decides the outcome; the leftover settles, and is undone, long after the caller was told.
TEST(Partition, AnswersAWaitingCallerWhenTheLastJoinIsDecided) {
  Driver d;
  publish(d, kAny);
  const auto starter = d.submit<TransactionSummary>(start_of("t", "any", "{}", Duration{10'000}));
  d.write();
  const server::HandOut x = take(d, "qx"), y = take(d, "qy");
  const auto result = d.submit<server::ResultsReply>(results_of({completed(x.token, "7")}));
  ASSERT_TRUE(d.begin_write());
  EXPECT_FALSE(starter.given()) << "decided, but not durable";
  d.finish_write();
  ASSERT_TRUE(result.ok() && starter.ok());
  EXPECT_EQ(starter->outcome, "completed");
  EXPECT_EQ(starter->phase, "running");
  EXPECT_EQ(starter->output, "7");
  EXPECT_EQ(d.ask<TransactionSummary>(cancel_of("t")).code(), ErrorCode::closed);
  d.expect_consistent();

  // Who asks now is answered at once, also after a crash; the leftover is still there and is undone.
  d.crash(Fate::durable);
  EXPECT_TRUE(d.ask<TransactionReply>(get_of("t", Duration{10'000})).ok());
  EXPECT_EQ(d.ask<TransactionSummary>(start_of("t", "any", "{}", Duration{10'000}))->outcome, "completed");
  EXPECT_EQ(status_of(d, "t"), "running");
  EXPECT_TRUE(report(d, completed(y.token, "8")));
  EXPECT_TRUE(report(d, completed(take(d, "uy").token)));
  EXPECT_EQ(status_of(d, "t"), "completed");
  EXPECT_EQ(d.ask<TransactionSummary>(start_of("t", "any", "{}"))->output, "7");
  d.expect_consistent();
}

TEST(Partition, AnswersAWaitingCallerWhenItsTimeIsOver) {
  Driver d;
  publish(d, kPair);
  const auto starter = d.submit<TransactionSummary>(start_of("t", "pair", "{}", Duration{1000}));
  d.write();
  d.wait(Duration{999});
  d.tick();
  EXPECT_FALSE(starter.given());
  d.wait(Duration{1});
  EXPECT_LE(d.partition().next_due(), d.now);
  d.tick();
  ASSERT_TRUE(starter.ok());
  EXPECT_EQ(starter->status, "running");
  EXPECT_FALSE(starter->outcome.has_value());
}

TEST(Partition, LetsNoReadSeeWhatIsNotDurable) {
  Driver d;
  publish(d, kPair);
  start(d, "t", "pair");
  const auto cancel = d.submit<TransactionSummary>(cancel_of("t"));
  const auto read = d.submit<TransactionReply>(get_of("t"));
  const auto refused = d.submit<TransactionSummary>(cancel_of("t"));
  ASSERT_TRUE(d.begin_write());
  const auto late = d.submit<TransactionReply>(get_of("t"));
  EXPECT_FALSE(cancel.given() || read.given() || refused.given() || late.given());
  d.finish_write();
  ASSERT_TRUE(cancel.ok() && read.ok() && late.ok());
  EXPECT_EQ(read->state.phase, engine::Phase::compensated) << "nothing was handed out: there was nothing to undo";
  EXPECT_EQ(refused.code(), ErrorCode::closed);
}

TEST(Partition, AnswersACancelByItsRequestId) {
  Driver d;
  publish(d, kPair);
  start(d, "t", "pair");
  const server::HandOut task = take(d, "qx");
  const auto first = d.submit<TransactionSummary>(cancel_of("t", "c1"));
  const auto again = d.submit<TransactionSummary>(cancel_of("t", "c1"));
  const auto other = d.submit<TransactionSummary>(cancel_of("t", "c1", "another reason"));
  const auto unnamed = d.submit<TransactionSummary>(cancel_of("t"));
  EXPECT_FALSE(again.given() || other.given() || unnamed.given());
  d.write();
  ASSERT_TRUE(first.ok() && again.ok());
  EXPECT_EQ(first->status, "compensating");
  EXPECT_EQ(other.code(), ErrorCode::id_reused);
  EXPECT_EQ(unnamed.code(), ErrorCode::closed);
  d.crash(Fate::lost);
  EXPECT_TRUE(d.ask<TransactionSummary>(cancel_of("t", "c1")).ok());
  EXPECT_EQ(d.ask<TransactionSummary>(cancel_of("t", "c1", "another reason")).code(), ErrorCode::id_reused);
  EXPECT_TRUE(report(d, failed(task.token)));
  EXPECT_EQ(status_of(d, "t"), "compensated");
  const auto ended = d.ask<TransactionSummary>(cancel_of("t", "c1"));
  ASSERT_TRUE(ended.ok());
  EXPECT_EQ(ended->status, first->status) << "the first answer, after the end too";
  EXPECT_EQ(ended->sequence, first->sequence);
  std::size_t begun = 0;
  for (schema::EventKind kind : d.kinds("t")) begun += kind == schema::EventKind::compensation_started;
  EXPECT_EQ(begun, 1u);
}

TEST(Partition, KnowsNoReservedTransactions) {
  Driver d;
  publish(d, kOne);
  EXPECT_EQ(d.ask<TransactionReply>(get_of("$definition/one")).code(), ErrorCode::transaction_not_found);
  EXPECT_EQ(d.ask<TransactionSummary>(cancel_of("$definition/one")).code(), ErrorCode::transaction_not_found);
  // Its number is 1; no lease was ever handed out for it.
  const Status status =
      report(d, completed(server::lease_token(schema::TransactionNumber(1), schema::Sequence(1), d.now)));
  EXPECT_EQ(code_of(status), ErrorCode::lease_not_found);
  d.expect_consistent();
}

TEST(Partition, FindsEndedTransactionsThatLeftMemory) {
  Driver::Setup setup;
  setup.settings.closed_cache = 2;
  Driver d(setup);
  publish(d, kOne);
  for (int i = 0; i < 10; ++i) {
    start(d, "t" + std::to_string(i), "one");
    ASSERT_TRUE(report(d, completed(take(d, "q").token)));
  }
  EXPECT_EQ(d.partition().entries().size(), 2u);
  // Reading alone writes nothing, and must not fill the memory either.
  for (int i = 0; i < 10; ++i) {
    const auto read = d.submit<TransactionReply>(get_of("t" + std::to_string(i)));
    ASSERT_TRUE(read.ok());
    EXPECT_EQ(read->state.phase, engine::Phase::completed);
    EXPECT_LE(d.partition().entries().size(), 2u);
  }
  const auto again = d.submit<TransactionSummary>(start_of("t0", "one"));
  ASSERT_TRUE(again.ok());
  EXPECT_FALSE(again->created);
  EXPECT_EQ(d.submit<TransactionSummary>(start_of("t0", "one", "{\"n\":3}")).code(), ErrorCode::id_reused);
  d.expect_consistent();
}

TEST(Partition, TellsFollowersWhenMoreIsDurable) {
  Driver d;
  publish(d, kOne);
  const schema::Position end = d.log().end();
  const auto at_once = d.submit<server::WaitReply>(server::WaitRequest{schema::Position{}, Duration{1000}, {}});
  ASSERT_TRUE(at_once.ok());
  EXPECT_EQ(at_once->durable, end);
  const auto waiting = d.submit<server::WaitReply>(server::WaitRequest{end, Duration{1000}, {}});
  const auto by_time = d.submit<server::WaitReply>(server::WaitRequest{end.next(), Duration{1000}, {}});
  const auto started = d.submit<TransactionSummary>(start_of("t", "one"));
  ASSERT_TRUE(d.begin_write());
  EXPECT_FALSE(waiting.given());
  d.finish_write();
  ASSERT_TRUE(waiting.ok() && started.ok());
  EXPECT_EQ(waiting->durable, end.next());
  EXPECT_FALSE(by_time.given());
  d.wait(Duration{1000});
  d.tick();
  EXPECT_TRUE(by_time.ok());
}

}  // namespace
}  // namespace dta::partition
