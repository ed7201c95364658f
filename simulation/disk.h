// The disk under the simulated server, and what may happen to it. Two: the memory log (disk.cpp), and LevelDB on a disk
// that forgets what was not synced (tests/simulation). One thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "schema/error.h"
#include "storage/log.h"

namespace dta::simulation {

// What becomes of the batch that is away when the process dies, or its write fails.
enum class Fate : std::uint8_t { lost, torn, durable };

class Disk {
 public:
  virtual ~Disk() = default;
  virtual schema::Result<std::unique_ptr<storage::Log>> open() = 0;
  // The process dies while it appends; `draw` says where.
  virtual void append_torn(storage::Log& log, storage::Batch& batch, std::uint64_t draw) = 0;
  // The write fails at one of its operations; success: the fault lay beyond it.
  virtual schema::Status append_failing(storage::Log& log, storage::Batch& batch, Fate fate, std::uint64_t draw) = 0;
  virtual void power_loss(std::uint64_t draw) = 0;  // what was not synced is lost
  virtual void restart() = 0;                       // of a sound machine
  virtual std::vector<std::string> verify() = 0;    // proves the closed log
};

std::unique_ptr<Disk> make_memory_disk();

}  // namespace dta::simulation
