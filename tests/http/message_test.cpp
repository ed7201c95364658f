// The request readers by themselves: whatever pieces the bytes arrive in, the outcome is the same.
#include "server/http_message.h"

#include <gtest/gtest.h>

#include "server/http_routes.h"

namespace dta::server {
namespace {

struct Outcome {
  Feed feed = Feed::more;
  std::size_t used = 0;
  std::string detail;
  bool operator==(const Outcome&) const = default;
};

template <class Reader>
Outcome read_in_pieces(Reader& reader, std::string_view bytes, std::size_t piece) {
  Outcome outcome;
  for (std::size_t arrived = 0; arrived < bytes.size() && outcome.feed == Feed::more;) {
    arrived = std::min(arrived + piece, bytes.size());
    std::size_t used = 0;
    outcome.feed = reader.feed(bytes.substr(outcome.used, arrived - outcome.used), used);
    if (outcome.feed != Feed::fault) outcome.used += used;
  }
  if (outcome.feed == Feed::fault) outcome = {Feed::fault, 0, reader.fault().message};
  return outcome;
}

Outcome read_head(std::string_view bytes, std::size_t piece = SIZE_MAX / 2) {
  HeadReader reader;
  return read_in_pieces(reader, bytes, piece);
}

constexpr std::string_view kHeads[] = {
    "GET / HTTP/1.1\r\nHost: a\r\n\r\nrest",
    "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\nContent-Length: 003\r\n\r\n",
    "POST /x HTTP/1.1\r\nHOST:a\r\ntransfer-encoding: Chunked\r\nConnection: foo, close\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nX: \xff\t\xfe\r\n\r\n",
    "GET / HTTP/1.0\r\n\r\n",
    "GET / HTTP/1.1\nHost: a\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\n X: folded\r\n\r\n",
    "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551616\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\n",
    "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
    "GET / HTTP/1.1\r\nX: y\r\n\r\n",
    "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET / HTTP/2.0\r\nHost: a\r\n\r\n",
    "GET /\x80 HTTP/1.1\r\nHost: a\r\n\r\n",
};

TEST(HeadReader, DoesNotCareHowBytesArrive) {
  for (const std::string_view head : kHeads) {
    const Outcome whole = read_head(head);
    EXPECT_NE(whole.feed, Feed::more) << head;
    for (const std::size_t piece : {1u, 2u, 3u, 7u})
      EXPECT_EQ(read_head(head, piece), whole) << head << " by " << piece;
  }
}

TEST(HeadReader, TakesTheFirstFiveAndNoOther) {
  std::size_t index = 0;
  for (const std::string_view head : kHeads) EXPECT_EQ(read_head(head).feed == Feed::done, index++ < 5) << head;
}

TEST(HeadReader, LeavesWhatFollows) {
  EXPECT_EQ(read_head(kHeads[0]).used, kHeads[0].size() - 4);
}

TEST(HeadReader, ReadsTheFieldsThatCount) {
  HeadReader reader;
  read_in_pieces(reader,
                 "PUT /a?b HTTP/1.1\r\nhost: h:1\r\nORIGIN: o\r\nContent-Type: \t c \r\nContent-Length: 7\r\n"
                 "Expect: 100-Continue\r\nConnection: , Close\r\n\r\n",
                 1000);
  const RequestHead& head = reader.head();
  EXPECT_EQ(head.method, "PUT");
  EXPECT_EQ(head.target, "/a?b");
  EXPECT_EQ(head.host, "h:1");
  EXPECT_EQ(head.origin, "o");
  EXPECT_EQ(head.content_type, "c");
  EXPECT_EQ(head.content_length, 7u);
  EXPECT_TRUE(head.expects_continue);
  EXPECT_FALSE(head.keep_alive);
  reader.reset();
  read_in_pieces(reader, "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\nExpect: 100-continue\r\n\r\n", 1000);
  EXPECT_TRUE(reader.head().keep_alive);
  EXPECT_FALSE(reader.head().expects_continue);  // not before HTTP/1.1
  EXPECT_FALSE(reader.head().has_host || reader.head().has_origin || reader.head().has_content_length);
}

TEST(ChunkReader, DoesNotCareHowBytesArrive) {
  struct {
    std::string_view bytes, body;
  } const cases[] = {
      {"5\r\nhello\r\n0\r\n\r\nGET", "hello"},
      {"5;a;b=c;d=\"x\\\" y\" ; e = f\r\nhello\r\n6\r\n world\r\n000\r\nT: u\r\n\r\n", "hello world"},
      {"5 \r\nhello\r\n0\r\n\r\n", ""},
      {"5;\r\nhello\r\n0\r\n\r\n", ""},
      {"5\nhello\r\n0\r\n\r\n", ""},
      {"5\r\nhelloX\r\n0\r\n\r\n", ""},
      {"x\r\n", ""},
      {"10000000000000000\r\n", ""},
      {"0\r\nbad trailer\r\n\r\n", ""},
      {"5;a=\"b\r\nhello\r\n", ""},
  };
  for (const auto& one : cases) {
    ChunkReader whole;
    const Outcome expected = read_in_pieces(whole, one.bytes, 1000);
    EXPECT_EQ(expected.feed, one.body.empty() ? Feed::fault : Feed::done) << one.bytes;
    EXPECT_TRUE(one.body.empty() || whole.body() == one.body);
    for (const std::size_t piece : {1u, 2u, 5u}) {
      ChunkReader reader;
      EXPECT_EQ(read_in_pieces(reader, one.bytes, piece), expected) << one.bytes << " by " << piece;
    }
  }
}

TEST(ChunkReader, LimitsWhatIsNotBody) {
  ChunkReader reader;
  std::size_t used = 0;
  EXPECT_EQ(reader.feed("1;" + std::string(20'000, 'x'), used), Feed::fault);
  EXPECT_EQ(reader.fault().code, schema::ErrorCode::headers_too_large);
  ChunkReader trailers;
  std::string text = "0\r\n";
  for (int i = 0; i < 5000; ++i) text += "a: b\r\n";
  EXPECT_EQ(trailers.feed(text, used), Feed::fault);
}

TEST(PercentDecoding, TakesWholeEscapesOnly) {
  EXPECT_EQ(percent_decode("a%20%c3%BC+"), "a ü+");
  EXPECT_EQ(percent_decode("%00"), std::string(1, '\0'));
  for (const std::string_view broken : {"%", "%2", "%zz", "a%2"}) EXPECT_FALSE(percent_decode(broken)) << broken;
}

TEST(Utf8, IsCheckedByTheTableOfUnicode) {
  for (const std::string_view good : {"", "a", "ü", "€", "😀", "\xed\x9f\xbf", "\xf4\x8f\xbf\xbf"})
    EXPECT_TRUE(is_utf8(good));
  for (const std::string_view bad : {"\x80", "\xc0\x80", "\xe0\x80\x80", "\xed\xa0\x80", "\xf0\x80\x80\x80",
                                     "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xc3", "\xe2\x82"})
    EXPECT_FALSE(is_utf8(bad));
}

}  // namespace
}  // namespace dta::server
