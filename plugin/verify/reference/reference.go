// Package reference is a slow and obvious authoritative lookup, and a model of
// a cache that believes proofs (RFC 8198). Tests compare the real thing with it.
package reference
