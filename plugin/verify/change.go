package verify

import (
	"errors"
	"iter"
)

// ErrWhole says that a change concerns the whole zone (its keys, its denial of
// existence, its negative TTL), so that only Zone can judge it.
var ErrWhole = errors.New("the change concerns the whole zone")

// View looks names up in one version of a zone. Returned slices and sequences
// must stay as they are during a call of Changes.
type View interface {
	// Owner yields every record that owner (wire form, lower case) owns, RRSIG
	// and NSEC included; the owner names of NSEC3 records are names like any
	// other. It yields nothing for a name that owns nothing.
	Owner(owner []byte) iter.Seq[Record]
	// After returns the first name after owner in canonical order that is in
	// the zone, occluded ones included, owners of NSEC3 records not; empty
	// non-terminals may be left out. It returns nil after the last.
	After(owner []byte) []byte
	// Before returns the last owner before owner in the chain: of an NSEC record
	// in canonical order, or where the chain is NSEC3, and owner is the owner
	// name of such a record or would be, in hash order. Before the first comes the last.
	Before(owner []byte) []byte
}

// Update is the step from one version of a zone, already judged, to the next.
type Update struct {
	Old, New View
	// Changed yields the names (wire form, lower case) whose records or
	// signatures differ; for NSEC3 also the owner names of such records. Names
	// of which only the NSEC or NSEC3 record had to change, because a neighbour
	// came or went, may be left out.
	Changed iter.Seq[[]byte]
	// WasAnnounced are the Announced keys that the old version was judged by.
	WasAnnounced [][]byte
}

// Changes judges what an update changes: the records and signatures of the
// changed names, and their neighbours in the chain.
func Changes(origin []byte, u Update, o Options) (Report, error) { return Report{}, nil }
