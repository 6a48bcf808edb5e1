// Package integration tests mailtether on real services: PostgreSQL and SQLite,
// with several processes that are killed at bad moments. It is a module of its
// own, so that the drivers stay out of the host's go.mod.
//
// SQLite needs nothing. What needs a service is skipped, and says so, unless an
// environment variable names it; one script installs, starts and names all of
// them:
//
//	eval "$(.ci/services start)"
//	go test ./...
//	.ci/services stop
//
// With MAILTETHER_REQUIRE_SERVICES=1 a missing service is a failure.
package integration
