// The seam under both logs: an ordered map of bytes with atomic writes and consistent views. LevelDB stands under the
// one (leveldb_store.h), an ordered map in memory under the other (memory_store.h); everything above is shared.
//
// Threads: Store::write and Store::view may be called from any thread; a View and its Cursors belong to one thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "storage/log.h"

namespace leveldb {
class WriteBatch;
}

namespace dta::storage {

// A place in the order of keys. After a read error the cursor is not valid and status() tells why: a loop that ended
// must ask it.
class Cursor {
 public:
  virtual ~Cursor() = default;
  virtual void seek(std::string_view key) = 0;         // to the first key >= this
  virtual void seek_before(std::string_view key) = 0;  // to the last key < this
  virtual void next() = 0;
  virtual bool valid() const = 0;
  virtual std::string_view key() const = 0;    // until the cursor moves
  virtual std::string_view value() const = 0;  // until the cursor moves
  virtual Status status() const = 0;
};

class View {
 public:
  virtual ~View() = default;
  virtual Result<bool> get(std::string_view key, std::string& value) const = 0;  // false: no such key
  virtual std::unique_ptr<Cursor> cursor() const = 0;
};

class Store {
 public:
  virtual ~Store() = default;
  virtual Status write(leveldb::WriteBatch& puts) = 0;  // all or nothing; durable when it returns
  virtual std::unique_ptr<View> view() const = 0;
};

}  // namespace dta::storage
