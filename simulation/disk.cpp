// See disk.h: the memory log. It has no bytes that could be torn: a batch is there or not.
#include "simulation/disk.h"

#include "storage/memory_log.h"

namespace dta::simulation {
namespace {

using namespace schema;

class Memory final : public Disk {
 public:
  Result<std::unique_ptr<storage::Log>> open() override { return storage::open_memory_log(memory_); }
  void append_torn(storage::Log&, storage::Batch&, std::uint64_t) override {}
  Status append_failing(storage::Log& log, storage::Batch& batch, Fate fate, std::uint64_t) override {
    if (fate == Fate::durable) static_cast<void>(log.append(batch));
    return refuse(ErrorCode::storage_fault, "the disk said no");
  }
  void power_loss(std::uint64_t) override {}
  void restart() override {}
  std::vector<std::string> verify() override { return {}; }

 private:
  std::shared_ptr<storage::MemoryDisk> memory_ = storage::make_memory_disk();
};

}  // namespace

std::unique_ptr<Disk> make_memory_disk() {
  return std::make_unique<Memory>();
}

}  // namespace dta::simulation
