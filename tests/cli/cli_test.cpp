// The binary `dta` as a process against a fake server: requests, output, messages and exit codes.
//
// Size: one test a command, to be read beside the manual.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "dta/json.h"
#include "tests/client/fake_server.h"

namespace dta::cli {
namespace {

using client_test::FakeAnswer;
using client_test::FakeRequest;
using client_test::FakeServer;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

struct Ran {
  int exit_code = -1;
  std::string out, err;
};

std::string content_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

class Cli : public testing::Test {
 protected:
  Cli() {
    std::string pattern = (std::filesystem::temp_directory_path() / "dta-cli-XXXXXX").string();
    directory_ = mkdtemp(pattern.data());
  }
  ~Cli() override { std::filesystem::remove_all(directory_); }

  std::string file(const std::string& name, const std::string& content) const {
    const auto path = directory_ / name;
    std::ofstream(path, std::ios::binary) << content;
    return path.string();
  }

  // `arguments` as a shell takes them.
  Ran run(const std::string& arguments) const {
    const auto out = directory_ / "out", err = directory_ / "err";
    const std::string command =
        "USER=anna " DTA_BINARY " " + arguments + " >" + out.string() + " 2>" + err.string() + " </dev/null";
    const int status = std::system(command.c_str());
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, content_of(out), content_of(err)};
  }
  Ran run_with(const FakeServer& server, const std::string& arguments) const {
    return run("--server " + server.url() + " " + arguments);
  }

  std::filesystem::path directory_;
};

FakeServer::Handler always(FakeAnswer answer) {
  return [answer](const FakeRequest&) { return answer; };
}

constexpr const char* kDefinition = R"({"name":"order","version":3,"steps":[
  {"name":"reserve","tasks":[{"name":"stock","queue":"inventory.reserve","undo":{"queue":"inventory.release"}}]}]})";

TEST_F(Cli, TellsItsVersionAndHelp) {
  EXPECT_THAT(run("--version").out, StartsWith("dta 0."));
  const Ran help = run("tx start --help");
  EXPECT_EQ(help.exit_code, 0);
  EXPECT_THAT(help.out, HasSubstr("Example:"));
  EXPECT_EQ(run("").exit_code, 2);
  EXPECT_EQ(run("tx").exit_code, 2);
  EXPECT_THAT(run("tx").err, HasSubstr("append"));
  const Ran typo = run("transactions list");
  EXPECT_EQ(typo.exit_code, 2);
  EXPECT_THAT(typo.err, HasSubstr("transactions"));
}

TEST_F(Cli, DefCheckNeedsNoServerAndNamesEveryFault) {
  const Ran good = run("def check " + file("good.json", kDefinition));
  EXPECT_EQ(good.exit_code, 0) << good.err;
  EXPECT_THAT(good.out, HasSubstr("order 3 is sound: 1 step, 1 task"));
  const std::string bad =
      file("bad.json", R"({"name":"or der","version":0,"steps":[{"name":"s","tasks":[{"name":"t"}]}]})");
  const Ran refused = run("def check " + bad);
  EXPECT_EQ(refused.exit_code, 3);
  EXPECT_THAT(refused.err, HasSubstr("(invalid_definition)"));
  EXPECT_THAT(refused.err, HasSubstr("/name: "));
  EXPECT_THAT(refused.err, HasSubstr("/version: "));
  EXPECT_THAT(refused.err, HasSubstr("  -> "));
  const Ran machine = run("--json def check " + bad);
  const auto problem = Json::parse(machine.err);
  ASSERT_TRUE(problem) << machine.err;
  EXPECT_EQ((*problem)["code"].string(), "invalid_definition");
  EXPECT_GE((*problem)["faults"].items().size(), 2u);
  EXPECT_EQ(run("def check /nonexistent").exit_code, 2);
}

