// The fields that event lines are made of: values, names for indices, payloads in each of their states. Seen by
// event_json.cpp alone, which says what fields an event has. Lives as long as one line is written; pure but for the
// lookups of the context.
#pragma once

#include <algorithm>
#include <charconv>
#include <string>

#include "schema/event_json.h"
#include "schema/json.h"

namespace dta::schema {

class EventLine {
 protected:
  EventLine(std::string& out, const RecordedEvent& event, const EventJsonContext& context)
      : out_(out), event_(event), context_(context) {}

  void key(std::string_view name) {
    if (out_.back() != '{' && out_.back() != '[') out_.push_back(',');
    out_.push_back('"');
    out_ += name;
    out_ += "\":";
  }
  void text(std::string_view name, std::string_view value) {
    key(name);
    append_quoted(out_, value);
  }
  // Empty: nobody, written as null.
  void text_or_null(std::string_view name, std::string_view value) {
    if (!value.empty()) return text(name, value);
    key(name);
    out_ += "null";
  }
  void number(std::string_view name, std::uint64_t value) {
    key(name);
    append_number(value);
  }
  void append_number(std::uint64_t value) {
    char digits[20];
    out_.append(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
  }
  void boolean(std::string_view name, bool value) {
    key(name);
    out_ += value ? "true" : "false";
  }
  void time(std::string_view name, Time t) {
    if (t != Time::never()) return text(name, format_time(t));
    key(name);
    out_ += "null";
  }

  void payload(std::string_view name, const PayloadRef& ref) {
    if (!ref.present()) return;
    key(name);
    if (context_.payload) {
      if (const auto bytes = context_.payload(ref)) {
        const std::size_t begin = out_.size();
        out_ += *bytes;
        const auto is_break = [](char c) { return c == '\n' || c == '\r'; };
        std::replace_if(out_.begin() + static_cast<std::ptrdiff_t>(begin), out_.end(), is_break, ' ');
        return;
      }
    }
    out_ += context_.payload ? "{\"erased\":true," : "{";
    out_ += "\"size\":";
    append_number(ref.size);
    text("sha256", to_hex(ref.digest));
    out_.push_back('}');
  }

  void pairs(std::string_view name, const std::vector<Attribute>& attributes) {
    key(name);
    out_.push_back('{');
    for (std::size_t i = 0; i < attributes.size(); ++i) {
      if (i != 0) out_.push_back(',');
      append_quoted(out_, attributes[i].key);
      out_.push_back(':');
      append_quoted(out_, attributes[i].value);
    }
    out_.push_back('}');
  }

  void error(std::string_view code, std::string_view message, const PayloadRef& details = {}) {
    key("error");
    out_.push_back('{');
    text("code", code);
    text("message", message);
    payload("details", details);
    out_.push_back('}');
  }

  // By name where the definition has one, else by number: a history must stay readable whatever is wrong.
  const Step* step_at(std::uint16_t index) const {
    const Definition* d = context_.definition;
    return d != nullptr && index < d->steps.size() ? &d->steps[index] : nullptr;
  }
  void step(std::uint16_t index) {
    const Step* s = step_at(index);
    if (s != nullptr) return text("step", s->name);
    number("step", index);
  }
  void task(std::uint16_t step_index, std::uint16_t task_index, std::uint32_t instance) {
    const Step* s = step_at(step_index);
    if (s != nullptr && task_index < s->tasks.size()) {
      text("task", s->tasks[task_index].name);
    } else {
      number("task", task_index);
    }
    const bool many = s != nullptr && !s->for_each.empty();
    if (instance != 0 || many) number("instance", instance);
  }
  void place(const TaskRef& ref) {
    step(ref.step);
    task(ref.step, ref.task, ref.instance);
  }
  void state(std::string_view field, std::uint16_t index) {
    const Definition* d = context_.definition;
    if (d != nullptr && index < d->states.size()) return text(field, d->states[index].name);
    number(field, index);
  }
  // What `next` or `on_failure` said. The entry that said so is counted from 0 and left out when none matched.
  void route(const Route& r) {
    key("route");
    out_.push_back('{');
    const Step* to = step_at(r.step);
    if (r.kind == GoKind::step && to == nullptr) {
      number("go", r.step);
    } else {
      text("go", r.kind == GoKind::step         ? std::string_view(to->name)
                 : r.kind == GoKind::end        ? "end"
                 : r.kind == GoKind::compensate ? "compensate"
                                                : "follow");
    }
    if (r.choice != kNoChoice) number("choice", r.choice);
    out_.push_back('}');
  }
  void attempt(const Attempt& a) {
    place(a.task);
    boolean("undo", a.action == Action::undo);
    number("attempt", a.number);
  }
  // 0: there is no such limit.
  void timeout(std::string_view field, Duration length) {
    text_or_null(field, length.ms == 0 ? std::string() : format_duration(length));
  }
  void timeouts(const ResolvedTimeouts& t) {
    timeout("queue", t.queue);
    timeout("attempt", t.attempt);
    timeout("total", t.total);
    timeout("heartbeat", t.heartbeat);
  }
  void length(std::string_view field, const std::optional<Duration>& length) {
    if (length) text(field, format_duration(*length));
  }
  // What a person said, and who it was.
  void said(std::string_view reason, std::string_view who) {
    text_or_null("reason", reason);
    text_or_null("who", who);
  }
  // An array of objects, `write` writing the fields of one; left out when empty.
  template <class List, class Write>
  void list(std::string_view field, const List& all, Write write) {
    if (!all.empty()) array(field, all, write);
  }
  template <class List, class Write>
  void array(std::string_view field, const List& all, Write write) {
    key(field);
    out_.push_back('[');
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (i != 0) out_.push_back(',');
      out_.push_back('{');
      write(all[i]);
      out_.push_back('}');
    }
    out_.push_back(']');
  }
  void not_undone(const std::vector<NotUndone>& all) {
    array("not_undone", all, [&](const NotUndone& n) {
      place(n.task);
      text("reason", to_string(n.reason));
    });
  }
  // What a participant reported had no lease.
  void token(Sequence lease) {
    if (lease && context_.token) text("token", context_.token(lease));
  }

  std::string& out_;
  const RecordedEvent& event_;
  const EventJsonContext& context_;
};

}  // namespace dta::schema
