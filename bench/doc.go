// Package bench measures mailtether against what a host would otherwise use.
// It is a module of its own, so that the baselines stay out of the host's
// go.mod. Both sides of a comparison run in the same benchmark:
//
//	go test -bench . -benchmem
package bench
