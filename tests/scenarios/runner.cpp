// One method a command of the script language.
// Size: the script language in one place, one method a command.
#include "tests/scenarios/runner.h"

#include <fmt/format.h>

#include <charconv>
#include <functional>
#include <map>
#include <set>
#include <stdexcept>

#include "engine/pending.h"
#include "schema/definition.h"
#include "schema/json.h"
#include "schema/time.h"
#include "server/digest.h"
#include "tests/scenarios/event_text.h"

namespace dta::scenarios {
namespace {

using namespace schema;

struct ScriptError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// The words of a command, taken from left to right.
class Words {
 public:
  explicit Words(const std::vector<Word>& words) : words_(words) {}
  bool more() const { return at_ < words_.size(); }
  const std::string& take() {
    if (!more()) throw ScriptError("a word is missing at the end");
    return words_[at_++].text;
  }
  const std::string& take_raw() {
    if (!more()) throw ScriptError("a value is missing at the end");
    return words_[at_++].raw;
  }
  bool take_if(std::string_view word) {
    if (!more() || words_[at_].raw != word) return false;
    ++at_;
    return true;
  }
  bool at_json() const { return more() && (words_[at_].raw.front() == '{' || words_[at_].raw.front() == '['); }
  bool at_quoted() const { return more() && words_[at_].raw.front() == '"'; }
  bool at(std::string_view word) const { return more() && words_[at_].raw == word; }
  Duration take_duration() {
    const auto found = parse_duration(take());
    if (!found) throw ScriptError("not a length of time");
    return *found;
  }
  std::uint64_t take_number() {
    const std::string& text = take();
    std::uint64_t number = 0;
    if (std::from_chars(text.data(), text.data() + text.size(), number).ptr != text.data() + text.size())
      throw ScriptError("not a number");
    return number;
  }
  void end() const {
    if (more()) throw ScriptError("'" + words_[at_].raw + "' is not understood");
  }

 private:
  const std::vector<Word>& words_;
  std::size_t at_ = 0;
};

Attribute pair_of(const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos) throw ScriptError("not key=value");
  return {text.substr(0, equals), text.substr(equals + 1)};
}

class Run {
 public:
  Run(const Script& script, Depth& depth) : depth_(depth) {
    std::set<std::string> started;
    for (const Command& command : script.commands)
      if (command.words.size() > 1 && command.words[0].text == "start") started.insert(command.words[1].text);
    // Children are transactions, too.
    several_ =
        started.size() > 1 || std::any_of(script.commands.begin(), script.commands.end(), [](const Command& c) {
          return c.words[0].text == "definition" && c.words.back().raw.find("\"transaction\"") != std::string::npos;
        });
  }

  std::string one(const Command& command) {
    out_.clear();
    try {
      Words words(command.words);
      const std::string& verb = words.take();
      const auto found = kVerbs.find(verb);
      if (found == kVerbs.end()) throw ScriptError("there is no command '" + verb + "'");
      found->second(*this, words);
      words.end();
    } catch (const ScriptError& error) {
      say(std::string("-> script error: ") + error.what());
    }
    return out_;
  }

 private:
  void say(const std::string& line) { out_ += std::string(kIndentation) + line + "\n"; }
  void tell_what_happened() {
    for (const Happened& h : depth_.happened()) say((several_ ? h.transaction + " " : "") + event_text(h));
  }
  void refused(const Error& error) {
    std::string line = "-> refused " + std::string(to_string(error.code));
    if (error.current_sequence) line += fmt::format(", at {}", *error.current_sequence);
    say(line);
  }

  void definition(Words& words) {
    const auto parsed = parse_definition(words.take_raw());
    if (!parsed) {
      say("-> refused " + std::string(to_string(parsed.error().code)));
      for (const Fault& fault : parsed.error().faults) say("   " + fault.pointer + ": " + fault.message);
      return;
    }
    newest_ = (*parsed)->name;
    const auto reply = depth_.publish(*parsed, now_);
    depth_.happened();
    if (!reply) return refused(reply.error());
    if (!reply->created) say("-> known");
  }

