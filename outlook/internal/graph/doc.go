// Package graph speaks Microsoft Graph for the outlook driver, in plain Go
// types. It is the only place that imports msgraph-sdk-go, and it uses of it
// what earns its weight: request builders and models describe writes and
// control calls (paths, property names, enums). The requests themselves are
// carried by the driver's gate, without the SDK's middleware, and answers are
// decoded here:
//
//   - the SDK's middleware repeats a POST after 429, 503 and 504, which would
//     send mail twice;
//   - its error types lose the status of answers that are not JSON, and one of
//     them panics;
//   - its models cost hundreds of allocations for each message, which bulk reads
//     cannot afford: BenchmarkPage measures both.
//
// Bodies that are MIME and the calls inside a batch have no builder; they are
// written by hand.
package graph
