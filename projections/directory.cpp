// Keys that sort newest first inside a status, and rows as bytes (directory.h). Pure.
#include "projections/directory.h"

#include "engine/archive.h"
#include "schema/assert.h"

namespace dta::projections {
namespace {

constexpr char kFormat = 1;

template <class A>
void row(A& a, DirectoryRow& v) {
  using engine::archive;
  archive(a, v.id);
  archive(a, v.definition);
  archive(a, v.version);
  archive(a, v.phase);
  archive(a, v.attention);
  archive(a, v.paused);
  archive(a, v.started_at);
  archive(a, v.ended_at);
  const std::uint32_t count = engine::archive_count(a, v.attributes.size());
  v.attributes.resize(count);
  for (schema::Attribute& attribute : v.attributes) {
    archive(a, attribute.key);
    archive(a, attribute.value);
  }
}

}  // namespace

std::string directory_prefix(std::string_view status) {
  for (const StatusByte& row : kStatuses)
    if (row.status == status) return std::string(1, row.byte);
  DTA_ASSERT(false);
}

std::string directory_key(std::string_view status, schema::TransactionNumber number) {
  std::string key = directory_prefix(status);
  const std::uint64_t inverted = ~number.value;
  for (int shift = 56; shift >= 0; shift -= 8) key.push_back(static_cast<char>(inverted >> shift & 0xff));
  return key;
}

std::optional<schema::TransactionNumber> number_of_key(std::string_view key) {
  if (key.size() != 9) return std::nullopt;
  std::uint64_t inverted = 0;
  for (char c : key.substr(1)) inverted = inverted << 8 | static_cast<unsigned char>(c);
  return schema::TransactionNumber(~inverted);
}

DirectoryRow row_of(const engine::State& state) {
  return DirectoryRow{state.id,     state.definition, state.version,  state.phase,     state.attention(),
                      state.paused, state.started_at, state.ended_at, state.attributes};
}

std::string encode_row(const DirectoryRow& value) {
  engine::Writer writer;
  writer.bytes.push_back(kFormat);
  DirectoryRow copy = value;
  row(writer, copy);
  return std::move(writer.bytes);
}

std::optional<DirectoryRow> decode_row(std::string_view bytes) {
  if (bytes.empty() || bytes.front() != kFormat) return std::nullopt;
  engine::Reader reader(bytes.substr(1));
  DirectoryRow value;
  row(reader, value);
  if (!reader.ok() || !reader.at_end()) return std::nullopt;
  return value;
}

}  // namespace dta::projections