  void start(Words& words) {
    server::StartRequest request;
    request.id = words.take();
    request.definition = newest_;
    if (words.more() && !words.at_json() && !words.at("header") && !words.at("attribute")) {
      const std::string name = words.take();
      const std::size_t at = name.find('@');
      request.definition = name.substr(0, at);
      if (at != std::string::npos) request.version = static_cast<std::uint32_t>(std::stoul(name.substr(at + 1)));
    }
    if (words.at_json()) request.input = words.take_raw();
    while (words.more()) {
      if (words.take_if("header"))
        request.headers.push_back(pair_of(words.take()));
      else if (words.take_if("attribute"))
        request.attributes.push_back(pair_of(words.take()));
      else
        break;
    }
    const auto input = request.input.empty() ? std::nullopt : std::optional(JsonValue{request.input});
    request.digest = server::start_digest(request.definition, input, request.attributes);
    const auto reply = depth_.start(std::move(request), now_);
    tell_what_happened();
    if (!reply) return refused(reply.error());
    say(fmt::format("-> {}{}{}", reply->status, reply->created ? "" : ", known",
                    reply->output ? " with " + *reply->output : ""));
  }

  void lease(Words& words) {
    server::Poll poll;
    poll.max = 100;
    const std::string& queues = words.take();
    for (std::size_t from = 0; from <= queues.size();) {
      const std::size_t comma = std::min(queues.find(',', from), queues.size());
      poll.queues.push_back(queues.substr(from, comma - from));
      from = comma + 1;
    }
    if (!words.take_if("as")) throw ScriptError("'as WORKER' is missing");
    poll.worker = words.take();
    if (words.take_if("max")) poll.max = words.take_number();
    if (words.take_if("poll")) poll.poll_id = words.take();
    const auto reply = depth_.lease(std::move(poll), now_);
    tell_what_happened();
    if (!reply) return refused(reply.error());
    for (const server::HandOut& task : reply->tasks) handed_out(task);
    if (reply->tasks.empty()) say("-> nothing");
  }

  // Names the lease. A token seen before keeps its name; a hand-out with the number of an earlier one gets a letter.
  void handed_out(const server::HandOut& task) {
    const std::string plain =
        fmt::format("{}{}{}{}#{}", several_ ? task.transaction + "/" : "", task.action == Action::undo ? "undo:" : "",
                    task.task, task.spread ? fmt::format("/{}", task.instance) : "", task.attempt);
    std::string name = plain;
    for (char letter = 'b'; tokens_.contains(name) && tokens_[name] != task.token; ++letter) name = plain + letter;
    tokens_[name] = task.token;
    std::string line = fmt::format("-> {} until {}", name, time_text(task.lease_until));
    if (!task.input.empty()) line += ", input " + task.input;
    if (task.output) line += ", output " + *task.output;
    if (task.heartbeat_detail) line += ", detail " + *task.heartbeat_detail;
    for (const Attribute& header : task.headers) line += fmt::format(", {}={}", header.key, header.value);
    say(line);
    // The key is the same for every attempt; a script need not show it to prove that.
    const std::string part = fmt::format("{}/{}/{}/{}/{}/{}", task.transaction, task.step, task.task, task.instance,
                                         static_cast<int>(task.action), task.order);
    const auto [key, first] = keys_.emplace(part, task.idempotency_key);
    if (!first && key->second != task.idempotency_key) say("-> with another idempotency key");
  }

  const std::string& token(const std::string& name) {
    const auto found = tokens_.find(name);
    if (found == tokens_.end()) throw ScriptError("no hand-out was called " + name);
    return found->second;
  }

  void results(Words& words, const std::string& first_verb) {
    std::vector<server::TaskResult> items;
    std::vector<std::string> names;
    std::string verb = first_verb;
    while (true) {
      names.push_back(words.take());
      server::TaskResult& item = items.emplace_back();
      item.token = token(names.back());
      if (verb == "complete") {
        server::CompletedResult result;
        if (words.more() && !words.at("&") && !words.at("found")) result.output = words.take_raw();
        if (words.take_if("found")) {
          result.found = words.take_if("something");
          if (!*result.found && !words.take_if("nothing")) throw ScriptError("found nothing or something?");
        }
        item.result = result;
      } else if (verb == "fail") {
        server::FailedResult result;
        result.code = words.take();
        if (words.at_quoted()) result.message = words.take();
        while (words.more() && !words.at("&")) {
          if (words.take_if("not-retryable"))
            result.retryable = false;
          else if (words.take_if("unknown"))
            result.effect = Effect::unknown;
          else if (words.take_if("details"))
            result.details = words.take_raw();
          else
            throw ScriptError("not a part of a failure");
        }
        item.result = result;
      } else if (verb == "release") {
        server::ReleasedResult result;
        if (words.take_if("after")) result.delay = words.take_duration();
        item.result = result;
      } else {
        throw ScriptError("'" + verb + "' is no result");
      }
      if (!words.take_if("&")) break;
      verb = words.take();
    }
    const auto reply = depth_.report(std::move(items), now_);
    tell_what_happened();
    if (!reply) return refused(reply.error());
    bool all_well = true;
    for (const Status& status : reply->results) all_well = all_well && status.has_value();
    if (all_well) return say("-> ok");
    for (std::size_t i = 0; i < names.size(); ++i)
      say(fmt::format("-> {} {}", names[i],
                      reply->results[i] ? "ok" : "refused " + std::string(to_string(reply->results[i].error().code))));
  }

