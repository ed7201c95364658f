// What the storage tests have in common: logs that can be closed, crashed and opened again, batches with known content,
// and the whole content of a log as text, so that two logs can be compared. Test thread only.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "storage/log.h"

namespace dta::storage {

// Keeps the last sequence and chain value of each transaction, as a partition does.
class Writer {
 public:
  explicit Writer(Log& log) : log_(&log) {}

  struct Stand {
    Sequence last;
    Hash chain{};
  };

  Batch batch() const { return Batch(log_->end().next(), log_->fence()); }
  // One record with `count` events for `number`, whose bytes are made from its number and sequence.
  void add(Batch& batch, std::uint64_t number, std::uint32_t count = 1, std::size_t bytes = 40);
  // A batch that uses every kind of put, for a new transaction; returns it appended or not.
  Status append_everything(std::uint64_t number, std::size_t payload_bytes = 30);

  std::map<std::uint64_t, Stand> stands;

 private:
  Log* log_;
};

std::string events_of(std::uint64_t number, std::uint64_t sequence, std::size_t bytes);
std::string payload_of(std::uint64_t number, std::size_t bytes);

// Everything a reader can read, line by line; an error is the last line, which then begins with "error".
std::vector<std::string> content_of(const Reader& reader);
// The part that positions count, one line a record.
std::vector<std::string> records_in(const Reader& reader);

// A directory under the system's temporary one, removed with the object.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace dta::storage
