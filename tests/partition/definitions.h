// The definitions that the tests of this folder run.
#pragma once

namespace dta::partition {

// Two tasks, then one that sees an output; no jitter, so that delays are exact; everything can be undone.
inline constexpr const char* kPair = R"({"name":"pair","version":1,"steps":[
  {"name":"a","tasks":[
    {"name":"x","queue":"qx","undo":{"queue":"ux"},"retry":{"max_attempts":3,"first":"1s","rate":2,"jitter":0}},
    {"name":"y","queue":"qy","undo":{"queue":"uy"}}]},
  {"name":"b","tasks":[{"name":"z","queue":"qz","undo":{"queue":"uz"},"input":{"from":"/steps/a/x/output"}}]}],
  "output":{"z":"/steps/b/z/output"}})";

// One task with every timeout of a lease.
inline constexpr const char* kOne = R"({"name":"one","version":1,"steps":[
  {"name":"s","tasks":[{"name":"t","queue":"q","undo":{"queue":"u"},
    "retry":{"max_attempts":3,"first":"1s","rate":2,"jitter":0},
    "timeouts":{"attempt":"30s","heartbeat":"5s"}}]}]})";

// The first of two is enough; the other is a leftover then.
inline constexpr const char* kAny = R"({"name":"any","version":1,"steps":[
  {"name":"s","join":{"need":"any"},"tasks":[
    {"name":"x","queue":"qx"},{"name":"y","queue":"qy","undo":{"queue":"uy"}}]}],
  "output":"/steps/s/x/output"})";

// Several tasks of one queue in one step.
inline constexpr const char* kMany = R"({"name":"many","version":1,"steps":[
  {"name":"s","tasks":[{"name":"t1","queue":"m"},{"name":"t2","queue":"m"},{"name":"t3","queue":"m"},{"name":"t4","queue":"m"}]}]})";

// Table form: one way to the end, and an expiry.
inline constexpr const char* kTable = R"({"name":"fine","version":1,"initial":"open","expires_after":"1h",
  "transitions":[{"from":"open","on":"send","to":"sent"},{"from":"sent","on":"appeal","to":"appealed"},
                 {"from":"sent","on":"pay","to":"paid"},{"from":"appealed","on":"pay","to":"paid"}],
  "ends":{"paid":"completed"}})";

}  // namespace dta::partition