  void heartbeat(Words& words) {
    server::HeartbeatItem item;
    item.token = token(words.take());
    if (words.more()) item.detail = words.take_raw();
    const auto reply = depth_.heartbeat(std::move(item), now_);
    tell_what_happened();
    if (!reply) return refused(reply.error());
    const auto& answer = reply->results.at(0);
    if (!answer) return refused(answer.error());
    say(fmt::format("-> until {}{}", time_text(answer->lease_until), answer->stop ? ", stop" : ""));
  }

  template <class Asked, class Ask>
  void control(Words& words, Asked request, Ask&& ask) {
    if (words.at_quoted()) request.reason = words.take();
    if (words.take_if("by")) request.who = words.take();
    if (words.take_if("request")) request.request_id = words.take();
    const auto reply = ask(std::move(request));
    tell_what_happened();
    if (!reply) return refused(reply.error());
    say(fmt::format("-> {}", reply->status));
  }

  void cancel(Words& words) {
    server::CancelRequest request;
    request.id = words.take();
    control(words, std::move(request), [&](auto asked) { return depth_.cancel(std::move(asked), now_); });
  }

  void terminate(Words& words) {
    server::TerminateRequest request;
    request.id = words.take();
    control(words, std::move(request), [&](auto asked) { return depth_.terminate(std::move(asked), now_); });
  }

  void resolve(Words& words) {
    server::ResolveRequest request;
    request.id = words.take();
    request.incident = static_cast<std::uint32_t>(words.take_number());
    const auto resolution = schema::parse_resolution(words.take());
    if (!resolution) return say("-> script error: no such resolution");
    request.resolution = *resolution;
    control(words, std::move(request), [&](auto asked) { return depth_.resolve(std::move(asked), now_); });
  }

  void pause(Words& words) {
    server::PauseRequest request;
    request.id = words.take();
    control(words, std::move(request), [&](auto asked) { return depth_.pause(std::move(asked), now_); });
  }

  void resume(Words& words) {
    server::ResumeRequest request;
    request.id = words.take();
    control(words, std::move(request), [&](auto asked) { return depth_.resume(std::move(asked), now_); });
  }

  void signal(Words& words) {
    server::SignalRequest request;
    request.id = words.take();
    request.name = words.take();
    if (words.more() && !words.at("id")) request.payload = words.take_raw();
    if (words.take_if("id")) request.request_id = words.take();
    const auto reply = depth_.signal(std::move(request), now_);
    tell_what_happened();
    if (!reply) return refused(reply.error());
    say(fmt::format("-> {}", reply->status));
  }

  void report(Words& words) {
    server::ReportRequest request;
    request.id = words.take();
    do {
      server::NewReport& report = request.reports.emplace_back();
      const std::string place = words.take();
      const std::size_t slash = std::min(place.find('/'), place.size() - 1);
      const std::size_t number = std::min(place.find('/', slash + 1), place.size());
      report.step = place.substr(0, slash);
      report.task = place.substr(slash + 1, number - slash - 1);
      if (number < place.size()) report.instance = static_cast<std::uint32_t>(std::stoul(place.substr(number + 1)));
      if (words.take_if("done")) {
        server::CompletedResult done;
        if (words.more() && !words.at("id") && !words.at("&")) done.output = words.take_raw();
        report.result = done;
      } else if (words.take_if("failed")) {
        server::FailedResult failed;
        failed.code = words.take();
        if (words.at_quoted()) failed.message = words.take();
        if (words.take_if("unknown")) failed.effect = Effect::unknown;
        report.result = failed;
      } else {
        throw ScriptError("done or failed?");
      }
      if (words.take_if("id")) report.id = words.take();
    } while (words.take_if("&"));
    const auto reply = depth_.report_external(std::move(request), now_);
    tell_what_happened();
    if (!reply) return refused(reply.error());
    say(fmt::format("-> {}{}", reply->phase, reply->repeated ? ", as before" : ""));
  }

