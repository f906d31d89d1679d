// Package verify judges signed zones: would a validator accept these records at
// this moment, and does this response prove what it says? It takes plain
// records in wire form and shares no code with the packages that make them, so
// that a mistake of theirs is not repeated here.
//
// Zone judges a whole zone, Changes what one edit needs before it is served,
// Answer a response.
package verify

import (
	"iter"
	"time"
)

// Record is one resource record of class IN in wire form.
type Record struct {
	Owner []byte // uncompressed, any case
	Type  uint16
	TTL   uint32 // seconds
	RData []byte // names uncompressed
}

// Options say how to judge.
type Options struct {
	// Now is the moment at which signatures must be valid.
	Now time.Time
	// Remaining is how long they must stay valid after Now.
	Remaining time.Duration
	// Announced are DNSKEY RDATA of keys that may sign without being in the
	// DNSKEY set: those of an algorithm that comes or goes (RFC 6781 section
	// 4.1.4), whose signatures are there before and after its keys.
	Announced [][]byte
	// Beside are DNSKEY RDATA of keys that CDS and CDNSKEY may name beside those
	// of the DNSKEY set: keys of other views of the zone, which have the same parent.
	Beside [][]byte
	// DS are the RDATA of the DS records that the parent is known to hold, or
	// nil. One of them must lead to a key that signs the DNSKEY set.
	DS [][]byte
	// ZSKOnly says that the key signing keys are elsewhere, so that CDS and
	// CDNSKEY may be signed by others (RFC 7344 section 4.1 wants theirs).
	ZSKOnly bool
	// Unsigned says that the zone is insecure on purpose: it must have no DNSSEC
	// record but DS at its delegations.
	Unsigned bool
	// MaxKeys bounds the DNSKEY records, MaxSignatures the signatures of an
	// RRset; 0 means 16 and 8. More of them burn validators, which answer by
	// giving up (CVE-2023-50387; 8 is what Unbound looks at).
	MaxKeys, MaxSignatures int
	// Signatures is called for every signature whose fields are right; a nil
	// error accepts it. Nil means Check.Verify. A Check and what it holds are
	// valid until the call returns: Clone what goes to another goroutine.
	Signatures func(Check) error
}

// Report is what was seen of a zone.
type Report struct {
	Names       int // owners of records, those of NSEC3 records not counted
	Records     int
	Sets        int // RRsets that must be signed, NSEC and NSEC3 included
	Signatures  int // RRSIG records
	NSEC3       bool
	OptOut      bool      // some NSEC3 record has the opt-out flag
	FirstExpiry time.Time // of the signature that expires first
}

// Zone judges a whole zone. Records of one owner must come together, owners in
// canonical order (RFC 4034 section 6.1), the apex first; owners of NSEC3
// records may stand anywhere after the apex, in canonical order among
// themselves. An error is of type *Error and names the records at fault.
func Zone(origin []byte, records iter.Seq[Record], o Options) (Report, error) {
	w := newWalk(origin, o)
	for r := range records {
		if !w.add(r) {
			break
		}
	}
	return w.end()
}
