// One server on one machine: the real partition over a log, and the disk under it. The simulator moves it by hand: a
// batch goes away when told so, and what becomes of it is chosen. One thread, but for LevelDB's own.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "schema/event.h"
#include "server/metrics.h"
#include "server/partition.h"
#include "simulation/disk.h"
#include "simulation/judge.h"
#include "storage/log.h"

namespace dta::simulation {

using schema::Time;

class Host {
 public:
  Host(std::unique_ptr<Disk> disk, server::Partition::Settings settings, server::Metrics& metrics, Time now);
  ~Host();
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  server::Partition& partition() { return *partition_; }
  bool writing() const { return away_.has_value(); }
  void give_away(Time now);  // nothing when nothing was built, or one is away
  void finish(Time now);     // nothing when none is away
  void write_all(Time now);

  // The process dies, with or without its machine; `draw` says where a torn write ends. It is open again afterwards.
  void crash(Fate fate, bool power_loss, std::uint64_t draw, Time reopened_at);
  // The write of what was built fails; everybody is told; the log is opened again. False: there was nothing to write.
  bool fail_write(Fate fate, std::uint64_t draw, Time now);
  // A clean stop and a new process.
  void restart(Time now);
  void checkpoint();

  // Of the log as it is durable now.
  Events history(const std::string& id) const;
  std::string payload(const std::string& id, schema::Sequence sequence, std::uint32_t index) const;
  // Every record of every transaction in the order of the log.
  struct Entry {
    std::string id;
    std::vector<schema::RecordedEvent> events;
  };
  std::vector<Entry> log_entries() const;
  std::vector<std::string> differences() const;  // compare_with_log, at a moment when nothing is under way

  // The last thing that is asked, but for what the log says: positions and sequences without gaps; on LevelDB the proof
  // of the closed log as well.
  std::vector<std::string> verify();

  std::vector<std::string>
      broken;  // what must never happen: a log that cannot be opened, a state that is not its log's

 private:
  void open(Time now);
  void close();

  const server::Partition::Settings settings_;
  server::Metrics& metrics_;
  const std::unique_ptr<Disk> disk_;
  std::unique_ptr<storage::Log> log_;
  std::unique_ptr<server::Partition> partition_;  // its readers go before the log
  std::optional<storage::Batch> away_;
};

}  // namespace dta::simulation
