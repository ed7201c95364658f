// See lossy_leveldb.h.
#include "tests/simulation/lossy_leveldb.h"

#include "schema/codec.h"
#include "storage/leveldb_log.h"
#include "storage/verify.h"
#include "tests/storage/fault_disk.h"

namespace dta::simulation {
namespace {

using namespace schema;

class LossyLevelDb final : public Disk {
 public:
  Result<std::unique_ptr<storage::Log>> open() override { return storage::open_leveldb_log("/log", options()); }

  // The disk dies in the middle: some part of the batch was written, and perhaps synced.
  void append_torn(storage::Log& log, storage::Batch& batch, std::uint64_t draw) override {
    disk_.die_at(disk_.operations() + 1 + draw % 6);
    static_cast<void>(log.append(batch));
  }
  Status append_failing(storage::Log& log, storage::Batch& batch, Fate, std::uint64_t draw) override {
    disk_.fail_once_at(disk_.operations() + 1 + draw % 6);
    return log.append(batch);
  }
  void power_loss(std::uint64_t draw) override {
    disk_.power_loss(draw % 3 == 0 ? storage::FaultDisk::Loss::everything : storage::FaultDisk::Loss::random_prefix,
                     draw);
  }
  void restart() override { disk_.restart(); }

  std::vector<std::string> verify() override {
    const auto payloads_of = [](const storage::Record& record) -> Result<std::vector<storage::PayloadName>> {
      auto events = decode_events(record.events);
      if (!events) return tl::unexpected<Error>(events.error());
      std::vector<storage::PayloadName> names;
      Sequence sequence = record.first_sequence;
      for (const Event& event : *events) {
        for_each_payload(event,
                         [&](const PayloadRef& ref) { names.push_back({sequence, ref.index, ref.size, ref.digest}); });
        sequence = sequence.next();
      }
      return names;
    };
    const auto report = storage::verify_leveldb_log("/log", payloads_of, [](Position) {}, options());
    return report ? report->findings : std::vector<std::string>{report.error().message};
  }

 private:
  storage::LevelDbOptions options() {
    storage::LevelDbOptions options;
    options.env = &disk_;
    options.disk = &disk_;
    options.write_buffer_bytes = 64u << 10;
    options.block_cache_bytes = 64u << 10;
    return options;
  }

  storage::FaultDisk disk_;
};

}  // namespace

std::unique_ptr<Disk> make_lossy_leveldb() {
  return std::make_unique<LossyLevelDb>();
}

}  // namespace dta::simulation
