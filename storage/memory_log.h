// The same contract in memory, for tests, the simulator and embedding without a disk. Not durable: what close() leaves
// can be opened again from the same MemoryDisk, which is how restarts are tested.
#pragma once

#include <memory>

#include "storage/log.h"

namespace dta::storage {

class MemoryDisk;  // what survives the log object

std::shared_ptr<MemoryDisk> make_memory_disk();
schema::Result<std::unique_ptr<Log>> open_memory_log(std::shared_ptr<MemoryDisk> disk);

}  // namespace dta::storage
