// Every limit of the system by name. What happens when one is hit is said beside it; `too_large` and `overloaded` are
// error codes (error.h). Sizes in bytes, counts in pieces.
#pragma once

#include <cstddef>
#include <cstdint>

namespace dta::schema::limits {

// Strings.
inline constexpr std::size_t kNameBytesMax = 64;       // definition, step, task, state, event names: invalid_definition
inline constexpr std::size_t kIdBytesMax = 256;        // callers' ids: invalid_argument
inline constexpr std::size_t kQueueBytesMax = 128;     // queue names: invalid_definition / invalid_argument
inline constexpr std::size_t kWorkerBytesMax = 128;    // worker and poll ids: invalid_argument
inline constexpr std::size_t kErrorCodeBytesMax = 64;  // error codes of workers: invalid_argument
inline constexpr std::size_t kErrorMessageBytesMax = 4096;  // messages of workers: cut, never refused
inline constexpr std::size_t kReasonBytesMax = 4096;        // reasons of people: too_large
inline constexpr std::size_t kAttributesMax = 16;           // per transaction: invalid_argument
inline constexpr std::size_t kAttributeBytesMax = 256;      // key or value: invalid_argument
inline constexpr std::size_t kHeadersMax = 16;              // carried to workers: invalid_argument

// Documents.
inline constexpr std::size_t kPayloadBytesMax = 4u << 20;     // one payload: too_large
inline constexpr std::size_t kBodyBytesMax = 16u << 20;       // one HTTP body: too_large
inline constexpr std::size_t kHeaderBytesMax = 16u << 10;     // HTTP header section: headers_too_large
inline constexpr std::size_t kDefinitionBytesMax = 1u << 20;  // too_large
inline constexpr std::size_t kJsonDepthMax = 128;             // too_large

// Definitions.
inline constexpr std::size_t kStepsMax = 1000;
inline constexpr std::size_t kTasksPerStepMax = 10000;
inline constexpr std::size_t kTasksMax = 20000;
inline constexpr std::size_t kStatesMax = 1000;
inline constexpr std::size_t kTransitionsMax = 10000;
inline constexpr std::size_t kAttemptsMax = 1000000;
inline constexpr std::size_t kFaultsMax = 1000;  // listed for one document; the rest is left out

// Requests.
inline constexpr std::size_t kSignalsMax = 1000;       // signals taken by one transaction: too_large
inline constexpr std::size_t kAppendEventsMax = 1000;  // events in one append: too_large
inline constexpr std::size_t kResultsMax = 1000;       // items in one complete / fail / heartbeat / release: too_large
inline constexpr std::size_t kLeaseMax = 1000;         // tasks handed out to one poll; more is clamped
inline constexpr std::size_t kPollQueuesMax = 64;      // queues named by one poll: invalid_argument
inline constexpr std::int64_t kWaitMsMax = 60'000;     // wait_ms of polls, starts and gets; more is clamped
inline constexpr std::size_t kListPageMax = 1000;      // rows of one page; more is clamped
inline constexpr std::size_t kListPageDefault = 100;

// Queues.
inline constexpr std::uint8_t kPriorityMax = 9;              // of a start: invalid_argument
inline constexpr std::uint32_t kConcurrencyMax = 1'000'000;  // open leases of a queue: invalid_argument
inline constexpr std::uint32_t kBurstMax = 1'000'000;        // invalid_argument
inline constexpr std::uint32_t kPerSecondMax = 1'000'000;    // invalid_argument

// The service.
inline constexpr std::size_t kInboxMax = 20'000;            // requests waiting for the partition: overloaded
inline constexpr std::size_t kInboxBytesMax = 256u << 20;   // their bodies: overloaded
inline constexpr std::size_t kBodiesBytesMax = 256u << 20;  // of bodies being received, all connections: overloaded
inline constexpr std::size_t kConnectionsMax = 20'000;      // more are closed at once with overloaded
inline constexpr std::size_t kBatchBytesMax = 4u << 20;     // a batch that has reached this takes no further record
inline constexpr std::size_t kClosedCacheMax = 4096;        // ended transactions kept in memory

}  // namespace dta::schema::limits
