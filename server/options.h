// What a server may be told. Parsed by cli/server.cpp; checked and used by run.cpp, the composition root.
#pragma once

#include <cstdint>
#include <string>

#include "schema/limits.h"
#include "schema/time.h"

namespace dta::server {

struct Options {
  std::string data = "./dta-data";  // directory of the log; made when missing
  std::string listen_host = "127.0.0.1";
  std::uint16_t listen_port = 7117;  // 0: any free one; the line "listening on HOST:PORT" tells
  bool insecure = false;             // needed for any address that is not loopback, until there is authentication
  schema::Duration grace{30'000};    // after opening, no timer but backoff fires before this has passed
  schema::Duration checkpoint_every{60'000};
  std::size_t closed_cache = schema::limits::kClosedCacheMax;  // ended transactions kept in memory
};

}  // namespace dta::server