  void append(Words& words) {
    server::AppendRequest request;
    request.id = words.take();
    if (!words.take_if("nothing")) {
      do {
        server::NewTransition& event = request.events.emplace_back();
        event.on = words.take();
        if (words.take_if("id")) event.id = words.take();
        if (words.at_json()) event.data = words.take_raw();
      } while (words.take_if("&"));
    }
    if (words.take_if("expecting")) {
      if (words.take_if("none")) {
        request.expect = server::Expect::none;
      } else {
        request.expect = server::Expect::exactly;
        request.expected_sequence = words.take_number();
      }
    }
    const auto reply = depth_.append(std::move(request), now_);
    tell_what_happened();
    if (!reply) return refused(reply.error());
    say(fmt::format("-> {}..{} {}, {}{}", reply->first_sequence, reply->sequence, reply->state, reply->phase,
                    reply->repeated ? ", as before" : ""));
  }

  void move_clock(Time to) {
    if (to < now_) throw ScriptError("the clock does not go back");
    now_ = to;
    depth_.tick(now_);
    tell_what_happened();
  }

  void show(Words& words) {
    const auto standing = depth_.get(words.take(), now_);
    if (!standing) return refused(standing.error());
    for (const std::string& line : state_text(engine::Machine(standing->definition), standing->state)) say(line);
  }

  void due(Words& words) {
    const auto standing = depth_.get(words.take(), now_);
    if (!standing) return refused(standing.error());
    const engine::Machine machine(standing->definition);
    const engine::Pending pending = engine::pending(machine, standing->state, {});
    for (const engine::Ready& r : pending.ready)
      say(fmt::format("{}{} on {} from {}", r.action == Action::undo ? "undo of " : "",
                      task_text(*standing->definition, r.task), engine::queue_of(machine, r.task, r.action),
                      time_text(r.at)));
    say("next timer " + time_text(pending.due));
  }

  using Verb = std::function<void(Run&, Words&)>;
  static const std::map<std::string, Verb, std::less<>> kVerbs;

  Depth& depth_;
  std::string out_;
  std::string newest_;  // name of the definition published last
  std::map<std::string, std::string> tokens_, keys_;
  Time now_ = kBegin;
  bool several_ = false;
};

const std::map<std::string, Run::Verb, std::less<>> Run::kVerbs = {
    {"definition", [](Run& r, Words& w) { r.definition(w); }},
    {"start", [](Run& r, Words& w) { r.start(w); }},
    {"lease", [](Run& r, Words& w) { r.lease(w); }},
    {"complete", [](Run& r, Words& w) { r.results(w, "complete"); }},
    {"fail", [](Run& r, Words& w) { r.results(w, "fail"); }},
    {"release", [](Run& r, Words& w) { r.results(w, "release"); }},
    {"heartbeat", [](Run& r, Words& w) { r.heartbeat(w); }},
    {"cancel", [](Run& r, Words& w) { r.cancel(w); }},
    {"terminate", [](Run& r, Words& w) { r.terminate(w); }},
    {"resolve", [](Run& r, Words& w) { r.resolve(w); }},
    {"append", [](Run& r, Words& w) { r.append(w); }},
    {"at", [](Run& r, Words& w) { r.move_clock(kBegin + w.take_duration()); }},
    {"advance", [](Run& r, Words& w) { r.move_clock(r.now_ + w.take_duration()); }},
    {"restart",
     [](Run& r, Words&) {
       r.depth_.restart(r.now_);
       r.tell_what_happened();
     }},
    {"show", [](Run& r, Words& w) { r.show(w); }},
    {"pause", [](Run& r, Words& w) { r.pause(w); }},
    {"resume", [](Run& r, Words& w) { r.resume(w); }},
    {"signal", [](Run& r, Words& w) { r.signal(w); }},
    {"report", [](Run& r, Words& w) { r.report(w); }},
    {"due", [](Run& r, Words& w) { r.due(w); }},
};

}  // namespace

std::vector<std::string> run(const Script& script, Depth& depth) {
  Run running(script, depth);
  std::vector<std::string> outputs;
  for (const Command& command : script.commands) outputs.push_back(running.one(command));
  return outputs;
}

}  // namespace dta::scenarios
