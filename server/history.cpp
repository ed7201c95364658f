// The sources of history and events pages (history.h). Reading thread.
#include "server/history.h"

#include <charconv>

#include "server/event_writer.h"
#include "server/log_reading.h"

namespace dta::server {
namespace {

using schema::Position;
using schema::RecordedEvent;
using schema::refuse;
using schema::Result;
using schema::Sequence;
using schema::Status;

constexpr std::size_t kPageBytes = 256u << 10;

bool ends(const schema::Event& event) {
  const schema::EventKind kind = schema::kind_of(event);
  return kind == schema::EventKind::transaction_completed || kind == schema::EventKind::transaction_compensated ||
         kind == schema::EventKind::transaction_terminated;
}

struct HistorySource {
  std::string id;
  HistoryRange range;
  bool ended = false;
  bool first = true;

  Result<Page> operator()(LogReading& log) {
    auto reader = log.snapshot();
    if (!reader) return tl::unexpected(reader.error());
    auto number = log.find(**reader, id);
    if (!number) return tl::unexpected(number.error());
    auto name = log.name(**reader, *number);
    if (!name) return tl::unexpected(name.error());
    if (first && range.follow && range.from > Sequence(1)) {
      // It may have ended before `from`: then there is nothing to wait for.
      auto before = events_of(**reader, *number, Sequence(1), [&](const RecordedEvent& event, Position) {
        ended = ends(event.event);
        return !ended && event.sequence.next() < range.from;
      });
      if (!before) return tl::unexpected(before.error());
    }
    first = false;
    EventWriter writer(**reader, *number);
    Page page;
    bool full = false;
    auto read = events_of(**reader, *number, range.from, [&](const RecordedEvent& event, Position position) {
      full = page.text.size() >= kPageBytes;
      if (full || range.limit == 0) return false;
      writer.append(page.text, event, position, name->definition.get());
      page.text += '\n';
      ended = ended || ends(event.event);
      range.from = event.sequence.next();
      --range.limit;
      return true;
    });
    if (!read) return tl::unexpected(read.error());
    if (!writer.damage()) return tl::unexpected(writer.damage().error());
    page.seen = (*reader)->end();
    if (full) {
      page.next = Page::Next::more;
    } else if (range.follow && !ended && range.limit > 0 && name->definition) {
      page.next = Page::Next::wait;
    }
    return page;
  }
};

struct EventsSource {
  EventsRange range;
  bool waited = false;

  Result<Page> operator()(LogReading& log) {
    auto reader = log.snapshot();
    if (!reader) return tl::unexpected(reader.error());
    const Position end = (*reader)->end();
    if (range.after.position > end)
      return refuse(schema::ErrorCode::invalid_cursor, "the cursor is beyond the end of this log");
    Page page;
    Status damage;
    bool full = false;
    auto read = (*reader)->records_from(range.after.position.next(), [&](const storage::Record& record) {
      full = page.text.size() >= kPageBytes;
      if (full || range.limit == 0) return false;
      damage = append_record(page.text, record, log, **reader);
      return damage.has_value() && range.after.events == 0;
    });
    if (!read) return tl::unexpected(read.error());
    if (!damage) return tl::unexpected(damage.error());
    if (full) {
      page.next = Page::Next::more;
      return page;
    }
    if (page.text.empty() && range.wait.ms > 0 && !waited) {
      waited = true;
      page.next = Page::Next::wait;
      page.hold = true;
      page.seen = end;
      page.wait = range.wait;
      return page;
    }
    page.text += "{\"cursor\":\"" + to_text(range.after) + "\"}\n";
    return page;
  }

  // Moves the cursor over what it appends; when the limit ends inside the record the cursor says how far it came.
  Status append_record(std::string& out, const storage::Record& record, LogReading& log,
                       const storage::Reader& reader) {
    auto events = decode_record(record);
    if (!events) return tl::unexpected(events.error());
    auto name = log.name(reader, record.number);
    if (!name) return tl::unexpected(name.error());
    EventWriter writer(reader, record.number);
    for (std::size_t i = range.after.events; i < events->size() && range.limit > 0; ++i) {
      writer.append(out, (*events)[i], record.position, name->definition.get(), name->id);
      out += '\n';
      ++range.after.events;
      --range.limit;
    }
    if (range.after.events >= events->size()) range.after = {record.position, 0};
    return writer.damage();
  }
};

}  // namespace

PageSource history_pages(std::string id, HistoryRange range) {
  return HistorySource{std::move(id), range};
}
PageSource events_pages(EventsRange range) {
  return EventsSource{range};
}

// "POSITION.EVENTS": opaque to callers, and of one partition in this release.
std::string to_text(const EventsCursor& cursor) {
  return "p1." + std::to_string(cursor.position.value) + "." + std::to_string(cursor.events);
}

std::optional<EventsCursor> parse_events_cursor(std::string_view text) {
  if (!text.starts_with("p1.")) return std::nullopt;
  const char* at = text.data() + 3;
  const char* const end = text.data() + text.size();
  std::uint64_t position = 0;
  std::uint32_t events = 0;
  auto got = std::from_chars(at, end, position);
  if (got.ec != std::errc{} || got.ptr == end || *got.ptr != '.') return std::nullopt;
  got = std::from_chars(got.ptr + 1, end, events);
  if (got.ec != std::errc{} || got.ptr != end || position == UINT64_MAX) return std::nullopt;
  return EventsCursor{Position(position), events};
}

}  // namespace dta::server
