// Package conformance holds the traffic between mailtether's drivers and its
// fakes against the official API descriptions: Microsoft's OpenAPI document
// for Graph and Google's discovery document for Gmail. A driver and a fake that
// share a misunderstanding do not pass it.
//
// It is a module of its own so that the OpenAPI library never becomes a
// requirement of a host. Run its tests with "go test ./..." in this folder: they
// run the tests of the root module with recording switched on, and check every
// exchange.
package conformance