TEST_F(Cli, DefPublishSendsTheFileAndShowsWarnings) {
  FakeServer server(
      always({.status = 201, .body = R"({"name":"order","version":3,"digest":"9f86d081884c7d65","created":true,
                                        "warnings":[{"pointer":"/steps/0","message":"no undo"}]})"}));
  const Ran ran = run_with(server, "def publish " + file("order.json", kDefinition));
  EXPECT_EQ(ran.exit_code, 0) << ran.err;
  EXPECT_EQ(ran.out, "order 3 is published (digest 9f86d081884c)\n  warning: /steps/0: no undo\n");
  EXPECT_EQ(server.requests()[0].body, kDefinition);
}

TEST_F(Cli, DefListAndShow) {
  FakeServer server([](const FakeRequest& request) -> FakeAnswer {
    if (request.target == "/v1/definitions")
      return {
          .body =
              R"({"definitions":[{"name":"order","version":3,"form":"steps","digest":"9f86d081884c7d65","published_at":"2020-01-01T00:00:00.000Z","paused":true,"deprecated":false}]})"};
    return {.body = "{ \"name\": \"order\" }"};
  });
  const Ran listed = run_with(server, "def list");
  EXPECT_THAT(listed.out, HasSubstr("NAME   VERSION  FORM   STATE   PUBLISHED"));
  EXPECT_THAT(listed.out, HasSubstr("order  3        steps  paused"));
  EXPECT_EQ(
      run_with(server, "def list --json").out,
      R"({"definitions":[{"name":"order","version":3,"form":"steps","digest":"9f86d081884c7d65","published_at":"2020-01-01T00:00:00.000Z","paused":true,"deprecated":false}]})"
      "\n");
  EXPECT_EQ(run_with(server, "def show order").out, "{ \"name\": \"order\" }\n");
  run_with(server, "def show order 3 --full");
  EXPECT_EQ(server.requests()[2].target, "/v1/definitions/order/newest");
  EXPECT_EQ(server.requests()[3].target, "/v1/definitions/order/3?full=1");
}

TEST_F(Cli, TxStartTakesInputFromFileAndWaits) {
  FakeServer server(always(
      {.status = 201,
       .body =
           R"({"id":"o-17","definition":"order","version":3,"created":true,"status":"completed","phase":"completed","outcome":"completed","sequence":9,"output":[1.0]})"}));
  const Ran ran = run_with(server,
                           "tx start order --id o-17 --attr region=eu --attr k=v --header a=b --wait 10s "
                           "--definition-version 3 --input @" +
                               file("in.json", "{\"a\": 1.0}"));
  EXPECT_EQ(ran.exit_code, 0) << ran.err;
  EXPECT_EQ(ran.out, "o-17  completed  at 9\noutput [1.0]\n");
  EXPECT_EQ(
      server.requests()[0].body,
      R"({"id":"o-17","definition":"order","version":3,"input":{"a": 1.0},"attributes":{"k":"v","region":"eu"},"headers":{"a":"b"},"wait_ms":10000})");
}

TEST_F(Cli, TxStartAttributesDoNotSwallowTheDefinition) {
  FakeServer server(always({.status = 201, .body = R"({"id":"a","status":"running","created":true})"}));
  EXPECT_EQ(run_with(server, "tx start --id a --attr k=v order").exit_code, 0);
  EXPECT_THAT(server.requests()[0].body, HasSubstr(R"("definition":"order")"));
}

TEST_F(Cli, TxStartThatWaitedForAnotherOutcomeEndsWith1) {
  FakeServer server(always(
      {.body =
           R"({"id":"o-17","created":false,"status":"compensated","phase":"compensated","outcome":"compensated","sequence":30,"error":{"code":"card_refused","message":"no","step":"reserve","task":"credit"}})"}));
  const Ran ran = run_with(server, "tx start order --id o-17 --wait 1s");
  EXPECT_EQ(ran.exit_code, 1);
  EXPECT_THAT(ran.out, HasSubstr("o-17  compensated  at 30  card_refused in reserve/credit: no"));
  EXPECT_THAT(ran.out, HasSubstr("was started before"));
  EXPECT_EQ(run_with(server, "tx start order --id o-17").exit_code, 0) << "nobody waited";
}

TEST_F(Cli, TxShowPrintsPeopleTextOrTheAnswer) {
  const std::string answer =
      R"({"id":"o-17","definition":"order","version":3,"form":"steps","status":"running","phase":"running","outcome":null,"sequence":4,"steps":[{"name":"reserve","state":"entered","tasks":[{"name":"stock","queue":"q","status":"ready"}]}]})";
  FakeServer server(always({.body = answer}));
  EXPECT_THAT(run_with(server, "tx show o-17").out, HasSubstr("reserve"));
  EXPECT_EQ(run_with(server, "tx show o-17 --json --at 4").out, answer + "\n");
  EXPECT_EQ(server.requests()[1].target, "/v1/transactions/o-17?at=4");
  EXPECT_EQ(run_with(server, "tx show o-17 --wait 0ms").exit_code, 1) << "not decided";
}

TEST_F(Cli, TxListFiltersAndPages) {
  FakeServer server([](const FakeRequest& request) -> FakeAnswer {
    const bool second = request.target.find("cursor=c2") != std::string::npos;
    return {
        .body =
            second
                ? R"({"transactions":[{"id":"a","definition":"order","version":3,"status":"completed"}],"next":null})"
                : R"({"transactions":[{"id":"b","definition":"order","version":3,"status":"attention","attributes":{"k":"v"}}],"next":"c2"})"};
  });
  const Ran first = run_with(
      server, "tx list --status attention --definition order --since 2026-11-20T00:00:00Z --attr k=v --limit 1");
  EXPECT_THAT(first.out, HasSubstr("b   order 3     attention"));
  EXPECT_THAT(first.err, HasSubstr("--cursor c2"));
  EXPECT_EQ(server.requests()[0].target,
            "/v1/transactions?status=attention&definition=order&since=2026-11-20T00%3A00%3A00.000Z&attr.k=v&limit=1");
  const Ran all = run_with(server, "tx list --all");
  EXPECT_THAT(all.out, HasSubstr("\na "));
  EXPECT_EQ(all.err, "");
  const Ran machine = run_with(server, "tx list --json");
  EXPECT_EQ(Json::parse(machine.out)->at("/transactions/0/id").string(), "b");
}

TEST_F(Cli, TxHistoryPrintsATableOrLines) {
  const std::string line =
      R"({"sequence":1,"position":1,"recorded_at":"2026-11-20T15:49:51.123Z","kind":"transaction_started","definition":"order"})";
  FakeServer server([&](const FakeRequest& request) -> FakeAnswer {
    return {.body = request.target.find("from=1&") != std::string::npos ? line + "\n" : ""};
  });
  EXPECT_THAT(run_with(server, "tx history o-17").out,
              HasSubstr("1         2026-11-20 15:49:51.123Z  transaction_started         definition=order"));
  EXPECT_EQ(run_with(server, "--json tx history o-17").out, line + "\n");
}

TEST_F(Cli, TxCancelSendsWhoAsks) {
  FakeServer server(always({.body = R"({"id":"o-17","status":"compensating","phase":"compensating","sequence":20})"}));
  EXPECT_EQ(run_with(server, "tx cancel o-17 --reason 'customer called' --request-id c-1").out,
            "o-17  compensating  at 20\n");
  EXPECT_EQ(server.requests()[0].body, R"({"reason":"customer called","who":"anna","request_id":"c-1"})");
  EXPECT_EQ(run_with(server, "tx cancel o-17").exit_code, 2) << "a reason is required";
}

TEST_F(Cli, TxTerminateAndResolveSendWhatIsAsked) {
  FakeServer server(always({.body = R"({"id":"o-17","status":"terminated","phase":"terminated","sequence":20})"}));
  EXPECT_EQ(run_with(server, "tx terminate o-17 --reason settled --who otto --request-id t-1").out,
            "o-17  terminated  at 20\n");
  EXPECT_EQ(server.requests()[0].target, "/v1/transactions/o-17/terminate");
  EXPECT_EQ(server.requests()[0].body, R"({"reason":"settled","who":"otto","request_id":"t-1"})");
  EXPECT_EQ(run_with(server, "tx resolve o-17 2 give_up --reason lost --request-id r-1").exit_code, 0);
  EXPECT_EQ(server.requests()[1].target, "/v1/transactions/o-17/incidents/2/resolve");
  EXPECT_EQ(server.requests()[1].body, R"({"reason":"lost","who":"anna","request_id":"r-1","resolution":"give_up"})");
  EXPECT_EQ(run_with(server, "tx resolve o-17 3 force_failed --reason gone").exit_code, 0);
  EXPECT_EQ(run_with(server, "tx resolve o-17 2 forget --reason lost").exit_code, 2) << "no such resolution";
  EXPECT_EQ(run_with(server, "tx resolve o-17 2 retry").exit_code, 2) << "a reason is required";
}

TEST_F(Cli, TxPauseAndResumeSendWhoAsks) {
  FakeServer server(always({.body = R"({"id":"o-17","status":"paused","phase":"running","sequence":20})"}));
  EXPECT_EQ(run_with(server, "tx pause o-17 --reason counting --request-id p-1").out, "o-17  paused  at 20\n");
  EXPECT_EQ(server.requests()[0].target, "/v1/transactions/o-17/pause");
  EXPECT_EQ(server.requests()[0].body, R"({"reason":"counting","who":"anna","request_id":"p-1"})");
  EXPECT_EQ(run_with(server, "tx resume o-17 --reason counted --who otto --request-id p-2").exit_code, 0);
  EXPECT_EQ(server.requests()[1].target, "/v1/transactions/o-17/resume");
  EXPECT_EQ(server.requests()[1].body, R"({"reason":"counted","who":"otto","request_id":"p-2"})");
  EXPECT_EQ(run_with(server, "tx pause o-17").exit_code, 2) << "a reason is required";
}

TEST_F(Cli, QueueSetPauseAndResumeSendWhatIsAsked) {
  FakeServer server(
      always({.body = R"({"queue":"a b","rate":{"per_second":0.5,"burst":3},"concurrency":8,"paused":true})"}));
  EXPECT_EQ(run_with(server, "queue set 'a b' --rate 0.5 --burst 3 --concurrency 8 --reason slow --request-id r").out,
            "a b  paused  leases at most 8  rate 0.5/s, 3 at once\n");
  EXPECT_EQ(server.requests()[0].target, "/v1/queues/a%20b");
  EXPECT_EQ(server.requests()[0].body,
            R"({"reason":"slow","who":"anna","request_id":"r","rate":{"per_second":0.5,"burst":3},"concurrency":8})");
  EXPECT_EQ(run_with(server, "queue set q --reason free --request-id r2").exit_code, 0);
  EXPECT_EQ(server.requests()[1].body, R"({"reason":"free","who":"anna","request_id":"r2"})");
  for (const std::string what : {"pause", "resume"}) {
    EXPECT_EQ(run_with(server, "queue " + what + " q --reason r --who otto --request-id p").exit_code, 0);
    EXPECT_EQ(server.requests().back().target, "/v1/queues/q/" + what);
    EXPECT_EQ(server.requests().back().body, R"({"reason":"r","who":"otto","request_id":"p"})");
    EXPECT_EQ(run_with(server, "queue " + what + " q").exit_code, 2) << "a reason is required";
  }
  EXPECT_NE(run_with(server, "queue set q --burst 3 --reason r").exit_code, 0) << "a burst of what?";
  EXPECT_EQ(server.requests().size(), 4u);
}

TEST_F(Cli, QueueListAndShow) {
  FakeServer server([](const FakeRequest& request) -> FakeAnswer {
    const std::string queue =
        R"({"queue":"q","rate":null,"concurrency":8,"paused":false,"reason":"slow","who":"anna","changed_at":"2020-01-01T00:00:00.000Z","ready":12,"leased":8,"waiting_polls":1})";
    return {.body = request.target == "/v1/queues" ? R"({"queues":[)" + queue + "]}" : queue};
  });
  EXPECT_EQ(run_with(server, "queue list").out,
            "QUEUE  STATE  READY  LEASED  LIMIT  RATE  WAITING POLLS\nq      open   12     8       8      -     1\n");
  EXPECT_THAT(run_with(server, "queue list --json").out, StartsWith(R"({"queues":[{"queue":"q")"));
  const std::string shown = run_with(server, "queue show q").out;
  EXPECT_THAT(shown, HasSubstr("leases at most  8\n"));
  EXPECT_THAT(shown, HasSubstr(" by anna: slow\n"));
  EXPECT_EQ(server.requests().back().target, "/v1/queues/q");
}

TEST_F(Cli, DefPauseResumeAndDeprecateSendWhatIsAsked) {
  FakeServer server(always({.body = R"({"name":"order","paused":true,"deprecated":[1,3]})"}));
  EXPECT_EQ(run_with(server, "def pause order --reason r --request-id i").out, "order  paused  deprecated: 1, 3\n");
  EXPECT_EQ(server.requests()[0].target, "/v1/definitions/order/pause");
  EXPECT_EQ(server.requests()[0].body, R"({"reason":"r","who":"anna","request_id":"i"})");
  EXPECT_EQ(run_with(server, "def resume order --reason r").exit_code, 0);
  EXPECT_EQ(server.requests()[1].target, "/v1/definitions/order/resume");
  EXPECT_EQ(run_with(server, "def deprecate order 3 --reason r --request-id i").exit_code, 0);
  EXPECT_EQ(server.requests()[2].body, R"({"reason":"r","who":"anna","request_id":"i","version":3})");
  EXPECT_EQ(run_with(server, "def deprecate order 3 --take-back --reason r --request-id i").exit_code, 0);
  EXPECT_EQ(server.requests()[3].target, "/v1/definitions/order/deprecate");
  EXPECT_EQ(server.requests()[3].body,
            R"({"reason":"r","who":"anna","request_id":"i","version":3,"deprecated":false})");
}

TEST_F(Cli, TxSignalSendsNameIdAndPayload) {
  FakeServer server(always({.body = R"({"id":"o-17","status":"running","phase":"running","sequence":20})"}));
  EXPECT_EQ(run_with(server, R"(tx signal o-17 decision --id s-1 --payload '{"answer":1.0}')").out,
            "o-17  running  at 20\n");
  EXPECT_EQ(server.requests()[0].target, "/v1/transactions/o-17/signals/decision");
  EXPECT_EQ(server.requests()[0].body, R"({"signal_id":"s-1","payload":{"answer":1.0}})");
  EXPECT_EQ(run_with(server, "tx signal o-17 decision --payload '{'").exit_code, 2);
  EXPECT_EQ(run_with(server, "tx signal o-17").exit_code, 2) << "a name is required";
}

TEST_F(Cli, TxReportSendsWhatBecameOfAnExternalTask) {
  FakeServer server(always(
      {.body = R"({"id":"o","first_sequence":5,"sequence":6,"status":"running","phase":"running","repeated":false})"}));
  EXPECT_EQ(run_with(server, "tx report o ship/book --output '[1.0]' --event-id e-1 --expected 4").out,
            "o  running  at 6\n");
  EXPECT_EQ(server.requests()[0].body,
            R"({"expected":4,"events":[{"event_id":"e-1","task":"ship/book","result":"done","output":[1.0]}]})");
  EXPECT_EQ(
      run_with(server,
               "tx report o pack/label --instance 2 --error no_room --message full --effect-unknown --event-id e-2")
          .exit_code,
      0);
  EXPECT_EQ(server.requests()[1].body,
            R"({"expected":"any","events":[{"event_id":"e-2","task":"pack/label","instance":2,"result":"failed",)"
            R"("error":{"code":"no_room","message":"full"},"effect":"unknown"}]})");
  EXPECT_EQ(run_with(server, "tx report o ship").exit_code, 2) << "STEP/TASK";
  EXPECT_EQ(run_with(server, "tx report o a/b --error e --output 1").exit_code, 2) << "one or the other";
  EXPECT_EQ(server.requests().size(), 2u);
}

TEST_F(Cli, TxAppendSendsOneOrMany) {
  FakeServer server(always(
      {.body =
           R"({"id":"A","first_sequence":5,"sequence":5,"state":"Payment","status":"running","phase":"running","repeated":false})"}));
  const Ran one =
      run_with(server, R"(tx append A --on Payment --data '{"amount":"35.00"}' --event-id e-1 --expected 4)");
  EXPECT_EQ(one.out, "A  running  state Payment  at 5\n") << one.err;
  EXPECT_EQ(server.requests()[0].body,
            R"({"expected":4,"events":[{"id":"e-1","on":"Payment","data":{"amount":"35.00"}}]})");
  run_with(server, R"(tx append A --expected none --events '[{"id":"x","on":"a"},{"id":"y","on":"b","data":1.0}]')");
  EXPECT_EQ(server.requests()[1].body,
            R"({"expected":"none","events":[{"id":"x","on":"a"},{"id":"y","on":"b","data":1.0}]})");
  EXPECT_EQ(run_with(server, "tx append A").exit_code, 2);
  EXPECT_EQ(run_with(server, "tx append A --on a --expected soon").exit_code, 2);
}

TEST_F(Cli, ReplayShowsWhatChangedAndWhatBecameDue) {
  FakeServer server(always(
      {.body =
           R"({"sequence":7,"recorded_at":"2026-11-20T15:49:51.123Z","kind":"task_completed","event":{"step":"reserve","task":"stock"},"changes":["task reserve/stock: leased -> done"],"due":["deadline of step reserve"],"phase":"running"}
{"sequence":8,"kind":"transaction_completed","event":{},"changes":[],"due":[],"phase":"completed"}
)"}));
  EXPECT_EQ(run_with(server, "replay o-17 --to 7").out,
            "#7  2026-11-20 15:49:51.123Z  task_completed  reserve/stock  [running]\n"
            "    task reserve/stock: leased -> done\n"
            "    due: deadline of step reserve\n");
  EXPECT_THAT(run_with(server, "replay o-17 --from 8").out, HasSubstr("[completed]"));
}

TEST_F(Cli, ProblemsSayWhatHappenedAndWhatToDo) {
  FakeServer server(always(FakeAnswer::problem(409, "wrong_sequence", R"(,"current_sequence":6)")));
  const Ran people = run_with(server, "tx append A --on a");
  EXPECT_EQ(people.exit_code, 5);
  EXPECT_EQ(people.out, "");
  EXPECT_EQ(people.err, "dta: T (wrong_sequence)\n  D of wrong_sequence\n  the transaction is at sequence 6\n  -> A\n");
  const Ran machine = run_with(server, "tx append A --on a --json");
  EXPECT_EQ(machine.exit_code, 5);
  EXPECT_EQ(Json::parse(machine.err)->at("/current_sequence").natural(), 6u);
}

TEST_F(Cli, NoServerIsExitCode6WithAWayOut) {
  std::string url;
  {
    FakeServer server(always({}));
    url = server.url();
  }
  const Ran ran = run("--server " + url + " tx show a");
  EXPECT_EQ(ran.exit_code, 6);
  EXPECT_THAT(ran.err, HasSubstr("dta server"));
  EXPECT_THAT(ran.err, HasSubstr(url));
  EXPECT_EQ(run("--server nonsense tx show a").exit_code, 2);
}

TEST_F(Cli, TheServerMayComeFromTheEnvironment) {
  FakeServer server(always({.body = R"({"id":"a","status":"running"})"}));
  setenv("DTA_SERVER", server.url().c_str(), 1);
  EXPECT_EQ(run("tx show a").exit_code, 0);
  unsetenv("DTA_SERVER");
}

// Paths of all commands, e.g. "dta tx start", as the fish script knows them: one line for each.
TEST_F(Cli, CompletionScriptsAreValidAndKnowEveryCommand) {
  const Ran bash = run("completion bash");
  EXPECT_EQ(std::system(("bash -n " + file("dta.bash", bash.out)).c_str()), 0);
  // Ask the script itself, as a shell does.
  const std::string probe = file("probe.bash", bash.out + R"(
COMP_WORDS=(dta tx sta); COMP_CWORD=2; _dta; echo "${COMPREPLY[@]}"
COMP_WORDS=(dta tx start --at); COMP_CWORD=3; _dta; echo "${COMPREPLY[@]}"
COMP_WORDS=(dta comp); COMP_CWORD=1; _dta; echo "${COMPREPLY[@]}"
)");
  EXPECT_EQ(std::system(("bash " + probe + " >" + (directory_ / "probed").string()).c_str()), 0);
  EXPECT_EQ(content_of(directory_ / "probed"), "start\n--attr\ncompletion\n");
  EXPECT_THAT(run("completion zsh").out, StartsWith("#compdef dta"));
  EXPECT_THAT(run("completion fish").out, HasSubstr("-a history"));
  EXPECT_EQ(run("completion tcsh").exit_code, 2);
}

TEST_F(Cli, EveryCommandIsInTheManual) {
  const std::string manual = content_of(DTA_SOURCE_DIR "/docs/cli.md");
  const std::string zsh = run("completion zsh").out;
  std::size_t commands = 0;
  for (std::size_t at = zsh.find("'dta "); at != std::string::npos; at = zsh.find("'dta ", at + 1)) {
    const std::string path = zsh.substr(at + 1, zsh.find('\'', at + 1) - at - 1);
    EXPECT_THAT(manual, HasSubstr("`" + path)) << path;
    ++commands;
  }
  EXPECT_GE(commands, 20u);
}

}  // namespace
}  // namespace dta::cli
