//go:build race

package test

// With the race detector in the tests, the server is built with it, too.
func init() { buildFlags = append(buildFlags, "-race") }
