// What the storage tests have in common.
#include "tests/storage/workbench.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

namespace dta::storage {
namespace {

std::string short_hex(const Hash& hash) {
  return schema::to_hex(hash).substr(0, 16);
}

std::string line_of(const Record& record) {
  return fmt::format("record {} of {}: {}+{} at {} version {} epoch {} fence {} chain {} events {}",
                     record.position.value, record.number.value, record.first_sequence.value, record.event_count,
                     record.recorded_at.ms, record.definition_version, record.epoch, record.fence.value,
                     short_hex(record.chain), short_hex(schema::sha256(record.events)));
}

}  // namespace

std::string events_of(std::uint64_t number, std::uint64_t sequence, std::size_t bytes) {
  std::string events = fmt::format("events of {} from {} ", number, sequence);
  while (events.size() < bytes) events.push_back(static_cast<char>('a' + (events.size() * number + sequence) % 26));
  return events;
}

std::string payload_of(std::uint64_t number, std::size_t bytes) {
  std::string payload = fmt::format("{{\"payload of\":{},\"fill\":\"", number);
  std::uint64_t state = number;
  while (payload.size() < bytes) {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    payload.push_back(static_cast<char>(state >> 56));
  }
  return payload;
}

void Writer::add(Batch& batch, std::uint64_t number, std::uint32_t count, std::size_t bytes) {
  Stand& stand = stands[number];
  Record record;
  record.number = TransactionNumber(number);
  record.first_sequence = stand.last.next();
  record.event_count = count;
  record.recorded_at = Time{1'700'000'000'000 + static_cast<std::int64_t>(number)};
  record.definition_version = 3;
  record.epoch = 1;
  record.events = events_of(number, record.first_sequence.value, bytes);
  stand.last = Sequence(stand.last.value + count);
  stand.chain = batch.add_record(std::move(record), stand.chain);
}

Status Writer::append_everything(std::uint64_t number, std::size_t payload_bytes) {
  Batch made = batch();
  add(made, number, 2);
  const TransactionNumber strong(number);
  const std::string id = fmt::format("order-{}", number);
  made.put_payload(strong, Sequence(1), 0, payload_of(number, payload_bytes));
  made.bind_id(id, strong);
  made.put_request(strong, "start", {Sequence(1), schema::sha256(id)});
  made.put_directory(fmt::format("status/running/{}", number), fmt::format("row of {}", number));
  made.put_definition(fmt::format("definition-{}", number % 3), static_cast<std::uint32_t>(number), strong,
                      Sequence(1));
  made.mark_open(strong);
  if (number % 2 == 0) {
    add(made, number, 1);
    made.mark_closed(strong);
    made.erase_directory(fmt::format("status/running/{}", number));
  }
  if (number > 1 && stands.contains(number - 1)) add(made, number - 1, 1);
  return log_->append(made);
}

std::vector<std::string> records_in(const Reader& reader) {
  std::vector<std::string> lines;
  const Status read = reader.records_from(Position(1), [&](const Record& record) {
    lines.push_back(line_of(record));
    return true;
  });
  if (!read) lines.push_back("error: " + read.error().message);
  return lines;
}

std::vector<std::string> content_of(const Reader& reader) {
  std::vector<std::string> lines = records_in(reader);
  const auto failed = [&lines](const Status& status) {
    if (!status) lines.push_back("error: " + status.error().message);
    return !status;
  };
  if (!lines.empty() && lines.back().starts_with("error")) return lines;
  lines.push_back(fmt::format("end {}", reader.end().value));
  const Result<TransactionNumber> last = reader.last_number();
  if (!last) {
    failed(tl::unexpected(last.error()));
    return lines;
  }
  for (std::uint64_t n = 1; n <= last->value; ++n) {
    const TransactionNumber number(n);
    if (failed(reader.records_of(number, Sequence(1), [&](const Record& record) {
          lines.push_back("of " + line_of(record));
          return true;
        })))
      return lines;
    const auto found = reader.find_id(fmt::format("order-{}", n));
    const auto request = reader.find_request(number, "start");
    const auto payload = reader.payload(number, Sequence(1), 0);
    if (!found || !request || !payload) {
      lines.push_back("error: " + (!found ? found.error() : !request ? request.error() : payload.error()).message);
      return lines;
    }
    lines.push_back(fmt::format("id {} request {} payload {}", *found ? (*found)->value : 0,
                                *request ? short_hex((*request)->digest) : "none",
                                *payload ? short_hex(schema::sha256(**payload)) : "none"));
  }
  const auto keep = [&lines](std::string line) {
    lines.push_back(std::move(line));
    return true;
  };
  if (failed(reader.ids(
          "", [&](std::string_view id, TransactionNumber n) { return keep(fmt::format("id {} {}", id, n.value)); })))
    return lines;
  if (failed(reader.open_transactions([&](TransactionNumber n) { return keep(fmt::format("open {}", n.value)); })))
    return lines;
  if (failed(reader.directory("", "", [&](const DirectoryEntry& e) { return keep(e.key + " = " + e.row); })))
    return lines;
  if (failed(reader.definitions([&](const DefinitionEntry& e) {
        return keep(fmt::format("definition {} {} at {}/{}", e.name, e.version, e.number.value, e.sequence.value));
      })))
    return lines;
  const auto checkpoint = reader.checkpoint();
  if (!checkpoint) {
    failed(tl::unexpected(checkpoint.error()));
  } else if (*checkpoint) {
    for (const std::string& chunk : (*checkpoint)->chunks)
      keep(fmt::format("checkpoint {} {}", (*checkpoint)->position.value, short_hex(schema::sha256(chunk))));
  }
  return lines;
}

TemporaryDirectory::TemporaryDirectory() {
  std::string name = testing::TempDir() + "/dta-storage-XXXXXX";
  if (mkdtemp(name.data()) == nullptr) std::abort();
  path_ = name;
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace dta::storage
