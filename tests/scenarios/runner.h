// Runs a script at one depth and gives the text that belongs below each command. Test thread only.
//
//   definition {...}                          publish; says something only when it is refused or known
//   start ID [NAME[@VERSION]] [INPUT] [header k=v] [attribute k=v]
//   lease QUEUE[,QUEUE] as WORKER [max N] [poll ID]
//   complete LEASE [OUTPUT] [found nothing]   LEASE is a name from a hand-out: stock#1, undo:stock#1, o-2/stock#1
//   fail LEASE CODE ["message"] [not-retryable] [unknown] [details JSON]
//   release LEASE [after D]                   results joined by & are one request
//   heartbeat LEASE [DETAIL]
//   cancel | terminate ID ["reason"] [by WHO] [request ID]
//   resolve ID NUMBER RESOLUTION ["reason"] [by WHO] [request ID]
//   signal ID NAME [JSON] [id SIGNAL]
//   pause | resume ID ["reason"] [by WHO] [request ID]
//   report ID STEP/TASK[/N] done [JSON] | failed CODE ["message"] [unknown] [id ID] [& STEP/TASK ...]
//   append ID EVENT [id ID] [DATA] [& EVENT ...] [expecting N|none]      "append ID nothing" appends no event
//   at D | advance D                          moves the clock, fires what is due, once
//   restart                                   everything that is not in the log is forgotten
//   show ID | due ID                          where it stands | what pending() says
#pragma once

#include <string>
#include <vector>

#include "tests/scenarios/depth.h"
#include "tests/scenarios/script.h"

namespace dta::scenarios {

// One text for each command. A command that makes no sense gives a line that begins with "-> script error".
std::vector<std::string> run(const Script& script, Depth& depth);

}  // namespace dta::scenarios
