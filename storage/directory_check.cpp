// Judging LevelDB's files before LevelDB does. The rules are in docs/log_format.md, "Opening".
#include "storage/directory_check.h"

#include <fmt/format.h>
#include <leveldb/env.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <set>

#include "storage/leveldb_files.h"
#include "storage/leveldb_store.h"

namespace dta::storage {
namespace {

tl::unexpected<schema::Error> damaged(std::string message) {
  return schema::refuse(schema::ErrorCode::log_damaged, std::move(message));
}

struct Names {
  std::map<std::uint64_t, std::string> logs;  // by number
  std::set<std::uint64_t> tables;
  bool current = false;
};

std::optional<std::uint64_t> number_of(std::string_view name, std::string_view suffix) {
  if (!name.ends_with(suffix)) return std::nullopt;
  name.remove_suffix(suffix.size());
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error != std::errc() || end != name.data() + name.size() || name.empty()) return std::nullopt;
  return number;
}

class Check {
 public:
  Check(leveldb::Env& env, const std::string& directory) : env_(env), directory_(directory) {}

  Result<DirectoryState> run() {
    if (Status ok = list(); !ok) return tl::unexpected(ok.error());
    if (Status ok = look_at_head(); !ok) return tl::unexpected(ok.error());
    if (!names_.current) {
      if (Status ok = expect_nothing(); !ok) return tl::unexpected(ok.error());
      state_.fresh = true;
      return std::move(state_);
    }
    if (Status ok = look_at_manifest(); !ok) return tl::unexpected(ok.error());
    if (Status ok = look_at_logs(); !ok) return tl::unexpected(ok.error());
    return std::move(state_);
  }

 private:
  std::string path(const std::string& name) const { return directory_ + "/" + name; }

  Status read(const std::string& name, std::string& bytes) const {
    return from_leveldb(leveldb::ReadFileToString(&env_, path(name), &bytes), fmt::format("Reading {}", path(name)));
  }

  Status list() {
    std::vector<std::string> children;
    if (const leveldb::Status listed = env_.GetChildren(directory_, &children); !listed.ok())
      return from_leveldb(listed, fmt::format("Listing {}", directory_));
    for (const std::string& name : children) {
      if (const auto log = number_of(name, ".log")) names_.logs[*log] = name;
      names_.current = names_.current || name == "CURRENT";
      if (const auto table = number_of(name, ".ldb")) names_.tables.insert(*table);
      state_.head_exists = state_.head_exists || name == kHeadFileName;
    }
    return {};
  }

  Status look_at_head() {
    if (!state_.head_exists) return {};
    std::string bytes;
    if (Status ok = read(kHeadFileName, bytes); !ok) return ok;
    HeadReading reading = read_head(bytes);
    state_.head = reading.newest;
    state_.head_newest_slot = reading.newest_slot;
    state_.notes = std::move(reading.notes);
    return {};
  }

  // Without CURRENT LevelDB would begin anew and delete what is there.
  Status expect_nothing() const {
    if (state_.head && state_.head->position)
      return damaged(fmt::format("{} says that the log reaches position {}, but there is no file CURRENT beside it.",
                                 path(kHeadFileName), state_.head->position.value));
    if (!names_.tables.empty() || !names_.logs.empty())
      return damaged(fmt::format("There are files of a log in {}, but no file CURRENT.", directory_));
    return {};
  }

  Status look_at_manifest() {
    std::string current;
    if (Status ok = read("CURRENT", current); !ok) return ok;
    if (!current.starts_with("MANIFEST-") || !current.ends_with('\n') || current.find('/') != std::string::npos)
      return damaged(fmt::format("{} does not name a manifest.", path("CURRENT")));
    const std::string name = current.substr(0, current.size() - 1);
    if (!env_.FileExists(path(name)))
      return damaged(fmt::format("{} names {}, which does not exist.", path("CURRENT"), name));
    std::string bytes;
    if (Status ok = read(name, bytes); !ok) return ok;
    bool readable = true;
    ManifestState manifest;
    const std::optional<FileDamage> damage = scan_log_file(
        bytes, [&](std::string_view record) { readable = readable && read_manifest_record(record, manifest); });
    if (!readable) return damaged(fmt::format("{} holds a record that cannot be read.", path(name)));
    if (damage) {
      const auto no_matter_what = [](std::string_view) { return true; };
      // A manifest's tail is torn only if the write never completed; then the state before it is still whole on disk.
      if (!manifest.whole() || damage->length_flipped || find_intact_record(bytes, damage->offset + 1, no_matter_what))
        return damaged(fmt::format("{} is damaged at offset {}: {}.", path(name), damage->offset, damage->what));
      state_.cuts.push_back({name, damage->cut_at, damage->what});
      state_.bytes_to_cut += bytes.size() - damage->cut_at;
    }
    if (!manifest.whole()) return damaged(fmt::format("{} ends too early.", path(name)));
    oldest_log_ = *manifest.log_number;
    // An edit that got lost would have changed this number, and the file it named before is gone.
    if (oldest_log_ != 0 && !names_.logs.contains(oldest_log_))
      return damaged(fmt::format("{} needs the log file {:06}.log, which does not exist.", path(name), oldest_log_));
    for (const std::uint64_t table : manifest.tables)
      if (!names_.tables.contains(table))
        return damaged(fmt::format("{} needs the table {:06}.ldb, which does not exist.", path(name), table));
    return {};
  }

