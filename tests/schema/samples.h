// One event of every kind with every field away from its default (those that came later to a kind: in later_fields),
// and the definitions they belong to: shared by the tests of the codec, of the event lines and of the documents. A kind
// that is missing here fails EventSamples.HoldsEveryKind.
#pragma once

#include <vector>

#include "schema/definition.h"
#include "schema/event.h"

namespace dta::schema::samples {

inline PayloadRef payload(std::uint32_t index, std::string_view bytes) {
  return {index, static_cast<std::uint32_t>(bytes.size()), sha256(bytes)};
}

inline std::vector<Event> every_kind() {
  const TaskRef stock{0, 0, 0};
  const TaskRef label{1, 1, 7};
  const Attempt action{stock, Action::perform, 2, Sequence(4)};
  const Attempt undo{label, Action::undo, 3, Sequence(1ULL << 40)};
  return {
      TransactionStarted{"o-17",
                         "order",
                         3,
                         sha256("d"),
                         payload(0, "{\"items\":[1]}"),
                         {{"region", "eu"}, {"tier", ""}},
                         {{"traceparent", "00-4bf9"}},
                         Duration{86'400'000},
                         sha256("r")},
      StepEntered{1, {{0, 0, payload(0, "{}")}, {1, 7, payload(1, "[]")}}},
      StepMet{1},
      StepFailed{1, true, label, "card_refused", "no funds"},
      TaskLeased{label, Action::undo, 2, 3, 4, "w1", "p-9", Duration{30'000}, Duration{5000}},
      TaskCompleted{undo, payload(0, "{\"shelf\":\"B7\"}"), false},
      TaskFailed{action, "busy", "later", payload(0, "1.0"), Effect::unknown, false, Time{1'763'653'800'000}},
      TaskReleased{action, Time{1'763'653'800'001}},
      AttemptTimedOut{action, LeaseEnd::heartbeat, Time{1'763'653'800'002}},
      TaskTimedOut{label, TaskLimit::total},
      HeartbeatRecorded{action, payload(0, "\"half\"")},
      LateResult{action, true, true, "late_code", payload(0, "null")},
      CompensationStarted{CompensationCause::cancelled, "customer called", "anna"},
      StepUndone{1},
      TransactionCompleted{payload(0, "{\"ok\":true}"), {{label, NotUndoneReason::no_undo}}},
      TransactionCompensated{{{stock, NotUndoneReason::no_undo}, {label, NotUndoneReason::given_up}}},
      TransactionTerminated{"expired", "otto", {{label, NotUndoneReason::terminated}}},
      IncidentRaised{2, IncidentKind::effect_after_undo, label, "x", "y"},
      Transitioned{1, 1, 2, "e-81", payload(0, "{\"amount\":\"35.00\"}")},
      DefinitionPublished{"order", 3, payload(0, "{\"name\":\"order\"}")},
      OutcomeDecided{payload(0, "{\"ok\":true}")},
      IncidentResolved{2, IncidentResolution::accept, "looked at", "anna"},
      StepSkipped{1},
      TaskReady{label, payload(0, "{\"label\":7}"),
                ResolvedTimeouts{label, Duration{1000}, Duration{2000}, Duration{0}, Duration{4000}}},
      TaskSkipped{label},
      SignalReceived{"decision", "s-4", payload(0, "{\"answer\":\"no\"}")},
      WaitEnded{1, WaitEnd::deadline},
      CancelRequested{"customer called", "anna"},
      TransactionPaused{"stock is counted", "otto"},
      TransactionResumed{"counted", "otto"},
      EpochOpened{3, "its parent goes back"},
  };
}

// The fields that kinds gained after they were first written: the events above keep the bytes that they had before.
inline std::vector<Event> later_fields() {
  const TaskRef box{1, 0, 2}, label{1, 1, 7};
  const ResolvedTimeouts timeouts{label, Duration{0}, Duration{90'000}, Duration{3'600'000}, Duration{5000}};
  return {
      StepEntered{1,
                  {{0, 2, payload(0, "{}")}},
                  8,
                  {box, label},
                  true,
                  Duration{60'000},
                  Duration{0},
                  Duration{604'800'000},
                  {timeouts}},
      StepMet{0, {GoKind::step, 1, 3}},
      StepMet{1, {GoKind::end, 0, 0}},
      StepFailed{0, true, {0, 0, 0}, "card_refused", "no funds", {GoKind::step, 1, 0}},
      StepFailed{1, false, {}, "dta.deadline", "too late", {GoKind::compensate, 0, 2}},
      IncidentRaised{3, IncidentKind::step_failed, {1, 0, 0}, "dta.deadline", "too late"},
      IncidentResolved{3, IncidentResolution::force_failed, "gave up on it", "anna"},
      CompensationStarted{CompensationCause::decided, "refused", ""},
      CompensationStarted{CompensationCause::parent, "refused", ""},
      TaskCompleted{{{0, 0, 0}, Action::perform, 1, Sequence()}, {}, {}, true},
      TaskFailed{
          {{0, 0, 0}, Action::perform, 1, Sequence()}, "refused", "", {}, Effect::none, false, Time::never(), true},
      TransactionCompensated{{{{0, 0, 0}, NotUndoneReason::in_child}}},
  };
}

inline std::vector<Event> every_kind_and_field() {
  auto events = every_kind(), later = later_fields();
  events.insert(events.end(), later.begin(), later.end());
  return events;
}

inline DefinitionPtr steps_definition() {
  return parse_definition(R"({"name":"order","version":3,"steps":[
      {"name":"reserve","tasks":[{"name":"stock","queue":"q"}]},
      {"name":"pack","tasks":[{"name":"box","queue":"q"},{"name":"label","queue":"q"}]}]})")
      .value();
}

inline DefinitionPtr table_definition() {
  return parse_definition(R"json({"name":"fine","version":1,"initial":"(start)","transitions":[
      {"from":"(start)","on":"Create Fine","to":"Created"},
      {"from":"Created","on":"Send Fine","to":"Sent"}],"ends":{"Sent":"completed"}})json")
      .value();
}

}  // namespace dta::schema::samples
