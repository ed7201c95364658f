// `replay`: events a second when a whole log is read again: scan, checksum, chain, decode, fold; one thread. The log
// holds sagas of 3 x 4 tasks as a server writes them: 13 records and 32 events each, 128 of them open at a time.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "bench/worker.h"
#include "bench/workloads.h"
#include "engine/evolve.h"
#include "engine/machine.h"
#include "schema/codec.h"
#include "schema/definition.h"
#include "storage/leveldb_log.h"
#include "storage/record_frame.h"

namespace dta::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint64_t kOpen = 128;
constexpr std::uint16_t kSteps = 3, kTasks = 4;

[[noreturn]] void fail(const schema::Error& error) {
  std::fprintf(stderr, "dta_bench: %s\n", error.message.c_str());
  std::exit(1);
}

// The records of one saga in order: the start hands out the first step; each completion is a record of its own, and the
// last one of a step hands out the next.
std::vector<std::vector<schema::Event>> saga_records(std::uint64_t number, const schema::Definition& definition) {
  std::vector<std::vector<schema::Event>> records;
  std::uint64_t sequence = 0;
  std::vector<schema::Event> events;
  std::uint64_t lease_of[kSteps][kTasks] = {};
  const auto add = [&](schema::Event event) {
    events.push_back(std::move(event));
    ++sequence;
  };
  const auto enter = [&](std::uint16_t step) {
    add(schema::StepEntered{.step = step, .inputs = {}});
    for (std::uint16_t task = 0; task < kTasks; ++task) {
      schema::TaskLeased leased;
      leased.task = {step, task, 0};
      leased.worker = "worker-1";
      leased.poll_id = "poll-" + std::to_string(number);
      leased.attempt_timeout = schema::Duration{60'000};
      add(std::move(leased));
      lease_of[step][task] = sequence;
    }
  };
  schema::TransactionStarted started;
  started.id = "saga-" + std::to_string(number);
  started.definition = definition.name;
  started.version = definition.version;
  started.definition_digest = definition.digest;
  add(std::move(started));
  enter(0);
  records.push_back(std::exchange(events, {}));
  for (std::uint16_t step = 0; step < kSteps; ++step)
    for (std::uint16_t task = 0; task < kTasks; ++task) {
      schema::TaskCompleted completed;
      completed.attempt.task = {step, task, 0};
      completed.attempt.lease = schema::Sequence(lease_of[step][task]);
      add(std::move(completed));
      if (task + 1 == kTasks) {
        add(schema::StepMet{.step = step});
        if (step + 1 < kSteps)
          enter(static_cast<std::uint16_t>(step + 1));
        else
          add(schema::TransactionCompleted{});
      }
      records.push_back(std::exchange(events, {}));
    }
  return records;
}

// Writes `count` sagas, kOpen at a time, record by record in turns; returns the number of events.
std::uint64_t write_log(storage::Log& log, std::uint64_t count, const schema::Definition& definition) {
  std::uint64_t events = 0;
  for (std::uint64_t first = 1; first <= count; first += kOpen) {
    const std::uint64_t live = std::min(kOpen, count - first + 1);
    std::vector<std::vector<std::vector<schema::Event>>> sagas;
    std::vector<schema::Hash> chains(live);
    std::vector<std::uint64_t> sequences(live, 1);
    for (std::uint64_t i = 0; i < live; ++i) sagas.push_back(saga_records(first + i, definition));
    for (std::size_t turn = 0; turn < sagas[0].size(); ++turn) {
      storage::Batch batch(log.end().next(), log.fence());
      for (std::uint64_t i = 0; i < live; ++i) {
        storage::Record record;
        record.number = storage::TransactionNumber(first + i);
        record.first_sequence = storage::Sequence(sequences[i]);
        record.event_count = static_cast<std::uint32_t>(sagas[i][turn].size());
        record.recorded_at = storage::Time{1'700'000'000'000 + static_cast<std::int64_t>(first)};
        record.definition_version = definition.version;
        record.epoch = 1;
        record.events = schema::encode_events(sagas[i][turn]);
        sequences[i] += record.event_count;
        events += record.event_count;
        chains[i] = batch.add_record(std::move(record), chains[i]);
      }
      if (auto written = log.append(batch); !written) fail(written.error());
    }
  }
  return events;
}

struct Replayed {
  std::uint64_t events = 0, completed = 0;
};

Replayed replay(storage::Log& log, const engine::Machine& machine) {
  struct Live {
    engine::State state;
    schema::Hash chain{};
  };
  std::unordered_map<std::uint64_t, Live> open;
  Replayed seen;
  const auto read = log.snapshot()->records_from(storage::Position(1), [&](const storage::Record& record) {
    Live& live = open[record.number.value];
    live.chain = storage::chain_of(record, live.chain);
    if (live.chain != record.chain) fail({schema::ErrorCode::log_damaged, "a chain value does not match"});
    auto events = schema::decode_events(record.events);
    if (!events) fail(events.error());
    std::uint64_t sequence = record.first_sequence.value;
    for (schema::Event& event : *events)
      engine::evolve(machine, live.state, {schema::Sequence(sequence++), record.recorded_at, std::move(event)});
    seen.events += events->size();
    if (live.state.ended()) {
      ++seen.completed;
      open.erase(record.number.value);
    }
    return true;
  });
  if (!read) fail(read.error());
  return seen;
}

}  // namespace

int run_replay(const Options& options) {
  const std::uint64_t count = options.transactions != 0 ? options.transactions : options.quick ? 1'000 : 100'000;
  auto definition = schema::parse_definition(kDefinition);
  if (!definition) fail(definition.error());
  const engine::Machine machine(*definition);
  const std::string folder = options.folder + "/replay";
  std::uint64_t written = 0;
  {
    auto log = storage::open_leveldb_log(folder);
    if (!log) fail(log.error());
    written = write_log(**log, count, **definition);
    if (auto closed = (*log)->close(); !closed) fail(closed.error());
  }
  for (int repetition = 1; repetition <= options.repetitions; ++repetition) {
    auto log = storage::open_leveldb_log(folder);
    if (!log) fail(log.error());
    const auto began = Clock::now();
    const Replayed seen = replay(**log, machine);
    const double seconds = std::chrono::duration<double>(Clock::now() - began).count();
    if (seen.events != written || seen.completed != count) {
      std::fprintf(stderr, "dta_bench: %llu events written, %llu read\n", static_cast<unsigned long long>(written),
                   static_cast<unsigned long long>(seen.events));
      return 1;
    }
    std::printf(
        "{\"workload\":\"replay\",\"transactions\":%llu,\"events\":%llu,\"repetition\":%d,\"events_s\":%.0f,"
        "\"seconds\":%.3f}\n",
        static_cast<unsigned long long>(count), static_cast<unsigned long long>(seen.events), repetition,
        static_cast<double>(seen.events) / seconds, seconds);
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace dta::bench