  Status look_at_logs() {
    std::optional<Position> stands_at;
    std::uint64_t last_write = 0;
    std::optional<FileDamage> damage;
    const auto plausible = [&last_write](std::string_view content) {
      if (content.size() < 12) return false;
      std::uint64_t sequence = 0;
      for (int i = 8; i-- > 0;)
        sequence = sequence << 8 | static_cast<std::uint8_t>(content[static_cast<std::size_t>(i)]);
      return sequence > last_write && sequence - last_write < (1ull << 32);
    };
    std::string damaged_name;
    for (const auto& [number, name] : names_.logs) {
      if (number < oldest_log_) continue;
      std::string bytes;
      if (Status ok = read(name, bytes); !ok) return ok;
      if (damage) {
        // Behind a torn tail only an empty file can follow: a log file is begun after the one before was complete.
        if (const auto intact = find_intact_record(bytes, 0, plausible))
          return not_torn(damaged_name, *damage, fmt::format("{} holds an intact write at offset {}", name, *intact));
        if (!bytes.empty()) cut(name, bytes, 0, "it follows a torn tail");
        continue;
      }
      bool readable = true;
      damage = scan_log_file(bytes, [&](std::string_view record) {
        const std::optional<LoggedWrite> write = read_logged_write(record);
        readable = readable && write;
        if (!write) return;
        last_write = std::max(last_write, write->first_sequence);
        if (write->stands_at) stands_at = std::max(stands_at, write->stands_at);
      });
      if (!readable) return damaged(fmt::format("{} holds a write that cannot be read.", path(name)));
      if (!damage) continue;
      damaged_name = name;
      if (damage->length_flipped) return not_torn(name, *damage, "a torn write does not look like that");
      if (const auto intact = find_intact_record(bytes, damage->offset + 1, plausible))
        return not_torn(name, *damage, fmt::format("an intact write follows at offset {}", *intact));
      cut(name, bytes, damage->cut_at, damage->what);
    }
    if (damage && !state_.head)
      return damaged(
          fmt::format("{} is damaged at offset {} ({}), and there is no good HEAD that could tell what was durable.",
                      path(damaged_name), damage->offset, damage->what));
    // What LevelDB's log files hold is newer than its tables: their last position is the end of the log.
    if (!stands_at || !state_.head || *stands_at >= state_.head->position) return {};
    const std::string where = damage ? fmt::format("{} is damaged at offset {} ({}): the log ends there",
                                                   path(damaged_name), damage->offset, damage->what)
                                     : fmt::format("The last log file in {} ends", directory_);
    return damaged(fmt::format("{} at position {}, but HEAD says that everything up to position {} was durable.", where,
                               stands_at->value, state_.head->position.value));
  }

  void cut(const std::string& name, const std::string& bytes, std::size_t keep, const std::string& what) {
    state_.cuts.push_back({name, keep, what});
    state_.bytes_to_cut += bytes.size() - keep;
  }

  Status not_torn(const std::string& name, const FileDamage& damage, const std::string& why) const {
    return damaged(fmt::format("{} is damaged at offset {}: {}; it is no torn write, because {}.", path(name),
                               damage.offset, damage.what, why));
  }

  leveldb::Env& env_;
  const std::string& directory_;
  Names names_;
  std::uint64_t oldest_log_ = 0;
  DirectoryState state_;
};

// Whole and durable, or not there.
Status write_file(leveldb::Env& env, const std::string& path, std::string_view bytes) {
  leveldb::WritableFile* created = nullptr;
  leveldb::Status status = env.NewWritableFile(path, &created);
  const std::unique_ptr<leveldb::WritableFile> file(created);
  if (status.ok()) status = file->Append({bytes.data(), bytes.size()});
  if (status.ok()) status = file->Sync();
  if (status.ok()) status = file->Close();
  return from_leveldb(status, fmt::format("Writing {}", path));
}

}  // namespace

Status DirectoryLock::take(const std::string& directory) {
  const leveldb::Status status = env_.LockFile(directory + "/LOCK", &lock_);
  if (says_locked(status))
    return schema::refuse(schema::ErrorCode::log_locked,
                          fmt::format("Another process has the log in {} open.", directory));
  return from_leveldb(status, fmt::format("Locking {}", directory));
}

void DirectoryLock::release() {
  if (lock_ != nullptr) env_.UnlockFile(lock_);
  lock_ = nullptr;
}

Result<DirectoryState> check_directory(leveldb::Env& env, const std::string& directory) {
  return Check(env, directory).run();
}

Status cut_torn_tails(leveldb::Env& env, Disk& disk, const std::string& directory, DirectoryState& state) {
  for (const DirectoryState::Cut& cut : state.cuts) {
    const std::string path = directory + "/" + cut.file;
    const std::string copy = fmt::format("{}/cut-{}-{}", directory, cut.file, cut.keep);
    const std::string shorter = fmt::format("{}/cut-{}.tmp", directory, cut.file);
    std::string bytes;
    if (Status ok = from_leveldb(leveldb::ReadFileToString(&env, path, &bytes), fmt::format("Reading {}", path)); !ok)
      return ok;
    const std::string_view whole = bytes;
    if (Status ok = write_file(env, copy, whole.substr(cut.keep)); !ok) return ok;
    if (Status ok = write_file(env, shorter, whole.substr(0, cut.keep)); !ok) return ok;
    if (Status ok = disk.sync_directory(directory); !ok) return ok;
    if (Status ok = from_leveldb(env.RenameFile(shorter, path), fmt::format("Renaming {}", shorter)); !ok) return ok;
    if (Status ok = disk.sync_directory(directory); !ok) return ok;
    state.notes.push_back(fmt::format("A torn tail of {} bytes was cut off {} at offset {} ({}); it is kept as {}.",
                                      bytes.size() - cut.keep, path, cut.keep, cut.what, copy));
  }
  return {};
}

}  // namespace dta::storage
